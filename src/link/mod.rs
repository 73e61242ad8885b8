//! The mouth and ears: runs the library's client, turns what it says into core events and core effects into calls.
//!
//! The core owns reconnection. Each [`Link::start`] is one run with one [`Event::LinkEnded`] at its end; the library
//! is told to keep out of it, see `run`.

pub mod clock;
mod credentials;
mod dial;
mod inbound;
mod observer;
mod outgoing;
mod run;
mod version;

use std::sync::Arc;

use holdfast_core::{CauseCode, Ending, Event, Todo};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wacore::store::traits::Backend;
use whatsapp_rust::http::{HttpClient, UreqHttpClient};

pub use credentials::Credentials;

use crate::config::Settings;
use crate::mail::{Inbox, Outbox};
use version::Versions;

/// What every run needs.
struct Parts {
    settings: Settings,
    versions: Versions,
    inbox: Inbox,
    outbox: Outbox,
    events: mpsc::UnboundedSender<Event>,
    credentials: watch::Sender<Credentials>,
}

/// Whether WhatsApp's place is taken by a server on this very machine.
pub fn is_near(settings: &Settings) -> bool {
    settings.server_url.as_deref().is_some_and(|url| {
        let host = dial::host_of(url);
        ["127.", "localhost:", "[::1]"]
            .iter()
            .any(|near| host.starts_with(near))
    })
}

/// The link: at most one run at a time.
pub struct Link {
    parts: Arc<Parts>,
    running: Option<Running>,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    errands: mpsc::UnboundedSender<Todo>,
    task: JoinHandle<()>,
}

impl Link {
    /// Nothing runs yet. Events go to `events`; what can be scanned or typed goes to `credentials`.
    pub fn new(
        settings: Settings,
        inbox: Inbox,
        outbox: Outbox,
        events: mpsc::UnboundedSender<Event>,
        credentials: watch::Sender<Credentials>,
    ) -> Self {
        let http: Arc<dyn HttpClient> = Arc::new(UreqHttpClient::new());
        let versions = Versions::new(settings.server_version, http, settings.server_url.is_none());
        Self {
            parts: Arc::new(Parts {
                settings,
                versions,
                inbox,
                outbox,
                events,
                credentials,
            }),
            running: None,
        }
    }

    /// Begins a run on this backend: a login when the device is linked, a linking when it is not.
    ///
    /// A run that is still ending is waited for first, so that two never use one store.
    pub fn start(&mut self, backend: Arc<dyn Backend>) {
        let (stop, stopped) = oneshot::channel();
        let (errands, todo) = mpsc::unbounded_channel();
        let before = self.running.take();
        let parts = Arc::clone(&self.parts);
        let task = tokio::spawn(async move {
            if let Some(mut before) = before {
                before.stop.take();
                let _ = before.task.await;
            }
            let events = parts.events.clone();
            let run = tokio::spawn(async move { run::run(&parts, backend, todo, stopped).await });
            // A run that panicked has ended too, and the core has to hear of it.
            let lost = Ending::Network(CauseCode::ConnectionLost.into());
            let _ = events.send(Event::LinkEnded(run.await.unwrap_or(lost)));
        });
        self.running = Some(Running {
            stop: Some(stop),
            errands,
            task,
        });
    }

    /// Has the run do what a repair left to do; [`Event::CaughtUp`] follows, unless the run ends over it.
    pub fn catch_up(&self, todo: Todo) {
        if let Some(running) = &self.running {
            // A run that has just ended is asked again by its successor.
            let _ = running.errands.send(todo);
        }
    }

    /// Asks the run to end; its `LinkEnded` follows. With none running, nothing happens.
    pub fn disconnect(&mut self) {
        if let Some(running) = &mut self.running {
            running.stop.take();
        }
    }

    /// Waits until the last run is over, so that nothing uses its backend any more.
    pub async fn ended(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.task.await;
        }
    }
}
