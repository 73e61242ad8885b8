//! Why a command of `holdfastctl` fails, and its exit code.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use holdfast_core::setback::End;

use super::{daemon::PATIENCE, peer::Stranger};
use crate::bus;
use crate::history::HistoryError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No daemon answers anywhere it was looked for.
    #[error("No Holdfast is running here. Looked {}.\nStart it with `holdfastd` (on the appliance: `systemctl start holdfastd`), or name its place with --runtime DIR.", looked.join(", "))]
    NoDaemon {
        /// The places.
        looked: Vec<String>,
    },
    /// Whoever answers there is neither root, nor this user, nor the daemon's.
    #[error("At the {place} answers {who}, who is neither root, nor you, nor the user holdfast: nothing was said to it.{}", who.advice())]
    Stranger {
        /// Where.
        place: String,
        /// Who.
        who: Stranger,
    },
    /// Somebody is there, and cannot be talked to.
    #[error("The {place} cannot be used: {source}.{}", permission(source))]
    Unreachable {
        /// Where.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// Somebody is there, and hangs up at once.
    #[error(
        "At the {place} somebody hung up before a word was said: it serves as many clients as it may, or is just leaving, or is no Holdfast. End other clients of it, and try again."
    )]
    HungUp {
        /// Where.
        place: String,
    },
    /// The daemon, or the message bus, does not answer.
    #[error("Holdfast does not answer at the {place}: nothing was heard for {} s. `systemctl status holdfastd` and `journalctl -u holdfastd` say what it is doing.", PATIENCE.as_secs())]
    Silent {
        /// Where.
        place: String,
    },
    /// The daemon went away in the middle of it.
    #[error("Holdfast went away meanwhile. `holdfastctl status` shows whether it is back.")]
    Gone,
    /// This user may not do it.
    #[error(
        "Not allowed: seeing needs group holdfast, messages need group holdfast-bot, everything else needs group holdfast-admin. Join it, or use sudo."
    )]
    Denied,
    /// The daemon says no.
    #[error("{0}")]
    Refused(bus::Error),
    /// The state waited for did not come.
    #[error("Still {state} after {} s.{}", after.as_secs(), sentence.as_deref().map(|sentence| format!(" {sentence}")).unwrap_or_default())]
    TimedOut {
        /// The state it is in.
        state: String,
        /// Why, when there is a cause.
        sentence: Option<String>,
        /// How long was waited.
        after: Duration,
    },
    /// A destructive command was not confirmed.
    #[error("Nothing was changed.")]
    NotConfirmed,
    /// A question could not be put.
    #[error("This asks first, and there is nobody to ask here: give --yes to do it.")]
    CannotAsk,
    /// A message failed.
    #[error("Message {id} was not sent: {state}.{}", why(state))]
    NotSent {
        /// The message.
        id: String,
        /// Its final state.
        state: String,
    },
    /// A new version was not installed.
    #[error("The new version was not installed, and what runs is untouched: {why}")]
    NotUpdated {
        /// Why, which may be RAUC's words.
        why: String,
    },
    /// The newest version fell back once.
    #[error(
        "The newest version was tried, and did not prove itself. To try it again name its bundle: a file, or an https:// address."
    )]
    FellBack,
    /// A file could not be written, or read.
    #[error("cannot use {}: {source}", called(path))]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The live generation has no identity to be exported.
    #[error("{id} is not linked: there is nothing to export. Nothing was changed.")]
    NeverLinked {
        /// The generation.
        id: String,
    },
    /// The two passphrases typed differ.
    #[error("The two differ; nothing was done.")]
    PassphrasesDiffer,
    /// The passphrase is not one that an export takes.
    #[error("{0}")]
    WeakPassphrase(HistoryError),
    /// The passphrase is longer than any that is taken.
    #[error(
        "The passphrase is longer than {} bytes; nothing was done. It is the first line of the file: give a file that begins with it.",
        bus::LONGEST_PASSPHRASE
    )]
    LongPassphrase,
    /// A passphrase is wanted and nobody is there to type it.
    #[error(
        "This needs a passphrase, and there is nobody to ask here: give --passphrase-file FILE."
    )]
    NoPassphrase,
    /// A change of the settings does not hold.
    #[error("{} {why}", if *taken_back { "It was taken back, and everything is as before." } else { "Nothing was changed." })]
    NotChanged {
        /// It was tried.
        taken_back: bool,
        /// Why, in sentences.
        why: String,
    },
    /// What is to be changed is not there.
    #[error(
        "There is not {0} here; `holdfastctl settings` and `holdfastctl settings key list` show what there is."
    )]
    NoSuch(&'static str),
    /// The outcome could not be printed, or the terminal not be read.
    #[error("cannot print, or read what is typed: {0}")]
    Terminal(#[from] io::Error),
    /// The daemon sent something this version does not understand.
    #[error(
        "Holdfast sent a screen this holdfastctl cannot show; the two are of different versions."
    )]
    ForeignScreen,
    /// The daemon sent something this version does not understand.
    #[error(
        "Holdfast sent a report this holdfastctl cannot read; the two are of different versions."
    )]
    ForeignReport,
}

