//! The same core among adversaries, exhaustively: everything that they can do to it within a number of moves, in every order.
//!
//! A state is the core's, as far as it matters ([`State::canonical`]), and what the others know. Time passes to the next
//! deadline, or not at all. What makes things go well is free; what an adversary, an impatient human or a plug does costs a move.

mod diagram;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use holdfast_core::{
    CauseCode, Command, Deed, Effect, Ending, Event, Face, Facts, Findings, GenerationId,
    IdentityFound, LastFour, Linked, Now, Past, Reply, STAYS, Space, State, StoreFound, Tested,
    Todo, Trigger, Unusable, Way, face, step,
};
use parking_lot::Mutex;
use stateright::{Checker, Model, Property};

use diagram::label;

pub use diagram::Diagram;

const ACCOUNT: LastFour = LastFour(*b"0001");
/// The token of a question over the bus.
const NONCE: u64 = 7;
/// What is written down on the day that WhatsApp refused a version.
const REFUSED: &str = "outdated 86400000";
/// A human who is told what to do, and everybody else at their best, need no more steps.
const WAY_BACK: usize = 120;

/// A connected link that is let alone is asked once a minute: an hour of that.
const REST: usize = 61;

/// What came of a check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// States told apart.
    pub states: usize,
    /// Ways from one to another.
    pub steps: usize,
    /// What did not hold, with the way there.
    pub broken: Vec<String>,
    /// Which names follow each other, and by what.
    pub diagram: Diagram,
}

/// Checks everything within so many moves of the adversaries, on every core of this machine. Without a button a human cannot
/// help: a control.
pub fn check(moves: u8, without_button: bool) -> Checked {
    let diagram = Arc::default();
    let checker = Adversaries {
        moves,
        without_button,
        diagram: Arc::clone(&diagram),
    }
    .checker()
    .threads(std::thread::available_parallelism().map_or(1, usize::from))
    .spawn_bfs()
    .join();
    let broken = checker.discoveries();
    let broken = broken.into_values().map(|path| {
        let last = path.last_state().broken.clone().unwrap_or_default();
        let way: Vec<String> = path
            .into_actions()
            .iter()
            .map(|action| format!("{action:?}"))
            .collect();
        format!("{last}\n    {}", way.join("\n    "))
    });
    let diagram: &Mutex<Diagram> = &diagram;
    Checked {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        broken: broken.collect(),
        diagram: diagram.lock().clone(),
    }
}

/// The core and everybody around it.
#[derive(Clone, Debug)]
struct Adversaries {
    moves: u8,
    without_button: bool,
    diagram: Arc<Mutex<Diagram>>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
enum Action {
    /// Time passes, to the next deadline.
    Wait,
    /// An hour passes, and WhatsApp is heard whenever it is asked.
    Rest,
    /// Something happens.
    Happen(Box<Event>),
    /// The plug is pulled and put in again.
    Cut,
    /// The service manager starts the daemon again.
    Start,
}

/// A run of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    up: bool,
    /// It was told to end.
    told: bool,
    codes: u8,
}

#[derive(Clone, Debug, PartialEq)]
struct World {
    core: State,
    now: Now,
    /// What is on the flash.
    linked: Linked,
    run: Option<Run>,
    /// The effect that has not answered.
    owed: Option<Owed>,
    /// What was written down, as far as it still counts.
    past: Option<Past>,
    /// Logouts since the last login.
    logouts: u8,
    finger: Option<bool>,
    /// A human wanted the link given up.
    consent: Option<Trigger>,
    token: bool,
    /// Somebody told it to stop.
    stopped: bool,
    /// The data partition failed.
    failed: bool,
    exited: bool,
    moves: u8,
    broken: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owed {
    Boot,
    Retirement(Linked),
    CatchUp,
    Answer,
    Space,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.core.hash(to);
        (self.linked, self.run, self.owed, &self.past, self.logouts).hash(to);
        (self.finger, self.consent, self.token).hash(to);
        (self.stopped, self.failed, self.exited).hash(to);
        (self.moves, &self.broken).hash(to);
    }
}

fn space(mib: u64) -> Event {
    Event::Space(Space {
        free_bytes: mib << 20,
        total_bytes: 8 << 30,
        archives: 0,
        ..Space::default()
    })
}

fn command(command: Command) -> Event {
    Event::Command {
        request: 1,
        command,
    }
}

