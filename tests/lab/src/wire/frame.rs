//! Length-prefixed frames over a WebSocket.
//!
//! A client opens with `WA`, a magic byte and its dictionary's version, preceded by routing data if it was given some
//! (`ED 00 01`, three bytes of length, the data). Then every frame is three bytes of length, big endian, and its
//! payload; frames do not respect the borders of WebSocket messages.

use bytes::{Buf, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};
use wacore_binary::consts::WA_CONN_HEADER;
use wacore_noise::framing::{FrameDecoder, encode_frame};

use super::WireError;

const ROUTING: &[u8] = b"ED\x00\x01";
/// `ED 00 01` and the three bytes of length.
const ROUTING_HEADER: usize = 7;

/// The frames a client sends.
pub struct FrameReader {
    socket: SplitStream<WebSocketStream<TcpStream>>,
    decoder: FrameDecoder,
}

/// The frames a client receives.
pub struct FrameWriter {
    socket: SplitSink<WebSocketStream<TcpStream>, Message>,
}

/// Accepts a WebSocket and reads the connection header.
///
/// # Errors
/// [`WireError`] when the peer speaks no WebSocket or is no WhatsApp client.
pub async fn accept(stream: TcpStream) -> Result<(FrameReader, FrameWriter), WireError> {
    stream
        .set_nodelay(true)
        .map_err(tokio_websockets::Error::Io)?;
    let (_request, socket) = ServerBuilder::new().accept(stream).await?;
    let (writer, reader) = socket.split();
    let mut reader = FrameReader {
        socket: reader,
        decoder: FrameDecoder::new(),
    };
    reader.header().await?;
    Ok((reader, FrameWriter { socket: writer }))
}

impl FrameReader {
    async fn header(&mut self) -> Result<(), WireError> {
        let mut opening = BytesMut::new();
        loop {
            match after_header(&mut opening)? {
                true => break,
                false => opening.extend_from_slice(&self.message().await?),
            }
        }
        self.decoder.feed(&opening);
        Ok(())
    }

    /// The next frame's payload; waits for it.
    ///
    /// # Errors
    /// [`WireError::Closed`] at the end of the connection.
    pub async fn next(&mut self) -> Result<BytesMut, WireError> {
        loop {
            if let Some(frame) = self.decoder.decode_frame() {
                return Ok(frame);
            }
            let message = self.message().await?;
            self.decoder.feed(&message);
        }
    }

    async fn message(&mut self) -> Result<BytesMut, WireError> {
        loop {
            let message = self.socket.next().await.ok_or(WireError::Closed)??;
            if message.is_close() {
                return Err(WireError::Closed);
            }
            if message.is_binary() {
                return Ok(BytesMut::from(message.into_payload()));
            }
        }
    }
}

impl FrameWriter {
    /// Sends one frame.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let frame = encode_frame(payload, None).map_err(|_| WireError::FrameTooLarge)?;
        self.socket.send(Message::binary(frame)).await?;
        Ok(())
    }

    /// Sends bytes that are no frame.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone.
    pub async fn bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let bytes = bytes.to_vec();
        self.socket.send(Message::binary(bytes)).await?;
        Ok(())
    }

    /// Closes the WebSocket in order.
    ///
    /// # Errors
    /// [`WireError`] when the connection is gone already.
    pub async fn close(&mut self) -> Result<(), WireError> {
        self.socket.close().await?;
        Ok(())
    }
}

/// Takes routing data and connection header off `opening`; false when more bytes are needed.
fn after_header(opening: &mut BytesMut) -> Result<bool, WireError> {
    if opening.len() < WA_CONN_HEADER.len() {
        return Ok(false);
    }
    let mut header_at = 0;
    if opening.starts_with(ROUTING) {
        if opening.len() < ROUTING_HEADER {
            return Ok(false);
        }
        let length = u32::from_be_bytes([0, opening[4], opening[5], opening[6]]);
        header_at = ROUTING_HEADER + length as usize;
        if opening.len() < header_at + WA_CONN_HEADER.len() {
            return Ok(false);
        }
    }
    // The dictionary's version is the client's: an older one reads our tokens all the same.
    if opening[header_at..][..3] != WA_CONN_HEADER[..3] {
        return Err(WireError::Header);
    }
    opening.advance(header_at + WA_CONN_HEADER.len());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use wacore_noise::build_edge_routing_preintro;

    use super::*;

    fn rest(opening: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
        let mut opening = BytesMut::from(opening);
        Ok(after_header(&mut opening)?.then(|| opening.to_vec()))
    }

    #[test]
    fn the_header_is_taken_off_with_and_without_routing_data() {
        let plain = [&WA_CONN_HEADER[..], b"rest"].concat();
        assert_eq!(rest(&plain).unwrap().unwrap(), b"rest");
        let routed = [build_edge_routing_preintro(b"route").unwrap(), plain].concat();
        assert_eq!(rest(&routed).unwrap().unwrap(), b"rest");
        for cut in 0..routed.len() - 4 {
            assert!(rest(&routed[..cut]).unwrap().is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn another_protocol_is_refused() {
        assert!(matches!(rest(b"GET / HTTP/1.1"), Err(WireError::Header)));
    }
}
