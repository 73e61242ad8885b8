//! Encrypted binary nodes over frames, and shorthands to take a node apart.

use wacore_binary::{Jid, Node, NodeContent, OwnedNodeRef};
use wacore_noise::NoiseCipher;

use super::WireError;
use super::frame::{FrameReader, FrameWriter};

/// The stanzas a client sends.
pub struct StanzaReader {
    frames: FrameReader,
    cipher: NoiseCipher,
    counter: u32,
}

/// The stanzas a client receives.
pub struct StanzaWriter {
    frames: FrameWriter,
    cipher: NoiseCipher,
    counter: u32,
}

impl StanzaReader {
    /// Reads after a handshake.
    pub fn new(frames: FrameReader, cipher: NoiseCipher) -> StanzaReader {
        StanzaReader {
            frames,
            cipher,
            counter: 0,
        }
    }

    /// The next stanza; waits for it.
    ///
    /// # Errors
    /// [`WireError::Closed`] at the end of the connection.
    pub async fn next(&mut self) -> Result<Node, WireError> {
        let mut frame = self.frames.next().await?;
        self.cipher
            .decrypt_in_place_with_counter(self.counter, &mut frame)?;
        self.counter += 1;
        let unpacked = wacore_binary::util::unpack_bytes(frame)?;
        Ok(OwnedNodeRef::new(unpacked)?.to_owned_node())
    }
}

impl StanzaWriter {
    /// Writes after a handshake.
    pub fn new(frames: FrameWriter, cipher: NoiseCipher) -> StanzaWriter {
        StanzaWriter {
            frames,
            cipher,
            counter: 0,
        }
    }

    /// Sends one stanza.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone.
    pub async fn send(&mut self, node: &Node) -> Result<(), WireError> {
        let mut frame = wacore_binary::marshal(node)?;
        self.cipher
            .encrypt_in_place_with_counter(self.counter, &mut frame)?;
        self.counter += 1;
        self.frames.send(&frame).await
    }

    /// Sends a frame that is not encrypted: no stanza, and nothing that a client can decrypt.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone.
    pub async fn frame(&mut self, payload: &[u8]) -> Result<(), WireError> {
        self.frames.send(payload).await
    }

    /// Sends bytes that are no frame.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone.
    pub async fn bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.frames.bytes(bytes).await
    }

    /// Closes the connection in order.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone already.
    pub async fn close(&mut self) -> Result<(), WireError> {
        self.frames.close().await
    }
}

/// Shorthands to read a node.
pub trait NodeExt {
    /// An attribute as text; empty when it is absent.
    fn text(&self, attribute: &str) -> String;
    /// An attribute as an address.
    fn jid(&self, attribute: &str) -> Option<Jid>;
    /// A child by the tags on the way to it.
    fn child(&self, path: &[&str]) -> Option<&Node>;
    /// The children; none when there is no content or it is no list.
    fn nodes(&self) -> &[Node];
    /// The content as bytes; empty when it is absent.
    fn bytes(&self) -> &[u8];
    /// The content as an unsigned number, big endian.
    fn number(&self) -> u32;
    /// The content as a key of 32 bytes.
    fn key(&self) -> Option<[u8; 32]>;
}

impl NodeExt for Node {
    fn text(&self, attribute: &str) -> String {
        self.attrs
            .get(attribute)
            .map(|value| value.as_str().into_owned())
            .unwrap_or_default()
    }

    fn jid(&self, attribute: &str) -> Option<Jid> {
        self.attrs.get(attribute)?.to_jid()
    }

    fn child(&self, path: &[&str]) -> Option<&Node> {
        self.get_optional_child_by_tag(path)
    }

    fn nodes(&self) -> &[Node] {
        self.children().unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        match &self.content {
            Some(NodeContent::Bytes(bytes)) => bytes,
            Some(NodeContent::String(text)) => text.as_bytes(),
            Some(NodeContent::Nodes(_)) | None => &[],
        }
    }

    fn number(&self) -> u32 {
        self.bytes()
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    fn key(&self) -> Option<[u8; 32]> {
        self.bytes().try_into().ok()
    }
}
