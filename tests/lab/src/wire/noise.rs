//! The responder of the three Noise handshakes: XX (first contact), IK (a client that knows the server's key), and
//! XX-fallback (a client that knows an old one).
//!
//! The order of the steps mirrors the initiators in `wacore_noise`.

use buffa::Message as _;
use wacore_binary::consts::{
    NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER,
};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{HandshakeError, NoiseCipher, NoiseHandshake};
use waproto::whatsapp as wa;
use waproto::whatsapp::HandshakeMessage;
use waproto::whatsapp::handshake_message::{ClientHello, ServerHello};

use super::WireError;
use super::cert::{Authority, raw};
use super::frame::{FrameReader, FrameWriter};

/// Which handshake a client came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The client knew no key of the server.
    Xx,
    /// The client knew the server's key.
    Ik,
    /// The client knew a key that the server no longer has.
    XxFallback,
}

/// A client after its handshake.
pub struct Client {
    /// The handshake it came in by.
    pub pattern: Pattern,
    /// Its static Noise key, proved.
    pub noise_key: [u8; 32],
    /// What it says about itself.
    pub payload: wa::ClientPayload,
    /// Opens what the client sends.
    pub from_client: NoiseCipher,
    /// Seals what the client receives.
    pub to_client: NoiseCipher,
}

/// Answers the handshake a client starts.
///
/// # Errors
/// [`WireError`] when the client's messages do not verify or the connection ends.
pub async fn respond(
    reader: &mut FrameReader,
    writer: &mut FrameWriter,
    authority: &Authority,
) -> Result<Client, WireError> {
    let hello = message(&reader.next().await?)?
        .client_hello
        .into_option()
        .ok_or_else(|| malformed("it begins without a ClientHello"))?;
    let ephemeral = key(hello.ephemeral.as_deref())?;
    let chain = authority
        .chain()
        .map_err(|error| WireError::Handshake(error.to_string()))?;
    if hello.r#static.is_none() {
        return xx(Pattern::Xx, &ephemeral, &chain, reader, writer, authority).await;
    }
    match ik(&hello, &ephemeral, &chain, authority) {
        Ok((reply, client)) => {
            writer.send(&reply).await?;
            Ok(client)
        }
        // Its 0-RTT part was sealed for a key that is not ours: it is asked to start again.
        Err(_) => {
            xx(
                Pattern::XxFallback,
                &ephemeral,
                &chain,
                reader,
                writer,
                authority,
            )
            .await
        }
    }
}

async fn xx(
    pattern: Pattern,
    client_ephemeral: &[u8; 32],
    chain: &[u8],
    reader: &mut FrameReader,
    writer: &mut FrameWriter,
    authority: &Authority,
) -> Result<Client, WireError> {
    let name = match pattern {
        Pattern::XxFallback => NOISE_PATTERN_XXFALLBACK,
        Pattern::Xx | Pattern::Ik => NOISE_PATTERN_XX,
    };
    let server = authority.server_key();
    let mut noise = NoiseHandshake::new(name, &WA_CONN_HEADER).map_err(broken)?;
    noise.authenticate(client_ephemeral);
    let ephemeral = KeyPair::generate(&mut rand::rng());
    noise.authenticate(&raw(&ephemeral));
    noise
        .mix_shared_secret(ephemeral.private_key.serialize(), client_ephemeral)
        .map_err(broken)?;
    let sealed_static = noise.encrypt(&raw(server)).map_err(broken)?;
    noise
        .mix_shared_secret(server.private_key.serialize(), client_ephemeral)
        .map_err(broken)?;
    let sealed_chain = noise.encrypt(chain).map_err(broken)?;
    let reply = server_hello(&ephemeral, Some(sealed_static), sealed_chain);
    writer.send(&reply).await?;

    let finish = message(&reader.next().await?)?
        .client_finish
        .into_option()
        .ok_or_else(|| malformed("its second message is no ClientFinish"))?;
    let noise_key = noise
        .decrypt(finish.r#static.as_deref().unwrap_or_default())
        .map_err(broken)?;
    let noise_key = key(Some(&noise_key))?;
    noise
        .mix_shared_secret(ephemeral.private_key.serialize(), &noise_key)
        .map_err(broken)?;
    let payload = noise
        .decrypt(finish.payload.as_deref().unwrap_or_default())
        .map_err(broken)?;
    client(pattern, noise, noise_key, &payload)
}

/// Also gives the reply, which must be sent.
fn ik(
    hello: &ClientHello,
    client_ephemeral: &[u8; 32],
    chain: &[u8],
    authority: &Authority,
) -> Result<(Vec<u8>, Client), WireError> {
    let server = authority.server_key();
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER).map_err(broken)?;
    noise.authenticate(&raw(server));
    noise.authenticate(client_ephemeral);
    noise
        .mix_shared_secret(server.private_key.serialize(), client_ephemeral)
        .map_err(broken)?;
    let noise_key = noise
        .decrypt(hello.r#static.as_deref().unwrap_or_default())
        .map_err(broken)?;
    let noise_key = key(Some(&noise_key))?;
    noise
        .mix_shared_secret(server.private_key.serialize(), &noise_key)
        .map_err(broken)?;
    let payload = noise
        .decrypt(hello.payload.as_deref().unwrap_or_default())
        .map_err(broken)?;
    let ephemeral = KeyPair::generate(&mut rand::rng());
    noise.authenticate(&raw(&ephemeral));
    for theirs in [client_ephemeral, &noise_key] {
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), theirs)
            .map_err(broken)?;
    }
    let sealed_chain = noise.encrypt(chain).map_err(broken)?;
    let reply = server_hello(&ephemeral, None, sealed_chain);
    Ok((reply, client(Pattern::Ik, noise, noise_key, &payload)?))
}

fn client(
    pattern: Pattern,
    noise: NoiseHandshake,
    noise_key: [u8; 32],
    payload: &[u8],
) -> Result<Client, WireError> {
    // Named from the initiator's side: what it writes comes first.
    let (from_client, to_client) = noise.finish().map_err(broken)?;
    let payload = wa::ClientPayload::decode_from_slice(payload)
        .map_err(|_| malformed("its payload does not parse"))?;
    Ok(Client {
        pattern,
        noise_key,
        payload,
        from_client,
        to_client,
    })
}

fn server_hello(ephemeral: &KeyPair, sealed_static: Option<Vec<u8>>, chain: Vec<u8>) -> Vec<u8> {
    HandshakeMessage {
        server_hello: buffa::MessageField::some(ServerHello {
            ephemeral: Some(raw(ephemeral).to_vec()),
            r#static: sealed_static,
            payload: Some(chain),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

fn message(frame: &[u8]) -> Result<HandshakeMessage, WireError> {
    HandshakeMessage::decode_from_slice(frame).map_err(|_| malformed("a message does not parse"))
}

fn key(bytes: Option<&[u8]>) -> Result<[u8; 32], WireError> {
    bytes
        .unwrap_or_default()
        .try_into()
        .map_err(|_| malformed("a key is not 32 bytes long"))
}

fn malformed(what: &str) -> WireError {
    WireError::Handshake(what.to_owned())
}

fn broken(error: HandshakeError) -> WireError {
    WireError::Handshake(error.to_string())
}
