//! The state: all that Holdfast knows when it decides.

use alloc::vec::Vec;

use crate::ground::{
    AuditEnd, Cause, CauseCode, Emptied, Jitter, Linked, Moments, Now, Wait, Way, limits,
};
use crate::parts::{
    Allowances, Backoffs, Gesture, Grace, Hurry, Keys, Lamp, Notices, Panel, Part, Phase, Phone,
    Pulse, Radio, SelfTest, Session, Stage, Storage, Storm, Supply, Todo, Token, Update,
};

/// All that Holdfast knows when it decides: the parts, and what only the rules know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) session: Session,
    pub(crate) keys: Keys,
    pub(crate) gesture: Gesture,
    pub(crate) notices: Notices,
    pub(crate) lamp: Lamp,
    pub(crate) storage: Storage,
    pub(crate) panel: Panel,
    pub(crate) storm: Storm,
    pub(crate) phone: Phone,
    pub(crate) supply: Supply,
    pub(crate) radio: Radio,
    pub(crate) pulse: Pulse,
    pub(crate) self_test: SelfTest,
    pub(crate) token: Token,
    pub(crate) update: Update,
    pub(crate) allowances: Allowances,
    pub(crate) backoffs: Backoffs,
    pub(crate) jitter: Jitter,
    /// The deeds that a repair left for when the link is up.
    pub(crate) todo: Todo,
    /// How far the way to the outside goes, once known.
    pub(crate) way: Option<Way>,
    /// Until when nobody is told what is missing of it.
    pub(crate) grace: Grace,
    /// The wall clock is behind the last time known to be good.
    pub(crate) clock_behind: bool,
    /// The causes the owner is to be told of when the start is over.
    pub(crate) untold: Vec<Cause>,
    /// Until when the account may write to nobody new.
    pub(crate) no_new_chats: Option<u64>,
    /// Where the audit ends; `None` while it is not known, or has no entry.
    pub(crate) audit: Option<AuditEnd>,
    /// What a factory reset did that the owner has not seen yet.
    pub(crate) emptied: Option<Emptied>,
    /// When it was last written down what the next start has to know; `None` where that tells nobody how long ago it was.
    pub(crate) noted_at: Option<u64>,
}

impl State {
    /// The state before anything happened. The seed (any random number) spreads the waits of many devices.
    pub fn new(seed: u64) -> Self {
        Self {
            session: Session::new(),
            keys: Keys::new(),
            gesture: Gesture::default(),
            notices: Notices::default(),
            lamp: Lamp::default(),
            storage: Storage::default(),
            panel: Panel::default(),
            storm: Storm::default(),
            phone: Phone::default(),
            supply: Supply::default(),
            radio: Radio::default(),
            pulse: Pulse::default(),
            self_test: SelfTest::default(),
            token: Token::default(),
            update: Update::default(),
            allowances: Allowances::new(),
            backoffs: Backoffs::new(),
            jitter: Jitter(seed),
            todo: Todo::default(),
            way: None,
            grace: Grace::default(),
            clock_behind: false,
            untold: Vec::new(),
            no_new_chats: None,
            audit: None,
            emptied: None,
            noted_at: Some(0),
        }
    }

    /// Why we are not Connected. `None` when we are, and before anything went wrong.
    pub fn cause(&self) -> Option<Cause> {
        self.session.cause()
    }

    /// Whether the cause may go by itself in a moment, so that it is shown and not told.
    pub fn is_in_grace(&self) -> bool {
        self.grace.deadline().is_some()
    }

    /// The fault of a part of the panel, when it has one.
    pub fn panel_fault(&self, part: Part) -> Option<CauseCode> {
        self.panel.fault(part)
    }

    /// What is wrong with the account though the link is up, and until which monotonic millisecond.
    pub fn account_fault(&self) -> Option<(CauseCode, u64)> {
        let until = self.no_new_chats?;
        Some((CauseCode::NoNewChats, until))
    }

    /// The fault of the power supply, when it has one, and how often its voltage fell too low.
    pub fn supply_fault(&self) -> Option<(CauseCode, u32)> {
        self.supply.fault()
    }

    /// Whether the start goes on, or the vault is repaired.
    pub fn is_starting(&self) -> bool {
        self.session.is_starting()
    }

    /// Whether a run of the link is logged in.
    pub fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// Whether it leaves for a factory reset.
    pub fn forgets_all(&self) -> bool {
        self.session.resets()
    }

    /// Whether everything is as its owner wants it.
    pub fn is_well(&self) -> bool {
        let is_sound = self.account_fault().is_none() && self.supply_fault().is_none();
        self.is_connected() && self.cause().is_none() && is_sound
    }

