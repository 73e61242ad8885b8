//! Requests that only the daemon's loop can carry out.

use std::collections::BTreeMap;

use holdfast_core::{Command, Reply};
use tokio::sync::oneshot;

use super::UpdateReport;
use crate::link::PasskeyStep;
use crate::update::Wanted;

/// One request to the daemon's loop.
pub enum Request {
    /// A command for the core, and where its reply goes.
    Command {
        /// The command.
        command: Command,
        /// Takes the core's reply.
        reply: oneshot::Sender<Reply>,
    },
    /// The simulated button goes down, or comes up.
    Button {
        /// Whether it is down now.
        down: bool,
    },
    /// An answer to a passkey's request.
    Passkey(PasskeyStep),
    /// Install this version, if the core allows it now.
    Install {
        /// Where it comes from.
        wanted: Wanted,
        /// Takes the core's reply.
        reply: oneshot::Sender<Reply>,
    },
    /// What lies in the slots, and what became of the last update.
    UpdateReport {
        /// Takes the report.
        reply: oneshot::Sender<UpdateReport>,
    },
    /// A count of the live generation's records by tier. It is asked only once the rooms are open.
    Records {
        /// Takes the counts, or a sentence that says why they cannot be read.
        reply: oneshot::Sender<Result<BTreeMap<String, u64>, String>>,
    },
}
