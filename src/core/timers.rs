//! The table of timers: what comes due by itself, and when. Each row is derived from the part that owns the moment, so that no
//! timer can be left running.

use crate::ground::limits;
use crate::state::State;

/// A reason why time alone changes the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A press has become a hold, or the question has stood long enough.
    Button,
    /// The phase of the session is over.
    Session,
    /// The operator is told how much could not be decrypted.
    Storm,
    /// The phone is missed for one more day.
    Phone,
    /// A sign of life is due.
    Pulse,
    /// The account may write to everybody again.
    NewChats,
    /// The new link has proved itself, so that the old one need not come back.
    Farewell,
    /// The voltage has been low for so long that it is a fault, or high enough for so long that it is none.
    Supply,
    /// Nothing has come of the radio for so long that something is done about it.
    Radio,
    /// The notice has stood long enough.
    Notice,
    /// What is missing of the network has been for long enough.
    Grace,
    /// A new version is looked for, or the one that runs has proved itself, or has not.
    Update,
}

impl Timer {
    const ALL: [Self; 12] = [
        Self::Button,
        Self::Session,
        Self::Storm,
        Self::Phone,
        Self::Pulse,
        Self::NewChats,
        Self::Farewell,
        Self::Supply,
        Self::Radio,
        Self::Notice,
        Self::Grace,
        Self::Update,
    ];

    /// When it rings.
    fn at(self, state: &State) -> Option<u64> {
        let is_connected = state.is_connected();
        match self {
            Self::Button => state.gesture.deadline(),
            Self::Session => state.session.deadline(),
            Self::Storm => state.storm.deadline(),
            Self::Phone => state.phone.deadline().filter(|_| is_connected),
            Self::Pulse => state.pulse.deadline().filter(|_| is_connected),
            Self::NewChats => state.no_new_chats,
            Self::Farewell => {
                let owed = is_connected && state.keys.owe_a_farewell();
                let since = state.session.usable_since().filter(|_| owed)?;
                Some(since.saturating_add(limits::STABLE_MS))
            }
            Self::Supply => {
                let is_leaving = state.session.is_leaving();
                state.supply.deadline().filter(|_| !is_leaving)
            }
            Self::Radio => state.radio.deadline().filter(|_| state.may_climb()),
            Self::Notice => state.notices.deadline(),
            Self::Grace => state.grace.deadline(),
            Self::Update => state.update.deadline().filter(|_| state.updates_go_on()),
        }
    }
}

impl State {
    /// The monotonic millisecond at which an [`crate::Event::Tick`] is due. `None`: nothing changes by itself.
    pub fn deadline(&self) -> Option<u64> {
        Timer::ALL.iter().filter_map(|timer| timer.at(self)).min()
    }

    /// Whether the timer has rung.
    pub(crate) fn is_due(&self, timer: Timer, now: u64) -> bool {
        timer.at(self).is_some_and(|at| at <= now)
    }
}
