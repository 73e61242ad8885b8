//! What the system gives a program, what clients take of it, and what a stopped or crashed daemon leaves behind.

#[path = "../../tool.rs"]
mod tool;

use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use holdfast::bus::{self, Messages1Proxy, Vault1Proxy};
use holdfast::panel::{Figures, Frame, Language, PLAIN, Scene as Screen};
use holdfast_core::{CauseCode, Face};
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{Lab, LabConfig, PhoneId};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;
use tool::tool;
use zbus::connection::Builder;
use zbus::{Connection, Message};

const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// Long enough for anything that is not stuck.
const SOON: Duration = Duration::from_secs(60);

/// A Holdfast under some limit, linked, and somebody who writes to it.
struct Scene {
    lab: Lab,
    friend: PhoneId,
    holdfast: Holdfast,
    directory: TempDir,
}

impl Scene {
    /// The daemon is started by a shell that does this before.
    async fn after(shell: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
        let friend = lab.create_phone(FRIEND, "Friend").await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        let shell = format!("{shell}; exec \"$@\"");
        holdfast.runs_under(["sh", "-c", &shell, "sh"].map(Into::into).into());
        holdfast.start().await.unwrap();
        holdfast.links(&lab, &owner).await.unwrap();
        Self {
            lab,
            friend,
            holdfast,
            directory,
        }
    }

    async fn writes(&self, text: &str) {
        let sent = self.lab.send_text(&self.friend, OWNER, text);
        sent.await.unwrap();
    }

    async fn dial(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(bus::socket_path(&self.directory.path().join("run"))).await
    }

    async fn client(&self) -> zbus::Result<Connection> {
        let stream = self.dial().await?.into_std()?;
        Builder::unix_stream(stream).p2p().build().await
    }

