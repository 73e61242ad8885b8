//! Runs the library's client; turns its events into core events, and core effects into its calls.
//!
//! The core owns reconnection. Each [`Link::start`] is one run with one [`Event::LinkEnded`] at its end; the library
//! is told to keep out of it, see `run`.

mod again;
mod ahead;
mod body;
pub mod clock;
mod connect;
mod credentials;
mod dial;
mod farewell;
mod hearing;
mod inbound;
mod observer;
mod outgoing;
mod pace;
mod passkey;
mod peers;
mod reach;
mod run;
mod self_test;
mod socket;
mod version;
mod web;

use std::sync::Arc;
use std::time::SystemTime;

use holdfast_core::{CauseCode, Ending, Event, Todo};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wacore::store::traits::Backend;

pub use ahead::Ahead;
pub use body::encoded;
pub use credentials::Credentials;
pub use farewell::Farewell;
pub use passkey::{PasskeyAnswer, PasskeyRefused, PasskeyStep};
#[cfg(test)]
pub(crate) use run::{END_LIMIT, FIRST_LOGIN_LIMIT, LAST_MOMENT, PONG_LIMIT};
#[cfg(test)]
pub(crate) use self_test::{ECHO, TEST_ANSWER};

use crate::config::Settings;
use crate::history::LastWords;
use crate::mail::{Inbox, Outbox};
use clock::ServerClock;
use inbound::ToInbox;
use peers::Peers;
use reach::Reach;

/// The parts that every run shares.
struct Parts {
    settings: Settings,
    ahead: Arc<Ahead>,
    peers: Arc<Peers>,
    clock: ServerClock,
    reach: Arc<Reach>,
    inbox: Inbox,
    outbox: Outbox,
    events: mpsc::UnboundedSender<Event>,
    credentials: watch::Sender<Credentials>,
    last_words: LastWords,
}

impl Parts {
    fn to_inbox(&self) -> ToInbox {
        ToInbox {
            inbox: self.inbox.clone(),
            events: self.events.clone(),
            chats: self.settings.chats,
        }
    }
}

/// Tells whether the configured server, or the proxy to it, is on this machine, as a lab's is.
pub fn is_near(settings: &Settings) -> bool {
    let host = match (settings.proxy(), &settings.server_url) {
        (Some(proxy), _) => format!("{}:{}", proxy.host, proxy.port),
        (None, Some(url)) => socket::host_of(url),
        (None, None) => return false,
    };
    ["127.", "localhost:", "[::1]"]
        .iter()
        .any(|near| host.starts_with(near))
}

/// How a run ended. One that panicked has ended, too, and the core has to hear of it.
async fn ending(run: impl Future<Output = Ending> + Send + 'static) -> Ending {
    let lost = Ending::Network(CauseCode::ConnectionLost.into());
    tokio::spawn(run).await.unwrap_or(lost)
}

/// The link: at most one run at a time.
pub struct Link {
    parts: Arc<Parts>,
    running: Option<Running>,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    errands: mpsc::UnboundedSender<Errand>,
    task: JoinHandle<()>,
}

/// A request to the run that is connected.
enum Errand {
    /// Finish over the link what a repair left to do.
    CatchUp(Todo),
    /// Ping WhatsApp, unless something came from it.
    Probe,
    /// Ask the phone for something.
    AskPhone,
    /// Run a self-test.
    SelfTest,
    /// Send presence `available` for a moment.
    Pulse,
    /// Drop the Signal sessions with this peer.
    Renegotiate(u64),
    /// Hand on the answer to a passkey request.
    Passkey(PasskeyStep),
}

impl Link {
    /// Makes a link without a run, which goes on from what was dialled `ahead`. Events go to `events`, QR and pairing code to
    /// `credentials`, and the stanzas by which WhatsApp ends a connection to `last_words`.
    pub fn new(
        settings: Settings,
        ahead: Arc<Ahead>,
        inbox: Inbox,
        outbox: Outbox,
        events: mpsc::UnboundedSender<Event>,
        credentials: watch::Sender<Credentials>,
        last_words: LastWords,
    ) -> Self {
        Self {
            parts: Arc::new(Parts {
                settings,
                ahead,
                peers: Arc::default(),
                clock: ServerClock::default(),
                reach: Arc::default(),
                inbox,
                outbox,
                events,
                credentials,
                last_words,
            }),
            running: None,
        }
    }

    /// Starts a run on this backend: a login when the device is linked, a linking when it is not.
    ///
    /// A run that is still ending is waited for first, so that two never use one store.
    pub fn start(&mut self, backend: Arc<dyn Backend>) {
        let (stop, stopped) = oneshot::channel();
        let (errands, asked) = mpsc::unbounded_channel();
        let before = self.running.take();
        let parts = Arc::clone(&self.parts);
        let task = tokio::spawn(async move {
            if let Some(mut before) = before {
                before.stop.take();
                let _ = before.task.await;
            }
            let events = parts.events.clone();
            let run = async move { run::run(&parts, backend, asked, stopped).await };
            let _ = events.send(Event::LinkEnded(ending(run).await));
        });
        self.running = Some(Running {
            stop: Some(stop),
            errands,
            task,
        });
    }

    /// Has the run do what a repair left to do; [`Event::CaughtUp`] follows, unless the run ends over it.
    pub fn catch_up(&self, todo: Todo) {
        self.ask(Errand::CatchUp(todo));
    }

    /// Has the run ping WhatsApp; [`Event::Heard`] follows when it answers.
    pub fn probe(&self) {
        self.ask(Errand::Probe);
    }

    /// Has the run query the phone; [`Event::PhoneSeen`] follows when it answers.
    pub fn ask_phone(&self) {
        self.ask(Errand::AskPhone);
    }

    /// Has the run test itself; [`Event::SelfTested`] follows.
    pub fn self_test(&self) {
        self.ask(Errand::SelfTest);
    }

    /// Has the run send presence `available` for a moment, so that WhatsApp sees the device in use.
    pub fn pulse(&self) {
        self.ask(Errand::Pulse);
    }

    /// Has the run drop the Signal sessions with a peer whose messages cannot be decrypted; the library makes new ones.
    pub fn renegotiate(&self, peer: u64) {
        self.ask(Errand::Renegotiate(peer));
    }

    /// Hands the answer to a passkey request to the run that links.
    pub fn passkey(&self, step: PasskeyStep) {
        self.ask(Errand::Passkey(step));
    }

    /// The time by WhatsApp's clock; `None` before the first login of this process.
    pub fn time(&self) -> Option<SystemTime> {
        self.parts.clock.now()
    }

    /// A client that logs archived links out, beside the run of this one.
    pub fn farewell(&self) -> Farewell {
        Farewell(Arc::clone(&self.parts))
    }

    fn ask(&self, errand: Errand) {
        if let Some(running) = &self.running {
            // A run that has just ended says so itself.
            let _ = running.errands.send(errand);
        }
    }

    /// Asks the run to end; its `LinkEnded` follows. With none running, nothing happens.
    pub fn disconnect(&mut self) {
        if let Some(running) = &mut self.running {
            running.stop.take();
        }
    }

    /// Returns when the last run is over, so that nothing uses its backend any more.
    pub fn ended(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let running = self.running.take();
        async move {
            if let Some(running) = running {
                let _ = running.task.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_that_panics_has_ended_like_a_lost_connection() {
        assert_eq!(ending(async { Ending::Replaced }).await, Ending::Replaced);
        let died = ending(async { panic!("a task of the library died") }).await;
        assert_eq!(died, Ending::Network(CauseCode::ConnectionLost.into()));
    }
}
