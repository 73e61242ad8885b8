//! `outbox`: what waits to be sent, and why it still does.

use std::fmt;

use clap::Subcommand;
use holdfast_core::setback::End;
use holdfast_medium::Stamp;
use serde::Serialize;

use super::{Daemon, Error, Output};
use crate::bus::PendingMessage;

/// What is done with the outbox.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Have a message fail as `failed dropped`, and never send it.
    Drop {
        /// Its id, as `outbox` and `send` show it.
        id: String,
    },
}

/// A message that waits.
#[derive(Serialize)]
#[serde(transparent)]
struct Waiting(PendingMessage);

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.0;
        let since = Stamp {
            boot: None,
            wall_ms: u64::try_from(it.since).unwrap_or(0).saturating_mul(1_000),
            mono_ms: None,
        };
        write!(f, "{}  to {}  {} since {since}", it.id, it.to, it.state)?;
        match it.attempts {
            // The count is written down when a message is put off: after a restart none is known of what was sent at once.
            0 if it.state == "sent" => {}
            0 => f.write_str(", not tried yet")?,
            1 => f.write_str(", tried once")?,
            times => write!(f, ", tried {times} times")?,
        }
        match it.reason.as_str() {
            "" => Ok(()),
            reason => match End::of(reason) {
                Some(end) => write!(f, "\n      {reason}: {}", end.sentence),
                None => write!(f, ": {reason}"),
            },
        }
    }
}

/// What became of a message.
#[derive(Serialize)]
struct Dropped {
    id: String,
    state: String,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.state)
    }
}

/// Prints what waits, in the order of sending.
pub(super) async fn list(daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let messages = daemon.messages().await?;
    let mut from = 0;
    loop {
        let some = messages.pending(from, 0).await?;
        let Some(last) = some.last() else {
            return Ok(());
        };
        from = last.seq + 1;
        for message in some {
            output.say(&Waiting(message))?;
        }
    }
}

/// Does something with a message.
pub(super) async fn run(command: &Command, daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let Command::Drop { id } = command;
    let messages = daemon.messages().await?;
    messages.drop_message(id).await?;
    let (id, state) = (id.clone(), messages.state(id).await?);
    Ok(output.say(&Dropped { id, state })?)
}