fn endings() -> [Ending; 12] {
    [
        Ending::Asked,
        Ending::Network(CauseCode::ConnectionLost.into()),
        Ending::Replaced,
        Ending::LoggedOut,
        Ending::AccountLocked,
        Ending::Banned { expires_ms: None },
        Ending::Banned {
            expires_ms: Some(3_600_000),
        },
        Ending::ClientOutdated,
        Ending::RestartRequired,
        Ending::Throttled,
        Ending::Refused { code: 503 },
        Ending::QrExhausted,
    ]
}

impl World {
    /// A device that was linked, or never was, before its first start.
    /// At its first start; or, `refused`, at one on the day that WhatsApp refused the version and a newer one was asked for.
    fn new(linked: bool, behind: bool, refused: bool, moves: u8) -> Self {
        let mut world = Self {
            core: State::new(0),
            now: Now { mono_ms: 0 },
            linked: Linked {
                generation: GenerationId(1),
                account: linked.then_some(ACCOUNT),
            },
            run: None,
            owed: None,
            past: refused
                .then_some(REFUSED)
                .and_then(|past| past.parse().ok()),
            logouts: 0,
            finger: None,
            consent: None,
            token: false,
            stopped: false,
            failed: false,
            exited: false,
            moves,
            broken: None,
        };
        world.start(behind);
        world
    }

