//! `org.holdfast.Session1`: how the session is, and what a human may ask of it.

use std::collections::HashMap;

use holdfast_core::{Cause, Command, Deed};
use tokio::time::Instant;
use zbus::{
    Connection, Variant, fdo::Properties, interface, names::InterfaceName,
    object_server::SignalEmitter,
};

use super::{Error, Handle, PATH, Status};

/// The session object.
pub struct Session {
    handle: Handle,
}

impl Session {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

#[interface(
    name = "org.holdfast.Session1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Session {
    /// Resumes linking when it is paused, or connects now instead of waiting.
    async fn link(&self) -> Result<(), Error> {
        self.handle.command(Command::Link).await.map(drop)
    }

    /// First step of a re-link: answers with a token to be repeated in `ConfirmRelink` within `valid_ms` milliseconds.
    #[zbus(out_args("token", "valid_ms"))]
    async fn relink(&self) -> Result<(u64, u64), Error> {
        self.handle.token(Deed::Relink).await
    }

    /// Second step of a re-link: retires the live generation to the archive and starts linking the next.
    async fn confirm_relink(&self, token: u64) -> Result<(), Error> {
        self.handle.confirm(Deed::Relink, token).await
    }

    /// The name of the state: `Starting`, `Connecting`, `Connected`, `Reconnecting`, `Pairing`, …
    #[zbus(property)]
    fn state(&self) -> String {
        self.handle.status.borrow().state.into()
    }

    /// Why the session is not connected: stable code, one sentence, one action for a human. Empty strings when there is no cause.
    #[zbus(property)]
    fn cause(&self) -> (String, String, String) {
        texts(self.handle.status.borrow().cause)
    }

    /// The live generation, such as `gen-0007`.
    #[zbus(property)]
    fn generation(&self) -> String {
        self.handle.status.borrow().linked.generation.to_string()
    }

    /// The last four digits of the account linked to; empty when none is.
    #[zbus(property)]
    fn account(&self) -> String {
        account(&self.handle.status.borrow())
    }

    /// Which attempt to connect is planned or under way; 0 when none is counted.
    #[zbus(property)]
    fn attempt(&self) -> u32 {
        self.handle.status.borrow().attempt
    }

    /// Milliseconds until the next attempt, at the moment of reading; 0 when none is planned.
    #[zbus(property(emits_changed_signal = "false"))]
    fn next_attempt(&self) -> u64 {
        let left = self
            .handle
            .status
            .borrow()
            .next_attempt
            .map(|due| due.saturating_duration_since(Instant::now()));
        left.map_or(0, |left| {
            u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

/// Emits one `PropertiesChanged` per change of the status, so that state and cause never disagree. Returns when the daemon is gone.
pub(super) async fn announce(connection: &Connection, handle: &Handle) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let mut status = handle.status.clone();
    // Nothing counts as announced at first: a client may have read the properties before this began.
    let mut announced = HashMap::new();
    loop {
        let current = properties(&status.borrow_and_update());
        let changed: HashMap<_, _> = current
            .iter()
            .filter(|(name, value)| announced.get(*name) != Some(*value))
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        if !changed.is_empty() {
            let interface = InterfaceName::from_static_str_unchecked("org.holdfast.Session1");
            Properties::properties_changed(&emitter, interface, changed, Default::default())
                .await?;
        }
        announced = current;
        if status.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// The properties whose changes are announced.
fn properties(status: &Status) -> HashMap<&'static str, Variant<'static>> {
    HashMap::from([
        ("State", status.state.into()),
        ("Cause", texts(status.cause).into()),
        ("Generation", status.linked.generation.to_string().into()),
        ("Account", account(status).into()),
        ("Attempt", status.attempt.into()),
    ])
}

/// Stable code, one sentence, one action; empty when there is no cause.
pub(super) fn texts(cause: Option<Cause>) -> (String, String, String) {
    cause.map_or_else(Default::default, |cause| {
        (
            cause.code.as_str().into(),
            cause.to_string(),
            cause.action().into(),
        )
    })
}

fn account(status: &Status) -> String {
    status
        .linked
        .account
        .map(|digits| digits.to_string())
        .unwrap_or_default()
}