    /// The content of the vault; generation 0 until it is open.
    pub fn linked(&self) -> Linked {
        self.keys.linked()
    }

    /// Failed attempts in a row.
    pub fn attempt(&self) -> u32 {
        self.backoffs.reconnect.failures()
    }

    /// The monotonic millisecond of the next attempt, when one is planned.
    pub fn next_attempt(&self) -> Option<u64> {
        let (wait, until) = self.session.waiting()?;
        (wait != Wait::Retire).then_some(until)
    }

    /// How far an update is.
    pub fn update(&self) -> Stage {
        self.update.stage()
    }

    /// When the trial of the version that runs is over if it does not prove itself before, the monotonic millisecond.
    pub fn trial_ends(&self) -> Option<u64> {
        self.update.trial_ends()
    }

    /// Whether time counts for updates: until we leave. A version on trial that cannot use the data partition is counted on.
    pub(crate) fn updates_go_on(&self) -> bool {
        let fails = matches!(self.session.phase(), Phase::Failed(_)) && !self.session.has_left();
        !self.session.is_leaving() || fails && self.update.is_on_trial()
    }

    /// Whether there is a link that a human could give up now.
    pub(crate) fn can_relink(&self) -> bool {
        self.keys.are_linked() && self.session.is_settled()
    }

    /// Whether there is something to be forgotten that is not being given up.
    pub(crate) fn can_reset(&self) -> bool {
        self.session.is_settled()
    }

    /// Whether a human is asked nothing, so that a press turns the page.
    pub(crate) fn turns_pages(&self) -> bool {
        let is_idle = matches!(
            self.session.phase().row().hurry,
            Hurry::UnderWay | Hurry::NothingToDo
        );
        is_idle && self.session.is_settled()
    }
}

/// For a model check, which tells states apart.
impl State {
    /// The canonical form: this state with all forgotten that makes no difference any more, rebased to another moment, which is
    /// returned. Two states with the same form do the same for ever. Jitter is taken out, and failures beyond those that
    /// lengthen a wait are not counted.
    pub fn canonical(mut self, now: Now) -> (Self, Now) {
        let moments = Moments::at(now);
        self.session.rebase(moments);
        self.gesture.rebase(moments);
        self.notices.rebase(moments);
        self.lamp.rebase(moments);
        self.panel.rebase(moments);
        self.storm.rebase(moments);
        self.phone.rebase(moments);
        self.supply.rebase(moments);
        self.radio.rebase(moments);
        self.pulse.rebase(moments);
        self.token.rebase(moments);
        self.grace.rebase(moments);
        self.update.rebase(moments);
        self.allowances.rebase(moments);
        self.no_new_chats.iter_mut().for_each(|at| moments.due(at));
        self.backoffs.forget_beyond(limits::DEGRADED_AFTER + 1);
        if let Some(at) = &mut self.noted_at {
            moments.since(at, limits::NOTED_MS);
        }
        self.jitter.0 = 0;
        (self, Now::REBASED)
    }

