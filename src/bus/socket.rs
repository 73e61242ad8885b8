//! The transport of the private socket: a unix stream that holds its client to limits.
//!
//! zbus reserves what a header announces before it has come, and takes call after call while nobody takes the answers. Here a
//! client that announces too much, or lets its answers lie, is let go.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown,
    recvmsg, sendmsg, shutdown,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::fdo::ConnectionCredentials;
use zbus::message::Type;

use super::framing::Framing;

/// The most calls of one client that are worked on or whose answers it has not taken; the next are read after that.
const CALLS: usize = 8;

/// The timeout of a client that takes nothing of an answer.
const STALL: Duration = Duration::from_secs(30);

/// A client's stream, with limits.
#[derive(Debug)]
pub(super) struct Limited(pub(super) UnixStream);

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// A permit for each further call; closed when the client was let go.
    calls: Semaphore,
}

impl Client {
    fn credentials(&self) -> io::Result<ConnectionCredentials> {
        let user = self.stream.peer_cred()?.uid();
        Ok(ConnectionCredentials::default().set_unix_user_id(user))
    }
}

impl Socket for Limited {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let client = Arc::new(Client {
            stream: self.0,
            calls: Semaphore::new(CALLS),
        });
        let reader = Reader {
            client: Arc::clone(&client),
            framing: Framing::default(),
            owed: 0,
        };
        Split::new(reader, Writer(client))
    }
}

/// The half that calls come in by.
#[derive(Debug)]
pub(super) struct Reader {
    client: Arc<Client>,
    framing: Framing,
    /// Calls that have begun to come in, and have no permit yet.
    owed: u32,
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let permits = self.client.calls.acquire_many(self.owed).await;
        // The writer has let the client go.
        let permits = permits.map_err(|_| io::ErrorKind::ConnectionAborted)?;
        permits.forget();
        self.owed = 0;
        let stream = &self.client.stream;
        let (length, files) = stream
            .async_io(Interest::READABLE, || receive(stream, buffer))
            .await?;
        self.owed = self.framing.take(&mut buffer[..length])?;
        Ok((length, files))
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        self.client.credentials()
    }
}

/// Receives what there is, with two files at most: no call takes more, and the kernel closes what there is no place for.
fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    Ok((received.bytes, files.flatten().collect()))
}

/// The half that answers and signals go out by.
#[derive(Debug)]
pub(super) struct Writer(Arc<Client>);

#[async_trait]
impl WriteHalf for Writer {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        let mut data: &[u8] = message.data();
        while !data.is_empty() {
            let sent = self.sendmsg(data, &[]).await?;
            data = data.get(sent..).unwrap_or_default();
        }
        if matches!(message.message_type(), Type::MethodReturn | Type::Error) {
            self.0.calls.add_permits(1);
        }
        Ok(())
    }

    async fn sendmsg(&mut self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if !files.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let stream = &self.0.stream;
        let send = || {
            let mut none = SendAncillaryBuffer::default();
            let flags = SendFlags::NOSIGNAL;
            Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut none, flags)?)
        };
        let sending = stream.async_io(Interest::WRITABLE, send);
        let stalled = |_| Err(io::ErrorKind::TimedOut.into());
        let sent = timeout(STALL, sending).await.unwrap_or_else(stalled);
        if let Err(error) = &sent {
            if error.kind() == io::ErrorKind::TimedOut {
                tracing::warn!("a client of the private socket takes no answers; it was let go");
            }
            self.0.calls.close();
        }
        sent
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.calls.close();
        Ok(shutdown(&self.0.stream, Shutdown::Both)?)
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        self.0.credentials()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_let_go() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = Limited(ours).split().take();
        let stalled = loop {
            if let Err(error) = writer.sendmsg(&[0; 1 << 16], &[]).await {
                break error;
            }
        };
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        let read = reader.recvmsg(&mut [0; 16]).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
