//! D-Bus over the desk, one file per interface.
//!
//! The same objects are served on a message bus (the system bus on the appliance, the session bus on a workstation)
//! and on a private socket in the runtime directory. It translates what the [`Desk`] answers and refuses; nothing here decides
//! anything.

mod caller;
mod changes;
mod error;
mod follow;
mod framing;
mod messages;
mod panel;
mod passed;
mod private;
mod session;
mod settings;
mod socket;
mod text;
mod update;
mod vault;

use std::{
    env, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{self, timeout},
};
use zbus::{Connection, connection::Builder};

use crate::desk::Desk;
pub use error::Error;
pub use follow::follow;
pub use messages::{Batch, InboxConsumer, InboxMessage, Messages1Proxy, PendingMessage};
pub use panel::Panel1Proxy;
pub use private::socket_path;
pub use session::{LastWordEntry, Session1Proxy};
pub(crate) use settings::LONGEST_SETTINGS;
pub use settings::Settings1Proxy;
pub use update::Update1Proxy;
pub(crate) use vault::LONGEST_PASSPHRASE;
pub use vault::{ArchiveEntry, Vault1Proxy};

/// The well-known name on a message bus.
pub const NAME: &str = "org.holdfast.Holdfast1";
/// The one object, with all interfaces.
pub const PATH: &str = "/org/holdfast/Holdfast1";

/// Pause between attempts to get, or get back, the name on the message bus.
const RETRY: Duration = Duration::from_secs(2);
/// How long the message bus may take to answer before the daemon goes on without it.
const FIRST: Duration = Duration::from_secs(2);

/// Which message bus to be on, beside the private socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// The system bus: on the appliance.
    System,
    /// The session bus: on a workstation that has one.
    Session,
    /// The bus at this D-Bus address.
    Address(String),
    /// None: the private socket only.
    Private,
}

impl Where {
    /// The place for a daemon with this data directory: the appliance's own means the system bus.
    pub fn choose(data: &Path) -> Self {
        if data.starts_with("/data") {
            Self::System
        } else if env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
        {
            Self::Session
        } else {
            Self::Private
        }
    }

    /// A builder for a connection to this message bus; `None` for [`Where::Private`].
    fn builder(&self) -> Option<Builder<'static>> {
        match self {
            Self::System => Some(Builder::system()),
            Self::Session => Some(Builder::session()),
            Self::Address(address) => Some(Builder::address(address.as_str())),
            Self::Private => None,
        }
    }
}

/// Why Holdfast cannot be reached some way. Never a reason to stop.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The message bus is not there, or does not give us the name.
    #[error(
        "cannot be {NAME} on the message bus ({source}); it is tried again, and holdfastctl works through the private socket until then"
    )]
    Message {
        /// The error of zbus.
        source: zbus::Error,
    },
    /// The message bus takes connections and does not answer yet.
    #[error("the message bus does not answer yet; it is tried again")]
    Silent,
    /// The private socket cannot be made.
    #[error("cannot listen on {path}: {source}; name a short, writable directory with --runtime")]
    Private {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another daemon answers on the private socket.
    #[error(
        "another holdfastd answers on {path}; give this one a directory of its own with --runtime"
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
}

/// The bus being served, until this is dropped.
pub struct Served {
    tasks: JoinSet<()>,
    private: Option<PathBuf>,
}

impl Served {
    /// The private socket, when there is one.
    pub fn private(&self) -> Option<&Path> {
        self.private.as_deref()
    }

    /// Leaves the buses; the private socket is gone when this returns.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Serves the objects on a message bus and on the private socket in `runtime`. A bus that cannot be had is reported once, as a warning.
///
/// When this returns the name is ours, or known not to be for now. Of the process' descriptors clients get what the rest can spare.
pub async fn serve(place: Where, runtime: &Path, desk: Desk, descriptors: u64) -> Served {
    let mut tasks = JoinSet::new();
    let private = match private::PrivateSocket::bind(runtime) {
        Ok(socket) => {
            tasks.spawn(socket.serve(desk.clone(), private::clients(descriptors)));
            Some(socket_path(runtime))
        }
        Err(error) => {
            tracing::warn!("{error}");
            None
        }
    };
    // The socket is there before the bus is: nobody waits for that.
    let first = timeout(FIRST, connect(&place, &desk)).await;
    if let Some(first) = first.unwrap_or(Some(Err(BusError::Silent))) {
        // Early in a boot this is how it is.
        if let Err(error) = &first {
            tracing::info!("{error}");
        }
        tasks.spawn(stay(place, desk, first.ok()));
    }
    Served { tasks, private }
}

/// Keeps the name on the message bus: serves the connection, and gets a new one when it is lost or was never there.
async fn stay(place: Where, desk: Desk, mut connection: Option<Connection>) {
    loop {
        if let Some(connection) = connection {
            attend(&connection, &desk).await;
            tracing::warn!("the message bus is gone; trying to get back");
        }
        time::sleep(RETRY).await;
        connection = connect(&place, &desk).await.and_then(Result::ok);
    }
}

async fn connect(place: &Where, desk: &Desk) -> Option<Result<Connection, BusError>> {
    // Never replace or be replaced: which daemon has the name must not change under its clients.
    let builder = with_objects(place.builder()?, desk)
        .name(NAME)
        .allow_name_replacements(false)
        .replace_existing_names(false);
    let connection = builder.build().await;
    Some(connection.map_err(|source| BusError::Message { source }))
}

/// Puts every interface on the one object.
fn with_objects(builder: Builder<'static>, desk: &Desk) -> Builder<'static> {
    builder
        .serve_at(PATH, session::Session1::new(desk.clone()))
        .serve_at(PATH, messages::Messages1::new(desk.clone()))
        .serve_at(PATH, vault::Vault1::new(desk.clone()))
        .serve_at(PATH, panel::Panel1::new(desk.clone()))
        .serve_at(PATH, update::Update1::new(desk.clone()))
        .serve_at(PATH, settings::Settings1::new(desk.clone()))
}

/// Announces changes to one connection until it closes or the daemon goes.
async fn attend(connection: &Connection, desk: &Desk) {
    let ended = tokio::select! {
        () = connection.closed() => Ok(()),
        ended = session::announce(connection, desk) => ended,
        ended = update::announce(connection, desk) => ended,
        ended = update::tell(connection, desk) => ended,
        ended = session::tell(connection, desk) => ended,
        ended = messages::announce(connection, desk) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the bus ended");
    }
}

/// A limit on the wire, where 0 means none.
fn unless_zero(limit: u32) -> Option<usize> {
    (limit != 0).then_some(limit as usize)
}
