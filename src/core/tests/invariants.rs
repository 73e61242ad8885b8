//! What must hold whatever happens: random events on a virtual clock, watched by a model of everybody around the core.

use holdfast_core::{
    ArchiveId, Audit, CauseClass, CauseCode, Command, Deed, Effect, Ending, Event, Face, Findings,
    GenerationId, IdentityFound, Ignored, LastEnd, LastFour, Linked, Now, PairingFace, Part, Reply,
    Space, State, StoreFound, Todo, Trigger, Unusable, Way, face, step,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const ACCOUNT: LastFour = LastFour(*b"1234");

/// What the world does next.
#[derive(Clone, Debug)]
enum Move {
    /// Something happens, fitting or not.
    Happen(Event),
    /// Time passes, with a tick at each deadline.
    Pass(u64),
    /// Time passes, and the ticks are late.
    Oversleep(u64),
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        2 => Just(Ending::Asked),
        4 => prop::sample::select(CauseCode::ALL).prop_map(|code| Ending::Network(code.into())),
        2 => Just(Ending::Replaced),
        6 => Just(Ending::LoggedOut),
        1 => Just(Ending::AccountLocked),
        1 => prop::option::of(0..24 * HOUR).prop_map(|expires_ms| Ending::Banned { expires_ms }),
        1 => Just(Ending::ClientOutdated),
        4 => Just(Ending::RestartRequired),
        1 => Just(Ending::Throttled),
        2 => any::<u16>().prop_map(|code| Ending::Refused { code }),
        2 => Just(Ending::QrExhausted),
        1 => Just(Ending::Storage),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => Just(Command::Link),
        4 => (deed(), 0..3_u64).prop_map(|(deed, nonce)| Command::Ask { deed, nonce }),
        4 => (deed(), 0..3_u64).prop_map(|(deed, token)| Command::Confirm { deed, token }),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let archive = ArchiveId::Retired(GenerationId(1));
    prop::sample::select(vec![
        Deed::Relink,
        Deed::Relink,
        Deed::Restore(archive),
        Deed::Export(archive),
    ])
}

fn findings() -> impl Strategy<Value = Findings> {
    let stores = [
        StoreFound::Sound,
        StoreFound::OneBehind,
        StoreFound::Behind,
        StoreFound::Unwitnessed,
        StoreFound::Damaged,
        StoreFound::Lost,
    ];
    let todo = any::<(bool, bool)>().prop_map(|(refresh_pre_keys, check_digest)| Todo {
        refresh_pre_keys,
        check_digest,
    });
    (
        prop::sample::select(stores.to_vec()),
        any::<bool>(),
        0..3_u32,
        0..3_u32,
        todo,
    )
        .prop_map(|(store, sound, pre_keys, others, todo)| Findings {
            identity: if sound {
                IdentityFound::Sound
            } else {
                IdentityFound::OneSlot
            },
            store,
            unusable: Unusable { pre_keys, others },
            todo,
        })
}

/// A partition of 8 GiB with so much free.
fn space(mib: u64, archives: u32, unread: u64) -> Space {
    Space {
        free_bytes: mib << 20,
        total_bytes: 8 << 30,
        archives,
        unread,
        unread_bytes: unread << 10,
        records: unread * 8,
        records_bytes: unread << 12,
    }
}

/// A part of the panel works, or fails.
fn panel(display: bool, works: bool) -> Event {
    let (part, code) = if display {
        (Part::Display, CauseCode::DisplayAbsent)
    } else {
        (Part::Button, CauseCode::ButtonAbsent)
    };
    Event::Panel {
        part,
        fault: (!works).then_some(code),
    }
}

fn event() -> impl Strategy<Value = Event> {
    let valid_ms = || prop_oneof![0..90 * SECOND, Just(60 * SECOND), Just(20 * SECOND)];
    prop_oneof![
        1 => Just(Event::Tick),
        3 => prop::sample::select(vec![Way::NoLink, Way::NoAddress, Way::NoRoute, Way::Open, Way::Open]).prop_map(Event::Network),
        1 => any::<bool>().prop_map(|behind| Event::Clock { behind }),
        1 => (1..9_u32, prop::option::of(1..99_u32)).prop_map(|(count, line)| Event::SettingsIgnored(Ignored { count, line })),
        4 => valid_ms().prop_map(|valid_ms| Event::QrShown { valid_ms }),
        2 => valid_ms().prop_map(|valid_ms| Event::CodeShown { valid_ms }),
        1 => Just(Event::PasskeyAsked),
        3 => Just(Event::Paired(ACCOUNT)),
        1 => Just(Event::PairFailed),
        6 => Just(Event::LinkUp),
        14 => ending().prop_map(Event::LinkEnded),
        6 => Just(Event::Pressed),
        6 => Just(Event::Released),
        6 => (any::<u64>(), command()).prop_map(|(request, command)| Event::Command { request, command }),
        3 => Just(Event::Retired(Linked { generation: GenerationId(0), account: None })),
        2 => Just(Event::RetireFailed),
        1 => findings().prop_map(Event::Found),
        2 => Just(Event::CaughtUp),
        4 => (0..600_u64, 0..3_u32, 0..20_000_u64).prop_map(|(mib, archives, unread)| Event::Space(space(mib, archives, unread))),
        1 => Just(Event::DropFailed),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(display, works)| panel(display, works)),
        1 => prop::sample::select(&LastEnd::ALL[..]).prop_map(Event::LastEnd),
        1 => prop::option::of(Just(ACCOUNT)).prop_map(|account| Event::Booted(Linked { generation: GenerationId(3), account })),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let time =
        || prop_oneof![3 => 0..SECOND, 3 => 0..12 * SECOND, 2 => 0..2 * MINUTE, 1 => 0..2 * HOUR];
    let one = prop_oneof![
        10 => event().prop_map(Move::Happen),
        6 => time().prop_map(Move::Pass),
        2 => time().prop_map(Move::Oversleep),
    ];
    prop::collection::vec(one, 1..200)
}

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
    /// Logouts since the last time the link was up.
    logouts: u32,
    /// When the button went down, and whether the question already stood.
    finger: Option<(u64, bool)>,
    button_confirmed: bool,
    tokens: Vec<(Deed, u64, u64)>,
    /// What a human confirmed over the bus.
    bus_confirmed: Option<Deed>,
    attempts: Vec<u64>,
    /// Runs that showed a code.
    shown: Vec<u64>,
    showing: bool,
    /// A human wanted the run that comes next.
    human: bool,
    repaired: bool,
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
            stopped_at: None,
            exited: false,
        }
    }

    fn play(&mut self, one: Move) {
        match one {
            Move::Happen(event) => self.happen(event),
            Move::Pass(ms) => self.pass(ms),
            Move::Oversleep(ms) => self.now += ms,
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
        // Several things may happen in one step; the last one told is what holds, unless it is about disk or panel alone.
        let told = outcome
            .effects
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Report(cause)
                    if !matches!(cause.class(), CauseClass::Storage | CauseClass::Panel) =>
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
    }

    /// What the event changes for those who say it.
    fn expect(&mut self, event: &Event) {
        self.human = match event {
            Event::Released | Event::Command { .. } => true,
            // A hold is a human, too, and so is whoever told the run to end.
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
            Event::LinkUp if self.run.is_some() => self.logouts = 0,
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
            Event::Retired(linked) if self.retiring.take().is_some() => {
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
            Effect::Disconnect | Effect::Reply { .. } | Effect::Exit | Effect::NoteCaughtUp
        );
        assert!(
            self.stopped_at.is_none() || stopping,
            "{effect:?} after Stop"
        );
        match effect {
            Effect::Repair(_) => {
                assert!(
                    !self.repaired && self.run.is_none(),
                    "repaired under a link"
                );
                self.repaired = true;
            }
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
            Effect::Report(_) => {}
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
            (Command::Link | Command::Confirm { .. }, Reply::Accepted | Reply::Refused(_)) => {}
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

    /// What an owner sees must be true, bounded and explained.
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
        }
        match state.name() {
            "Starting" | "Connected" | "Stopped" => {}
            "PairingPaused" | "PasskeyNeeded" | "StorageFault" => {
                let cause = state.cause().expect("a cause");
                assert!(
                    !cause.action().starts_with("none"),
                    "only a human can go on, and is not told"
                );
            }
            name => {
                let left = state.deadline().expect(name).saturating_sub(self.now);
                let limit = if name == "Banned" { 24 * HOUR } else { HOUR };
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
        world.happen(Event::Clock { behind });
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
