//! A daemon that is all bus: real mail, everything else as the test says.

use std::{
    future::Future,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use holdfast::{
    boot::{BootReport, Evidence, settings::Door},
    bus::{self, Served, Where},
    desk::{
        Caller, Desk, LastUpdate, Lines, Request, Role, Rooms, SlotLine, Status, Updatable,
        UpdateEnd, UpdateReport,
    },
    history::{Archive, Audit},
    link::{Credentials, PasskeyAnswer, PasskeyRefused},
    mail::{Bounds, Inbox, Message, Outbox, Room},
    panel::{Frame, Light, PLAIN, Picture},
    update::Wanted,
    vault::Generations,
};
use holdfast_core::{
    Cause, Command, Deed, GenerationId, Hindrance, LastFour, Linked, Refusal, Reply, Stage, Tested,
};
use holdfast_medium::{DataDir, Lane, Machine, Secret, barrier::Barrier, wear::Card};
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc, watch};
use zbus::{Connection, connection::Builder};

/// Nothing here takes this long; only a failing test waits for it.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what)
        .await
        .expect("it takes too long")
}

pub struct Daemon {
    pub dir: TempDir,
    pub status: watch::Sender<Status>,
    pub picture: watch::Sender<Picture>,
    pub credentials: watch::Sender<Credentials>,
    pub news: broadcast::Sender<Cause>,
    pub data: DataDir,
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub archive: Archive,
    pub audit: Audit,
    pub lane: Lane,
    /// Whether the button is down, as it changes.
    pub button: mpsc::UnboundedReceiver<bool>,
    pub rooms: watch::Sender<Option<Rooms>>,
    pub desk: Desk,
    _boot: watch::Sender<Arc<BootReport>>,
}

impl Daemon {
    pub async fn new() -> Self {
        Self::bounded(Bounds::NONE).await
    }

    /// One whose mail takes no more of the disk.
    pub async fn bounded(bounds: Bounds) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path().join("data"));
        let barrier = Barrier::start().unwrap();
        let card = Card::of(dir.path()).ok();
        let mail_room = Room::new(data.root(), bounds);
        let inbox = Inbox::open(&data, &barrier, mail_room.clone())
            .await
            .unwrap();
        let outbox = Outbox::open(&data, &barrier, mail_room, |_| Duration::ZERO)
            .await
            .unwrap();
        let evidence = Evidence::gather(&Machine::at(dir.path()), &data);
        let boot = BootReport::new(&evidence, &evidence.verdict());
        let (status, _) = watch::channel(status("Connected"));
        let (picture, _) = watch::channel(Picture {
            frame: Frame::new(PLAIN),
            confidential: false,
            light: Light::Full,
        });
        let (credentials, _) = watch::channel(Credentials::default());
        let (news, _) = broadcast::channel(8);
        let (tested, _) = broadcast::channel(8);
        let (updated, _) = broadcast::channel(8);
        let (requests, asked) = mpsc::channel(8);
        let (pressed, button) = mpsc::unbounded_channel();
        let (archive, _) = Archive::open(&data, GenerationId(3), Generations).unwrap();
        let audit = Audit::open(&data);
        let lane = Lane::new();
        let (rooms, opened) = watch::channel(Some(Rooms {
            inbox: inbox.clone(),
            outbox: outbox.clone(),
            archive: archive.clone(),
            audit: audit.clone(),
            lane: lane.clone(),
        }));
        let (_boot, report) = watch::channel(Arc::new(boot));
        let desk = Desk::new(Lines {
            requests,
            status: status.subscribe(),
            credentials: credentials.subscribe(),
            picture: picture.subscribe(),
            proxy: None,
            glass: "SSD1306 at 0x3c (raspberrypi)".into(),
            boot: report,
            news: news.clone(),
            tested: tested.clone(),
            updatable: Updatable {
                slot: Some("A".into()),
                index: true,
                automatic: false,
            },
            updated: updated.clone(),
            barrier,
            card,
            data: data.clone(),
            ignored: vec!["/boot/firmware/firstrun.sh: is not run here".into()],
            settings: Door::new(Machine::at(dir.path())),
            rooms: opened,
        });
        tokio::spawn(answer(asked, status.clone(), pressed, tested, updated));
        Self {
            dir,
            status,
            picture,
            credentials,
            news,
            data,
            inbox,
            outbox,
            archive,
            audit,
            lane,
            button,
            rooms,
            desk,
            _boot,
        }
    }

    pub fn runtime(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub async fn serve(&self, place: Where) -> Served {
        bus::serve(place, &self.runtime(), self.desk.clone(), 1024).await
    }

    /// On the private socket alone, where every client has this role.
    pub async fn serve_as(&self, role: Role) -> Served {
        let desk = self.desk.serve(Caller::new(role, "anna"));
        bus::serve(Where::Private, &self.runtime(), desk, 1024).await
    }

    pub async fn receive(&self, id: &str, text: &str) {
        let message = Message {
            id: id.into(),
            chat: Secret::new("4915100000001@s.whatsapp.net".into()),
            sender: Secret::new("4915100000001@s.whatsapp.net".into()),
            timestamp_s: 1_800_000_000,
            push_name: Some(Secret::new("Anna".into())),
            text: Some(Secret::new(text.into())),
            raw: vec![1, 2, 3],
        };
        self.inbox.commit(vec![message]).await.unwrap();
    }
}

