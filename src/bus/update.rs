//! `org.holdfast.Update1`: new versions of the device.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use holdfast_core::Stage;
use tokio::time::Instant;
use zbus::{Connection, interface, object_server::SignalEmitter};

use super::{Error, PATH, changes, session::millis, text::text};
use crate::desk::{Desk, Status, UpdateEnd};
use crate::update::Wanted;

/// The update object.
pub struct Update1 {
    desk: Desk,
}

impl Update1 {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

#[interface(
    name = "org.holdfast.Update1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Update1 {
    /// Installs the RAUC bundle in `bundle`, which may be a pipe, whatever its version; the device restarts into it as soon as nothing is
    /// in the way. Answers when that has begun; `Ended` says what came of it.
    async fn install(&self, bundle: zbus::OwnedFd) -> Result<(), Error> {
        let file = File::from(OwnedFd::from(bundle));
        Ok(self.desk.install(Wanted::Handed(file)).await?)
    }

    /// As `Install`, with the bundle at this address, which begins with `https://`.
    async fn install_from(&self, url: String) -> Result<(), Error> {
        Ok(self.desk.install(Wanted::At(url)).await?)
    }

    /// Looks at the list of new versions, and installs a newer one at once. Answers when that has begun; `Ended` says what came of it.
    async fn look(&self) -> Result<(), Error> {
        Ok(self.desk.look_for_update().await?)
    }

    /// The versions as JSON: which runs, what lies in the slots, the last update and what became of it.
    #[zbus(out_args("report"))]
    async fn report(&self) -> Result<String, Error> {
        let report = self.desk.update_report().await?;
        serde_json::to_string(&report)
            .map(text)
            .map_err(|error| zbus::Error::Failure(format!("the versions: {error}")).into())
    }

    /// An update ended: `installed`, `nothing` (there is no newer version), `fell-back` (the newer version was tried and did not stay), or
    /// `failed` with the reason, which may be RAUC's words.
    #[zbus(signal)]
    async fn ended(emitter: &SignalEmitter<'_>, outcome: &str, why: &str) -> zbus::Result<()>;

    /// How far an update is: `idle`, `looking`, `found`, `installing`, `installed` (the restart waits for what must not be interrupted, or
    /// for its hour), `restarting`, `trial`; and how much of the installation is done, percent.
    #[zbus(property)]
    fn progress(&self) -> (String, u32) {
        progress(&self.desk.status().borrow())
    }

    /// How long the version that runs has to prove itself still, milliseconds at the moment of reading; 0 when it is not on trial.
    #[zbus(property(emits_changed_signal = "false"))]
    fn trial_left(&self) -> u64 {
        let ends = self.desk.status().borrow().trial_ends;
        let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()));
        left.map_or(0, millis)
    }

    /// Whether newer versions are looked for and installed by themselves.
    #[zbus(property(emits_changed_signal = "const"))]
    fn automatic(&self) -> bool {
        self.desk.updates_by_itself()
    }
}

fn progress(status: &Status) -> (String, u32) {
    let percent = match status.update {
        Stage::Installing(percent) => percent,
        Stage::Installed | Stage::Restarting => 100,
        Stage::Idle | Stage::Looking | Stage::Found | Stage::Trial => 0,
    };
    (status.update.as_str().to_owned(), percent.into())
}

/// Announces what changes. Returns when the daemon is gone.
pub(super) async fn announce(connection: &Connection, desk: &Desk) -> zbus::Result<()> {
    let properties = |status: &Status| HashMap::from([("Progress", progress(status).into())]);
    changes::announce(connection, desk, "org.holdfast.Update1", properties).await
}

/// Emits `Ended` as updates end. Returns when the daemon is gone.
pub(super) async fn tell(connection: &Connection, desk: &Desk) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let mut ends = desk.update_ends();
    while let Some(end) = ends.next().await {
        let (outcome, why) = match end {
            UpdateEnd::Installed => ("installed", String::new()),
            UpdateEnd::Nothing => ("nothing", String::new()),
            UpdateEnd::FellBack => ("fell-back", String::new()),
            UpdateEnd::Failed(why) => ("failed", text(why)),
        };
        Update1::ended(&emitter, outcome, &why).await?;
    }
    Ok(())
}
