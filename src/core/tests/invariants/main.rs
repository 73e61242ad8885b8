//! Checks the invariants under random events on a virtual clock, with a model of everybody around the core.

mod button;
mod good;
mod look;
mod moves;
mod radio;
mod update;

use std::collections::VecDeque;

use holdfast_core::{
    ArchiveId, Cause, Command, Course, Deed, Effect, Ending, Event, Facts, Findings, GenerationId,
    Hands, LastFour, Linked, Now, Order, Outcome, Plan, Reply, State, Trigger, face,
};
use proptest::prelude::*;

use button::{Asks, Button};
use look::is_of_the_session;
use moves::{Move, findings, moves, updates};
use radio::Radio;
use update::Update;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const ACCOUNT: LastFour = LastFour(*b"1234");

/// A course of the core, and everybody around it.
struct World {
    course: Course,
    now: u64,
    around: Around,
}

/// Everybody around the core, and what they are owed: the hands that carry out its effects.
struct Around {
    /// The moment, the state before and the event of the step under way.
    now: u64,
    before: State,
    event: Event,
    /// The result: whether nothing happened, and the last report.
    outcome: Outcome,
    told: Option<Cause>,
    /// The findings of an inspection.
    findings: Findings,
    /// Deeds of the start that are done and not answered; `None`: each answers at once.
    owed: Option<VecDeque<Event>>,
    /// The question that stands.
    asks: Option<Asks>,
    linked: Linked,
    /// The run in progress: whether it is one that links.
    run: Option<bool>,
    qr_until: u64,
    code_until: u64,
    retiring: Option<Order>,
    /// The archived link that comes after it.
    restoring: Option<ArchiveId>,
    /// The links that humans gave up and that are still to be logged out, the oldest first.
    given_up: VecDeque<GenerationId>,
    /// One of them is being logged out.
    departs: bool,
    /// Logouts since the last time the link was up.
    logouts: u32,
    button: Button,
    /// A factory reset is being written down.
    resetting: bool,
    /// What an earlier one did was not seen yet.
    emptied: bool,
    update: Update,
    tokens: Vec<(Deed, u64, u64)>,
    /// The deed that a human confirmed over the bus.
    bus_confirmed: Option<Deed>,
    attempts: Vec<u64>,
    /// Runs that showed a code.
    shown: Vec<u64>,
    showing: bool,
    /// A human wanted the run that comes next.
    human: bool,
    repaired: bool,
    /// When the link was last heard, and whether it still is.
    heard: u64,
    deaf: bool,
    /// By how much ticks may be late.
    late: u64,
    stopped_at: Option<u64>,
    exited: bool,
    radio: Radio,
}

impl World {
    /// The process wakes. What the start asks for is answered at once, or when it pleases the world.
    fn new(seed: u64, account: Option<LastFour>, facts: Facts, start: (Findings, bool)) -> Self {
        let (state, now) = (State::new(seed), seed % HOUR);
        let mut world = Self {
            around: Around::new(state.clone(), account, &facts, start),
            course: Course::resume(state, Now { mono_ms: now }),
            now,
        };
        world.happen(Event::Woke(Box::new(facts)));
        world
    }

    fn state(&self) -> &State {
        self.course.state()
    }

