//! The private socket: the same objects with no message bus between, for this user and root only.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{net::UnixListener, task::JoinSet, time};
use zbus::{Guid, connection::Builder};

use super::{BusError, attend, socket::Limited, with_objects};
use crate::desk::Desk;

/// How long a client may take to introduce itself.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The most clients at once.
const CLIENTS: u64 = 64;

/// Descriptors that are kept for everything else: the store, the mail, the link, and what it takes to end in order.
const SPARE: u64 = 48;

/// How many clients there may be with so many descriptors: each has its connection, and hands over two files at most.
pub(super) fn clients(descriptors: u64) -> usize {
    let clients = (descriptors.saturating_sub(SPARE) / 3).clamp(1, CLIENTS);
    usize::try_from(clients).unwrap_or(1)
}

/// A listening socket; the file goes when this is dropped.
pub(super) struct PrivateSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

/// Where the private socket of a runtime directory is.
pub fn socket_path(runtime: &Path) -> PathBuf {
    runtime.join("bus")
}

impl PrivateSocket {
    /// Listens in `runtime`, which is created (0700) where it is missing. A socket file nobody answers on is replaced.
    pub(super) fn bind(runtime: &Path) -> Result<Self, BusError> {
        let path = socket_path(runtime);
        let failed = |source| BusError::Private {
            path: path.clone(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(runtime)
            .map_err(failed)?;
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if UnixStream::connect(&path).is_ok() {
                    return Err(BusError::InUse { path });
                }
                fs::remove_file(&path).and_then(|()| UnixListener::bind(&path))
            }
            bound => bound,
        }
        .map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let owner = fs::metadata(&path).map_err(failed)?.uid();
        Ok(Self {
            listener,
            path,
            owner,
        })
    }

    /// Serves every client that comes, up to so many at once, for as long as it is polled. One too many is turned away, not made to
    /// wait: it would not know for what.
    pub(super) async fn serve(self, desk: Desk, most: usize) {
        let guid = Guid::generate();
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = clients.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    let allowed = stream
                        .peer_cred()
                        .is_ok_and(|peer| peer.uid() == self.owner || peer.uid() == 0);
                    if !allowed {
                        tracing::warn!(
                            "another user tried to use the private socket and was turned away"
                        );
                        continue;
                    }
                    if clients.len() >= most {
                        tracing::warn!(
                            most,
                            "too many clients of the private socket; one was turned away"
                        );
                        continue;
                    }
                    let builder = Builder::socket(Limited(stream)).server(guid.clone()).p2p();
                    clients.spawn(client(builder, desk.clone()));
                }
                Err(error) => {
                    // Out of descriptors, most likely: the next moment may be better, and a busy loop would make it worse.
                    tracing::warn!(%error, "the private socket cannot take a client");
                    time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        // Best effort: a file left behind is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// One client, from its handshake to its end.
async fn client(builder: Builder<'static>, desk: Desk) {
    match time::timeout(HANDSHAKE, with_objects(builder, &desk).build()).await {
        Ok(Ok(connection)) => attend(&connection, &desk).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a client of the private socket failed its handshake")
        }
        Err(_) => tracing::debug!("a client of the private socket did not introduce itself"),
    }
}
