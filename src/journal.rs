//! The structured log.
//!
//! Every kind of event an operator may look for is one function here: it has a stable `MESSAGE_ID`, explained in
//! `systemd/holdfast.catalog`, and `HOLDFAST_*` fields whose types cannot carry a secret.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, IsTerminal},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    panic,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use holdfast_core::{
    ArchiveId, Cause, CauseCode, Findings, GenerationId, IdentityFound, LastEnd, Plan, StoreFound,
    Tested, Treatment, Trigger, Unusable,
};
use parking_lot::Mutex;
use sha1::{Digest, Sha1};
use thiserror::Error;
use tracing::{Level, error, field::Field, info, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    filter::Targets,
    fmt::{
        MakeWriter,
        format::{Writer, debug_fn},
    },
    layer::{Layer, SubscriberExt},
    registry::LookupSpan,
};

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The system's journal, with all fields.
    Journal,
    /// Standard error, as text.
    Stderr,
    /// A file, because standard error is the terminal the panel is drawn in.
    File(PathBuf),
}

/// The log cannot be set up.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The log file of a panel drawn in the terminal.
    #[error("cannot write the log to {}: {source}; name another place with --runtime", path.display())]
    File {
        /// The file meant.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// [`init`] was called before.
    #[error("the log is already set up in this process")]
    Twice,
}

/// Sends the log to the journal, to standard error, or to `file` when `panel_in_terminal` and standard error is that
/// terminal. Events of other crates are dropped at any level: theirs may hold addresses and contents.
///
/// # Errors
/// When `file` is needed and cannot be created, or when called twice.
pub fn init(
    level: Level,
    panel_in_terminal: bool,
    file: &Path,
) -> Result<Destination, JournalError> {
    if stderr_is_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        let journal = journal
            .with_field_prefix(None)
            .with_priority_mappings(priorities());
        install(level, journal)?;
        return Ok(Destination::Journal);
    }
    let on_terminal = io::stderr().is_terminal();
    if panel_in_terminal && on_terminal {
        let log = open(file).map_err(|source| JournalError::File {
            path: file.to_owned(),
            source,
        })?;
        install(level, text(Arc::new(log), false))?;
        return Ok(Destination::File(file.to_owned()));
    }
    install(level, text(io::stderr, on_terminal))?;
    Ok(Destination::Stderr)
}

/// The PRIORITY of each level, as syslog(3) has them: what an operator has to hear of is a warning, what failed an error.
fn priorities() -> PriorityMappings {
    PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    }
}

/// From now on a panic says where it was and not what it said: the store's panics print pages of records.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        error!("a panic at {place}");
    }));
}

fn install<L>(level: Level, layer: L) -> Result<(), JournalError>
where
    L: Layer<tracing_subscriber::Registry> + Send + Sync,
{
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(ours(level)));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| JournalError::Twice)
}

/// Our own crates alone: `holdfast`, `holdfastd`, `holdfast_core`, `holdfast_medium`, `holdfast_lab`.
fn ours(level: Level) -> Targets {
    Targets::new().with_target("holdfast", level)
}

/// Lines for people: the text, then the fields that say more than the text.
fn text<S, W>(writer: W, colours: bool) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| match field.name()
    {
        "message" => write!(writer, "{value:?}"),
        "MESSAGE_ID" => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    };
    tracing_subscriber::fmt::layer()
        .with_ansi(colours)
        .with_target(false)
        .fmt_fields(debug_fn(field))
        .with_writer(writer)
}

/// `JOURNAL_STREAM` names the device and inode of the stream the service manager connected to the journal
/// (systemd.exec(5)); it is inherited, so it counts only while standard error still is that stream.
fn stderr_is_journal() -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_stream(io::stderr(), &stream))
}

