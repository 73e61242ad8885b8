//! Notifies the service manager (sd_notify(3)). Without one there is nobody to tell, and that is fine.

use holdfast_core::Cause;
use sd_notify::NotifyState;
use tokio::time::{Interval, interval};

use crate::bus;
use crate::journal::{self, Destination};

/// Says once what a workstation lacks and an appliance has.
pub(super) fn name_what_is_missing(place: &bus::Where, log: &Destination) {
    if *log != Destination::Journal {
        journal::facility_missing(
            "journald",
            "the log goes to standard error, or to the file named under the panel",
        );
    }
    if *place == bus::Where::Private {
        journal::facility_missing(
            "message bus",
            "holdfastctl and bots use the private socket in the runtime directory",
        );
    }
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        journal::facility_missing("service manager", "nobody restarts Holdfast if it fails");
    }
}

/// The daemon does what it is there for, be it showing why it cannot do more.
pub(super) fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Where we stand, for `systemctl status`.
pub(super) fn status(state: &str, cause: Option<Cause>) {
    let sentence = match cause {
        Some(cause) => format!("{state}: {cause}"),
        None => state.to_owned(),
    };
    let _ = sd_notify::notify(&[NotifyState::Status(&sentence)]);
}

/// An orderly end has begun.
pub(super) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// The service manager's watchdog. Only a loop that gets round to it feeds it.
pub(super) struct Watchdog(Option<Interval>);

impl Watchdog {
    /// As the service manager wants it; silent where it wants none.
    pub(super) fn new() -> Self {
        Self(sd_notify::watchdog_enabled().map(|limit| interval(limit / 2)))
    }

    /// Feeds it when it is time, once.
    pub(super) async fn feed(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
            None => std::future::pending().await,
        }
    }
}
