//! The table of phases: one row says when a phase is over, what a hurry means, and where it stands in the device's life.

use super::codes::Codes;
use crate::ground::{CauseCode, Successor, Wait};

/// A phase of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The vault is not open yet.
    Starting,
    /// The vault is being repaired.
    Repairing,
    /// A run is linking the device.
    Pairing(Codes),
    /// A run is logging in.
    Connecting,
    /// A run is logged in; `asked` whether it is alive, it has not answered yet.
    Connected { asked: bool },
    /// A run is logged in, and WhatsApp does not answer.
    Stale,
    /// A run was told to end.
    Closing(Then),
    /// No run; the next step is planned.
    Waiting(Wait),
    /// No run; the network has to set the clock.
    AwaitingClock,
    /// No run; only a human goes on.
    PairingPaused,
    /// Only a human goes on; the run may still go on showing codes nobody can use.
    PasskeyNeeded,
    /// No run; the data partition has no room for what it would bring.
    AwaitingRoom,
    /// The data partition cannot be used. Without a deadline the daemon was told to leave.
    Failed(CauseCode),
    /// The vault is retiring the generation.
    Retiring(Successor),
    /// A factory reset is being written down; a stop came into it, or did not.
    Resetting { stops: bool },
    /// Waiting for a run, or the vault, to finish.
    Stopping,
    /// The daemon was told to leave.
    Stopped,
}

/// Why a run was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    /// It was of no use any more, and why.
    Retry(CauseCode),
    /// A human wants a new code.
    Pair,
    /// There is no room for what it brings.
    AwaitRoom,
    /// The session keys are of no use.
    Rebuild,
    /// A human gives the link up.
    Retire(Successor),
    /// A human gives everything up.
    Reset,
}

/// The part of the device's life that a phase belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The vault is not open, or is being repaired.
    Starting,
    /// No generation is being given up, and none is about to.
    Settled,
    /// A generation is being given up, or is about to.
    GivingUp,
    /// The daemon is about to leave.
    Leaving,
}

/// The meaning of a human's hurry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// It is being done already.
    UnderWay,
    /// The timer fires now.
    Now,
    /// The wait is cut short, if it yields to a human and the allowance permits.
    CutShort(Wait),
    /// A new code, if the allowance permits.
    PairAnew,
    /// There is nothing to hurry.
    NothingToDo,
    /// There is no room for a link.
    NoRoom,
    /// The daemon is about to leave.
    Leaving,
}

/// The meaning of a deadline that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A code expires, or none came.
    Codes,
    /// The link is asked whether it is alive; `asked` in vain before.
    Probe { asked: bool },
    /// The run is given up, because of this.
    GiveUp(CauseCode),
    /// The run does not end.
    LinkStuck(Then),
    /// The wait is over.
    GoOn(Wait),
    /// The clock was not set.
    GoOnWithoutClock,
    /// The vault takes long, and a human is told so.
    Slow(CauseCode),
    /// The daemon leaves; as failed, when it is to be started again.
    Leave { failed: bool },
    /// There is no deadline: only an event ends the phase.
    Nothing,
}

/// One row of the table of phases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) stage: Stage,
    /// It is a phase of a run of the link.
    pub(crate) has_run: bool,
    pub(crate) hurry: Hurry,
    pub(crate) due: Due,
}

impl Phase {
    pub(crate) fn row(self) -> Row {
        use Stage::{GivingUp, Leaving, Settled, Starting};
        let row = |stage, has_run, hurry, due| Row {
            stage,
            has_run,
            hurry,
            due,
        };
        match self {
            Self::Starting => row(Starting, false, Hurry::UnderWay, Due::Nothing),
            Self::Repairing => {
                let due = Due::Slow(CauseCode::RepairSlow);
                row(Starting, false, Hurry::UnderWay, due)
            }
            Self::Pairing(_) => row(Settled, true, Hurry::UnderWay, Due::Codes),
            Self::Connecting => {
                let due = Due::GiveUp(CauseCode::LoginTimeout);
                row(Settled, true, Hurry::UnderWay, due)
            }
            Self::Connected { asked } => {
                let due = Due::Probe { asked };
                row(Settled, true, Hurry::NothingToDo, due)
            }
            Self::Stale => row(Settled, true, Hurry::Now, Due::GiveUp(CauseCode::Stale)),
            Self::Closing(then @ (Then::Retire(_) | Then::Reset)) => {
                row(GivingUp, true, Hurry::UnderWay, Due::LinkStuck(then))
            }
            Self::Closing(then) => row(Settled, true, Hurry::UnderWay, Due::LinkStuck(then)),
            Self::Waiting(wait) => row(Settled, false, Hurry::CutShort(wait), Due::GoOn(wait)),
            Self::AwaitingClock => row(Settled, false, Hurry::Now, Due::GoOnWithoutClock),
            Self::PairingPaused => row(Settled, false, Hurry::PairAnew, Due::Nothing),
            Self::PasskeyNeeded => row(Settled, true, Hurry::PairAnew, Due::Nothing),
            Self::AwaitingRoom => row(Settled, false, Hurry::NoRoom, Due::Nothing),
            Self::Failed(_) => row(Leaving, false, Hurry::Now, Due::Leave { failed: true }),
            Self::Retiring(_) => {
                let due = Due::Slow(CauseCode::RetireSlow);
                row(GivingUp, false, Hurry::UnderWay, due)
            }
            Self::Resetting { .. } => {
                row(Leaving, false, Hurry::Leaving, Due::Leave { failed: false })
            }
            Self::Stopping => row(Leaving, false, Hurry::Leaving, Due::Leave { failed: false }),
            Self::Stopped => row(Leaving, false, Hurry::Leaving, Due::Nothing),
        }
    }
}
