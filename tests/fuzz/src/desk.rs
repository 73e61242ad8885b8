//! The bus' arguments: everything that a client can send, at the desk that every door hands it to. A line of an input is a call and its
//! arguments, separated by tabs.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use holdfast::boot::{BootReport, Evidence, settings::Door};
use holdfast::desk::{Caller, Desk, Lines, Refusal, Role, Rooms, Status, Updatable};
use holdfast::history::{Archive, Audit};
use holdfast::link::Credentials;
use holdfast::mail::{Bounds, Inbox, Outbox, Room};
use holdfast::panel::{Frame, Light, PLAIN, Picture};
use holdfast::vault::Generations;
use holdfast_core::{GenerationId, LastFour, Linked, Stage};
use holdfast_medium::{DataDir, Lane, Machine, Secret, barrier::Barrier};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{broadcast, mpsc, watch};

/// After so many inputs the desk is a new one: what was accepted takes room.
const STALE: u32 = 500;

/// A desk over real mail, and nobody else.
struct Place {
    runtime: Runtime,
    desk: Desk,
    answered: u32,
    _ends: (watch::Sender<Status>, watch::Sender<Option<Rooms>>),
    _dir: TempDir,
}

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Asks the desk, as each of the roles.
pub fn answers(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    PLACE.with_borrow_mut(|place| {
        if place.as_ref().is_none_or(|place| place.answered > STALE) {
            *place = Some(Place::new());
        }
        let place = place.as_mut().expect("it was made");
        place.answered += 1;
        for role in [Role::Read, Role::Message, Role::Admin] {
            let desk = place.desk.serve(Caller::new(role, "anna"));
            for line in text.lines().take(20) {
                let fields: Vec<&str> = line.split('\t').collect();
                let field = |nth: usize| fields.get(nth).copied().unwrap_or_default();
                place.runtime.block_on(asks(&desk, field));
            }
        }
    });
}

async fn asks<'a>(desk: &Desk, field: impl Fn(usize) -> &'a str) {
    let number = |nth: usize| field(nth).parse::<u64>().unwrap_or(0);
    let max = |nth: usize| usize::try_from(number(nth)).ok().filter(|max| *max != 0);
    let secret = |nth: usize| Secret::new(field(nth).to_owned());
    let one = field(1);
    let input = || tempfile::tempfile().expect("a file");
    let done = match field(0) {
        "send" => {
            let id = Some(field(3).to_owned()).filter(|id| !id.is_empty());
            let sent = desk.send(one, secret(2), id).await;
            if let Err(refusal) = &sent {
                tells_nobody(refusal, one);
                tells_nobody(refusal, field(2));
            }
            sent.map(drop)
        }
        "state" => desk.message_state(one).map(drop),
        "pending" => desk.pending(number(1), max(2)).await.map(drop),
        "drop" => desk.drop_message(one).await,
        "read" => desk.read(one, Some(number(2)), max(3)).await.map(drop),
        "unread" => desk.read(one, None, max(2)).await.map(drop),
        "stubs" => desk.stubs(number(1), max(2)).map(drop),
        "acknowledge" => desk.acknowledge(one, number(2)).await,
        "forget" => desk.forget_consumer(one).await,
        "cursor" => desk.cursor(one).map(drop),
        "consumers" => desk.consumers().map(drop),
        "archive" => desk.archive(one).await.map(drop),
        "restore" => desk.restore(one).await.map(drop),
        "confirm-restore" => desk.confirm_restore(one, number(2)).await,
        "export" => desk.export(one).await.map(drop),
        "confirm-export" => {
            let done = desk
                .confirm_export(one, number(2), secret(3), input())
                .await;
            if let Err(refusal) = &done {
                tells_nobody(refusal, field(3));
            }
            done
        }
        "import" => desk.import(secret(1), input()).await.map(drop),
        "confirm-relink" => desk.confirm_relink(number(1)).await,
        "press" => desk.press(Duration::from_millis(number(1))).await,
        "incidents" => desk.incidents(max(1)).await.map(drop),
        "audit" => desk.read_audit(number(1), max(2)).await.map(drop),
        "last-words" => desk.last_words(max(1)).await.map(drop),
        _ => Ok(()),
    };
    if let Err(refusal) = done {
        assert!(!refusal.to_string().is_empty());
    }
}

/// A refusal does not repeat what may be somebody's number, text or passphrase.
fn tells_nobody(refusal: &Refusal, what: &str) {
    let digits = what.bytes().filter(u8::is_ascii_digit).count();
    if digits >= 7 {
        assert!(!refusal.to_string().contains(what), "{refusal}");
    }
}

impl Place {
    fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = tempfile::tempdir().expect("a place");
        let data = DataDir::new(dir.path().join("data"));
        let barrier = Barrier::start().expect("a barrier");
        let (inbox, outbox) = runtime.block_on(async {
            let room = Room::new(data.root(), Bounds::NONE);
            let inbox = Inbox::open(&data, &barrier, room.clone())
                .await
                .expect("an inbox");
            let outbox = Outbox::open(&data, &barrier, room, |_| Duration::ZERO)
                .await
                .expect("an outbox");
            (inbox, outbox)
        });
        let evidence = Evidence::gather(&Machine::at(dir.path()), &data);
        let boot = Arc::new(BootReport::new(&evidence, &evidence.verdict()));
        let (archive, _) = Archive::open(&data, GenerationId(3), Generations).expect("an archive");
        let linked = Linked {
            generation: GenerationId(3),
            account: Some(LastFour(*b"1234")),
        };
        let (status, now) = watch::channel(Status {
            state: "Connected",
            cause: None,
            linked,
            attempt: 0,
            next_attempt: None,
            account: None,
            supply: None,
            update: Stage::Idle,
            trial_ends: None,
            display: None,
            button: None,
        });
        let (rooms, opened) = watch::channel(Some(Rooms {
            inbox,
            outbox,
            archive,
            audit: Audit::open(&data),
            lane: runtime.block_on(async { Lane::new() }),
        }));
        let picture = Picture {
            frame: Frame::new(PLAIN),
            confidential: false,
            light: Light::Full,
        };
        let desk = Desk::new(Lines {
            // Nobody takes requests: each is refused, since Holdfast stops.
            requests: mpsc::channel(1).0,
            status: now,
            credentials: watch::channel(Credentials::default()).1,
            picture: watch::channel(picture).1,
            glass: "none".to_owned(),
            proxy: None,
            ignored: Vec::new(),
            boot: watch::channel(boot).1,
            news: broadcast::channel(1).0,
            tested: broadcast::channel(1).0,
            updatable: Updatable::default(),
            updated: broadcast::channel(1).0,
            barrier,
            card: None,
            data,
            settings: Door::new(Machine::at(dir.path())),
            rooms: opened,
        });
        Self {
            runtime,
            desk,
            answered: 0,
            _ends: (status, rooms),
            _dir: dir,
        }
    }
}
