//! `incidents`: what went wrong, since when, what was done, and how long it took.

use std::fmt;

use holdfast_core::CauseCode;
use serde::Serialize;

use super::{Daemon, Error, Output, harmless};
use crate::history;

/// One of them.
#[derive(Serialize)]
#[serde(transparent)]
struct Incident(history::Incident);

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.0;
        write!(f, "{:>4}  {}  ", it.number, it.since)?;
        match it.took_ms {
            Some(took) => write!(f, "over after {}.{} s", took / 1_000, took % 1_000 / 100)?,
            None => f.write_str("not over")?,
        }
        for cause in &it.causes {
            let code = CauseCode::ALL.iter().find(|code| code.as_str() == cause);
            let sentence = code.map_or("a cause that this version does not know", |code| {
                code.sentence()
            });
            write!(f, "\n      {}: {sentence}", harmless::line(cause))?;
        }
        if !it.done.is_empty() {
            write!(
                f,
                "\n      Holdfast {}",
                harmless::line(&it.done.join(", "))
            )?;
        }
        Ok(())
    }
}

/// Prints the last ones.
pub(super) async fn incidents(daemon: &Daemon, max: u32, output: &Output) -> Result<(), Error> {
    for incident in daemon.vault().await?.incidents(max).await? {
        let incident = serde_json::from_str(&incident).map_err(|_| Error::ForeignReport)?;
        output.say(&Incident(incident))?;
    }
    Ok(())
}
