//! The signals that ask us to stop.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The service manager's signals, and a terminal's, which may be about to go.
pub(super) struct Signals([Signal; 4]);

impl Signals {
    /// Takes them from now on.
    pub(super) fn new() -> anyhow::Result<Self> {
        let on = |kind, name| signal(kind).with_context(|| format!("the signal {name}"));
        Ok(Self([
            on(SignalKind::terminate(), "SIGTERM")?,
            on(SignalKind::interrupt(), "SIGINT")?,
            on(SignalKind::hangup(), "SIGHUP")?,
            on(SignalKind::quit(), "SIGQUIT")?,
        ]))
    }

    /// Waits until one of them comes.
    pub(super) async fn stop(&mut self) {
        let Self([terminate, interrupt, hangup, quit]) = self;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
    }
}
