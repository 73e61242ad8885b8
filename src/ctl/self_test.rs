//! `self-test`: whether a message gets through; and `last_words`: what WhatsApp said when it did not let one.

use std::{fmt, process::ExitCode};

use holdfast_medium::Stamp;
use serde::Serialize;

use super::{Daemon, Error, Output, harmless, output::even_unread};
use crate::bus::LastWordEntry;

/// The output of `self-test`.
#[derive(Serialize)]
struct Outcome {
    answered: bool,
    echo: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.answered {
            "WhatsApp answers."
        } else {
            "WhatsApp does not answer; the connection is made anew."
        })?;
        match self.echo.as_str() {
            "received" => {
                f.write_str(" A message in the chat with oneself went to the phone and back.")
            }
            "missing" => f.write_str(" A message in the chat with oneself did not come back."),
            _ => f.write_str(" No message was written: self_test.own_chat is not set."),
        }
    }
}

/// Has the link tested.
pub(super) async fn self_test(daemon: &Daemon, output: &Output) -> Result<ExitCode, Error> {
    let (answered, echo) = daemon.session().await?.self_test().await?;
    let is_good = answered && echo != "missing";
    even_unread(output.say(&Outcome { answered, echo }))?;
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The output of `last-words`: the stanzas by which WhatsApp refused or ended a connection.
#[derive(Serialize)]
#[serde(transparent)]
struct Said(LastWordEntry);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Stamp {
            boot: None,
            wall_ms: self.0.at_ms,
            mono_ms: None,
        };
        write!(f, "{at}")?;
        if !self.0.words.is_empty() {
            write!(f, "  {}", harmless::line(&self.0.words))?;
        }
        write!(f, "\n    {}", harmless::indented(self.0.stanza.trim_end()))
    }
}

/// Prints the last stanzas by which WhatsApp refused or ended a connection.
pub(super) async fn last_words(daemon: &Daemon, max: u32, output: &Output) -> Result<(), Error> {
    for said in daemon.session().await?.last_words(max).await? {
        output.say(&Said(said))?;
    }
    Ok(())
}