/// The status of a linked session.
pub fn status(state: &'static str) -> Status {
    let linked = Linked {
        generation: GenerationId(3),
        account: Some(LastFour(*b"1234")),
    };
    Status {
        state,
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
    }
}

/// A picture with one lit pixel in the corner.
pub fn picture(confidential: bool) -> Picture {
    let mut bits = vec![0; 1024];
    bits[0] = 0x80;
    Picture {
        frame: Frame::from_bits(128, 64, &bits).unwrap(),
        confidential,
        light: Light::Full,
    }
}

/// The core's part: what takes two steps takes them, everything else is granted.
async fn answer(
    mut asked: mpsc::Receiver<Request>,
    status: watch::Sender<Status>,
    pressed: mpsc::UnboundedSender<bool>,
    tested: broadcast::Sender<Tested>,
    updated: broadcast::Sender<UpdateEnd>,
) {
    let mut issued = None;
    while let Some(request) = asked.recv().await {
        match request {
            Request::Command { command, reply } => {
                let answer = match command {
                    Command::Ask { deed, nonce } => {
                        issued = Some((deed, nonce));
                        Reply::Token {
                            token: nonce,
                            valid_ms: 60_000,
                        }
                    }
                    Command::Confirm { deed, token } if issued.take() == Some((deed, token)) => {
                        if !matches!(deed, Deed::Export(_)) {
                            status.send_modify(|status| {
                                status.state = "Pairing";
                                status.linked = Linked {
                                    generation: status.linked.generation.next(),
                                    account: None,
                                };
                            });
                        }
                        Reply::Accepted
                    }
                    Command::Confirm { .. } => Reply::Refused(Refusal::BadToken),
                    Command::Link if status.borrow().state == "Connected" => {
                        Reply::Refused(Refusal::NothingToDo)
                    }
                    Command::Link | Command::Stop | Command::Install => Reply::Accepted,
                    Command::LookForUpdate => {
                        let _ = updated.send(UpdateEnd::Nothing);
                        Reply::Accepted
                    }
                    Command::SelfTest => {
                        let _ = tested.send(Tested {
                            answered: true,
                            echoed: Some(false),
                        });
                        Reply::Accepted
                    }
                };
                let _ = reply.send(answer);
            }
            Request::Passkey(step) => {
                let done = match step.what {
                    PasskeyAnswer::SameCode => Ok(()),
                    PasskeyAnswer::Assertion(_) => Err(PasskeyRefused::NotAnAssertion),
                };
                let _ = step.reply.send(done);
            }
            Request::Button { down } => {
                let _ = pressed.send(down);
            }
            Request::Install { reply, .. } if status.borrow().state == "Pairing" => {
                let _ = reply.send(Reply::Refused(Refusal::NotNow(Hindrance::Linking)));
            }
            Request::Install { wanted, reply } => {
                let _ = reply.send(Reply::Accepted);
                status.send_modify(|status| status.update = Stage::Installing(40));
                let end = install(wanted);
                let _ = updated.send(end);
                status.send_modify(|status| status.update = Stage::Idle);
            }
            Request::UpdateReport { reply } => {
                let _ = reply.send(report());
            }
            Request::Records { reply } => {
                let records = [("identity".to_owned(), 2), ("ratchet".to_owned(), 40)];
                let _ = reply.send(Ok(records.into()));
            }
        }
    }
}

/// RAUC's part: a bundle says itself what becomes of it.
fn install(wanted: Wanted) -> UpdateEnd {
    let Wanted::Handed(file) = wanted else {
        return UpdateEnd::FellBack;
    };
    match std::io::read_to_string(file).unwrap().as_str() {
        "sound" => UpdateEnd::Installed,
        _ => UpdateEnd::Failed("signature verification failed: \u{1b}[2J".into()),
    }
}

/// A device that runs from the first of its slots.
pub fn report() -> UpdateReport {
    let slot = |slot: &str, runs, version: Option<&str>| SlotLine {
        slot: slot.into(),
        runs,
        version: version.map(Into::into),
        good: Some(runs),
    };
    UpdateReport {
        version: "0.1.0".into(),
        slots: vec![slot("A", true, None), slot("B", false, Some("0.2.0"))],
        no_slots: None,
        last: Some(LastUpdate {
            version: Some("0.2.0".into()),
            outcome: "fell-back".into(),
            why: None,
        }),
        no_look: Some("there is no key".into()),
    }
}

pub async fn private_client(runtime: &Path) -> Connection {
    let stream = UnixStream::connect(bus::socket_path(runtime)).unwrap();
    Builder::unix_stream(stream).p2p().build().await.unwrap()
}

/// A message bus in this process, and its address.
pub async fn message_bus(dir: &Path) -> String {
    let address = format!("unix:path={}", dir.join("message-bus").display());
    let mut bus = busd::bus::Bus::for_address(Some(&address)).await.unwrap();
    tokio::spawn(async move { bus.run().await });
    address
}

pub async fn bus_client(address: &str) -> Connection {
    Builder::address(address).build().await.unwrap()
}
