//! The events: everything that can happen to Holdfast.

use alloc::boxed::Box;

use crate::ground::{AuditEnd, Cause, CauseCode, Emptied, LastEnd, LastFour, Linked, Way};
use crate::parts::{
    Deed, Findings, Hand, Ignored, Limits, Part, Space, Tested, UpdateStep, Updates,
};
use crate::past::Past;

/// The facts of a start: what the machine tells before anything is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// How the last run ended.
    pub last_end: LastEnd,
    /// Settings of the owner that were ignored, if any were.
    pub ignored: Option<Ignored>,
    /// How far the way to the outside goes; `None` where it does not matter.
    pub way: Option<Way>,
    /// The wall clock is behind the last time known to be good.
    pub clock_behind: bool,
    /// The last [`crate::Effect::Remember`], and how long ago it was written, milliseconds; 0 where nobody knows.
    pub past: Option<(Past, u64)>,
    /// The data partition was broken, was set aside, and nothing can be kept in this start.
    pub set_aside: bool,
    /// What the operator set of the data partition's limits.
    pub limits: Limits,
    /// The glass has a light that can be dimmed, and ages where it is lit.
    pub dims: bool,
    /// A phone can read a QR on the glass, so that it goes before a pairing code.
    pub qr_first: bool,
    /// A factory reset that is not done.
    pub reset: Unfinished,
    /// What a factory reset did that the owner has not seen yet.
    pub emptied: Option<Emptied>,
    /// What is known about updates.
    pub updates: Updates,
}

/// How far a factory reset is that an earlier run wrote down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unfinished {
    /// There is none, or it is done.
    #[default]
    No,
    /// It is still to be done, by a restart.
    Waits,
    /// The boot tried, and could not finish it.
    Failed,
}

