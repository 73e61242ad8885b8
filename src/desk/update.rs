//! Updates: a new version handed in or looked for, and how far it is.

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use holdfast_core::{Command, Reply};

use super::{Ask, Desk, Refusal, Request};
use crate::update::Wanted;

/// What updates there may be on this installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updatable {
    /// The slot that runs; `None` where there are none, so that nothing can be installed.
    pub slot: Option<String>,
    /// A list of new versions is configured.
    pub index: bool,
    /// They come by themselves.
    pub automatic: bool,
}

/// A slot, and what lies in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotLine {
    /// Its name, such as `A`.
    pub slot: String,
    /// It runs.
    pub runs: bool,
    /// The version in it, where that is known.
    pub version: Option<String>,
    /// Whether the boot loader would take it; `None` where it does not say.
    pub good: Option<bool>,
}

/// The last update, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUpdate {
    /// The version, where it is known.
    pub version: Option<String>,
    /// `installing`, `installed`, `trial`, `good`, `left`, `fell-back` or `failed`.
    pub outcome: String,
    /// Why it came to nothing, where somebody said.
    pub why: Option<String>,
}

/// The versions of this device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReport {
    /// The version that runs.
    pub version: String,
    /// The slots; empty where RAUC does not answer, or there are none.
    pub slots: Vec<SlotLine>,
    /// Why the slots are not known, where RAUC does not answer.
    pub no_slots: Option<String>,
    /// The last update, where there was one.
    pub last: Option<LastUpdate>,
    /// Why the last look for a newer version came to nothing, where it did.
    #[serde(default)]
    pub no_look: Option<String>,
}

/// How an update ended, for whoever waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateEnd {
    /// This version is installed, and the device restarts into it as soon as nothing is in the way.
    Installed,
    /// There is no newer version.
    Nothing,
    /// There is a newer version, which fell back once: it is installed only when it is handed in.
    FellBack,
    /// It came to nothing, and why.
    Failed(String),
}

/// The ends of updates, as they come.
pub struct UpdateEnds(broadcast::Receiver<UpdateEnd>);

impl UpdateEnds {
    /// The next one; `None` when the daemon is gone.
    pub async fn next(&mut self) -> Option<UpdateEnd> {
        loop {
            match self.0.recv().await {
                Ok(end) => return Some(end),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Desk {
    /// Has a version installed, whatever its number; the device restarts into it.
    ///
    /// # Errors
    /// [`Refusal::NotNow`], [`Refusal::NothingToDo`] where there are no slots, [`Refusal::InvalidArgument`].
    pub async fn install(&self, wanted: Wanted) -> Result<(), Refusal> {
        self.check(Ask::Update)?;
        self.check_updatable()?;
        if matches!(&wanted, Wanted::At(url) if !url.starts_with("https://")) {
            let why = "The address of a bundle begins with https://.";
            return Err(Refusal::InvalidArgument(why.to_owned()));
        }
        let reply = self.ask(|reply| Request::Install { wanted, reply });
        match reply.await? {
            Reply::Refused(refusal) => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Has the list of new versions asked for a newer one, which is installed at once.
    ///
    /// # Errors
    /// [`Refusal::NotNow`], [`Refusal::NothingToDo`] where there are no slots, or no list.
    pub async fn look_for_update(&self) -> Result<(), Refusal> {
        self.check(Ask::Update)?;
        self.check_updatable()?;
        if !self.lines.updatable.index {
            return Err(Refusal::NO_INDEX);
        }
        self.command(Command::LookForUpdate).await.map(drop)
    }

    /// What lies in the slots, and what became of the last update.
    ///
    /// # Errors
    /// [`Refusal::Stopping`].
    pub async fn update_report(&self) -> Result<UpdateReport, Refusal> {
        self.check(Ask::UpdateReport)?;
        self.ask(|reply| Request::UpdateReport { reply }).await
    }

    /// Whether newer versions come by themselves.
    pub fn updates_by_itself(&self) -> bool {
        self.lines.updatable.automatic
    }

    /// The ends of updates, from now on.
    pub fn update_ends(&self) -> UpdateEnds {
        UpdateEnds(self.lines.updated.subscribe())
    }

    fn check_updatable(&self) -> Result<(), Refusal> {
        match self.lines.updatable.slot {
            Some(_) => Ok(()),
            None => Err(Refusal::NO_SLOTS),
        }
    }
}
