//! `inbox consumers` and `inbox forget`: for whom messages are kept.

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

use super::{Daemon, Error, Output, harmless};
use crate::bus::InboxConsumer;

/// What to do about consumers.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show for whom messages are kept, and how far each is.
    Consumers,
    /// Keep nothing for a consumer any more: it is gone for good.
    Forget {
        /// Its name.
        consumer: String,
    },
}

/// A consumer as it is printed.
#[derive(Serialize)]
struct Consumer {
    name: String,
    cursor: u64,
    unread: u64,
    away: u64,
    forgotten: bool,
}

impl From<InboxConsumer> for Consumer {
    fn from(consumer: InboxConsumer) -> Self {
        let InboxConsumer {
            name,
            cursor,
            unread,
            away,
            forgotten,
        } = consumer;
        Self {
            name,
            cursor,
            unread,
            away,
            forgotten,
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            cursor,
            unread,
            away,
            forgotten,
        } = self;
        let name = harmless::line(name);
        write!(f, "{name}: read up to {cursor}, {unread} unread")?;
        match away / 3600 {
            _ if *forgotten => f.write_str(", no longer waited for"),
            0 => Ok(()),
            hours if hours < 48 => write!(f, ", away for {hours} h"),
            hours => write!(f, ", away for {} days", hours / 24),
        }
    }
}

/// The output of `inbox forget`.
#[derive(Serialize)]
struct Forgotten {
    forgotten: String,
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = harmless::line(&self.forgotten);
        write!(f, "Nothing is kept for {name} any more.")
    }
}

/// Runs `inbox consumers` or `inbox forget`.
pub(super) async fn run(command: Command, daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let messages = daemon.messages().await?;
    match command {
        Command::Consumers => {
            for consumer in messages.consumers().await? {
                output.say(&Consumer::from(consumer))?;
            }
        }
        Command::Forget { consumer } => {
            messages.forget_consumer(&consumer).await?;
            let forgotten = consumer;
            output.say(&Forgotten { forgotten })?;
        }
    }
    Ok(())
}
