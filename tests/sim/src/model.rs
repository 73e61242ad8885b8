//! The same core among adversaries, exhaustively: everything that they can do to it within a number of moves, in every order.
//!
//! A state is the core's, as far as it matters ([`State::canonical`]), and what the others know. Time passes to the next
//! deadline, or not at all. What makes things go well is free; what an adversary, an impatient human or a plug does costs a move.

mod around;
mod diagram;

use std::sync::Arc;

use holdfast_core::{
    CauseCode, Command, Course, Deed, Emptied, Ending, Event, Facts, Findings, Hand, IdentityFound,
    LastFour, Now, Space, State, StoreFound, Tested, Todo, Unfinished, Unusable, Way,
};
use parking_lot::Mutex;
use stateright::{Checker, Model, Property};

use around::{Around, Owed};
use diagram::label;

pub use diagram::Diagram;

const ACCOUNT: LastFour = LastFour(*b"0001");
/// The token of a question over the bus.
const NONCE: u64 = 7;
/// The record of the day on which WhatsApp refused a version.
const REFUSED: &str = "outdated 86400000";
/// A human who is told what to do, and everybody else at their best, need no more steps.
const WAY_BACK: usize = 120;

/// A connected link that is let alone is asked once a minute: an hour of that.
const REST: usize = 61;

/// The result of a check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// States told apart.
    pub states: usize,
    /// Ways from one to another.
    pub steps: usize,
    /// The broken promises, each with the way there.
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
        let last = path.last_state().around.broken.clone().unwrap_or_default();
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// At the moment that every state is put to.
    course: Course,
    around: Around,
    moves: u8,
}

