//! Checks the invariants under random events on a virtual clock, with a model of everybody around the core.

mod moves;

use holdfast_core::{
    ArchiveId, Audit, CauseClass, CauseCode, Command, Deed, Effect, Ending, Event, Face, Facts,
    GenerationId, LastFour, Linked, Now, PairingFace, Plan, Reply, STAYS, State, Trigger, face,
    step,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use moves::{Move, findings, moves, space};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const ACCOUNT: LastFour = LastFour(*b"1234");

/// Everybody around the core, and what they are owed.
struct World {
    state: State,
    now: u64,
    linked: Linked,
    /// The run in progress: whether it is one that links.
    run: Option<bool>,
    qr_until: u64,
    code_until: u64,
    retiring: Option<Audit>,
    /// An archived link comes after it.
    restoring: bool,
    /// The link a human gave up, which is still to be logged out.
    given_up: Option<GenerationId>,
    /// Logouts since the last time the link was up.
    logouts: u32,
    /// When the button went down, and whether the question already stood.
    finger: Option<(u64, bool)>,
    button_confirmed: bool,
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
    probed: bool,
    stopped_at: Option<u64>,
    exited: bool,
}

impl World {
    fn new(seed: u64, account: Option<LastFour>) -> Self {
        let linked = Linked {
            generation: GenerationId(3),
            account,
        };
        Self {
            state: State::new(seed),
            now: seed % HOUR,
            linked,
            run: None,
            qr_until: 0,
            code_until: 0,
            retiring: None,
            restoring: false,
            given_up: None,
            logouts: 0,
            finger: None,
            button_confirmed: false,
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
            probed: false,
            stopped_at: None,
            exited: false,
        }
    }

    fn play(&mut self, one: Move) {
        match one {
            Move::Happen(event) => self.happen(*event),
            Move::Pass(ms) => self.pass(ms),
            Move::Oversleep(ms) => (self.now, self.late) = (self.now + ms, self.late + ms),
            Move::Deaf(deaf) => self.deaf = deaf,
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.state.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.happen(Event::Tick);
            // The button and the session may be due together; nothing else is left over.
            if self.state.deadline().is_some_and(|at| at <= self.now) {
                self.happen(Event::Tick);
            }
            assert!(
                self.state.deadline().is_none_or(|at| at > self.now),
                "a deadline that does not move: {:?}",
                self.state
            );
        }
        self.now = end;
    }

    /// The event as the rooms of this world would put it.
    fn happen(&mut self, mut event: Event) {
        if let (Event::Retired(linked), Some(audit)) = (&mut event, self.retiring) {
            linked.generation = audit.new;
            linked.account = self.restoring.then_some(ACCOUNT);
        }
        let before = self.state.clone();
        self.expect(&event);
        let outcome = step(&mut self.state, event.clone(), Now { mono_ms: self.now });
        assert_eq!(
            outcome.ignored,
            outcome.effects.is_empty() && self.state == before
        );
        let replies = outcome
            .effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Reply { .. }))
            .count();
        assert_eq!(replies, usize::from(matches!(event, Event::Command { .. })));
        // Several things may happen in one step; the last one told is what holds, unless it is about disk, panel or phone alone.
        let told = outcome
            .effects
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Report(cause)
                    if !matches!(cause.class(), CauseClass::Storage | CauseClass::Panel)
                        && cause.code != CauseCode::PhoneAway =>
                {
                    Some(*cause)
                }
                _ => None,
            });
        assert!(
            told.is_none() || told == self.state.cause() || self.state.name() == "StorageFault",
            "an old story"
        );
        for effect in outcome.effects {
            self.carry_out(effect, &event);
        }
        self.look();
        if std::mem::take(&mut self.probed) && !self.deaf {
            self.happen(Event::Heard);
        }
    }

    /// Notes what the event changes for its source.
    fn expect(&mut self, event: &Event) {
        self.human = match event {
            Event::Released | Event::Command { .. } => true,
            // A hold is a human, too, and so is the one who told the run to end.
            Event::LinkEnded(_) => self.human,
            _ => self.finger.is_some(),
        };
        match *event {
            Event::QrShown { valid_ms } if self.run == Some(true) => {
                self.qr_until = self.now + valid_ms
            }
            Event::CodeShown { valid_ms } if self.run == Some(true) => {
                self.code_until = self.now + valid_ms
            }
            Event::PairFailed => (self.qr_until, self.code_until) = (0, 0),
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
            Event::Pressed if self.finger.is_none() => {
                self.finger = Some((self.now, self.asking()))
            }
            Event::Released => {
                if let Some((since, asked)) = self.finger.take() {
                    self.button_confirmed |= asked && self.now - since < 5 * SECOND;
                }
            }
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
                if self.restoring {
                    self.given_up = None;
                } else if was_linked && audit.trigger != Trigger::Server {
                    self.given_up = Some(audit.old);
                }
                (self.linked, self.logouts) = (linked, 0);
                (self.button_confirmed, self.bus_confirmed) = (false, None);
            }
            Event::RetireFailed if self.retiring.take().is_some() => {
                (self.button_confirmed, self.bus_confirmed) = (false, None);
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, effect: Effect, event: &Event) {
        assert!(
            !self.exited || matches!(effect, Effect::Reply { .. }),
            "{effect:?} after Exit"
        );
        let stopping = matches!(
            effect,
            Effect::Disconnect
                | Effect::Reply { .. }
                | Effect::Exit
                | Effect::NoteCaughtUp
                | Effect::Undecrypted { .. }
        );
        assert!(
            self.stopped_at.is_none() || stopping,
            "{effect:?} after Stop"
        );
        match effect {
            Effect::Inspect => assert!(self.run.is_none() && !self.repaired, "only at the start"),
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
            }
            Effect::AskPhone | Effect::Pulse => assert!(self.run.is_some(), "nobody to ask"),
            Effect::Farewell(old) => {
                assert!(self.run.is_some() && self.linked.account.is_some());
                assert_eq!(self.given_up.take().map(ArchiveId::Retired), Some(old));
            }
            Effect::Renegotiate { .. } | Effect::SelfTest => {
                assert!(self.run.is_some(), "nobody to ask");
            }
            Effect::Tested(tested) => assert_eq!(*event, Event::SelfTested(tested)),
            Effect::Undecrypted { messages, .. } => assert!(messages > 0),
            Effect::Probe => {
                assert!(self.run.is_some(), "nobody to ask");
                self.probed = true;
            }
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
                assert!(
                    self.run.is_some() || matches!(event, Event::LinkEnded(_)),
                    "there is no run to end"
                );
            }
            Effect::Retire(audit) => {
                assert!(audit.trigger != Trigger::Bus || self.bus_confirmed == Some(Deed::Relink));
                self.retire(audit, false);
            }
            Effect::Restore { order, from } => {
                assert_eq!(order.trigger, Trigger::Bus);
                assert_eq!(self.bus_confirmed, Some(Deed::Restore(from)));
                self.retire(order, true);
            }
            Effect::Reply { request, reply } => self.answered(event, request, reply),
            Effect::Exit => {
                assert!(self.stopped_at.is_some(), "nobody asked");
                self.exited = true;
            }
            Effect::ExitFailed => panic!("nothing failed"),
            Effect::DropOldestArchive => {
                assert_eq!(self.retiring, None, "one thing at a time");
            }
            Effect::Report(_) | Effect::Notify(_) => {}
        }
    }

    fn start(&mut self, pairs: bool) {
        assert_eq!(
            (self.run, self.retiring),
            (None, None),
            "one thing at a time"
        );
        self.run = Some(pairs);
        (self.qr_until, self.code_until, self.showing) = (0, 0, false);
        self.attempts.push(self.now);
        let recent = self
            .attempts
            .iter()
            .filter(|at| **at + 10 * MINUTE > self.now)
            .count();
        assert!(recent <= 20, "{recent} attempts within ten minutes");
    }

    fn retire(&mut self, audit: Audit, restoring: bool) {
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
            Trigger::Button => assert!(self.button_confirmed, "nobody confirmed at the button"),
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
                Command::Link | Command::SelfTest | Command::Confirm { .. },
                Reply::Accepted | Reply::Refused(_),
            ) => {}
            (Command::Stop, Reply::Accepted) => {}
            (command, reply) => panic!("{reply:?} to {command:?}"),
        }
    }

    fn asking(&self) -> bool {
        matches!(self.face(), Face::ConfirmRelink { .. })
    }

    fn face(&self) -> Face {
        face(&self.state, Now { mono_ms: self.now })
    }

    /// Checks that the face an owner sees is true, bounded and explained.
    fn look(&mut self) {
        let (state, face) = (&self.state, self.face());
        match face {
            Face::Pairing(PairingFace::Qr { left_ms }) => {
                assert_eq!(left_ms, self.qr_until.saturating_sub(self.now))
            }
            Face::Pairing(PairingFace::Code { left_ms }) => {
                assert_eq!(left_ms, self.code_until.saturating_sub(self.now))
            }
            Face::ConfirmRelink {
                account,
                generation,
                ..
            } => {
                assert_eq!(
                    (Some(generation), account),
                    (Some(self.linked.generation), self.linked.account)
                );
            }
            _ => {}
        }
        if let Face::Pairing(PairingFace::Qr { left_ms } | PairingFace::Code { left_ms }) = face {
            assert!(left_ms > 0, "a code that is not valid is on the glass");
            if !std::mem::replace(&mut self.showing, true) {
                self.shown.push(self.now);
            }
        }
        if state.name() == "Connected" {
            assert!(self.run.is_some() && state.cause().is_none());
            assert!(
                self.now <= self.heard + 90 * SECOND + self.late,
                "called connected, and neither heard nor asked"
            );
        }
        let stay = STAYS.iter().find(|stay| stay.state == state.name());
        match (state.name(), stay.expect("in the table").longest_ms) {
            ("Starting" | "Connected" | "Stopped", _) => {}
            (_, None) => {
                let cause = state.cause().expect("a cause");
                assert!(
                    !cause.action().starts_with("none"),
                    "only a human can go on, and is not told"
                );
            }
            (name, Some(limit)) => {
                let left = state.deadline().expect(name).saturating_sub(self.now);
                assert!(left <= limit, "{name} for {left}");
                assert!(
                    state.cause().is_some() || name == "Connecting" || self.attempts.len() <= 1,
                    "{name} without a cause"
                );
            }
        }
        if let Some(at) = self.stopped_at {
            assert_eq!(state.name(), "Stopped");
            assert!(self.exited || state.deadline().expect("a limit") <= at + 10 * SECOND);
        }
    }

    /// From here on everything works, and a human helps where one is needed.
    fn turns_good(&mut self) {
        self.happen(Event::Space(space(4000, 0, 0)));
        self.happen(Event::Released);
        self.deaf = false;
        for _ in 0..60 {
            if self.retiring.is_some() {
                self.happen(Event::Retired(Linked {
                    generation: GenerationId(0),
                    account: None,
                }));
            } else if self.run.is_some() && self.linked.account.is_none() {
                self.happen(Event::Paired(ACCOUNT));
            } else if self.run.is_some() {
                self.happen(Event::LinkUp);
                if self.state.name() == "Connected" {
                    return;
                }
                self.happen(Event::LinkEnded(Ending::Asked));
            } else if let Some(at) = self.state.deadline() {
                self.pass(at.saturating_sub(self.now));
            } else {
                self.pass(11 * MINUTE);
                self.happen(Event::Pressed);
                self.happen(Event::Released);
            }
        }
        panic!("never connected again: {:?}", self.state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(seed: u64, linked: bool, behind: bool, found in findings(), moves in moves()) {
        let mut world = World::new(seed, linked.then_some(ACCOUNT));
        let clock_behind = behind;
        world.happen(Event::Woke(Box::new(Facts { clock_behind, ..Facts::default() })));
        world.happen(Event::Found(found));
        world.happen(Event::Booted(world.linked));
        moves.into_iter().for_each(|one| world.play(one));
        world.turns_good();
    }

    #[test]
    fn whatever_happens_around_a_stop(seed: u64, linked: bool, before in moves(), after in moves(), booted: bool) {
        let mut world = World::new(seed, linked.then_some(ACCOUNT));
        if booted {
            world.happen(Event::Booted(world.linked));
            before.into_iter().for_each(|one| world.play(one));
        }
        world.happen(Event::Command { request: 1, command: Command::Stop });
        after.into_iter().for_each(|one| world.play(one));
        world.pass(10 * SECOND);
        assert!(world.exited);
    }
}
