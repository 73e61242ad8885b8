//! `link` and `relink`.

use std::fmt;

use serde::Serialize;

use super::{Daemon, Error, Output, screen, status::StatusOutput};

/// The output of `link` and `relink`.
#[derive(Serialize)]
struct Asked {
    done: &'static str,
    generation: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.done {
            "relink" => write!(
                f,
                "{} is being retired to the archive; the screen shows a new code to scan.",
                self.generation
            ),
            _ => write!(
                f,
                "Holdfast is at it. `holdfastctl wait` waits for the outcome, `holdfastctl link --show` shows the code to scan."
            ),
        }
    }
}

/// Links or connects now; with `show` the screen is drawn here until the session is connected.
pub(super) async fn link(daemon: &Daemon, show: bool, output: &Output) -> Result<(), Error> {
    let asked = daemon.session().await?.link().await;
    if show {
        // Refused means that linking is under way, or done: both are worth showing.
        return match asked {
            Ok(()) | Err(crate::bus::Error::NothingToDo(_)) => screen::follow(daemon, output).await,
            Err(error) => Err(error.into()),
        };
    }
    asked?;
    let report = StatusOutput::read(daemon).await?;
    Ok(output.say(&Asked {
        done: "link",
        generation: report.generation,
    })?)
}

/// Shows what a re-link retires, asks unless `yes`, and does it.
pub(super) async fn relink(daemon: &Daemon, yes: bool, output: &Output) -> Result<(), Error> {
    let report = StatusOutput::read(daemon).await?;
    let session = daemon.session().await?;
    // What cannot be done now is refused before anybody is asked.
    let (mut token, _) = session.relink().await?;
    if !yes {
        let question = format!(
            "Re-linking retires {} (account {}) to the archive. Holdfast is then not linked until a phone scans the new code.",
            report.generation,
            report.account()
        );
        output.confirm(&question, "relink")?;
        // The first one may be too old by now.
        (token, _) = session.relink().await?;
    }
    session.confirm_relink(token).await?;
    Ok(output.say(&Asked {
        done: "relink",
        generation: report.generation,
    })?)
}
