//! Finding the daemon: system bus, session bus, private socket, in this order.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::{ffi::OsStringExt, net},
    path::{Path, PathBuf},
};

use tokio::{net::UnixStream, time::timeout};
use zbus::{
    Address,
    address::{Transport, transport::UnixSocket},
    connection::Builder,
    fdo::DBusProxy,
    names::BusName,
};

use super::{
    Error,
    daemon::{Daemon, PATIENCE},
    output,
    peer::Stranger,
};
use crate::bus;

/// Where to look.
pub(super) struct Finder {
    places: Vec<Place>,
}

enum Place {
    System,
    Session,
    Bus(Address),
    Socket(PathBuf),
}

/// What a [`Place`] has: a daemon, nobody, or somebody who is not spoken to or does not answer.
type Found = Result<Option<Daemon>, Error>;

impl Finder {
    /// Looks where the options say, or everywhere.
    pub(super) fn new(bus: Option<Address>, runtime: Option<PathBuf>) -> Self {
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

    /// The first daemon that answers. A place where there is something else is passed over, and told of.
    pub(super) async fn find(&self) -> Result<Daemon, Error> {
        let mut passed = Vec::new();
        for place in &self.places {
            match place.reach().await {
                Ok(None) => {}
                Ok(Some(daemon)) => {
                    passed.iter().for_each(output::remark);
                    return Ok(daemon);
                }
                Err(trouble) => passed.push(trouble),
            }
        }
        let mut passed = passed.into_iter();
        let first = passed.next();
        passed.for_each(|trouble| output::remark(&trouble));
        Err(first.unwrap_or_else(|| Error::NoDaemon {
            looked: self
                .places
                .iter()
                .map(|place| format!("at the {}", place.describe()))
                .collect(),
        }))
    }
}

impl Place {
    async fn reach(&self) -> Found {
        let reached = async {
            match self {
                // An address that is none leads to nobody.
                Self::System => self.on_bus(Address::system().ok()).await,
                Self::Session => self.on_bus(Address::session().ok()).await,
                Self::Bus(address) => self.on_bus(Some(address.clone())).await,
                Self::Socket(path) => self.private(path).await,
            }
        };
        timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| Err(self.silent()))
    }

    async fn private(&self, path: &Path) -> Found {
        let Some(stream) = self.connect(path).await? else {
            return Ok(None);
        };
        let building = Builder::unix_stream(stream).p2p().build();
        // A task of its own: zbus panics at what is no greeting.
        let built = tokio::spawn(building).await;
        let name = BusName::try_from(bus::NAME)?;
        match built {
            Ok(Ok(connection)) => Ok(Some(Daemon::new(connection, name, self.describe()))),
            _ => Err(Error::HungUp {
                place: self.describe(),
            }),
        }
    }

    async fn on_bus(&self, address: Option<Address>) -> Found {
        let Some(address) = address else {
            return Ok(None);
        };
        let socket = match address.transport() {
            Transport::Unix(unix) => unix.path(),
            // Nobody vouches for who is at the other end of anything else.
            _ => return Err(self.strange(Stranger::UNKNOWN)),
        };
        let path = match socket {
            UnixSocket::File(path) => path.clone(),
            UnixSocket::Abstract(name) => {
                OsString::from_vec([b"\0", name.as_encoded_bytes()].concat()).into()
            }
            _ => return Ok(None),
        };
        let Some(stream) = self.connect(&path).await? else {
            return Ok(None);
        };
        let Ok(connection) = Builder::unix_stream(stream).build().await else {
            return Ok(None);
        };
        let bus = DBusProxy::new(&connection).await?;
        let Ok(owner) = bus.get_name_owner(bus::NAME.try_into()?).await else {
            return Ok(None);
        };
        let owner = BusName::from(owner.into_inner());
        let Ok(credentials) = bus.get_connection_credentials(owner.clone()).await else {
            return Ok(None);
        };
        Stranger::unless_trusted(credentials.unix_user_id()).map_err(|who| self.strange(who))?;
        Ok(Some(Daemon::new(connection, owner, self.describe())))
    }

    /// Connects to a socket, says nothing, and looks who is there. `None` when nobody is.
    async fn connect(&self, path: &Path) -> Result<Option<net::UnixStream>, Error> {
        use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, WouldBlock};
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    NotFound | NotADirectory | ConnectionRefused => Ok(None),
                    // As many wait to be let in as may.
                    WouldBlock => Err(self.silent()),
                    _ => Err(Error::Unreachable {
                        place: self.describe(),
                        source: error,
                    }),
                };
            }
        };
        let user = stream.peer_cred().ok().map(|peer| peer.uid());
        Stranger::unless_trusted(user).map_err(|who| self.strange(who))?;
        Ok(Some(stream.into_std()?))
    }

    fn strange(&self, who: Stranger) -> Error {
        Error::Stranger {
            place: self.describe(),
            who,
        }
    }

    fn silent(&self) -> Error {
        Error::Silent {
            place: self.describe(),
        }
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
