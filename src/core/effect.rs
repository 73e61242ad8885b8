//! The effects: everything the core wants done.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::ground::{ArchiveId, Cause, Order};
use crate::parts::{Hindrance, Plan, Tested, Todo};
use crate::past::Past;

/// The outcome of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// To be carried out in order.
    pub effects: Vec<Effect>,
    /// The event meant nothing in this state.
    pub ignored: bool,
}

/// One thing to do. Each fallible one answers with an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Look through the vault. Answers with `Found`, or with `StorageFailed`.
    Inspect,
    /// Open the way to WhatsApp, up to the socket, while the vault is opened, for the `Connect` or `Pair` that is expected: nothing of the
    /// device is sent on it, and it is closed when none comes. Answers with nothing.
    DialAhead,
    /// Carry out the plan, an empty one too; one that is not is audited first. No run is left. Answers with `Space` and `Booted`,
    /// or with `StorageFailed`.
    Repair(Plan),
    /// Log in with the live generation, keeping the library from reconnecting by itself.
    /// Answers with `LinkUp` and, in the end, `LinkEnded`.
    Connect,
    /// Link the live, empty generation: QR, and a pairing code when a phone number is configured.
    /// Answers with `QrShown`, `CodeShown`, `Paired`, `LinkUp` and, in the end, `LinkEnded`.
    Pair,
    /// End the link's run; harmless when it has just ended. The run answers with its one `LinkEnded`.
    Disconnect,
    /// Do over the link what a repair left to do. Answers with `CaughtUp`, unless the link goes down over it.
    CatchUp(Todo),
    /// Note in the vault that nothing is left to do.
    NoteCaughtUp,
    /// Be available for a moment, so that WhatsApp sees us.
    Pulse,
    /// Ask the phone that this device is linked to for something, so that it shows itself: `PhoneSeen` follows when it does.
    AskPhone,
    /// Give up the sessions with this peer of an [`crate::Event::Undecrypted`]: the library makes new ones.
    Renegotiate {
        /// Whom.
        peer: u64,
    },
    /// Have everything that waits to be sent fail: the account may not send.
    FailSends,
    /// Tell the operator how much could not be decrypted within a minute.
    Undecrypted {
        /// How many messages.
        messages: u32,
        /// From how many peers, lately.
        peers: u32,
    },
    /// Find out whether the link is alive: answers with `Heard` when WhatsApp answers, else with nothing.
    Probe,
    /// Find out whether a message gets through. Answers with `SelfTested`, unless the link goes down over it.
    SelfTest,
    /// Publish the result of a self-test.
    Tested(Tested),
    /// Write this down, durable before the next effect on disk and before a run of the link starts: the next start is told it in
    /// [`crate::Facts`].
    Remember(Box<Past>),
    /// Write the audit entry, durable; then retire the live generation and begin the next.
    /// Answers with `Retired` or `RetireFailed`.
    Retire(Order),
    /// Write the audit entry, durable; then, as durable, that everything is to be forgotten before the next start opens anything; then log
    /// every link out that WhatsApp may still list, as well as that goes within half a minute. No run is left.
    /// Answers with `ResetNoted`, or with `ResetFailed` where nothing of it was done.
    Reset(Order),
    /// Note that the owner has seen what a factory reset did.
    ResetSeen,
    /// Wait no longer for consumers that are away for so long while others come. A sample that says otherwise follows.
    StopWaiting {
        /// How long, milliseconds.
        away_ms: u64,
    },
    /// Give back what the mail keeps only to recognise duplicates. Answers with `Space`.
    TrimMail,
    /// Write the audit entry, durable; then remove the oldest retired generation.
    /// Answers with `Space` or `DropFailed`, or not at all while somebody is at the archive.
    DropOldestArchive,
    /// As [`Effect::Retire`], with an archived generation coming back as the next: its identity and kept tiers, no
    /// ratchet. Answers with `Retired` or `RetireFailed`.
    Restore {
        /// The audit entry.
        order: Order,
        /// The archive that comes back.
        from: ArchiveId,
    },
    /// Log this archived link out at WhatsApp with its own keys, as well as that goes, and note it. Answers with
    /// `FarewellSaid`.
    Farewell(ArchiveId),
    /// Tell the operator, in journal and on the bus: a cause that is new, or one that has lasted for many attempts.
    Report(Cause),
    /// Tell the owner of what was just reported, in the chat with oneself and by a program of the operator's, where they want that.
    Notify(Cause),
    /// Answer a [`crate::Command`].
    Reply {
        /// The request answered.
        request: u64,
        /// The answer.
        reply: Reply,
    },
    /// Have the radio join its network anew, from the beginning. Answers with nothing: what comes of it is seen on the way out.
    Rejoin,
    /// Ask the index for a newer version. Answers with [`crate::UpdateStep`]: `Nothing`, `Found` or `Failed`.
    LookForUpdate,
    /// Fetch and install the version that was found, or that a client handed in. Answers with [`crate::UpdateStep`]: `Going` now and
    /// then, and in the end `Installed` or `Failed`.
    Install,
    /// Have the version that runs stay. Answers with [`crate::UpdateStep`]: `Kept` or `NotKept`.
    MarkGood,
    /// Leave the daemon's loop: everything is in order.
    Exit,
    /// Leave the daemon's loop as failed: the service manager starts us again.
    ExitFailed,
    /// Leave the daemon's loop in order, and then have the machine restarted, or the process where the machine is not ours, whatever else
    /// fails.
    Restart,
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// It is being done.
    Accepted,
    /// To be repeated in [`crate::Command::Confirm`].
    Token {
        /// The token.
        token: u64,
        /// How long it is good for, milliseconds.
        valid_ms: u64,
    },
    /// It is not done.
    Refused(Refusal),
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is nothing to link, re-link or restore now.
    NothingToDo,
    /// The token is wrong, used or too old.
    BadToken,
    /// Another attempt so soon would harm the account.
    TooSoon {
        /// When to ask again, milliseconds from now.
        retry_ms: u64,
    },
    /// The data partition has no room for a link.
    NoRoom,
    /// Something must not be interrupted.
    NotNow(Hindrance),
    /// Holdfast is stopping.
    Stopping,
}