    /// The process begins.
    fn start(&mut self, behind: bool) {
        (self.core, self.now) = State::new(0).canonical(Now { mono_ms: 0 });
        (self.run, self.owed) = (None, None);
        // A suspicion does not outlive a restart; a proof does.
        self.logouts = if self.logouts < 2 { 0 } else { 2 };
        (self.finger, self.consent, self.token) = (None, None, false);
        (self.stopped, self.failed, self.exited) = (false, false, false);
        self.happen(Event::Woke(Box::new(Facts {
            clock_behind: behind,
            past: self.past.clone().map(|past| (past, 0)),
            ..Facts::default()
        })));
        self.happen(Event::Found(Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::OneBehind,
            unusable: Unusable::default(),
            todo: Todo::default(),
        }));
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.get_or_insert_with(what);
        }
    }

    /// Time passes to the next deadline.
    fn wait(&mut self) {
        if let Some(at) = self.core.deadline() {
            let passed = at.saturating_sub(self.now.mono_ms);
            self.now.mono_ms += passed;
            self.past = self.past.take().map(|past| past.after(passed));
        }
        self.happen(Event::Tick);
    }

    fn happen(&mut self, event: Event) {
        self.expect(&event);
        let outcome = step(&mut self.core, event.clone(), self.now);
        for effect in outcome.effects {
            self.carry_out(effect);
        }
        self.look();
        let core = std::mem::replace(&mut self.core, State::new(0));
        (self.core, self.now) = core.without_chores().canonical(self.now);
    }

    /// What the event is for those who say it.
    fn expect(&mut self, event: &Event) {
        match event {
            Event::LinkUp => {
                self.logouts = 0;
                self.run.iter_mut().for_each(|run| run.up = true);
            }
            Event::QrShown { .. } => self.run.iter_mut().for_each(|run| run.codes += 1),
            Event::Paired(_) => self.linked.account = Some(ACCOUNT),
            Event::LinkEnded(ending) => {
                self.run = None;
                self.owed = self
                    .owed
                    .filter(|owed| !matches!(owed, Owed::Answer | Owed::CatchUp));
                let counts = self.linked.account.is_some() && !self.stopped && !self.failed;
                if *ending == Ending::LoggedOut && counts {
                    self.logouts = (self.logouts + 1).min(2);
                }
            }
            Event::Pressed => self.finger = Some(self.asks()),
            Event::Released => {
                let asked = self.finger.take() == Some(true);
                self.consent = asked.then_some(Trigger::Button).or(self.consent);
            }
            Event::Command { command, .. } => match command {
                Command::Confirm { token, .. } => {
                    if std::mem::take(&mut self.token) && *token == NONCE {
                        self.consent = Some(Trigger::Bus);
                    }
                }
                Command::Ask { .. } => self.token = false,
                Command::Stop => self.stopped = true,
                Command::Link | Command::SelfTest => {}
            },
            Event::StorageFailed(_) => self.failed = true,
            Event::Booted(_) => self.answered(Owed::Boot),
            Event::CaughtUp => self.answered(Owed::CatchUp),
            Event::Heard => self.answered(Owed::Answer),
            Event::Space(_) => self.answered(Owed::Space),
            Event::Retired(linked) => {
                (self.linked, self.owed, self.logouts) = (*linked, None, 0);
                self.consent = None;
            }
            Event::RetireFailed => (self.owed, self.consent) = (None, None),
            _ => {}
        }
    }

    fn answered(&mut self, owed: Owed) {
        self.owed = self.owed.filter(|other| *other != owed);
    }

    fn asks(&self) -> bool {
        matches!(face(&self.core, self.now), Face::ConfirmRelink { .. })
    }

    fn carry_out(&mut self, effect: Effect) {
        let busy = self.run.is_some() || matches!(self.owed, Some(Owed::Retirement(_)));
        match effect {
            Effect::Repair(_) => self.owed = Some(Owed::Boot),
            Effect::Connect | Effect::Pair => {
                let pairs = effect == Effect::Pair;
                let linked = self.linked.account.is_some();
                self.check(!busy, || "two things at a time".to_owned());
                self.check(linked != pairs, || "the wrong kind of attempt".to_owned());
                let revoked = self.logouts == 2;
                self.check(!revoked, || "revoked keys are used again".to_owned());
                self.run = Some(Run {
                    up: false,
                    told: false,
                    codes: 0,
                });
            }
            Effect::Disconnect => self.run.iter_mut().for_each(|run| run.told = true),
            Effect::CatchUp(_) => self.owed = Some(Owed::CatchUp),
            Effect::Probe => self.owed = Some(Owed::Answer),
            Effect::Retire(order) | Effect::Restore { order, .. } => {
                self.check(!busy, || "given up under a run".to_owned());
                let logouts = self.logouts;
                let proved = match order.trigger {
                    Trigger::Server => logouts == 2,
                    human => self.consent == Some(human),
                };
                self.check(proved, || {
                    format!("given up by {:?} after {logouts} logouts", order.trigger)
                });
                self.owed = Some(Owed::Retirement(Linked {
                    // One generation is as good as the next.
                    generation: GenerationId(1),
                    account: None,
                }));
            }
            Effect::DropOldestArchive => self.owed = Some(Owed::Space),
            Effect::Remember(past) => self.past = Some(Past::clone(&past).without_chores()),
            Effect::Reply { reply, .. } => {
                self.token = matches!(reply, Reply::Token { .. });
            }
            Effect::Exit | Effect::ExitFailed => {
                let told = match effect {
                    Effect::ExitFailed => self.failed,
                    _ => self.stopped,
                };
                self.check(told, || "it left, and nobody asked".to_owned());
                self.exited = true;
            }
            Effect::Inspect
            | Effect::NoteCaughtUp
            | Effect::SelfTest
            | Effect::Tested(_)
            | Effect::Report(_)
            | Effect::Notify(_)
            | Effect::AskPhone
            | Effect::Pulse
            | Effect::Farewell(_)
            | Effect::Renegotiate { .. }
            | Effect::Undecrypted { .. } => {}
        }
    }

    /// What an owner sees must be bounded and explained.
    fn look(&mut self) {
        let name = self.core.name();
        let told = self
            .core
            .cause()
            .is_some_and(|cause| !cause.action().starts_with("none"));
        let left = self
            .core
            .deadline()
            .map(|at| at.saturating_sub(self.now.mono_ms));
        let longest = STAYS.iter().find(|stay| stay.state == name);
        match longest.and_then(|stay| stay.longest_ms) {
            _ if name == "Starting" || self.exited => {}
            Some(longest) => self.check(left.is_some_and(|left| left <= longest), || {
                format!("{name} for {left:?}, its limit is {longest}")
            }),
            None => self.check(told, || format!("{name}, and nobody is told what to do")),
        }
        let up = self.run.is_some_and(|run| run.up);
        self.check(name != "Connected" || up, || {
            "called connected, and is not".to_owned()
        });
        let cause = self.core.cause().is_some();
        let explained = matches!(name, "Starting" | "Connecting" | "Connected" | "Repairing");
        self.check(cause || explained, || format!("{name} without a cause"));
    }

    /// What happens for nothing, the best first.
    fn good(&self, actions: &mut Vec<Action>) {
        let mut happen = |event| actions.push(Action::Happen(Box::new(event)));
        match self.owed {
            Some(Owed::Boot) => happen(Event::Booted(self.linked)),
            Some(Owed::Retirement(linked)) => happen(Event::Retired(linked)),
            Some(Owed::CatchUp) => happen(Event::CaughtUp),
            Some(Owed::Answer) => happen(Event::Heard),
            Some(Owed::Space) => happen(space(4_000)),
            None => {}
        }
        if let Some(run) = self.run {
            if run.told {
                happen(Event::LinkEnded(Ending::Asked));
            } else if self.linked.account.is_none() {
                happen(Event::Paired(ACCOUNT));
                if run.codes == 0 {
                    happen(Event::QrShown { valid_ms: 60_000 });
                }
            } else if !run.up {
                happen(Event::LinkUp);
            }
        }
        if self.finger.is_some() {
            happen(Event::Released);
        }
        if self.token {
            let (deed, token) = (Deed::Relink, NONCE);
            happen(command(Command::Confirm { deed, token }));
        }
        // Time passes when nobody has anything to say.
        if actions.is_empty() && self.core.is_connected() {
            actions.push(Action::Rest);
        } else if actions.is_empty() && self.core.deadline().is_some() {
            actions.push(Action::Wait);
        }
    }

    /// What costs a move.
    fn bad(&self, actions: &mut Vec<Action>) {
        if self.core.deadline().is_some() && !actions.contains(&Action::Wait) {
            actions.push(Action::Wait);
        }
        let mut happen = |event| actions.push(Action::Happen(Box::new(event)));
        if let Some(run) = self.run {
            endings()
                .into_iter()
                .map(Event::LinkEnded)
                .for_each(&mut happen);
            if self.linked.account.is_none() {
                happen(Event::PasskeyAsked);
                happen(Event::PairFailed);
                happen(Event::QrShown { valid_ms: 20_000 });
            }
            if run.up {
                happen(Event::Heard);
                happen(Event::SelfTested(Tested {
                    answered: false,
                    echoed: None,
                }));
            }
        }
        if matches!(self.owed, Some(Owed::Retirement(_))) {
            happen(Event::RetireFailed);
        }
        for way in [Way::Open, Way::NoLink] {
            happen(Event::Network(way));
        }
        happen(space(4_000));
        happen(space(4));
        happen(Event::Clock { behind: false });
        happen(Event::StorageFailed(CauseCode::MediumFailed));
        if self.finger.is_none() {
            happen(Event::Pressed);
        }
        let (deed, nonce) = (Deed::Relink, NONCE);
        let commands = [
            Command::Link,
            Command::SelfTest,
            Command::Stop,
            Command::Ask { deed, nonce },
            Command::Confirm { deed, token: 0 },
        ];
        commands.into_iter().map(command).for_each(&mut happen);
        actions.push(Action::Cut);
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Wait => self.wait(),
            Action::Rest => {
                for _ in 0..REST {
                    self.wait();
                    if self.owed == Some(Owed::Answer) {
                        self.happen(Event::Heard);
                    }
                }
            }
            Action::Happen(event) => self.happen(Event::clone(event)),
            Action::Cut | Action::Start => self.start(false),
        }
    }

    /// From here on all goes well, and a human does what the screen says: the link has to come up.
    fn finds_back(&self, without_button: bool) -> bool {
        let mut world = self.clone();
        let fair = [
            Event::Network(Way::Open),
            space(4_000),
            Event::Clock { behind: false },
        ];
        fair.into_iter().for_each(|event| world.happen(event));
        for _ in 0..WAY_BACK {
            if world.core.name() == "Connected" {
                return true;
            }
            let mut actions = Vec::new();
            world.good(&mut actions);
            match actions.first() {
                _ if world.exited => world.act(&Action::Start),
                Some(action) => world.act(action),
                None if without_button => return false,
                None => [Event::Pressed, Event::Released]
                    .into_iter()
                    .for_each(|event| world.happen(event)),
            }
        }
        false
    }
}

impl Model for Adversaries {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let linked = [(false, false), (true, false), (false, true)]
            .map(|(behind, refused)| World::new(true, behind, refused, self.moves));
        let unlinked = World::new(false, false, false, self.moves);
        linked.into_iter().chain([unlinked]).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        if world.exited {
            return actions.push(Action::Start);
        }
        world.good(actions);
        if world.moves > 0 {
            world.bad(actions);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let mut free = Vec::new();
        world.good(&mut free);
        if !free.contains(&action) && action != Action::Start {
            world.moves -= 1;
        }
        world.act(&action);
        if !world.exited && !world.finds_back(self.without_button) {
            world.check(false, || "there is no way back".to_owned());
        }
        let (from, to) = (before.core.name(), world.core.name());
        if from != to {
            let mut diagram = self.diagram.lock();
            diagram
                .entry((from, to))
                .or_default()
                .insert(label(&action));
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(
            "what the core promises",
            |_, world: &World| world.broken.is_none(),
        )]
    }
}
