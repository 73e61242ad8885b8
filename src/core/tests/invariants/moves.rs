//! Draws random moves, fitting or not.

use holdfast_core::{
    ArchiveId, AuditEnd, Booted, CauseClass, CauseCode, Command, Deed, Ending, Event, Facts,
    Findings, GenerationId, Hand, IdentityFound, Ignored, LastEnd, Linked, Part, Space, StoreFound,
    Tested, Todo, Unusable, UpdateStep, Updates, Way,
};
use proptest::prelude::*;

use super::{ACCOUNT, HOUR, MINUTE, SECOND};

/// The world's next move.
#[derive(Clone, Debug)]
pub enum Move {
    /// Something happens, fitting or not.
    Happen(Box<Event>),
    /// Carries out what the start asked for, if that is not done yet.
    Answer,
    /// Time passes, with a tick at each deadline.
    Pass(u64),
    /// Time passes, and the ticks are late.
    Oversleep(u64),
    /// Whether WhatsApp answers probes.
    Deaf(bool),
    /// Somebody presses for so long, with a tick at each deadline.
    Press(Hand, u64),
}

fn ending() -> impl Strategy<Value = Ending> {
    // A run of the link ends for any reason but a new version's.
    let reasons = CauseCode::ALL.iter().copied();
    let reasons = reasons.filter(|code| code.class() != CauseClass::Update);
    prop_oneof![
        2 => Just(Ending::Asked),
        4 => prop::sample::select(reasons.collect::<Vec<_>>()).prop_map(|code| Ending::Network(code.into())),
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
        1 => Just(Command::SelfTest),
        1 => Just(Command::Install),
        1 => Just(Command::LookForUpdate),
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

fn hand() -> impl Strategy<Value = Hand> {
    prop_oneof![2 => Just(Hand::Device), 1 => Just(Hand::Bus)]
}

pub fn findings() -> impl Strategy<Value = Findings> {
    let stores = [
        StoreFound::Sound,
        StoreFound::OneBehind,
        StoreFound::Behind,
        StoreFound::Unwitnessed,
        StoreFound::Damaged,
        StoreFound::Lost,
        StoreFound::Older,
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
pub fn space(mib: u64, archives: u32, unread: u64) -> Space {
    Space {
        free_bytes: mib << 20,
        total_bytes: 8 << 30,
        archives,
        unread,
        unread_bytes: unread << 10,
        away_ms: unread * 400_000,
        outgoing_bytes: (unread % 3) << 30,
        spare_bytes: (unread % 2) << 20,
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

fn facts() -> impl Strategy<Value = Facts> {
    const WAYS: [Way; 5] = [
        Way::NoLink,
        Way::NoRadio,
        Way::NoAddress,
        Way::NoRoute,
        Way::Open,
    ];
    let ignored = (1..9_u32, prop::option::of(1..99_u32)).prop_map(|(count, line)| Ignored {
        count,
        file: None,
        line,
    });
    (
        prop::sample::select(&LastEnd::ALL[..]),
        prop::option::of(ignored),
        prop::option::of(prop::sample::select(&WAYS[..])),
        any::<bool>(),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(last_end, ignored, way, clock_behind, set_aside)| Facts {
            last_end,
            ignored,
            way,
            clock_behind,
            past: None,
            set_aside,
            ..Facts::default()
        })
}

/// What a start knows of updates: mostly nothing.
pub fn updates() -> impl Strategy<Value = Updates> {
    let booted = prop_oneof![
        4 => Just(Booted::Usual),
        1 => Just(Booted::Installing),
        1 => Just(Booted::Installed),
        2 => (0..20 * MINUTE).prop_map(|left_ms| Booted::Trial { left_ms }),
        1 => Just(Booted::FellBack),
    ];
    (any::<bool>(), booted, any::<bool>()).prop_map(|(automatic, booted, counted)| Updates {
        automatic,
        booted,
        counted,
    })
}

/// A step of an update, which may be none.
fn step() -> impl Strategy<Value = UpdateStep> {
    prop_oneof![
        1 => Just(UpdateStep::Nothing),
        3 => any::<bool>().prop_map(|fell_back| UpdateStep::Found { fell_back }),
        2 => any::<u8>().prop_map(UpdateStep::Going),
        4 => Just(UpdateStep::Installed),
        1 => Just(UpdateStep::Failed(CauseCode::UpdateRefused)),
        2 => Just(UpdateStep::Kept),
        1 => Just(UpdateStep::NotKept),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let valid_ms = || prop_oneof![0..90 * SECOND, Just(60 * SECOND), Just(20 * SECOND)];
    prop_oneof![
        1 => Just(Event::Tick),
        3 => prop::sample::select(vec![Way::NoLink, Way::NoRadio, Way::NoAddress, Way::NoRoute, Way::Open, Way::Open]).prop_map(Event::Network),
        1 => any::<bool>().prop_map(|alone| Event::Radio { alone }),
        1 => any::<bool>().prop_map(|behind| Event::Clock { behind }),
        2 => facts().prop_map(|facts| Event::Woke(Box::new(facts))),
        4 => valid_ms().prop_map(|valid_ms| Event::QrShown { valid_ms }),
        2 => valid_ms().prop_map(|valid_ms| Event::CodeShown { valid_ms }),
        1 => Just(Event::PasskeyAsked),
        3 => Just(Event::Paired(ACCOUNT)),
        1 => Just(Event::PairFailed),
        1 => Just(Event::CodeUnusable),
        2 => prop::sample::select(vec![401, 403, 406, 409, 440, 516]).prop_map(|number| Event::Said { number }),
        6 => Just(Event::LinkUp),
        14 => ending().prop_map(Event::LinkEnded),
        6 => hand().prop_map(Event::Pressed),
        6 => hand().prop_map(Event::Released),
        1 => any::<bool>().prop_map(Event::Night),
        5 => step().prop_map(Event::Update),
        2 => any::<bool>().prop_map(Event::UpdateHour),
        1 => any::<bool>().prop_map(Event::Saving),
        1 => Just(Event::ResetNoted),
        1 => Just(Event::ResetFailed),
        6 => (any::<u64>(), command()).prop_map(|(request, command)| Event::Command { request, command }),
        3 => Just(Event::Retired(Linked { generation: GenerationId(0), account: None })),
        2 => Just(Event::RetireFailed),
        1 => findings().prop_map(Event::Found),
        2 => Just(Event::CaughtUp),
        1 => Just(Event::Heard),
        1 => (any::<bool>(), any::<Option<bool>>()).prop_map(|(answered, echoed)| Event::SelfTested(Tested { answered, echoed })),
        1 => Just(Event::PhoneSeen),
        3 => (0..9_u64, any::<bool>()).prop_map(|(peer, worked)| Event::Undecrypted { peer, worked }),
        1 => (0..9_u64).prop_map(|peer| Event::Decrypted { peer }),
        4 => (0..600_u64, 0..3_u32, 0..20_000_u64).prop_map(|(mib, archives, unread)| Event::Space(space(mib, archives, unread))),
        1 => Just(Event::InboxFull),
        1 => Just(Event::DropFailed),
        1 => any::<u64>().prop_map(|seq| Event::Audited(AuditEnd::of(seq | 1, "3f2a9c01").expect("an end"))),
        1 => any::<bool>().prop_map(|low| Event::Voltage { low }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(display, works)| panel(display, works)),
        1 => prop::option::of(Just(ACCOUNT)).prop_map(|account| Event::Booted(Linked { generation: GenerationId(3), account })),
    ]
}

pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    let time =
        || prop_oneof![3 => 0..SECOND, 3 => 0..12 * SECOND, 2 => 0..2 * MINUTE, 1 => 0..2 * HOUR];
    let one = prop_oneof![
        10 => event().prop_map(|event| Move::Happen(Box::new(event))),
        1 => Just(Move::Answer),
        6 => time().prop_map(Move::Pass),
        2 => time().prop_map(Move::Oversleep),
        1 => any::<bool>().prop_map(Move::Deaf),
        2 => (hand(), prop::sample::select(vec![200, 5 * SECOND, 16 * SECOND])).prop_map(|(hand, ms)| Move::Press(hand, ms)),
    ];
    prop::collection::vec(one, 1..200)
}
