//! The restart in which everything is forgotten, a new version begins, or that a radio takes of which nothing comes: the machine's where it is
//! ours, else the process'.

use std::convert::Infallible;
use std::env;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use holdfast_medium::Machine;
use tokio::time::timeout;

use super::signals::Signals;
use crate::boot::forget;
use crate::config::Config;

/// How long the machine may take to begin its restart once we are done; then the next start of the daemon asks again. The last resort
/// counts from the end of the loop on, and must not strike meanwhile.
const BEGINS: Duration = Duration::from_secs(20);

/// A restart that is wanted, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Restart {
    /// It is not.
    #[default]
    No,
    /// The machine's, which was asked for.
    Machine,
    /// The process'.
    Process,
}

impl Restart {
    /// Asks for it, before anything is closed: what hangs over that must not keep it away.
    pub(super) fn ask(&mut self, config: &Config, why: &str) {
        let machine = Machine::this();
        *self = match forget::is_of_the_image(&machine, &config.data) {
            true => Self::Machine,
            false => Self::Process,
        };
        if *self == Self::Machine
            && let Err(error) = forget::ask_for_restart(&machine, why)
        {
            tracing::error!("the machine is not asked to restart; pull the plug: {error}");
        }
    }

    /// Waits until the machine begins, by the service manager's signal, which may have come already; a process that ended at once would
    /// be started again, and ask again, and again.
    pub(super) async fn begins(self, mut signals: Signals) {
        if self == Self::Machine {
            let _ = timeout(BEGINS, signals.stop()).await;
        }
    }
}

/// Replaces this process by the same program with the same arguments. Returns only when that fails.
pub(super) fn again() -> io::Result<Infallible> {
    let mut arguments = env::args_os();
    arguments.next();
    Err(Command::new(env::current_exe()?).args(arguments).exec())
}