    fn play(&mut self, one: Move) {
        match one {
            Move::Happen(event) => self.happen(*event),
            Move::Answer => self.answer(),
            Move::Pass(ms) => self.pass(ms),
            Move::Oversleep(ms) => {
                (self.now, self.around.late) = (self.now + ms, self.around.late + ms)
            }
            Move::Deaf(deaf) => self.around.deaf = deaf,
            Move::Press(hand, ms) => {
                self.happen(Event::Pressed(hand));
                self.pass(ms);
                self.happen(Event::Released(hand));
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.state().deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.happen(Event::Tick);
            // The button and the session may be due together; nothing else is left over.
            if self.state().deadline().is_some_and(|at| at <= self.now) {
                self.happen(Event::Tick);
            }
            assert!(
                self.state().deadline().is_none_or(|at| at > self.now),
                "a deadline that does not move: {:?}",
                self.state()
            );
        }
        self.now = end;
    }

    /// A deed of the start answers.
    fn answer(&mut self) {
        let owed = self.around.owed.as_mut();
        if let Some(event) = owed.and_then(VecDeque::pop_front) {
            self.take(event);
        }
    }

    /// The event as the rooms of this world would put it: a start tells nothing twice.
    fn happen(&mut self, mut event: Event) {
        let around = &self.around;
        if let (Event::Retired(linked), Some(audit)) = (&mut event, around.retiring) {
            linked.generation = audit.new;
            linked.account = around.restoring.map(|_| ACCOUNT);
        }
        let starts = around.owed.as_ref().is_some_and(|owed| !owed.is_empty());
        let of_a_start = matches!(event, Event::Woke(_) | Event::Found(_) | Event::Booted(_));
        if !(starts && of_a_start) {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        let now = Now { mono_ms: self.now };
        self.around.asks = Asks::of(self.state(), now);
        self.course.take(now, event, &mut self.around);
    }
}

impl Hands for Around {
    fn decided(&mut self, event: &Event, outcome: &Outcome, now: Now) {
        self.now = now.mono_ms;
        self.expect(event);
        self.update.expect(event);
        self.interrupts_nothing(outcome);
        let effects = outcome.effects.iter();
        let replies = effects
            .clone()
            .filter(|effect| matches!(effect, Effect::Reply { .. }))
            .count();
        assert_eq!(replies, usize::from(matches!(event, Event::Command { .. })));
        // Several things may happen in one step; the last one told is what holds, unless it says nothing of the session.
        self.told = effects.rev().find_map(|effect| match effect {
            Effect::Report(cause) if is_of_the_session(*cause) => Some(*cause),
            _ => None,
        });
        (self.event, self.outcome) = (event.clone(), outcome.clone());
    }

    fn carry_out(&mut self, _: &State, effect: Effect) -> Vec<Event> {
        let event = self.event.clone();
        let answer = self.does(effect, &event);
        match (answer, &mut self.owed) {
            (Some(answer @ (Event::Found(_) | Event::Booted(_))), Some(owed)) => {
                owed.push_back(answer);
                Vec::new()
            }
            (answer, _) => answer.into_iter().collect(),
        }
    }

    fn show(&mut self, state: &State, now: Now) {
        let Outcome { effects, ignored } = &self.outcome;
        assert_eq!(*ignored, effects.is_empty() && *state == self.before);
        assert!(
            self.told.is_none() || self.told == state.cause() || state.name() == "StorageFault",
            "an old story"
        );
        self.button.look(self.now, Asks::of(state, now));
        self.look(state, face(state, now));
        self.before = state.clone();
    }
}

impl Around {
    fn new(
        before: State,
        account: Option<LastFour>,
        facts: &Facts,
        (findings, at_once): (Findings, bool),
    ) -> Self {
        Self {
            now: 0,
            before,
            event: Event::Tick,
            outcome: Outcome::default(),
            told: None,
            findings,
            owed: (!at_once).then(VecDeque::new),
            asks: None,
            linked: Linked {
                generation: GenerationId(3),
                account,
            },
            run: None,
            qr_until: 0,
            code_until: 0,
            retiring: None,
            restoring: None,
            given_up: VecDeque::new(),
            departs: false,
            logouts: 0,
            button: Button::default(),
            resetting: false,
            emptied: facts.emptied.is_some(),
            update: Update::new(facts.updates),
            tokens: Vec::new(),
            bus_confirmed: None,
            attempts: Vec::new(),
            shown: Vec::new(),
            showing: false,
            human: false,
            repaired: false,
            heard: 0,
            deaf: false,
            late: 0,
            stopped_at: None,
            exited: false,
            radio: Radio::default(),
        }
    }

    /// Notes what the event changes for its source.
    fn expect(&mut self, event: &Event) {
        self.human = match event {
            Event::Released(_) | Event::Command { .. } => true,
            // A hold is a human, too, and so is the one who told the run to end.
            Event::LinkEnded(_) => self.human,
            _ => self.button.is_down(),
        };
        match *event {
            Event::QrShown { valid_ms } if self.run == Some(true) => {
                self.qr_until = self.now + valid_ms
            }
            Event::CodeShown { valid_ms } if self.run == Some(true) => {
                self.code_until = self.now + valid_ms
            }
            Event::PairFailed | Event::CodeUnusable => (self.qr_until, self.code_until) = (0, 0),
            Event::Paired(account) if self.run.is_some() && self.linked.account.is_none() => {
                self.linked.account = Some(account)
            }
            Event::LinkUp if self.run.is_some() => (self.logouts, self.heard) = (0, self.now),
            Event::Heard => self.heard = self.now,
            Event::LinkEnded(ref ending) if self.run.take().is_some() => {
                self.logouts +=
                    u32::from(*ending == Ending::LoggedOut && self.linked.account.is_some());
                (self.qr_until, self.code_until, self.showing) = (0, 0, false);
            }
            Event::Pressed(hand) => self.button.pressed(hand, self.now, self.asks),
            Event::Released(hand) => self.button.released(hand, self.now),
            Event::Command {
                command: Command::Confirm { deed, token },
                ..
            } => {
                let now = self.now;
                let confirmed = self
                    .tokens
                    .drain(..)
                    .any(|(of, known, at)| (of, known) == (deed, token) && now < at + MINUTE);
                if confirmed && !matches!(deed, Deed::Export(_)) {
                    self.bus_confirmed = Some(deed);
                }
            }
            Event::Command {
                command: Command::Stop,
                ..
            } => self.stopped_at = self.stopped_at.or(Some(self.now)),
            Event::Retired(linked) if let Some(audit) = self.retiring.take() => {
                let was_linked = self.linked.account.is_some();
                if let Some(back) = self.restoring {
                    self.given_up.retain(|old| ArchiveId::Retired(*old) != back);
                } else if was_linked && audit.trigger != Trigger::Server {
                    self.given_up.push_back(audit.old);
                }
                (self.linked, self.logouts) = (linked, 0);
                self.bus_confirmed = None;
                self.button.forget();
            }
            Event::Radio { alone } => self.radio.alone(alone, self.now),
            Event::FarewellSaid => self.departs = false,
            Event::ResetFailed if std::mem::take(&mut self.resetting) => self.button.forget(),
            Event::RetireFailed if self.retiring.take().is_some() => {
                self.bus_confirmed = None;
                self.button.forget();
            }
            _ => {}
        }
    }

    /// Carries out one effect; what it answers with.
    fn does(&mut self, effect: Effect, event: &Event) -> Option<Event> {
        assert!(
            !self.exited || matches!(effect, Effect::Reply { .. }),
            "{effect:?} after Exit"
        );
        let stopping = matches!(
            effect,
            Effect::Disconnect
                | Effect::Reply { .. }
                | Effect::Exit
                | Effect::Reset(_)
                | Effect::Restart
                | Effect::NoteCaughtUp
                | Effect::Undecrypted { .. }
                // Whoever waits for a test has its result, if it comes by then.
                | Effect::Tested(_)
        );
        let noted = matches!((&effect, event), (Effect::Remember(_), Event::Retired(_)));
        assert!(
            self.stopped_at.is_none() || stopping || noted,
            "{effect:?} after Stop"
        );
        self.update.does(&effect, event);
        match effect {
            Effect::Inspect => {
                assert!(self.run.is_none() && !self.repaired, "only at the start");
                return Some(Event::Found(self.findings));
            }
            Effect::Repair(plan) => {
                assert!(
                    self.run.is_none() && self.retiring.is_none(),
                    "repaired under a link"
                );
                assert!(
                    !self.repaired || plan == Plan::REBUILD,
                    "found out only at the start"
                );
                self.repaired = true;
                return Some(Event::Booted(self.linked));
            }
            Effect::AskPhone | Effect::Pulse => assert!(self.run.is_some(), "nobody to ask"),
            Effect::Farewell(old) => {
                assert!(self.run.is_some() && self.linked.account.is_some());
                assert!(!std::mem::replace(&mut self.departs, true), "two at a time");
                let owed = self.given_up.pop_front().map(ArchiveId::Retired);
                assert_eq!(owed, Some(old));
                return Some(Event::FarewellSaid);
            }
            Effect::Renegotiate { .. } | Effect::SelfTest => {
                assert!(self.run.is_some(), "nobody to ask");
            }
            Effect::Tested(tested) => assert_eq!(*event, Event::SelfTested(tested)),
            Effect::FailSends => assert!(matches!(
                event,
                Event::LinkEnded(Ending::Banned { .. } | Ending::AccountLocked)
            )),
            Effect::Undecrypted { messages, .. } => assert!(messages > 0),
            Effect::Probe => {
                assert!(self.run.is_some(), "nobody to ask");
                return (!self.deaf).then_some(Event::Heard);
            }
            Effect::DialAhead => assert!(matches!(event, Event::Woke(_))),
            Effect::Remember(past) => assert_eq!(past.to_string().parse(), Ok(*past)),
            Effect::CatchUp(todo) => {
                assert!(!todo.is_empty() && self.repaired && self.run.is_some());
            }
            Effect::NoteCaughtUp => assert!(self.repaired, "nothing was left to do"),
            Effect::Connect => {
                assert!(self.linked.account.is_some(), "nothing to log in with");
                self.start(false);
            }
            Effect::Pair => {
                assert_eq!(self.linked.account, None, "this would throw a link away");
                let recent = self
                    .shown
                    .iter()
                    .filter(|at| **at + HOUR > self.now)
                    .count();
                assert!(
                    self.human || recent < 6,
                    "the seventh pairing within an hour that nobody wanted"
                );
                self.start(true);
            }
            Effect::Disconnect => {
                self.update.hangs_up();
                assert!(
                    self.run.is_some() || matches!(event, Event::LinkEnded(_)),
                    "there is no run to end"
                );
            }
            Effect::Retire(audit) => {
                assert!(audit.trigger != Trigger::Bus || self.bus_confirmed == Some(Deed::Relink));
                self.retire(audit, None);
            }
            Effect::Restore { order, from } => {
                assert_eq!(order.trigger, Trigger::Bus);
                assert_eq!(self.bus_confirmed, Some(Deed::Restore(from)));
                self.retire(order, Some(from));
            }
            Effect::Reply { request, reply } => self.answered(event, request, reply),
            Effect::Exit => {
                assert!(self.stopped_at.is_some(), "nobody asked");
                assert!(!self.update.restarts, "the machine has to restart");
                self.exited = true;
            }
            Effect::ExitFailed => panic!("nothing failed"),
            Effect::Reset(order) => {
                assert_eq!((self.run, self.retiring), (None, None));
                assert_eq!(order.old, self.linked.generation);
                assert!(self.button.reset, "nobody confirmed it at the device");
                self.resetting = true;
            }
            Effect::Restart => {
                let wanted = self.button.reset
                    || self.update.restarts
                    || self.without_radio_for() >= 3 * HOUR;
                assert!(
                    wanted,
                    "nobody had everything forgotten, no new version waits, and a radio works"
                );
                self.exited = true;
            }
            Effect::Rejoin => {
                assert!(self.without_radio_for() >= 3 * MINUTE, "a radio works");
            }
            Effect::ResetSeen => assert!(std::mem::take(&mut self.emptied), "twice"),
            Effect::DropOldestArchive => {
                assert_eq!(self.retiring, None, "one thing at a time");
            }
            Effect::TrimMail
            | Effect::LookForUpdate
            | Effect::Install
            | Effect::MarkGood
            | Effect::StopWaiting { .. }
            | Effect::Report(_)
            | Effect::Notify(_) => {}
        }
        None
    }

    fn start(&mut self, pairs: bool) {
        assert_eq!(
            (self.run, self.retiring),
            (None, None),
            "one thing at a time"
        );
        self.run = Some(pairs);
        self.update.dials();
        (self.qr_until, self.code_until, self.showing) = (0, 0, false);
        self.attempts.push(self.now);
        let recent = self
            .attempts
            .iter()
            .filter(|at| **at + 10 * MINUTE > self.now)
            .count();
        assert!(recent <= 20, "{recent} attempts within ten minutes");
    }

    fn retire(&mut self, audit: Order, restoring: Option<ArchiveId>) {
        assert_eq!(
            (self.run, self.retiring),
            (None, None),
            "one thing at a time"
        );
        assert_eq!(
            (audit.old, audit.new),
            (self.linked.generation, self.linked.generation.next())
        );
        match audit.trigger {
            Trigger::Server => assert!(self.logouts >= 2, "retired after {} logouts", self.logouts),
            Trigger::Button => assert!(self.button.relink, "nobody confirmed at the button"),
            Trigger::Bus => {}
            Trigger::Recovery => panic!("nothing recovers yet"),
        }
        self.retiring = Some(audit);
        self.restoring = restoring;
    }

    fn answered(&mut self, event: &Event, request: u64, reply: Reply) {
        let Event::Command {
            request: asked,
            command,
        } = event
        else {
            panic!("an answer to {event:?}")
        };
        assert_eq!(request, *asked);
        match (command, reply) {
            (
                Command::Ask { deed, nonce },
                Reply::Token {
                    token,
                    valid_ms: MINUTE,
                },
            ) if token == *nonce => {
                self.tokens = vec![(*deed, token, self.now)];
            }
            (Command::Ask { .. }, Reply::Refused(_)) => {}
            (
                Command::Link
                | Command::SelfTest
                | Command::Install
                | Command::LookForUpdate
                | Command::Confirm { .. },
                Reply::Accepted | Reply::Refused(_),
            ) => {}
            (Command::Stop, Reply::Accepted) => {}
            (command, reply) => panic!("{reply:?} to {command:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(seed: u64, linked: bool, clock_behind: bool, emptied: bool, updates in updates(), found in findings(), at_once: bool, moves in moves()) {
        let emptied = emptied.then(Default::default);
        let facts = Facts { clock_behind, emptied, updates, ..Facts::default() };
        let mut world = World::new(seed, linked.then_some(ACCOUNT), facts, (found, at_once));
        for one in moves {
            world.play(one);
            if world.around.exited {
                return Ok(());
            }
        }
        world.turns_good();
    }

    #[test]
    fn whatever_happens_around_a_stop(seed: u64, linked: bool, found in findings(), answers in 0..3, before in moves(), after in moves()) {
        let mut world = World::new(seed, linked.then_some(ACCOUNT), Facts::default(), (found, false));
        (0..answers).for_each(|_| world.answer());
        if answers == 2 {
            before.into_iter().for_each(|one| world.play(one));
            prop_assume!(!world.around.exited);
        }
        world.happen(Event::Command { request: 1, command: Command::Stop });
        after.into_iter().for_each(|one| world.play(one));
        world.pass(10 * SECOND);
        assert!(world.around.exited);
    }
}
