//! The wire: what WhatsApp's server speaks below stanzas.
//!
//! - [`cert`]: the server's keys and the certificate chain that vouches for them
//! - [`frame`]: length-prefixed frames over a WebSocket
//! - [`noise`]: the responder of the three handshakes
//! - [`stanza`]: encrypted binary nodes, and shorthands to take them apart

pub mod cert;
pub mod frame;
pub mod noise;
pub mod stanza;

/// Why a connection broke at the wire.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The WebSocket failed or the peer does not speak it.
    #[error("the WebSocket failed: {0}")]
    WebSocket(#[from] tokio_websockets::Error),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The first bytes are not WhatsApp's connection header.
    #[error("the connection does not begin with WhatsApp's header")]
    Header,
    /// A frame is larger than the protocol allows.
    #[error("a frame is larger than the protocol allows")]
    FrameTooLarge,
    /// The Noise handshake failed.
    #[error("the Noise handshake failed: {0}")]
    Handshake(String),
    /// A frame does not decrypt.
    #[error("a frame does not decrypt: {0}")]
    Cipher(#[from] wacore_noise::NoiseError),
    /// A stanza does not parse.
    #[error("a stanza does not parse: {0}")]
    Node(#[from] wacore_binary::BinaryError),
}
