//! The structured log, and the type that keeps secrets out of it.
//!
//! Every kind of event an operator may look for is one function here: it has a stable `MESSAGE_ID`, explained in
//! `systemd/holdfast.catalog`, and `HOLDFAST_*` fields whose types cannot carry a secret.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, IsTerminal},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    panic,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use holdfast_core::{Cause, GenerationId, LastEnd, Trigger};
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

use crate::vault::{Report, tiers::Kind};

/// A value that must never reach a log: keys, JIDs, phone numbers, QR strings, message texts.
///
/// It has no `Display` and its `Debug` prints nothing of it; reading it takes the word [`Secret::expose`].
///
/// ```compile_fail,E0277
/// println!("{}", holdfast::journal::Secret::new("491701234567"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value, for the one place that needs it.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

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
        /// What the system says.
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
            .with_priority_mappings(PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            });
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

/// Our own crates alone: `holdfast`, `holdfastd`, `holdfast_core`, `holdfast_lab`.
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
    /// Messages are in the durable inbox.
    pub const MESSAGES_ACCEPTED: Self = Self("dea0b6c297a6462aad45adc9f041b8cf");
    /// The daemon ended in order.
    pub const STOPPED: Self = Self("a0d33dbb85b1417c9c90ff55eb02df12");
    /// Something this machine could have is not there.
    pub const FACILITY_MISSING: Self = Self("0e4bfb6cc96b47f49ddb4acfc9aecfe5");
    /// A setting of the owner was ignored.
    pub const SETTING_IGNORED: Self = Self("5e21ea78c48844a9a219c32665796acb");

    /// How the last run ended.
    pub const LAST_END: Self = Self("3f0e0d5cb6f24d0f8b8f2f6a1e9a7c54");
    /// An archived generation was removed for want of space.
    pub const ARCHIVE_DROPPED: Self = Self("b9a3f1c27de8455f9c41d06be7a2f830");

    /// All of them, for the catalog's test.
    pub const ALL: [Self; 10] = [
        Self::STARTED,
        Self::STATE_CHANGED,
        Self::REPAIRED,
        Self::RETIRED,
        Self::MESSAGES_ACCEPTED,
        Self::STOPPED,
        Self::FACILITY_MISSING,
        Self::SETTING_IGNORED,
        Self::LAST_END,
        Self::ARCHIVE_DROPPED,
    ];

    /// 32 lower-case hexadecimal digits, as systemd writes a 128-bit id.
    pub fn as_str(self) -> &'static str {
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

/// The session is in another state: its machine name, and why it is not connected.
pub fn state_changed(state: &'static str, cause: Option<Cause>, generation: GenerationId) {
    match cause {
        None => info!(
            MESSAGE_ID = MessageId::STATE_CHANGED.0,
            HOLDFAST_STATE = state,
            HOLDFAST_GENERATION = %generation,
            "{state}",
        ),
        Some(cause) => warn!(
            MESSAGE_ID = MessageId::STATE_CHANGED.0,
            HOLDFAST_STATE = state,
            HOLDFAST_CAUSE = cause.code.as_str(),
            HOLDFAST_GENERATION = %generation,
            "{state}: {cause} {}",
            cause.action(),
        ),
    }
}