/// The vault is looked through; its newest record is one behind.
fn found() -> Event {
    Event::Found(Findings {
        identity: IdentityFound::Sound,
        store: StoreFound::OneBehind,
        unusable: Unusable::default(),
        todo: Todo::default(),
    })
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
    /// A device that was linked, or never was, at a start with these facts.
    fn new(linked: bool, facts: Facts, moves: u8) -> Self {
        let past = facts.past.as_ref().map(|(past, _)| past.clone());
        let mut world = Self {
            course: Course::new(0),
            around: Around::new(linked.then_some(ACCOUNT), past),
            moves,
        };
        world.start(facts);
        world
    }

    /// The process begins; a partition that was set aside tells nothing of the past.
    fn start(&mut self, facts: Facts) {
        self.put(State::new(0), self.course.now());
        self.around.starts();
        let past = self.around.past.clone().filter(|_| !facts.set_aside);
        let past = past.map(|past| (past, 0));
        self.happen(Event::Woke(Box::new(Facts { past, ..facts })));
    }

    /// Goes on from this state at the moment that every state is put to.
    fn put(&mut self, state: State, now: Now) {
        let (state, now) = state.without_chores().canonical(now);
        self.course = Course::resume(state, now);
    }

    fn core(&self) -> &State {
        self.course.state()
    }

    /// Time passes to the next deadline.
    fn wait(&mut self) {
        let mut now = self.course.now();
        if let Some(at) = self.core().deadline() {
            let passed = at.saturating_sub(now.mono_ms);
            now.mono_ms += passed;
            let around = &mut self.around;
            around.past = around.past.take().map(|past| past.after(passed));
        }
        self.happen_at(now, Event::Tick);
    }

    fn happen(&mut self, event: Event) {
        self.happen_at(self.course.now(), event);
    }

    fn happen_at(&mut self, now: Now, event: Event) {
        self.course.take(now, event, &mut self.around);
        self.put(self.core().clone(), now);
    }

    /// Lists the moves that are free, the best first.
    fn good(&self, actions: &mut Vec<Action>) {
        let mut happen = |event| actions.push(Action::Happen(Box::new(event)));
        match self.around.owed {
            Some(Owed::Inspection) => happen(found()),
            Some(Owed::Boot) => happen(Event::Booted(self.around.linked)),
            Some(Owed::Retirement(linked)) => happen(Event::Retired(linked)),
            Some(Owed::CatchUp) => happen(Event::CaughtUp),
            Some(Owed::Answer) => happen(Event::Heard),
            Some(Owed::Space) => happen(space(4_000)),
            Some(Owed::Reset) => happen(Event::ResetNoted),
            None => {}
        }
        if let Some(run) = self.around.run {
            if run.told {
                happen(Event::LinkEnded(Ending::Asked));
            } else if self.around.linked.account.is_none() {
                happen(Event::Paired(ACCOUNT));
                if run.codes == 0 {
                    happen(Event::QrShown { valid_ms: 60_000 });
                }
            } else if !run.up {
                happen(Event::LinkUp);
            }
        }
        if let Some((hand, _)) = self.around.finger {
            happen(Event::Released(hand));
        }
        if self.around.token {
            let (deed, token) = (Deed::Relink, NONCE);
            happen(command(Command::Confirm { deed, token }));
        }
        // Time passes when nobody has anything to say.
        if actions.is_empty() && self.core().is_connected() {
            actions.push(Action::Rest);
        } else if actions.is_empty() && self.core().deadline().is_some() {
            actions.push(Action::Wait);
        }
    }

    /// Lists the moves that cost the adversaries one.
    fn bad(&self, actions: &mut Vec<Action>) {
        if self.core().deadline().is_some() && !actions.contains(&Action::Wait) {
            actions.push(Action::Wait);
        }
        let mut happen = |event| actions.push(Action::Happen(Box::new(event)));
        if let Some(run) = self.around.run {
            endings()
                .into_iter()
                .map(Event::LinkEnded)
                .for_each(&mut happen);
            if self.around.linked.account.is_none() {
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
        match self.around.owed {
            Some(Owed::Inspection | Owed::Boot) => {
                happen(Event::StorageFailed(CauseCode::OpenFailed));
            }
            Some(Owed::Retirement(_)) => happen(Event::RetireFailed),
            Some(Owed::Reset) => happen(Event::ResetFailed),
            _ => {}
        }
        for way in [Way::Open, Way::NoLink] {
            happen(Event::Network(way));
        }
        happen(space(4_000));
        happen(space(4));
        happen(Event::Clock { behind: false });
        happen(Event::StorageFailed(CauseCode::MediumFailed));
        if self.around.finger.is_none() {
            happen(Event::Pressed(Hand::Device));
            happen(Event::Pressed(Hand::Bus));
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
                    if self.around.owed == Some(Owed::Answer) {
                        self.happen(Event::Heard);
                    }
                }
            }
            Action::Happen(event) => self.happen(Event::clone(event)),
            Action::Cut | Action::Start => {
                let emptied = self.around.boots().then(Emptied::default);
                self.start(Facts {
                    emptied,
                    ..Facts::default()
                });
            }
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
            if world.core().name() == "Connected" {
                return true;
            }
            let mut actions = Vec::new();
            world.good(&mut actions);
            match actions.first() {
                _ if world.around.exited => world.act(&Action::Start),
                Some(action) => world.act(action),
                None if without_button => return false,
                None => [Event::Pressed(Hand::Device), Event::Released(Hand::Device)]
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
        let usual = Facts::default;
        let behind = Facts {
            clock_behind: true,
            ..usual()
        };
        let undone = |reset| Facts { reset, ..usual() };
        let refused = Facts {
            past: REFUSED.parse().ok().map(|past| (past, 0)),
            ..usual()
        };
        let set_aside = Facts {
            set_aside: true,
            ..usual()
        };
        let undone = [Unfinished::Waits, Unfinished::Failed].map(undone);
        let linked = [usual(), behind, refused, set_aside]
            .into_iter()
            .chain(undone);
        let linked = linked.map(|facts| World::new(true, facts, self.moves));
        let unlinked = World::new(false, usual(), self.moves);
        linked.chain([unlinked]).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.around.broken.is_some() {
            return;
        }
        if world.around.exited {
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
        if !world.around.exited && !world.finds_back(self.without_button) {
            world
                .around
                .check(false, || "there is no way back".to_owned());
        }
        let (from, to) = (before.core().name(), world.core().name());
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
            |_, world: &World| world.around.broken.is_none(),
        )]
    }
}
