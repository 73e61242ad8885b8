//! Where Holdfast stands.

use alloc::vec::Vec;

use crate::gesture::Gesture;
use crate::ground::{Backoff, Budget, DAY, HOUR, Jitter, MINUTE, SECOND};
use crate::notice::Notices;
use crate::panel::{Panel, Part};
use crate::phone::Phone;
use crate::pulse::Pulse;
use crate::self_test::SelfTest;
use crate::session::{Session, Wait};
use crate::storage::Storage;
use crate::storm::Storm;
use crate::token::Token;
use crate::{Cause, CauseCode, GenerationId, Linked, Now, Todo, Way, face};

/// Everything Holdfast knows when it decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) session: Session,
    /// What the vault holds; meaningless while starting.
    pub(crate) linked: Linked,
    /// Why nothing is linked, when nothing is.
    pub(crate) unlinked: CauseCode,
    pub(crate) cause: Option<Cause>,
    /// What a repair left to do once connected.
    pub(crate) todo: Todo,
    /// A run of the link owes its `LinkEnded`.
    pub(crate) running: bool,
    /// Since when the run is of use: logged in, or showing a code.
    pub(crate) usable_since: Option<u64>,
    /// How far the way to the outside goes, once known.
    pub(crate) way: Option<Way>,
    /// The wall clock is behind the last time known to be good.
    pub(crate) clock_behind: bool,
    /// WhatsApp said once that we are logged out, and we have not been logged in since.
    pub(crate) suspected: bool,
    /// It said so twice of this generation: its keys are good for nothing any more.
    pub(crate) revoked: Option<GenerationId>,
    pub(crate) gesture: Gesture,
    pub(crate) notices: Notices,
    pub(crate) storage: Storage,
    pub(crate) panel: Panel,
    pub(crate) storm: Storm,
    pub(crate) phone: Phone,
    pub(crate) pulse: Pulse,
    pub(crate) self_test: SelfTest,
    /// The link a human gave up, which is still to be logged out.
    pub(crate) farewell: Option<GenerationId>,
    /// Versions that were refused, and answered by another attempt.
    pub(crate) outdated: Budget<1>,
    /// Repairs of the session keys in the middle of a life.
    pub(crate) rebuilds: Budget<1>,
    /// What the owner is to be told of when the start is over.
    pub(crate) untold: Vec<Cause>,
    /// What the owner was told of.
    pub(crate) notified: Budget<12>,
    pub(crate) token: Option<Token>,
    pub(crate) jitter: Jitter,
    /// Failed attempts to be linked.
    pub(crate) reconnect: Backoff,
    /// Times another copy took over.
    pub(crate) replaced: Backoff,
    /// The same within a day, whatever came between.
    pub(crate) takeovers: Budget<8>,
    /// Failed attempts to retire revoked keys.
    pub(crate) retire: Backoff,
    /// Attempts of every kind. The schedule alone stays below it; faults that cut waits short, and impatience, may not.
    pub(crate) attempts: Budget<20>,
    /// Restarts at WhatsApp's word: the third within a minute is a failure.
    pub(crate) restarts: Budget<3>,
    /// Runs that showed a code without a human asking for it.
    pub(crate) pairings: Budget<6>,
    /// The same, over a day.
    pub(crate) pairings_a_day: Budget<24>,
    /// When it was last written down what the next start has to know.
    pub(crate) noted_at: u64,
    /// A wait that was cut short by a restart, or by a human who gave the link up, and until when.
    pub(crate) owed: Option<(Wait, u64)>,
}

impl State {
    /// The state before anything happened. The seed (any random number) spreads the waits of many devices.
    pub fn new(seed: u64) -> Self {
        Self {
            session: Session::Starting,
            linked: Linked {
                generation: GenerationId(0),
                account: None,
            },
            unlinked: CauseCode::NotLinked,
            cause: None,
            todo: Todo::default(),
            running: false,
            usable_since: None,
            way: None,
            clock_behind: false,
            suspected: false,
            revoked: None,
            gesture: Gesture::Up,
            notices: Notices::default(),
            storage: Storage::default(),
            panel: Panel::default(),
            storm: Storm::default(),
            phone: Phone::default(),
            pulse: Pulse::default(),
            self_test: SelfTest::default(),
            farewell: None,
            outdated: Budget::new(DAY),
            rebuilds: Budget::new(DAY),
            untold: Vec::new(),
            notified: Budget::new(DAY),
            token: None,
            jitter: Jitter(seed),
            reconnect: Backoff::new(3 * SECOND, 300 * SECOND),
            replaced: Backoff::new(5 * MINUTE, DAY),
            takeovers: Budget::new(DAY),
            retire: Backoff::new(MINUTE, HOUR),
            attempts: Budget::new(10 * MINUTE),
            restarts: Budget::new(MINUTE),
            pairings: Budget::new(HOUR),
            pairings_a_day: Budget::new(DAY),
            noted_at: 0,
            owed: None,
        }
    }

    /// The monotonic millisecond at which an [`crate::Event::Tick`] is due. `None`: nothing changes by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.session_deadline()
            .into_iter()
            .chain(self.gesture.deadline())
            .chain(self.notices.deadline())
            .chain(self.storm.deadline())
            .chain(self.phone.deadline().filter(|_| self.is_connected()))
            .chain(self.pulse.deadline().filter(|_| self.is_connected()))
            .chain(self.farewell_deadline())
            .min()
    }

    /// Why we are not Connected. `None` when we are, and before anything went wrong.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// The stable machine name of the state: its face's, but for a question that only passes over the screen.
    pub fn name(&self) -> &'static str {
        // The name does not depend on the moment.
        face::of_session(self, Now { mono_ms: 0 }).name()
    }

    /// What is wrong with a part of the panel, when something is.
    pub fn panel_fault(&self, part: Part) -> Option<CauseCode> {
        self.panel.fault(part)
    }

    /// Whether a run of the link is logged in.
    pub fn is_connected(&self) -> bool {
        matches!(self.session, Session::Connected { .. })
    }

    /// Whether everything is as its owner wants it.
    pub fn is_well(&self) -> bool {
        self.is_connected() && self.cause.is_none()
    }

    /// What the vault holds; generation 0 until it is open.
    pub fn linked(&self) -> Linked {
        self.linked
    }

    /// Failed attempts in a row.
    pub fn attempt(&self) -> u32 {
        self.reconnect.failures()
    }

    /// The monotonic millisecond of the next attempt, when one is planned.
    pub fn next_attempt(&self) -> Option<u64> {
        match self.session {
            Session::Waiting { wait, until } if wait != Wait::Retire => Some(until),
            _ => None,
        }
    }

    /// Whether there is a link that a human could give up now.
    pub(crate) fn can_relink(&self) -> bool {
        self.linked.account.is_some() && self.is_settled()
    }

    pub(crate) fn session_deadline(&self) -> Option<u64> {
        match &self.session {
            Session::Pairing(codes) => Some(codes.deadline()),
            Session::Repairing { until }
            | Session::Connecting { until }
            | Session::Connected { until, .. }
            | Session::Stale { until }
            | Session::Closing { until, .. }
            | Session::Waiting { until, .. }
            | Session::Retiring { until, .. }
            | Session::AwaitingClock { until }
            | Session::Stopping { until } => Some(*until),
            Session::Failed { until, .. } => *until,
            Session::Starting
            | Session::PairingPaused
            | Session::PasskeyNeeded
            | Session::AwaitingRoom
            | Session::Stopped => None,
        }
    }
}