/// The vault was repaired before anything rested on it.
pub fn repaired(generation: GenerationId, report: &Report) {
    let count = |counts: &BTreeMap<Kind, u64>| counts.values().sum::<u64>();
    warn!(
        MESSAGE_ID = MessageId::REPAIRED.0,
        HOLDFAST_GENERATION = %generation,
        HOLDFAST_FOUND = ?report.findings.store,
        HOLDFAST_IDENTITY = ?report.findings.identity,
        HOLDFAST_TREATMENT = ?report.plan.store,
        kept = count(&report.kept),
        dropped = count(&report.dropped),
        took_ms = report.took.as_millis(),
        "the keys of {generation} were repaired; what was taken out is in quarantine",
    );
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
pub fn archive_dropped(old: GenerationId) {
    warn!(
        MESSAGE_ID = MessageId::ARCHIVE_DROPPED.0,
        HOLDFAST_GENERATION = %old,
        "{old} was removed from the archive to make room",
    );
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
    if SAID
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(facility)
    {
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
mod tests {
    use holdfast_core::CauseCode;
    use tracing_subscriber::Registry;

    use super::*;

    const CATALOG: &str = include_str!("../systemd/holdfast.catalog");

    /// Everything logged meanwhile, as standard error would have it.
    fn logged(level: Level, log: impl FnOnce()) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(file.reopen().unwrap());
        let layer = text(writer, false).with_filter(ours(level));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        fs::read_to_string(file.path()).unwrap()
    }

    /// The names of all fields of everything logged meanwhile.
    fn fields(log: impl FnOnce()) -> BTreeSet<&'static str> {
        struct Names(Arc<Mutex<BTreeSet<&'static str>>>);
        impl Layer<Registry> for Names {
            fn on_event(
                &self,
                event: &tracing::Event<'_>,
                _: tracing_subscriber::layer::Context<'_, Registry>,
            ) {
                let mut names = self.0.lock().unwrap();
                event.record(&mut |field: &Field, _: &dyn fmt::Debug| {
                    names.insert(field.name());
                });
            }
        }
        let names = Arc::default();
        let layer = Names(Arc::clone(&names));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        std::mem::take(&mut *names.lock().unwrap())
    }

    #[test]
    fn the_catalog_explains_every_message_id_once_and_no_other() {
        let explained: Vec<&str> = CATALOG
            .lines()
            .filter_map(|line| line.strip_prefix("-- "))
            .collect();
        assert_eq!(explained, MessageId::ALL.map(MessageId::as_str));
        for entry in CATALOG.split("\n-- ").skip(1) {
            let (id, rest) = entry.split_once('\n').unwrap();
            assert!(
                id.len() == 32
                    && id
                        .bytes()
                        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')),
                "{id}"
            );
            let (header, body) = rest.split_once("\n\n").expect(id);
            assert!(
                header.starts_with("Subject: ") && header.ends_with("Defined-By: Holdfast"),
                "{header}"
            );
            assert!(!body.trim().is_empty(), "{id}");
        }
    }

    #[test]
    fn a_state_is_logged_under_the_contract_s_field_names() {
        let names = fields(|| {
            state_changed(
                "Reconnecting",
                Some(CauseCode::NoRoute.into()),
                GenerationId(7),
            );
        });
        let wanted = [
            "HOLDFAST_CAUSE",
            "HOLDFAST_GENERATION",
            "HOLDFAST_STATE",
            "MESSAGE_ID",
            "message",
        ];
        assert_eq!(names, BTreeSet::from(wanted));
    }

    #[test]
    fn a_line_for_people_has_the_text_first_and_no_message_id() {
        let line = logged(Level::INFO, || {
            state_changed("Connected", None, GenerationId(7));
        });
        assert!(
            line.ends_with(
                "INFO Connected HOLDFAST_STATE=\"Connected\" HOLDFAST_GENERATION=gen-0007\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn events_of_other_crates_are_dropped_at_any_level() {
        let log = logged(Level::TRACE, || {
            tracing::error!(target: "zbus::connection", "a message body");
            tracing::trace!(target: "holdfastd", "ours");
        });
        assert!(log.contains("ours") && !log.contains("body"), "{log}");
    }

    #[test]
    fn a_missing_facility_is_said_once() {
        let log = logged(Level::INFO, || {
            facility_missing("tin opener", "the tin stays shut");
            facility_missing("tin opener", "the tin stays shut");
        });
        assert_eq!(
            log.matches("no tin opener: the tin stays shut").count(),
            1,
            "{log}"
        );
    }

    #[test]
    fn a_secret_never_prints() {
        let line = logged(Level::TRACE, || {
            let number = Secret::new("491701234567".to_owned());
            info!(?number, "{number:?} {:?}", Some(&number));
        });
        assert!(
            line.contains("<secret> Some(<secret>) number=<secret>"),
            "{line}"
        );
        assert!(!line.contains("4917"), "{line}");
    }

    #[test]
    fn only_the_stream_the_service_manager_named_is_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        assert!(is_stream(
            &file,
            &format!("{}:{}", stat.st_dev, stat.st_ino)
        ));
        assert!(!is_stream(
            &file,
            &format!("{}:{}", stat.st_dev, stat.st_ino + 1)
        ));
        assert!(!is_stream(&file, ""));
    }

    #[test]
    fn a_new_log_file_keeps_the_previous_run_s_and_is_for_the_owner_alone() {
        use std::{io::Write, os::unix::fs::PermissionsExt};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/holdfast.log");
        for run in ["first", "second"] {
            open(&path).unwrap().write_all(run.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(
            fs::read(dir.path().join("run/holdfast.log.1")).unwrap(),
            b"first"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(path.parent().unwrap())
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
    }
}