    /// The state without what goes on beside the session, and never changes it: the sign of life, the watch for the phone and the supply, what
    /// is not told yet of the network, the page that somebody turned, its light, and how often the owner was told of something.
    pub fn without_chores(mut self) -> Self {
        let fresh = State::new(0);
        self.pulse = fresh.pulse;
        self.phone = fresh.phone;
        self.supply = fresh.supply;
        self.notices.turn_back();
        self.lamp = fresh.lamp;
        self.allowances.notified = fresh.allowances.notified;
        self.untold = fresh.untold;
        self.grace = fresh.grace;
        self
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::HOUR;
    use crate::story::ACCOUNT;
    use crate::{
        Booted, CauseCode, Command, Deed, Ending, Event, Facts, Findings, GenerationId, Hand,
        IdentityFound, Ignored, LastEnd, Linked, Part, Space, StoreFound, Todo, Unusable,
        UpdateStep, Updates, Way, step,
    };

    fn events() -> Vec<Event> {
        let linked = |account| Linked {
            generation: GenerationId(1),
            account,
        };
        let command = |command| Event::Command {
            request: 1,
            command,
        };
        let (deed, nonce, token) = (Deed::Relink, 5, 5);
        let space = |free: u64| Space {
            free_bytes: free << 20,
            total_bytes: 8 << 30,
            archives: 1,
            ..Space::default()
        };
        let panel = |fault| Event::Panel {
            part: Part::Display,
            fault,
        };
        let found = Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::Behind,
            unusable: Unusable::default(),
            todo: Todo::default(),
        };
        let endings = [
            Ending::Asked,
            Ending::Network(CauseCode::ConnectionLost.into()),
            Ending::Replaced,
            Ending::LoggedOut,
            Ending::AccountLocked,
            Ending::Banned {
                expires_ms: Some(HOUR),
            },
            Ending::ClientOutdated,
            Ending::RestartRequired,
            Ending::Throttled,
            Ending::QrExhausted,
        ];
        let woke = Facts {
            last_end: LastEnd::PowerLoss,
            ignored: Some(Ignored {
                count: 1,
                file: None,
                line: None,
            }),
            ..Facts::default()
        };
        let mut events = Vec::from([
            Event::Woke(Box::new(woke)),
            Event::Found(found),
            Event::Booted(linked(Some(ACCOUNT))),
            Event::Tick,
            Event::Network(Way::NoLink),
            Event::Network(Way::Open),
            Event::Radio { alone: true },
            Event::Radio { alone: true },
            Event::Radio { alone: false },
            Event::Clock { behind: true },
            Event::Clock { behind: false },
            Event::QrShown { valid_ms: 20_000 },
            Event::CodeShown { valid_ms: 180_000 },
            Event::PasskeyAsked,
            Event::Paired(ACCOUNT),
            Event::PairFailed,
            Event::CodeUnusable,
            Event::Said { number: 409 },
            Event::NoNewChats { for_ms: HOUR },
            Event::LinkUp,
            Event::LinkUp,
            Event::CaughtUp,
            Event::Heard,
            Event::Pressed(Hand::Device),
            Event::Pressed(Hand::Device),
            Event::Released(Hand::Device),
            Event::Released(Hand::Device),
            Event::Pressed(Hand::Bus),
            Event::Released(Hand::Bus),
            Event::Night(true),
            Event::Night(false),
            command(Command::Link),
            command(Command::Ask { deed, nonce }),
            command(Command::Confirm { deed, token }),
            Event::Retired(linked(None)),
            Event::Retired(linked(Some(ACCOUNT))),
            Event::RetireFailed,
            Event::Space(space(4_000)),
            Event::Space(space(10)),
            Event::InboxFull,
            Event::DropFailed,
            Event::Audited(AuditEnd::of(3, "3f2a9c01").unwrap()),
            Event::Voltage { low: true },
            Event::Voltage { low: false },
            panel(Some(CauseCode::DisplayAbsent)),
            panel(None),
            command(Command::Install),
            command(Command::LookForUpdate),
            Event::Update(UpdateStep::Found { fell_back: false }),
            Event::Update(UpdateStep::Going(50)),
            Event::Update(UpdateStep::Failed(CauseCode::UpdateRefused)),
            Event::Update(UpdateStep::NotKept),
            Event::UpdateHour(true),
            Event::Saving(false),
        ]);
        events.extend(endings.map(Event::LinkEnded));
        events
    }

    /// Forgetting the past that no longer counts changes nothing that follows.
    #[test]
    fn what_is_forgotten_makes_no_difference() {
        let (events, mut names) = (events(), Vec::new());
        for seed in 0..60 {
            let (mut state, mut now, mut dice) = (State::new(seed), seed * HOUR, seed);
            // Of every third device the version is on trial, of every fifth the starts are counted, and of every other updates come by themselves.
            let trial = Booted::Trial { left_ms: 5 * HOUR };
            state.update.begin(
                Updates {
                    automatic: seed % 2 == 0,
                    booted: [Booted::Usual, Booted::Usual, trial][seed as usize % 3],
                    counted: seed % 5 == 0,
                },
                now,
            );
            state.update.look_again(now);
            let mut draw = |of: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (dice >> 33) % of
            };
            for _ in 0..300 {
                match draw(4) {
                    0 => now = state.deadline().unwrap_or(now).max(now),
                    1 => now += draw(20) * 1_000,
                    2 if draw(10) == 0 => now += draw(20) * HOUR,
                    _ => {}
                }
                let event = &events[draw(events.len() as u64) as usize];
                state.jitter.0 = 0;
                let (mut twin, then) = state.clone().canonical(Now { mono_ms: now });
                assert_eq!(twin.clone().canonical(then), (twin.clone(), then));
                let effects = step(&mut state, event.clone(), Now { mono_ms: now }).effects;
                let twins = step(&mut twin, event.clone(), then).effects;
                assert_eq!(effects, twins, "{event:?}");
                let same = (
                    state.clone().canonical(Now { mono_ms: now }),
                    twin.canonical(then),
                );
                assert_eq!(same.0, same.1, "{event:?}");
                names.push(state.name());
            }
        }
        names.sort_unstable();
        names.dedup();
        assert!(names.len() > 12, "only {names:?}");
    }
}