    /// A client that has introduced itself, and writes bytes of its own from now on.
    async fn raw_client(&self) -> UnixStream {
        let mut stream = self.dial().await.unwrap();
        let user = hex::encode(rustix::process::geteuid().as_raw().to_string());
        let greeting = format!("\0AUTH EXTERNAL {user}\r\n");
        stream.write_all(greeting.as_bytes()).await.unwrap();
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"OK "), "{answer:?}");
        stream.write_all(b"BEGIN\r\n").await.unwrap();
        stream
    }

    /// The most memory that the daemon had so far, bytes (proc_pid_status(5)).
    fn peak(&self) -> u64 {
        let pid = self.holdfast.pid().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() << 10
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_clients_leave_descriptors_for_everything_else() {
    let mut scene = Scene::after("ulimit -n 64").await;
    let clients = join_all((0..44).map(|_| scene.client())).await;
    let turned_away = clients.iter().filter(|client| client.is_err()).count();
    assert!((1..44).contains(&turned_away), "{turned_away}");
    scene.writes("with few descriptors").await;
    scene.holdfast.receives("bot", 1).await.unwrap();
    scene.holdfast.sends(FRIEND, "and back").await.unwrap();
    scene.holdfast.reaches("Connected").await.unwrap();
    drop(clients);
    let let_in = async {
        while scene.client().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, let_in).await.unwrap();
    scene.holdfast.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_only_announced_costs_nothing() {
    let scene = Scene::after(":").await;
    let before = scene.peak();
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = scene.raw_client().await;
        let mut header = vec![b'l', 1, 0, 1];
        header.extend((117_u32 << 20).to_le_bytes());
        header.extend([7, 0, 0, 0, 8, 0, 0, 0]);
        stream.write_all(&header).await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        // What the daemon tells everybody may come before.
        let over = async { while let Ok(1..) = stream.read(&mut [0; 64]).await {} };
        timeout(SOON, over).await.unwrap();
    }
    let grown = scene.peak() - before;
    assert!(grown < 32 << 20, "{grown}");
    scene.holdfast.reaches("Connected").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_answers_is_not_answered_without_end() {
    let scene = Scene::after(":").await;
    for _ in 0..10 {
        scene.writes(&"€".repeat(60_000)).await;
    }
    scene.holdfast.receives("bot", 10).await.unwrap();
    let before = scene.peak();
    let mut stream = scene.raw_client().await;
    for _ in 0..200 {
        let call = Message::method_call(bus::PATH, "Read").interface("org.holdfast.Messages1");
        let call = call.build(&("bot", 0_u64, 0_u32)).unwrap();
        stream.write_all(call.data()).await.unwrap();
    }
    // By the time that others were answered, everything was done that would have been done.
    let client = scene.client().await.unwrap();
    let messages = Messages1Proxy::new(&client).await.unwrap();
    for _ in 0..8 {
        assert!(!messages.read("bot", 0, 0).await.unwrap().is_empty());
    }
    let grown = scene.peak() - before;
    assert!(grown < 128 << 20, "{grown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_want_no_answer_count_as_well() {
    let scene = Scene::after(":").await;
    let before = scene.peak();
    let mut stream = scene.raw_client().await;
    let call = Message::method_call(bus::PATH, "Nope").interface("org.holdfast.Messages1");
    let call = call.build(&()).unwrap();
    let mut call = call.data().to_vec();
    call[2] |= 1;
    let calls = call.repeat(200_000);
    // Who takes nothing of the answers is not read any more.
    let written = timeout(Duration::from_secs(10), stream.write_all(&calls)).await;
    assert!(!matches!(written, Ok(Ok(()))), "all of it was taken");
    let grown = scene.peak() - before;
    assert!(grown < 32 << 20, "{grown}");
    scene.holdfast.reaches("Connected").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_asks_faster_than_it_reads_waits_for_its_turn() {
    let mut scene = Scene::after(":").await;
    for _ in 0..10 {
        scene.writes(&"€".repeat(60_000)).await;
    }
    scene.holdfast.receives("bot", 10).await.unwrap();
    scene.holdfast.stop().await.unwrap();
    let mut bus = Command::new(tool("dbus-daemon"))
        .args(["--session", "--nofork", "--print-address"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(bus.stdout.take().unwrap());
    let mut address = String::new();
    printed.read_line(&mut address).await.unwrap();
    scene.holdfast.joins(address.trim());
    scene.holdfast.start().await.unwrap();
    let before = scene.peak();
    let bot = Builder::address(address.trim()).build().await.unwrap();
    let messages = Messages1Proxy::new(&bot).await.unwrap();
    let answers = join_all((0..40).map(|_| messages.read("bot", 0, 0))).await;
    assert!(
        answers
            .iter()
            .all(|answer| !answer.as_ref().unwrap().is_empty())
    );
    let grown = scene.peak() - before;
    assert!(grown < 128 << 20, "{grown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_that_stay_open_hold_nobody_else_up() {
    let scene = Scene::after(":").await;
    let (reader, writer) = std::io::pipe().unwrap();
    let mut imports = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let client = scene.client().await.unwrap();
        for _ in 0..8 {
            let pipe = || std::os::fd::OwnedFd::from(reader.try_clone().unwrap()).into();
            let (client, passphrase, input) = (client.clone(), pipe(), pipe());
            imports.spawn(async move {
                let vault = Vault1Proxy::new(&client).await.unwrap();
                vault.import(passphrase, input).await.map(drop)
            });
        }
    }
    // The first has come to its end, so that all others have begun to wait for theirs.
    timeout(SOON, imports.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap_err();
    let begun = std::time::Instant::now();
    scene.writes("beside").await;
    scene.holdfast.receives("bot", 1).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        writer.as_fd().try_clone_to_owned().is_ok(),
        "open all the time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_core() {
    let mut scene = Scene::after("ulimit -c unlimited").await;
    for signal in [Signal::ABORT, Signal::TRAP] {
        let ended = scene.holdfast.ends_by(signal).await.unwrap();
        assert_eq!(ended.signal(), Some(signal.as_raw()));
        assert!(!ended.core_dumped(), "{ended}");
        scene.holdfast.start().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_goes_is_an_orderly_stop() {
    let mut scene = Scene::after(":").await;
    for signal in [Signal::HUP, Signal::QUIT, Signal::INT] {
        let ended = scene.holdfast.ends_by(signal).await.unwrap();
        assert!(ended.success(), "{signal:?}: {ended}");
        scene.holdfast.start().await.unwrap();
        let vault = scene.holdfast.vault().await.unwrap();
        assert_eq!(vault.last_end().await.unwrap(), "clean", "{signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_gets_no_thread_is_not_waited_for() {
    if !rustix::process::geteuid().is_root() {
        // Past the harness, which shows nothing of what passes.
        let _ = std::io::stderr()
            .write_all(b"not run: no limit of threads holds for few without root\n");
        return;
    }
    let mut scene = Scene::after(":").await;
    scene.holdfast.stop().await.unwrap();
    // The limit counts what all processes of a user have together, and holds for nobody who may raise it.
    let nobody_elses = "61234";
    let place = scene.directory.path();
    let given = Command::new("chown")
        .args(["-R", nobody_elses])
        .arg(place)
        .status();
    assert!(given.await.unwrap().success());
    let few = [
        "setpriv",
        "--reuid",
        nobody_elses,
        "--clear-groups",
        "--bounding-set=-all",
        "prlimit",
        "--nproc=5",
    ];
    scene.holdfast.runs_under(few.map(Into::into).into());
    scene.holdfast.start().await.unwrap();
    scene.holdfast.reaches("StorageFault").await.unwrap();
    let log = scene.holdfast.read_log();
    assert!(log.contains("system.no-threads"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_opened_is_named_on_the_screen() {
    let mut scene = Scene::after(":").await;
    scene.holdfast.stop().await.unwrap();
    let current = scene.holdfast.data().join("CURRENT");
    fs::remove_file(&current).unwrap();
    fs::create_dir(&current).unwrap();
    scene.holdfast.start().await.unwrap();
    scene.holdfast.reaches("StorageFault").await.unwrap();
    let panel = scene.holdfast.panel().await.unwrap();
    let (_, _, bits) = panel.frame().await.unwrap();
    let mut wanted = Frame::new(PLAIN);
    let face = Face::StorageFault {
        code: CauseCode::WrongFile,
        next_ms: Some(42_000),
    };
    let said = format!("{}: Is a directory (os error 21)", current.display());
    let screen = Screen {
        face: &face,
        credential: None,
        figures: &Figures::default(),
        named: Some(&said),
        language: Language::English,
    };
    let Ok(()) = screen.draw(PLAIN, &mut wanted);
    // All but the countdown.
    let above = 128 / 8 * 46;
    assert!(
        bits[..above] == wanted.bits()[..above],
        "{}",
        scene.holdfast.read_log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_once_ran_ahead_is_waited_for_once() {
    let mut scene = Scene::after(":").await;
    scene.holdfast.stop().await.unwrap();
    let note = scene.holdfast.data().join("clock");
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let ahead = seconds(SystemTime::now()) + 365 * 86_400;
    fs::write(&note, format!("{ahead}\n")).unwrap();
    scene.holdfast.start().await.unwrap();
    scene.holdfast.reaches("WaitingForClock").await.unwrap();
    // A human does not wait for it, and nobody waits for ever.
    let session = scene.holdfast.session().await.unwrap();
    session.link().await.unwrap();
    scene.holdfast.reaches("Connected").await.unwrap();
    let noted = async {
        while fs::read_to_string(&note).unwrap().trim().parse() == Ok(ahead) {
            // A file of another process cannot be waited for otherwise.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, noted).await.unwrap();
    let kept: u64 = fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    assert!(
        kept.abs_diff(seconds(SystemTime::now())) < 600,
        "WhatsApp's time"
    );
    scene.holdfast.stop().await.unwrap();
    scene.holdfast.start().await.unwrap();
    let waits = scene
        .holdfast
        .reaches_without("Connected", "WaitingForClock");
    waits.await.unwrap();
}