/// What may be done about a socket that is not for everybody.
fn permission(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            " It is for the user that Holdfast runs as, and for root: use sudo."
        }
        _ => "",
    }
}

/// The file as it was named; `-` is standard input.
fn called(path: &Path) -> String {
    match path == Path::new("-") {
        true => "standard input".into(),
        false => path.display().to_string(),
    }
}

/// Says what a final state means, where that is known.
fn why(state: &str) -> String {
    let code = state.strip_prefix("failed ").unwrap_or_default();
    End::of(code).map_or(String::new(), |end| {
        format!(" {} {}", end.sentence, end.action)
    })
}

impl Error {
    /// The exit code, after systemctl's.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::NoDaemon { .. }
            | Self::Stranger { .. }
            | Self::Unreachable { .. }
            | Self::HungUp { .. } => 4,
            Self::Silent { .. } => 5,
            _ => 1,
        })
    }

    /// Whoever read the results has gone, as `head` does once it has enough.
    pub(super) fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Terminal(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The stable name for `--json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoDaemon { .. } => "no-daemon",
            Self::Stranger { .. } => "stranger",
            Self::Unreachable { .. } => "unreachable",
            Self::HungUp { .. } => "hung-up",
            Self::Silent { .. } => "silent",
            Self::Gone => "gone",
            Self::Denied => "denied",
            Self::Refused(_) => "refused",
            Self::TimedOut { .. } => "timed-out",
            Self::NotConfirmed | Self::CannotAsk => "not-confirmed",
            Self::NotSent { .. } => "not-sent",
            Self::NotUpdated { .. } => "not-updated",
            Self::FellBack => "fell-back",
            Self::File { .. } => "file",
            Self::NeverLinked { .. } => "never-linked",
            Self::PassphrasesDiffer
            | Self::WeakPassphrase(_)
            | Self::LongPassphrase
            | Self::NoPassphrase => "passphrase",
            Self::NotChanged { .. } => "not-changed",
            Self::NoSuch(_) => "no-such",
            Self::Terminal(_) => "terminal",
            Self::ForeignScreen => "foreign-screen",
            Self::ForeignReport => "foreign-report",
        }
    }
}

impl From<bus::Error> for Error {
    fn from(error: bus::Error) -> Self {
        match error {
            bus::Error::Bus(error) => error.into(),
            refused => Self::Refused(refused),
        }
    }
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        use zbus::fdo::Error as Fdo;
        match &error {
            zbus::Error::InputOutput(_) => Self::Gone,
            zbus::Error::FDO(fdo) => match &**fdo {
                Fdo::AccessDenied(_) => Self::Denied,
                Fdo::ServiceUnknown(_)
                | Fdo::NameHasNoOwner(_)
                | Fdo::NoReply(_)
                | Fdo::Disconnected(_) => Self::Gone,
                _ => Self::Refused(bus::Error::Bus(error)),
            },
            _ => Self::Refused(bus::Error::Bus(error)),
        }
    }
}
