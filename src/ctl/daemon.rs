//! The daemon that was found: its interfaces, its going, and its silence.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt;
use tokio::time;
use zbus::{
    Connection,
    fdo::DBusProxy,
    names::BusName,
    proxy::{Defaults, Proxy, ProxyImpl},
};

use super::Error;
use crate::bus::{
    self, Messages1Proxy, Panel1Proxy, Session1Proxy, Settings1Proxy, Update1Proxy, Vault1Proxy,
};

/// How long anybody may take to answer; sd_bus_set_method_call_timeout(3) waits as long.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);
/// How often it is seen whether the daemon still answers.
const PULSE: Duration = Duration::from_secs(5);
/// The clock of its silence.
const TICK: Duration = Duration::from_secs(1);

/// A running daemon.
pub(super) struct Daemon {
    connection: Connection,
    /// What is said to its own name on a message bus, nobody hears who takes its place.
    name: BusName<'static>,
    /// How it was reached, for people.
    pub(super) place: String,
}

impl Daemon {
    /// One at the other end of the connection; on a message bus with its own name there.
    pub(super) fn new(connection: Connection, name: BusName<'static>, place: String) -> Self {
        Self {
            connection,
            name,
            place,
        }
    }

    /// The session interface.
    pub(super) async fn session(&self) -> zbus::Result<Session1Proxy<'_>> {
        self.interface().await
    }

    /// The messages interface.
    pub(super) async fn messages(&self) -> zbus::Result<Messages1Proxy<'_>> {
        self.interface().await
    }

    /// The panel interface.
    pub(super) async fn panel(&self) -> zbus::Result<Panel1Proxy<'_>> {
        self.interface().await
    }

    /// The settings interface.
    pub(super) async fn settings(&self) -> zbus::Result<Settings1Proxy<'_>> {
        self.interface().await
    }

    /// The vault interface.
    pub(super) async fn vault(&self) -> zbus::Result<Vault1Proxy<'_>> {
        self.interface().await
    }

    /// The update interface.
    pub(super) async fn update(&self) -> zbus::Result<Update1Proxy<'_>> {
        self.interface().await
    }

    async fn interface<'a, T>(&'a self) -> zbus::Result<T>
    where
        T: ProxyImpl<'a> + Defaults + From<Proxy<'a>>,
    {
        let proxy = T::builder(&self.connection).destination(&self.name);
        proxy.build().await
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

    /// Does what has to do with the daemon, for as long as the daemon answers at all: a deed of its own may take as long as it does.
    pub(super) async fn while_it_answers<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.silence() => Err(Error::Silent { place: self.place.clone() }),
        }
    }

    /// Ready when a ping was not answered for as long as [`PATIENCE`].
    async fn silence(&self) {
        let ticks = PATIENCE.as_secs() / TICK.as_secs();
        loop {
            time::sleep(PULSE).await;
            let peer = Some("org.freedesktop.DBus.Peer");
            let ping = self
                .connection
                .call_method(Some(&self.name), bus::PATH, peer, "Ping", &());
            let mut ping = pin!(ping);
            // Tick by tick: while somebody thinks about a question nothing here runs, and that is one tick.
            let mut silent = 0;
            while silent < ticks {
                tokio::select! {
                    // A refusal is an answer, too; whoever is gone the work hears of.
                    _ = &mut ping => break,
                    () = time::sleep(TICK) => silent += 1,
                }
            }
            if silent == ticks {
                return;
            }
        }
    }
}