/// One thing that happened. Every event is legal in every state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The process started, with all that the machine could tell before anything was opened. Answered with an
    /// [`crate::Effect::Inspect`].
    Woke(Box<Facts>),
    /// An [`crate::Effect::Inspect`] is done. Answered with an [`crate::Effect::Repair`].
    Found(Findings),
    /// An [`crate::Effect::Repair`] is carried out: the vault and the mail are open.
    Booted(Linked),
    /// [`crate::State::deadline`] has come (an early or late tick is harmless).
    Tick,
    /// How far the way to the outside goes now, when that changed.
    Network(Way),
    /// Whether a radio is the only way out that there is, when that changed: the owner named a network for it, and no cable is plugged in.
    Radio {
        /// It is.
        alone: bool,
    },
    /// Whether the wall clock is behind the last time known to be good, when that changed.
    Clock {
        /// It is, or it was set to that time for want of a better one.
        behind: bool,
    },
    /// The link shows a QR: WhatsApp's server gave a ref. The code itself never passes through the core.
    QrShown {
        /// How long it can be scanned, milliseconds.
        valid_ms: u64,
    },
    /// The link has a pairing code.
    CodeShown {
        /// How long it can be entered, milliseconds.
        valid_ms: u64,
    },
    /// WhatsApp asks for a passkey to link this device.
    PasskeyAsked,
    /// The phone accepted; keys are saved.
    Paired(LastFour),
    /// The phone's answer did not check out; the rotation of codes goes on.
    PairFailed,
    /// WhatsApp's ref is too long for any QR code; the rotation of codes goes on.
    CodeUnusable,
    /// WhatsApp gave this number when it refused the login or ended the stream; what it means follows with the end of the run.
    Said {
        /// The code of the stream error, or the reason of the failure.
        number: u16,
    },
    /// The link is logged in and usable.
    LinkUp,
    /// An [`crate::Effect::CatchUp`] is done.
    CaughtUp,
    /// Something came from the phone that this device is linked to.
    PhoneSeen,
    /// A message cannot be decrypted. The library asks for it again by itself.
    Undecrypted {
        /// Tells whom it is from apart from others, for the life of the process, and says nothing else of them.
        peer: u64,
        /// The vault has a session with them: one worked before.
        worked: bool,
    },
    /// Something of this peer was decrypted; told once a minute of each.
    Decrypted {
        /// As in [`Event::Undecrypted`].
        peer: u64,
    },
    /// WhatsApp refused a message for want of a conversation, and does so for the whole account.
    NoNewChats {
        /// For how long, milliseconds.
        for_ms: u64,
    },
    /// An [`crate::Effect::SelfTest`] is over.
    SelfTested(Tested),
    /// WhatsApp answered an [`crate::Effect::Probe`].
    Heard,
    /// The link's run came to an end. Exactly one for each [`crate::Effect::Connect`] or [`crate::Effect::Pair`],
    /// also after [`crate::Effect::Disconnect`], and nothing of that run after it.
    LinkEnded(Ending),
    /// The button went down.
    Pressed(Hand),
    /// The button came up.
    Released(Hand),
    /// Night falls by the owner's setting, or is over.
    Night(bool),
    /// The bus asks for something.
    Command {
        /// Returned in the [`crate::Effect::Reply`].
        request: u64,
        /// The command.
        command: Command,
    },
    /// An [`crate::Effect::Retire`] or [`crate::Effect::Restore`] is done: this generation is live now, empty in the
    /// first case and linked in the other.
    Retired(Linked),
    /// An [`crate::Effect::Farewell`] is over, whatever came of it.
    FarewellSaid,
    /// An [`crate::Effect::Retire`] or [`crate::Effect::Restore`] failed; the old generation is untouched and still
    /// live.
    RetireFailed,
    /// The first two parts of an [`crate::Effect::Reset`] are done, or may be.
    ResetNoted,
    /// An [`crate::Effect::Reset`] failed before anything was done.
    ResetFailed,
    /// How full the data partition is: an answer of [`crate::Effect::Repair`] and [`crate::Effect::TrimMail`], and then every few
    /// seconds.
    Space(Space),
    /// Received messages were refused for want of room: WhatsApp keeps them until the next run.
    InboxFull,
    /// An [`crate::Effect::DropOldestArchive`] failed; the archive is as it was.
    DropFailed,
    /// The data partition cannot be opened, or has failed: nothing can be kept any more, and why.
    StorageFailed(CauseCode),
    /// The audit ends here, now that it is opened or has one more entry.
    Audited(AuditEnd),
    /// Whether the voltage of the power supply is too low, when that changed.
    Voltage {
        /// It is.
        low: bool,
    },
    /// An update goes on, or comes to nothing.
    Update(UpdateStep),
    /// The hour of updates comes, or is over.
    UpdateHour(bool),
    /// Archives are written out or taken in for clients, or none is any more.
    Saving(bool),
    /// A part of the panel works, or fails.
    Panel {
        /// Which.
        part: Part,
        /// Why it fails; `None` when it works.
        fault: Option<CauseCode>,
    },
}

/// A command that a client may give the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Resume linking when paused, or connect now instead of waiting.
    Link,
    /// Find out whether a message gets through.
    SelfTest,
    /// First step of what takes two: answers with a token.
    Ask {
        /// The deed.
        deed: Deed,
        /// A fresh random number to be used as the token.
        nonce: u64,
    },
    /// Second step: do it.
    Confirm {
        /// The same as in the first step.
        deed: Deed,
        /// The token that the first step answered with.
        token: u64,
    },
    /// Install the version that the client hands in.
    Install,
    /// Look for the newest version, and install it at once.
    LookForUpdate,
    /// Shut down in order.
    Stop,
}

/// Why a run of the link ended: facts as the link saw them, not judged yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// We asked for it.
    Asked,
    /// The socket closed, or never opened, or logging in timed out.
    Network(Cause),
    /// Another copy uses this session (440, or 409).
    Replaced,
    /// WhatsApp says the device is no longer linked (401, `device_removed`, 516).
    LoggedOut,
    /// The account itself is locked or unavailable (403, 406).
    AccountLocked,
    /// A temporary ban (402).
    Banned {
        /// How long it lasts, milliseconds, when the server said.
        expires_ms: Option<u64>,
    },
    /// The client version is refused (405).
    ClientOutdated,
    /// Restart required (515).
    RestartRequired,
    /// Too many requests (429).
    Throttled,
    /// Any other refusal or stream error, by the server's number (0 when it gave none).
    Refused {
        /// The server's code.
        code: u16,
    },
    /// All codes of a pairing were shown and none was scanned.
    QrExhausted,
    /// The vault could not answer the link.
    Storage,
}