fn is_stream(file: impl AsFd, device_and_inode: &str) -> bool {
    rustix::fs::fstat(file)
        .is_ok_and(|stat| device_and_inode == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Starts a log file, keeping the previous run's as `<name>.1`.
fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut previous = path.as_os_str().to_owned();
    previous.push(".1");
    match fs::rename(path, previous) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .create_new(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// The namespace of the ids of causes, a UUID drawn once.
const CAUSES: [u8; 16] = 0x2c8e_41d7_90b3_4f6a_a51d_7be0_94c3_f812_u128.to_be_bytes();

/// The stable name of a kind of event: `journalctl MESSAGE_ID=…`, explained by `journalctl -x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId(&'static str);

impl MessageId {
    /// The daemon is up.
    pub const STARTED: Self = Self("6a6785f7681c4792b0c17342e66f89c8");
    /// The session is in another state.
    pub const STATE_CHANGED: Self = Self("d10a93be182f443284f0fe1128780c02");
    /// Keys were repaired before the link.
    pub const REPAIRED: Self = Self("5b0f3d6c2c1e4c0f9a2f54d1e7b86a90");
    /// A generation was retired to the archive.
    pub const RETIRED: Self = Self("d60037ef19114e2f88c33ec57de14a3d");
    /// An archived generation came back.
    pub const RESTORED: Self = Self("7b0f6f2c0d1f4f0c8f6d3a5e9b2c4d18");
    /// Messages are in the durable inbox.
    pub const MESSAGES_ACCEPTED: Self = Self("dea0b6c297a6462aad45adc9f041b8cf");
    /// The daemon ended in order.
    pub const STOPPED: Self = Self("a0d33dbb85b1417c9c90ff55eb02df12");
    /// Something this machine could have is not there.
    pub const FACILITY_MISSING: Self = Self("0e4bfb6cc96b47f49ddb4acfc9aecfe5");
    /// A setting of the owner was ignored.
    pub const SETTING_IGNORED: Self = Self("5e21ea78c48844a9a219c32665796acb");
    /// Messages could not be decrypted.
    pub const UNDECRYPTED: Self = Self("c1f60f4d2a9b4f1c8d57e2b7a4930e66");
    /// A new session is made with a peer.
    pub const RENEGOTIATED: Self = Self("8e5b1f0a3c7d4926b1c40e97d25a6f83");
    /// How the last run ended.
    pub const LAST_END: Self = Self("3f0e0d5cb6f24d0f8b8f2f6a1e9a7c54");
    /// An archived generation was removed for want of space.
    pub const ARCHIVE_DROPPED: Self = Self("b9a3f1c27de8455f9c41d06be7a2f830");
    /// A link that was given up is logged out at WhatsApp.
    pub const LOGGED_OUT: Self = Self("db2e786295704081a9f2a4fd3f7a2a84");
    /// The link was tested.
    pub const SELF_TESTED: Self = Self("4d1c0a8e62f94b7f9f3b5d27c8e6a1f5");

    /// Where the audit ends.
    pub const AUDITED: Self = Self("9c4e7d20b1a84c3f8e56d07f3a91c2b4");

    /// Everything was forgotten.
    pub const FORGOTTEN: Self = Self("e27b9d4a60c14f6c8a3d51f7b2c90e86");

    /// All of them, for the catalog's test.
    pub const ALL: [Self; 17] = [
        Self::STARTED,
        Self::STATE_CHANGED,
        Self::REPAIRED,
        Self::RETIRED,
        Self::RESTORED,
        Self::MESSAGES_ACCEPTED,
        Self::STOPPED,
        Self::FACILITY_MISSING,
        Self::SETTING_IGNORED,
        Self::UNDECRYPTED,
        Self::RENEGOTIATED,
        Self::LAST_END,
        Self::ARCHIVE_DROPPED,
        Self::FORGOTTEN,
        Self::LOGGED_OUT,
        Self::SELF_TESTED,
        Self::AUDITED,
    ];

    /// The id of a cause that is told: made of its stable name, as RFC 9562 makes a version 5 UUID.
    pub fn of_cause(code: CauseCode) -> String {
        let mut hash = Sha1::new_with_prefix(CAUSES);
        hash.update(code.as_str());
        let mut id: [u8; 20] = hash.finalize().into();
        id[6] = id[6] & 0x0f | 0x50;
        id[8] = id[8] & 0x3f | 0x80;
        hex::encode(&id[..16])
    }

    /// 32 lower-case hexadecimal digits, as systemd writes a 128-bit id.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// The daemon is up, with this generation live.
pub fn started(generation: GenerationId) {
    info!(
        MESSAGE_ID = MessageId::STARTED.0,
        HOLDFAST_GENERATION = %generation,
        "Holdfast {} is up",
        env!("CARGO_PKG_VERSION"),
    );
}

/// The session is in another state: its machine name, and why it is not connected. Nothing of that is new: see [`told`].
pub fn state_changed(state: &'static str, cause: Option<Cause>, generation: GenerationId) {
    info!(
        MESSAGE_ID = MessageId::STATE_CHANGED.0,
        HOLDFAST_STATE = state,
        HOLDFAST_CAUSE = cause.map(|cause| cause.code.as_str()),
        HOLDFAST_GENERATION = %generation,
        "{state}{}",
        cause.map(|cause| format!(": {cause}")).unwrap_or_default(),
    );
}

/// A cause the operator has to hear of, each kind under an id of its own, with the state that the session went into because of it,
/// where it did.
pub fn told(cause: Cause, changed: Option<(&'static str, GenerationId)>) {
    let (state, generation) = changed.unzip();
    let begin = state.map(|state| format!("{state}: ")).unwrap_or_default();
    let end = cause.advice().map(|advice| format!(" {advice}"));
    warn!(
        MESSAGE_ID = MessageId::of_cause(cause.code).as_str(),
        HOLDFAST_STATE = state,
        HOLDFAST_CAUSE = cause.code.as_str(),
        HOLDFAST_GENERATION = generation.map(tracing::field::display),
        "{begin}{cause}{}",
        end.unwrap_or_default(),
    );
}

/// So many messages of so many peers could not be decrypted within a minute.
pub fn undecrypted(messages: u32, peers: u32) {
    warn!(
        MESSAGE_ID = MessageId::UNDECRYPTED.0,
        messages, peers, "messages could not be decrypted and are asked for again",
    );
}

/// Much of one peer could not be decrypted, so that its sessions are given up.
pub fn renegotiated() {
    warn!(
        MESSAGE_ID = MessageId::RENEGOTIATED.0,
        "many messages of one contact could not be decrypted; a new session is made with it",
    );
}

/// The vault was repaired: so many records are still there, so many were taken out, and it took so long.
pub fn repaired(
    generation: GenerationId,
    findings: &Findings,
    plan: &Plan,
    kept: u64,
    dropped: u64,
    took: Duration,
) {
    warn!(
        MESSAGE_ID = MessageId::REPAIRED.0,
        HOLDFAST_GENERATION = %generation,
        HOLDFAST_FOUND = ?findings.store,
        HOLDFAST_IDENTITY = ?findings.identity,
        HOLDFAST_TREATMENT = ?plan.store,
        kept,
        dropped,
        took_ms = took.as_millis(),
        "the keys of {generation} were {}, and are {}; what was taken out is in quarantine",
        found(findings),
        match plan.store {
            Treatment::Rebuild => "made anew",
            Treatment::Weed | Treatment::Keep => "repaired",
        },
    );
}

/// How the keys were found, in a few words.
fn found(findings: &Findings) -> &'static str {
    match findings.store {
        StoreFound::Damaged => "damaged",
        StoreFound::Lost => "lost, but for the identity",
        StoreFound::Older => "those of an older copy that was put back",
        StoreFound::Behind | StoreFound::OneBehind => "older than they should be",
        StoreFound::Unwitnessed => "whole, with nothing to tell how new they are",
        StoreFound::Sound if findings.unusable != Unusable::default() => "damaged in part",
        StoreFound::Sound if findings.identity == IdentityFound::OneSlot => {
            "whole, with the identity in one copy"
        }
        StoreFound::Sound => "sound",
    }
}

/// A generation was retired to the archive and the next is live.
pub fn retired(old: GenerationId, new: GenerationId, trigger: Trigger) {
    warn!(
        MESSAGE_ID = MessageId::RETIRED.0,
        HOLDFAST_GENERATION = %new,
        HOLDFAST_TRIGGER = ?trigger,
        "{old} is retired to the archive, {new} is live",
    );
}

/// How the last run ended, and why we think so.
pub fn last_end(end: LastEnd, why: &'static str) {
    macro_rules! say {
        ($log:ident) => {
            $log!(
                MESSAGE_ID = MessageId::LAST_END.0,
                HOLDFAST_BOOT_END = end.as_str(),
                "{} {why}",
                end.sentence(),
            )
        };
    }
    if end.is_in_order() {
        say!(info);
    } else {
        say!(warn);
    }
}

/// A generation of the archive was removed for want of space.
pub fn archive_dropped(old: ArchiveId) {
    warn!(
        MESSAGE_ID = MessageId::ARCHIVE_DROPPED.0,
        HOLDFAST_ARCHIVE = %old,
        "{old} was removed from the archive to make room",
    );
}

/// The link that a human gave up is gone from WhatsApp, too.
pub fn logged_out(old: ArchiveId) {
    info!(
        MESSAGE_ID = MessageId::LOGGED_OUT.0,
        HOLDFAST_ARCHIVE = %old,
        "{old} is logged out at WhatsApp",
    );
}

/// Logs the result of a self-test of the link.
pub fn self_tested(tested: Tested) {
    let echo = match tested.echoed {
        Some(true) => "a message in the chat with oneself reached the phone",
        Some(false) => "a message in the chat with oneself did not reach the phone",
        None => "no message was written, as set",
    };
    let answer = if tested.answered {
        "WhatsApp answered"
    } else {
        "WhatsApp did not answer"
    };
    info!(
        MESSAGE_ID = MessageId::SELF_TESTED.0,
        "the link was tested: {answer}; {echo}",
    );
}

/// An archived generation came back under a new number.
pub fn restored(from: ArchiveId, new: GenerationId) {
    warn!(
        MESSAGE_ID = MessageId::RESTORED.0,
        HOLDFAST_GENERATION = %new,
        "{from} is restored as {new}",
    );
}

/// The audit ends in this entry, with this hash: what `holdfastctl audit verify` holds against the log.
pub fn audited(seq: u64, hash: &str) {
    info!(
        MESSAGE_ID = MessageId::AUDITED.0,
        HOLDFAST_AUDIT_SEQ = seq,
        HOLDFAST_AUDIT_HEAD = hash,
        "the audit ends in entry {seq}, {:.8}",
        hash,
    );
}

/// A factory reset is done, but for what is named: a path of each, and why it is left.
pub fn forgotten(left: &[String]) {
    warn!(
        MESSAGE_ID = MessageId::FORGOTTEN.0,
        "everything is forgotten, as was confirmed at the device"
    );
    for line in left {
        warn!("the factory reset left something: {line}");
    }
}

/// So many messages became durable, the newest under this sequence number of the inbox.
pub fn messages_accepted(count: usize, newest: u64) {
    info!(
        MESSAGE_ID = MessageId::MESSAGES_ACCEPTED.0,
        count, newest, "messages accepted"
    );
}

/// The daemon ended in order.
pub fn stopped() {
    info!(
        MESSAGE_ID = MessageId::STOPPED.0,
        "Holdfast stopped in order"
    );
}

/// Something this machine could have is not there, and what that means. Said once for each facility.
pub fn facility_missing(facility: &'static str, consequence: &'static str) {
    static SAID: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().insert(facility) {
        warn!(
            MESSAGE_ID = MessageId::FACILITY_MISSING.0,
            facility, "no {facility}: {consequence}"
        );
    }
}

/// A setting of the owner's file was ignored; `why` names file and line and holds no value.
pub fn setting_ignored(why: &str) {
    warn!(MESSAGE_ID = MessageId::SETTING_IGNORED.0, "{why}");
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::logged;
