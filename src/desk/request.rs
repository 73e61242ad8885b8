//! Requests that only the daemon's loop can carry out.

use std::collections::BTreeMap;

use holdfast_core::{Command, Reply};
use tokio::sync::oneshot;

use crate::link::PasskeyStep;

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
    /// A count of the live generation's records by tier. It is asked only once the rooms are open.
    Records {
        /// Takes the counts, or a sentence that says why they cannot be read.
        reply: oneshot::Sender<Result<BTreeMap<String, u64>, String>>,
    },
}
