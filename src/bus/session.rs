//! `org.holdfast.Session1`: how the session is, and what a human may ask of it.

use std::collections::HashMap;

use holdfast_core::{Cause, Command, Deed};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use zbus::{
    Connection, Type, Variant, fdo::Properties, interface, names::InterfaceName,
    object_server::SignalEmitter,
};

use super::{Error, Handle, PATH, Status};
use crate::history::{HistoryError, LastWord, LastWords};
use crate::journal::Secret;
use crate::link::PasskeyAnswer;

/// The session object.
pub struct Session {
    handle: Handle,
}

impl Session {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

/// What WhatsApp said, on the wire.
#[derive(Clone, Debug, Deserialize, Serialize, Type)]
pub struct LastWordEntry {
    /// When, milliseconds since 1970 by the wall clock of then.
    pub at_ms: u64,
    /// What it says to humans; empty when nothing.
    pub words: String,
    /// The whole of it, as XML.
    pub stanza: String,
}

impl From<LastWord> for LastWordEntry {
    fn from(word: LastWord) -> Self {
        Self {
            at_ms: word.at.wall_ms,
            words: word.words,
            stanza: word.stanza,
        }
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

    /// What WhatsApp wants signed with a passkey to link this device, as the JSON that `navigator.credentials.get` takes; and,
    /// once it was, the code that the phone has to show as well, which is empty when there is no need to compare.
    #[zbus(out_args("options", "code"))]
    async fn passkey(&self) -> Result<(String, String), Error> {
        let shown = self.handle.credentials.borrow();
        let options = shown.passkey.clone().ok_or_else(Error::no_passkey)?;
        let code = shown.passkey_code.clone();
        Ok((
            options.into_exposed(),
            code.map(Secret::into_exposed).unwrap_or_default(),
        ))
    }

    /// Hands on the assertion that answers it, as JSON: `id`, `rawId`, `type`, `response`.
    async fn answer_passkey(&self, assertion: String) -> Result<(), Error> {
        let assertion = Secret::new(assertion);
        self.handle
            .passkey(PasskeyAnswer::Assertion(assertion))
            .await
    }

    /// Says that the phone shows the same code, which ends the linking.
    async fn confirm_passkey(&self) -> Result<(), Error> {
        self.handle.passkey(PasskeyAnswer::SameCode).await
    }

    /// Tests the connection: whether WhatsApp answers, and what became of a message in the chat with oneself: `received`, `missing`,
    /// or `not-allowed` where the settings do not allow one.
    #[zbus(out_args("answered", "echo"))]
    async fn self_test(&self) -> Result<(bool, String), Error> {
        let tested = self.handle.self_test().await?;
        let echo = match tested.echoed {
            Some(true) => "received",
            Some(false) => "missing",
            None => "not-allowed",
        };
        Ok((tested.answered, echo.to_owned()))
    }

    /// The last `max` (0: all that are kept) stanzas by which WhatsApp refused or ended a connection, the newest last: when, what they say
    /// to humans, and the whole of each as XML. They may name the account.
    #[zbus(out_args("last_words"))]
    async fn last_words(&self, max: u32) -> Result<Vec<LastWordEntry>, Error> {
        let last_words = LastWords::new(&self.handle.data);
        let max = if max == 0 { usize::MAX } else { max as usize };
        let read = tokio::task::spawn_blocking(move || last_words.last(max));
        let Ok(read) = read.await else {
            return Err(Error::stopping());
        };
        let all = read.map_err(HistoryError::LastWords)?.into_iter();
        Ok(all.map(LastWordEntry::from).collect())
    }

    /// Something that the owner should know: stable code, one sentence, one action for a human. A few times a day at most.
    #[zbus(signal)]
    async fn news(
        emitter: &SignalEmitter<'_>,
        code: &str,
        sentence: &str,
        action: &str,
    ) -> zbus::Result<()>;

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

/// Emits `News` as it comes. Returns when the daemon is gone.
pub(super) async fn tell(connection: &Connection, handle: &Handle) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let mut news = handle.news.subscribe();
    loop {
        match news.recv().await {
            Ok(cause) => {
                let (code, sentence, action) = texts(Some(cause));
                Session::news(&emitter, &code, &sentence, &action).await?;
            }
            // A bus that slow has heard the last ones.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
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
