//! `passkey`: carries on a linking for which WhatsApp wants a passkey; the operator signs it where the passkey is.

use std::fmt;
use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::{Daemon, Error, Output, text};

/// The subcommands of `passkey`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is to be signed, as JSON for `navigator.credentials.get`, and the code once there is one.
    Show,
    /// Hand on the signed assertion, as JSON.
    Answer {
        /// The file with it; `-` is standard input.
        file: PathBuf,
    },
    /// Say that the phone shows the same code.
    Confirm,
}

/// The output of `passkey show`: the request to sign, and the code to compare.
#[derive(Serialize)]
struct Asked {
    options: String,
    code: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.options)?;
        match self.code.as_str() {
            "" => Ok(()),
            code => write!(f, "\nThe phone has to show {code}."),
        }
    }
}

/// A step that was taken.
#[derive(Serialize)]
struct Done {
    done: &'static str,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.done {
            "answer" => {
                "The assertion is handed on. `holdfastctl passkey show` shows the code to compare, if there is one."
            }
            _ => "Confirmed. `holdfastctl wait` waits for the outcome.",
        })
    }
}

/// Runs one of them.
pub(super) async fn run(command: Command, daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let session = daemon.session().await?;
    let done = match command {
        Command::Show => {
            let (options, code) = session.passkey().await?;
            return Ok(output.say(&Asked { options, code })?);
        }
        Command::Answer { file } => {
            session.answer_passkey(text::read(&file)?).await?;
            "answer"
        }
        Command::Confirm => {
            session.confirm_passkey().await?;
            "confirm"
        }
    };
    Ok(output.say(&Done { done })?)
}
