//! `org.holdfast.Session1`: how the session is, and what a human may ask of it.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_core::{Cause, Reception};
use holdfast_medium::Secret;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use zbus::{Connection, Type, Variant, interface, object_server::SignalEmitter};

use super::{Error, PATH, changes, text::text, unless_zero};
use crate::desk::{Desk, Status};
use crate::history::LastWord;
use crate::link::PasskeyAnswer;

/// The session object.
pub struct Session1 {
    desk: Desk,
}

impl Session1 {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

/// What WhatsApp said, on the wire.
#[derive(Clone, Debug, Deserialize, Serialize, Type)]
pub struct LastWordEntry {
    /// When, milliseconds since 1970 by the wall clock of then.
    pub at_ms: u64,
    /// Its text for humans; empty when there is none.
    pub words: String,
    /// The whole of it, as XML.
    pub stanza: String,
}

impl From<LastWord> for LastWordEntry {
    fn from(word: LastWord) -> Self {
        Self {
            at_ms: word.at.wall_ms,
            words: text(word.words),
            stanza: text(word.stanza),
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
impl Session1 {
    /// Resumes linking when it is paused, or connects now instead of waiting.
    async fn link(&self) -> Result<(), Error> {
        Ok(self.desk.link().await?)
    }

    /// First step of a re-link: answers with a token to be repeated in `ConfirmRelink` within `valid_ms` milliseconds.
    #[zbus(out_args("token", "valid_ms"))]
    async fn relink(&self) -> Result<(u64, u64), Error> {
        let token = self.desk.relink().await?;
        Ok((token.token, token.valid_ms))
    }

    /// Second step of a re-link: retires the live generation to the archive and starts linking the next.
    async fn confirm_relink(&self, token: u64) -> Result<(), Error> {
        Ok(self.desk.confirm_relink(token).await?)
    }

    /// What WhatsApp wants signed with a passkey to link this device, as the JSON that `navigator.credentials.get` takes; and,
    /// once it was, the code that the phone has to show as well, which is empty when there is no need to compare.
    #[zbus(out_args("options", "code"))]
    async fn passkey(&self) -> Result<(String, String), Error> {
        let prompt = self.desk.passkey()?;
        Ok((
            text(prompt.options.into_exposed()),
            text(prompt.code.map(Secret::into_exposed).unwrap_or_default()),
        ))
    }

    /// Hands on the assertion that answers it, as JSON: `id`, `rawId`, `type`, `response`.
    async fn answer_passkey(&self, assertion: String) -> Result<(), Error> {
        let assertion = PasskeyAnswer::Assertion(Secret::new(assertion));
        Ok(self.desk.answer_passkey(assertion).await?)
    }

    /// Says that the phone shows the same code, which ends the linking.
    async fn confirm_passkey(&self) -> Result<(), Error> {
        Ok(self.desk.answer_passkey(PasskeyAnswer::SameCode).await?)
    }

    /// Tests the connection: whether WhatsApp answers, and what became of a message in the chat with oneself: `received`, `missing`,
    /// or `not-allowed` where the settings do not allow one.
    #[zbus(out_args("answered", "echo"))]
    async fn self_test(&self) -> Result<(bool, String), Error> {
        let tested = self.desk.self_test().await?;
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
        let all = self.desk.last_words(unless_zero(max)).await?.into_iter();
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
        self.desk.status().borrow().state.into()
    }

    /// Why the session is not connected: stable code, one sentence, one action for a human. Empty strings when there is no cause.
    #[zbus(property)]
    fn cause(&self) -> (String, String, String) {
        texts(self.desk.status().borrow().cause)
    }

    /// What WhatsApp does not let the account do though the session is connected: stable code, one sentence, one action for a human, and
    /// how long that still lasts, milliseconds at the moment of reading. Empty strings and 0 when nothing is wrong.
    #[zbus(property(emits_changed_signal = "false"))]
    fn account_fault(&self) -> (String, String, String, u64) {
        let fault = self.desk.status().borrow().account;
        let (code, sentence, action) = texts(fault.map(|(code, _)| code.into()));
        let left = fault.map(|(_, until)| until.saturating_duration_since(Instant::now()));
        (code, sentence, action, left.map_or(0, millis))
    }

    /// Why the power supply is no good: stable code, one sentence, one action for a human, and how often its voltage fell too low since it was
    /// last sound for an hour. Empty strings and 0 when nothing is wrong, or the board cannot tell.
    #[zbus(property(emits_changed_signal = "false"))]
    fn supply_fault(&self) -> (String, String, String, u32) {
        let fault = self.desk.status().borrow().supply;
        let (code, sentence, action) = texts(fault.map(|(code, _)| code.into()));
        (code, sentence, action, fault.map_or(0, |(_, dips)| dips))
    }

    /// The live generation, such as `gen-0007`.
    #[zbus(property)]
    fn generation(&self) -> String {
        self.desk.status().borrow().linked.generation.to_string()
    }

    /// The last four digits of the account linked to; empty when none is.
    #[zbus(property)]
    fn account(&self) -> String {
        account(&self.desk.status().borrow())
    }

    /// Which attempt to connect is planned or under way; 0 when none is counted.
    #[zbus(property)]
    fn attempt(&self) -> u32 {
        self.desk.status().borrow().attempt
    }

    /// What of the owner's settings was not taken at this start: file, line, why, and what to do instead. No value of theirs.
    #[zbus(property(emits_changed_signal = "const"))]
    fn ignored_settings(&self) -> Vec<String> {
        let ignored = self.desk.ignored_settings().iter();
        ignored.cloned().map(text).collect()
    }

    /// Milliseconds until the next attempt, at the moment of reading; 0 when none is planned.
    #[zbus(property(emits_changed_signal = "false"))]
    fn next_attempt(&self) -> u64 {
        let due = self.desk.status().borrow().next_attempt;
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        left.map_or(0, millis)
    }

    /// How well the radio hears its access point, at the moment of reading: the level in dBm, and `good`, `fair` or `weak`. 0 and an empty
    /// text where no Wi-Fi is joined.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn wifi(&self) -> (i32, String) {
        let told = |heard: Reception| (heard.dbm.into(), heard.quality().as_str().to_owned());
        self.desk.wifi().await.map(told).unwrap_or_default()
    }

    /// The proxy through which WhatsApp is reached, without its login, such as `http://10.0.0.1:3128`; empty when there is none.
    #[zbus(property(emits_changed_signal = "const"))]
    fn proxy(&self) -> String {
        self.desk.proxy().unwrap_or_default().to_owned()
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Emits `News` as it comes. Returns when the daemon is gone.
pub(super) async fn tell(connection: &Connection, desk: &Desk) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let mut news = desk.news();
    while let Some(cause) = news.next().await {
        let (code, sentence, action) = texts(Some(cause));
        Session1::news(&emitter, &code, &sentence, &action).await?;
    }
    Ok(())
}

/// Announces what changes. Returns when the daemon is gone.
pub(super) async fn announce(connection: &Connection, desk: &Desk) -> zbus::Result<()> {
    changes::announce(connection, desk, "org.holdfast.Session1", properties).await
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
