//! How the last run ended, and what becomes of a data directory that cannot be opened: the real daemon.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use holdfast::boot::{BootReport, Mark};
use holdfast::ctl;
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{Lab, LabConfig};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::time::{sleep, timeout};

struct Scene {
    holdfast: Holdfast,
    _lab: Lab,
    _directory: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        Self {
            holdfast,
            _lab: lab,
            _directory: directory,
        }
    }

    /// Starts the daemon; how it says that its last run ended, and its report.
    async fn start(&mut self) -> (String, BootReport) {
        self.holdfast.start().await.unwrap();
        let vault = self.holdfast.vault().await.unwrap();
        let report: BootReport = serde_json::from_str(&vault.boot_report().await.unwrap()).unwrap();
        let end = vault.last_end().await.unwrap();
        assert_eq!(end, report.last_end);
        let kept = self.holdfast.data().join("boot/report.json");
        let kept = || serde_json::from_slice::<BootReport>(&fs::read(&kept).ok()?).ok();
        // It is kept beside all that goes on; a file of another process cannot be waited for otherwise.
        let is_kept = async {
            while kept().as_ref() != Some(&report) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, is_kept).await.expect("it is kept");
        (end, report)
    }

    /// Makes the mark say that the run was in another boot.
    fn forge_boot(&self) {
        let path = self.holdfast.data().join("boot/run.json");
        let mut mark: Mark = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        mark.at.boot = Some("00000000-0000-0000-0000-000000000000".into());
        fs::write(&path, serde_json::to_vec(&mark).unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_knows_how_the_last_run_ended() {
    let mut scene = Scene::new().await;
    let (end, report) = scene.start().await;
    assert_eq!(end, "first-start");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.stages.iter().any(|stage| stage.name == "vault"));

    scene.holdfast.stop().await.unwrap();
    assert_eq!(scene.start().await.0, "clean");

    scene.holdfast.kill().await.unwrap();
    let (end, report) = scene.start().await;
    assert_eq!(end, "process-crash", "{report}");
    assert!(scene.holdfast.read_log().contains("crashed or was killed"));

    scene.holdfast.kill().await.unwrap();
    scene.forge_boot();
    let (end, report) = scene.start().await;
    let of_a_machine = ["power-loss", "kernel-crash", "watchdog", "unknown"];
    assert!(of_a_machine.contains(&end.as_str()), "{report}");
    assert!(
        report.why.contains("machine went down") || end != "unknown",
        "{report}"
    );

    scene.holdfast.stop().await.unwrap();
    scene.forge_boot();
    assert_eq!(
        scene.start().await.0,
        "clean",
        "what the machine did later is another story"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_makes_nothing_durable_that_is_so_already() {
    let mut scene = Scene::new().await;
    scene.start().await;
    scene.holdfast.stop().await.unwrap();
    scene.start().await;
    let costs = scene.holdfast.vault().await.unwrap().costs().await.unwrap();
    let start = costs.iter().find(|(purpose, ..)| purpose == "start");
    let barriers = start.map(|(_, _, barriers)| *barriers);
    assert_eq!(
        barriers,
        Some(3),
        "sled's two, and ours behind them: {costs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mark_is_not_guessed_about() {
    let mut scene = Scene::new().await;
    scene.start().await;
    scene.holdfast.stop().await.unwrap();
    let mark = scene.holdfast.data().join("boot/run.json");
    fs::write(&mark, "{").unwrap();
    assert_eq!(scene.start().await.0, "unknown");
    scene.holdfast.stop().await.unwrap();
    fs::remove_file(&mark).unwrap();
    assert_eq!(scene.start().await.0, "unknown");
}

/// Nothing here takes this long; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_cannot_be_opened_is_shown_and_then_left_as_failed() {
    let mut scene = Scene::new().await;
    scene.start().await;
    scene.holdfast.stop().await.unwrap();
    for slot in ["identity.a", "identity.b"] {
        let slot = scene.holdfast.data().join("gen-0001").join(slot);
        fs::write(slot, "rotten").unwrap();
    }

    let mut child = scene.holdfast.command().unwrap().spawn().unwrap();
    let told = async {
        while !scene
            .holdfast
            .read_log()
            .contains("storage.identity-damaged")
        {
            assert_eq!(child.try_wait().unwrap(), None, "it vanished");
            // A log has no other way to say that it grew.
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, told).await.expect("the cause in the log");
    assert!(scene.holdfast.read_log().contains("StorageFault"));

    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    let status = timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    let log = scene.holdfast.read_log();
    assert!(log.contains("damaged in both its slots"), "{log}");

    let report = fs::read(scene.holdfast.data().join("boot/report.json")).unwrap();
    let report: BootReport = serde_json::from_slice(&report).unwrap();
    assert_eq!(report.last_end, "clean");
    assert_eq!(report.findings.len(), 1, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_the_start_is_served_on_the_bus_like_any_state() {
    let mut scene = Scene::new().await;
    scene.start().await;
    scene.holdfast.stop().await.unwrap();
    let data = scene.holdfast.data().to_owned();
    let generation = data.join("gen-0001");
    let slots = ["identity.a", "identity.b"].map(|slot| generation.join(slot));
    let sound = slots.each_ref().map(|slot| fs::read(slot).ok());
    let newer = generation.join("store.v99");
    for (code, message) in [
        ("storage.identity-damaged", "damaged in both its slots"),
        ("storage.open-failed", "written by a newer Holdfast"),
    ] {
        if code == "storage.open-failed" {
            fs::create_dir(&newer).unwrap();
        } else {
            slots
                .iter()
                .for_each(|slot| fs::write(slot, "rotten").unwrap());
        }

        scene.holdfast.start().await.unwrap();
        scene.holdfast.reaches("StorageFault").await.unwrap();
        // The owner was told, which the next start has to know, too, though nothing can be opened.
        let past = scene.holdfast.log().with_file_name("run").join("past");
        let noted = async {
            while !fs::read_to_string(&past).is_ok_and(|past| past.contains("\nnotified ")) {
                // A file of another process cannot be waited for otherwise.
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, noted).await.expect("the note");
        let session = scene.holdfast.session().await.unwrap();
        assert_eq!(session.cause().await.unwrap().0, code);
        assert!(scene.holdfast.read_log().contains(code));
        let vault = scene.holdfast.vault().await.unwrap();
        let report: BootReport = serde_json::from_str(&vault.boot_report().await.unwrap()).unwrap();
        assert!(report.to_string().contains(message), "{report}");
        let messages = scene.holdfast.messages().await.unwrap();
        let refused = messages.send("15550000002", "text", "").await.unwrap_err();
        let sentence = session.cause().await.unwrap().1;
        assert!(refused.to_string().contains(&sentence), "{refused}");
        let runtime = scene.holdfast.log().with_file_name("run");
        let ctl = |command: &str| {
            let words = [
                "holdfastctl",
                "--runtime",
                runtime.to_str().unwrap(),
                command,
            ];
            ctl::run(ctl::Args::try_parse_from(words).unwrap())
        };
        // As systemctl says of a unit that is not active; 4 would be: there is none.
        assert_eq!(
            format!("{:?}", ctl("status").await),
            format!("{:?}", ExitCode::from(3))
        );
        assert!(
            scene.holdfast.stop().await.is_err(),
            "it left as if nothing were wrong"
        );

        for (slot, sound) in slots.iter().zip(&sound) {
            match sound {
                Some(sound) => fs::write(slot, sound).unwrap(),
                // Stopped that early, nothing was written to it yet.
                None => drop(fs::remove_file(slot)),
            }
        }
    }
    fs::remove_dir(newer).unwrap();
    scene.start().await;
    scene.holdfast.reaches("Pairing").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_directory_leaves_at_once_and_touches_nothing() {
    let mut scene = Scene::new().await;
    scene.start().await;
    let boot = scene.holdfast.data().join("boot");
    let before = fs::read(boot.join("run.json")).unwrap();

    let mut second = scene.holdfast.command().unwrap().spawn().unwrap();
    let status = timeout(DEADLINE, second.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(75));
    assert!(scene.holdfast.read_log().contains("is in use by process"));
    assert_eq!(fs::read(boot.join("run.json")).unwrap(), before);
    assert!(!boot.join("report-1.json").exists());
    scene.holdfast.stop().await.unwrap();
}

/// The service manager, as the daemon knows it.
struct Manager {
    socket: UnixDatagram,
    _directory: TempDir,
}

impl Manager {
    /// Starts the daemon under it, with a watchdog that wants to be fed every 400 ms.
    fn start(scene: &Scene) -> (Self, tokio::process::Child) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = scene.holdfast.command().unwrap();
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "400000")
            .env_remove("WATCHDOG_PID");
        let child = command.spawn().unwrap();
        let manager = Self {
            socket,
            _directory: directory,
        };
        (manager, child)
    }

    /// Everything it is told up to something of this kind, which comes last.
    async fn hears(&self, wanted: &str) -> Vec<String> {
        let mut heard: Vec<String> = Vec::new();
        let listen = async {
            let mut buffer = [0; 4096];
            while !heard.last().is_some_and(|last| last.starts_with(wanted)) {
                let length = self.socket.recv(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                heard.extend(text.lines().map(str::to_owned));
            }
        };
        let in_time = timeout(DEADLINE, listen).await;
        assert!(in_time.is_ok(), "no {wanted} in {heard:?}");
        heard
    }
}

fn terminate(child: &tokio::process::Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_where_we_stand_and_that_the_loop_goes_round() {
    let scene = Scene::new().await;
    let (manager, mut child) = Manager::start(&scene);
    manager.hears("READY=1").await;
    manager.hears("STATUS=Pairing").await;
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    terminate(&child);
    manager.hears("STOPPING=1").await;
    let status = timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_shown_is_a_service_that_runs() {
    let mut scene = Scene::new().await;
    scene.start().await;
    scene.holdfast.stop().await.unwrap();
    for slot in ["identity.a", "identity.b"] {
        let slot = scene.holdfast.data().join("gen-0001").join(slot);
        fs::write(slot, "rotten").unwrap();
    }
    let (manager, mut child) = Manager::start(&scene);
    manager.hears("READY=1").await;
    manager.hears("STATUS=StorageFault: The keys").await;
    manager.hears("WATCHDOG=1").await;
    terminate(&child);
    timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_the_last_run_is_waited_for_until_a_human_goes_on() {
    let mut scene = Scene::new().await;
    let future = SystemTime::now() + Duration::from_secs(3600);
    let seconds = future.duration_since(UNIX_EPOCH).unwrap().as_secs();
    fs::create_dir_all(scene.holdfast.data()).unwrap();
    let clock = scene.holdfast.data().join("clock");
    fs::write(&clock, format!("{seconds}\n")).unwrap();

    scene.start().await;
    scene.holdfast.reaches("WaitingForClock").await.unwrap();
    assert!(scene.holdfast.read_log().contains("clock.behind"));
    scene
        .holdfast
        .session()
        .await
        .unwrap()
        .link()
        .await
        .unwrap();
    scene.holdfast.reaches("Pairing").await.unwrap();
    scene.holdfast.stop().await.unwrap();
    let kept = fs::read_to_string(clock).unwrap();
    assert_eq!(kept.trim(), seconds.to_string(), "nothing better is known");
}
