//! Finding the daemon: system bus, session bus, private socket, in this order.

use std::{
    env,
    path::{Path, PathBuf},
};

use futures_util::StreamExt;
use zbus::{Connection, connection::Builder, fdo::DBusProxy};

use super::Error;
use crate::bus::{self, Messages1Proxy, Panel1Proxy, Session1Proxy, Vault1Proxy};

/// A running daemon.
pub(super) struct Daemon {
    pub(super) connection: Connection,
    /// How it was reached, for people.
    pub(super) place: String,
}

impl Daemon {
    /// The session interface.
    pub(super) async fn session(&self) -> zbus::Result<Session1Proxy<'_>> {
        Session1Proxy::new(&self.connection).await
    }

    /// The messages interface.
    pub(super) async fn messages(&self) -> zbus::Result<Messages1Proxy<'_>> {
        Messages1Proxy::new(&self.connection).await
    }

    /// The panel interface.
    pub(super) async fn panel(&self) -> zbus::Result<Panel1Proxy<'_>> {
        Panel1Proxy::new(&self.connection).await
    }

    /// The vault interface.
    pub(super) async fn vault(&self) -> zbus::Result<Vault1Proxy<'_>> {
        Vault1Proxy::new(&self.connection).await
    }

    /// A future that is ready when the daemon has gone. What happens after this returns is not missed.
    pub(super) async fn departure(&self) -> zbus::Result<impl Future<Output = ()> + use<'_>> {
        let owners = match self.connection.is_bus() {
            true => Some(
                DBusProxy::new(&self.connection)
                    .await?
                    .receive_name_owner_changed_with_args(&[(0, bus::NAME)])
                    .await?,
            ),
            false => None,
        };
        Ok(async move {
            tokio::select! {
                () = self.connection.closed() => {}
                Some(_) = async { owners?.next().await } => {}
            }
        })
    }
}

/// Where to look.
pub(super) struct Finder {
    places: Vec<Place>,
}

enum Place {
    System,
    Session,
    Bus(String),
    Socket(PathBuf),
}

impl Finder {
    /// Looks where the options say, or everywhere.
    pub(super) fn new(bus: Option<String>, runtime: Option<PathBuf>) -> Self {
        let places = match (bus, runtime) {
            (Some(address), _) => vec![Place::Bus(address)],
            (None, Some(runtime)) => vec![Place::Socket(bus::socket_path(&runtime))],
            (None, None) => {
                let mut places = vec![Place::System, Place::Session];
                places.extend(
                    runtimes()
                        .iter()
                        .map(|runtime| Place::Socket(bus::socket_path(runtime))),
                );
                places
            }
        };
        Self { places }
    }

    /// The first daemon that answers.
    pub(super) async fn find(&self) -> Result<Daemon, Error> {
        for place in &self.places {
            if let Some(connection) = place.reach().await {
                return Ok(Daemon {
                    connection,
                    place: place.describe(),
                });
            }
        }
        Err(Error::NoDaemon {
            looked: self
                .places
                .iter()
                .map(|place| format!("at the {}", place.describe()))
                .collect(),
        })
    }
}

impl Place {
    async fn reach(&self) -> Option<Connection> {
        let builder = match self {
            Self::System => Builder::system(),
            Self::Session => Builder::session(),
            Self::Bus(address) => Builder::address(address.as_str()),
            Self::Socket(path) => return private(path).await,
        };
        let connection = builder.build().await.ok()?;
        let name = bus::NAME.try_into().ok()?;
        let there = DBusProxy::new(&connection)
            .await
            .ok()?
            .name_has_owner(name)
            .await
            .ok()?;
        there.then_some(connection)
    }

    fn describe(&self) -> String {
        match self {
            Self::System => "system bus".into(),
            Self::Session => "session bus".into(),
            Self::Bus(address) => format!("bus {address}"),
            Self::Socket(path) => format!("socket {}", path.display()),
        }
    }
}

async fn private(path: &Path) -> Option<Connection> {
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .ok()?
        .into_std()
        .ok()?;
    Builder::unix_stream(stream).p2p().build().await.ok()
}

/// Where a daemon started by this user, here or as a service, has its private socket.
fn runtimes() -> Vec<PathBuf> {
    let session = env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("holdfast"));
    session
        .into_iter()
        .chain([
            "./holdfast-data/run".into(),
            "/data/holdfast/run".into(),
            "/run/holdfast".into(),
        ])
        .collect()
}
