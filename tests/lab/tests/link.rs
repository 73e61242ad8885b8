//! What WhatsApp can do to the link, and what an owner then meets: the daemon against the lab's faults.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::StreamExt as _;
use holdfast::ctl;
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::ledger::Ledger;
use holdfast_lab::server::{DeviceId, Fault, Lab, LabConfig, When};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A connected Holdfast.
struct Scene {
    lab: Lab,
    device: DeviceId,
    holdfast: Holdfast,
    directory: TempDir,
}

impl Scene {
    async fn connected() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let owner = lab.create_phone("15550000001", "Owner").await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        holdfast.start().await.unwrap();
        let device = holdfast.links(&lab, &owner).await.unwrap();
        Self {
            lab,
            device,
            holdfast,
            directory,
        }
    }

    /// Strikes with a fault, and waits until the session was in this state since, however soon it is over: whoever asks
    /// only afterwards may come too late.
    async fn passes(&self, state: &str, fault: Fault) {
        let passed = self.holdfast.passes(state, self.strike(fault, 1));
        passed.await.unwrap();
    }

    /// Strikes this often, from now on; what waits for a login has the device come again.
    async fn strike(&self, fault: Fault, times: u32) {
        let struck = self
            .lab
            .inject(self.device.clone(), fault, When::Now, times);
        struck.await.unwrap();
    }

    async fn reaches(&self, state: &str) {
        self.holdfast.reaches(state).await.unwrap();
    }

    async fn generation(&self) -> String {
        let session = self.holdfast.session().await.unwrap();
        session.generation().await.unwrap()
    }

    /// From the next start on a program is told; what it is told first.
    fn tells_a_program(&self) -> oneshot::Receiver<io::Result<String>> {
        let at = |name: &str| self.directory.path().join(name);
        mkfifoat(CWD, at("told"), Mode::RWXU).unwrap();
        let lines = format!(
            "#!/bin/sh\necho $HOLDFAST_CAUSE >{}\n",
            at("told").display()
        );
        fs::write(at("hook"), lines).unwrap();
        fs::set_permissions(at("hook"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut settings = fs::read_to_string(at("holdfast.toml")).unwrap();
        settings += &format!("[notify]\nhook = \"{}\"\n", at("hook").display());
        fs::write(at("holdfast.toml"), settings).unwrap();
        let (tell, told) = oneshot::channel();
        let pipe = at("told");
        thread::spawn(move || tell.send(fs::read_to_string(pipe)));
        told
    }

    /// The code of the cause, as the bus tells it.
    async fn cause(&self) -> String {
        let session = self.holdfast.session().await.unwrap();
        session.cause().await.unwrap().0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_spurious_logout_costs_nothing() {
    let scene = Scene::connected().await;
    scene.passes("LogoutSuspected", Fault::Spurious401).await;
    scene.reaches("Connected").await;
    assert_eq!(scene.generation().await, "gen-0001");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_comes_back_by_itself() {
    let scene = Scene::connected().await;
    scene.passes("Reconnecting", Fault::SocketDrop).await;
    scene.reaches("Connected").await;
    assert_eq!(scene.generation().await, "gen-0001");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_copy_is_waited_out_until_a_human_says_so() {
    let scene = Scene::connected().await;
    scene.passes("Replaced", Fault::Replaced).await;
    assert_eq!(scene.cause().await, "session.replaced");
    let session = scene.holdfast.session().await.unwrap();
    session.link().await.unwrap();
    scene.reaches("Connected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_link_is_retired_before_it_is_exported() {
    let scene = Scene::connected().await;
    let place = scene.directory.path();
    let at = |name: &str| place.join(name).to_str().unwrap().to_owned();
    fs::write(at("passphrase"), "correct horse battery\n").unwrap();
    let (runtime, file, passphrase) = (at("run"), at("out.age"), at("passphrase"));
    let export = ctl::Args::try_parse_from([
        "holdfastctl",
        "--json",
        "--runtime",
        &runtime,
        "archive",
        "export",
        "gen-0001",
        &file,
        "--yes",
        "--passphrase-file",
        &passphrase,
    ]);
    let code = ctl::run(export.unwrap()).await;
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    assert!(fs::read(&file).unwrap().starts_with(b"age-encryption.org"));
    assert_eq!(scene.generation().await, "gen-0002");
    scene.reaches("Pairing").await;
    let vault = scene.holdfast.vault().await.unwrap();
    let archives = vault.list_archives().await.unwrap();
    assert_eq!(archives.len(), 1);
    assert_eq!(archives[0].standing, "exported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_version_and_a_ban_have_their_own_names() {
    for (fault, times, state, cause) in [
        (
            Fault::Failure405,
            2,
            "ClientOutdated",
            "session.client-outdated",
        ),
        (Fault::Ban, 1, "Banned", "account.banned"),
        (Fault::Failure403, 1, "Banned", "account.locked"),
    ] {
        let scene = Scene::connected().await;
        scene.strike(fault, times).await;
        scene.reaches(state).await;
        assert_eq!(scene.cause().await, cause);
        assert_eq!(scene.generation().await, "gen-0001");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_refused_once_costs_no_wait() {
    let scene = Scene::connected().await;
    scene.passes("Reconnecting", Fault::Failure405).await;
    scene.reaches("Connected").await;
    assert_eq!(scene.lab.faults_left(scene.device.clone()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_store_costs_neither_the_link_nor_a_message_and_fresh_keys_go_up() {
    let mut scene = Scene::connected().await;
    let friend = scene
        .lab
        .create_phone("15550000002", "Friend")
        .await
        .unwrap();
    scene
        .lab
        .send_text(&friend, "15550000001", "before")
        .await
        .unwrap();
    scene.holdfast.receives("bot", 1).await.unwrap();
    scene.holdfast.stop().await.unwrap();

    let store = scene.holdfast.data().join("gen-0001/store.v2");
    fs::write(store.join("sled/db"), b"rotten").unwrap();
    let told = scene.tells_a_program();
    scene.holdfast.start().await.unwrap();
    scene.reaches("Connected").await;
    assert_eq!(scene.generation().await, "gen-0001");
    let told = tokio::time::timeout(Duration::from_secs(30), told);
    assert_eq!(
        told.await.unwrap().unwrap().unwrap(),
        "storage.keys-rebuilt\n"
    );
    scene
        .lab
        .send_text(&friend, "15550000001", "after")
        .await
        .unwrap();
    let received = scene.holdfast.receives("bot", 2).await.unwrap();
    assert_eq!(received[1].text, "after");
    scene
        .holdfast
        .sends("15550000002", "and back")
        .await
        .unwrap();
    let device = scene.device.to_string();
    let ledger = scene.lab.ledger();
    let leapt = ledger.wait_until(Duration::from_secs(60), |ledger| leapt(ledger, &device));
    assert!(leapt.await);
    assert!(ledger.crimes().is_empty(), "{:?}", ledger.crimes());

    // What the repair left to do is done over the link, and then noted in the identity.
    let slot = scene.holdfast.data().join("gen-0001/identity.b");
    let noted = async {
        while !String::from_utf8_lossy(&fs::read(&slot).unwrap()).contains("\"todo\":[]") {
            // A file of another process cannot be waited for otherwise.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), noted)
        .await
        .unwrap();
    let vault = scene.holdfast.vault().await.unwrap();
    assert!(vault.boot_report().await.unwrap().contains("Rebuild"));
    let incidents = vault.incidents(0).await.unwrap();
    let repaired = incidents
        .iter()
        .find(|incident| incident.contains("storage.keys-rebuilt"));
    let repaired = repaired.expect("the repair is an incident");
    assert!(repaired.contains("had the keys repaired"), "{repaired}");
    scene.holdfast.stop().await.unwrap();
    let audit = fs::read_to_string(scene.holdfast.data().join("audit.log")).unwrap();
    assert!(audit.contains("\"kind\":\"repair\""), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_is_made_up_for() {
    let mut scene = Scene::connected().await;
    scene.strike(Fault::RefusedUpload, 1).await;
    scene.holdfast.stop().await.unwrap();
    let store = scene.holdfast.data().join("gen-0001/store.v2");
    fs::write(store.join("sled/db"), b"rotten").unwrap();
    scene.holdfast.start().await.unwrap();
    scene.reaches("Connected").await;
    let device = scene.device.to_string();
    let ledger = scene.lab.ledger();
    let made_up = ledger.wait_until(Duration::from_secs(60), |ledger| leapt(ledger, &device));
    assert!(made_up.await, "{}", scene.holdfast.read_log());
}

/// Keys that are beyond those from before the repair have reached WhatsApp.
fn leapt(ledger: &Ledger, device: &str) -> bool {
    let published = ledger.pre_keys().remove(device).unwrap_or_default();
    published.keys.keys().any(|id| *id > 10_000)
}

/// Lets every guest through to where it asks, as an HTTP proxy does (RFC 9110, 9.3.6).
async fn tunnels(listener: TcpListener) {
    let mut guests = JoinSet::new();
    while let Ok((guest, _)) = listener.accept().await {
        guests.spawn(async move {
            let mut guest = BufStream::new(guest);
            let mut header = String::new();
            while !header.ends_with("\r\n\r\n") && guest.read_line(&mut header).await? > 0 {}
            let to = header.split(' ').nth(1).unwrap_or_default();
            let mut server = TcpStream::connect(to).await?;
            guest.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
            guest.flush().await?;
            copy_bidirectional(&mut guest, &mut server).await
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_gone_through_named_and_blamed() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let owner = lab.create_phone("15550000001", "Owner").await.unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
    let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    holdfast
        .goes_through(&format!("http://anna:tidepool@{place}"))
        .unwrap();
    let mut proxy = JoinSet::new();
    proxy.spawn(tunnels(listener));
    holdfast.start().await.unwrap();
    holdfast.links(&lab, &owner).await.unwrap();
    let session = holdfast.session().await.unwrap();
    assert_eq!(session.proxy().await.unwrap(), format!("http://{place}"));

    // With the proxy gone the link is gone, and the next attempt says why.
    let blamed = async {
        let properties = holdfast.properties().await.unwrap();
        let mut changes = properties.receive_properties_changed().await.unwrap();
        proxy.shutdown().await;
        while session.cause().await.unwrap().0 != "network.proxy-failed" {
            changes.next().await.expect("the daemon has left");
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, blamed).await.unwrap();
    proxy.spawn(tunnels(TcpListener::bind(place).await.unwrap()));
    holdfast.reaches("Connected").await.unwrap();
    assert!(!holdfast.read_log().contains("tidepool"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_that_gets_no_answer_does_not_hold_a_stop_up() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
    let mut holdfast = Holdfast::new(program, directory.path(), &url).unwrap();
    holdfast.start().await.unwrap();
    // It dials, and hears nothing.
    let _dialled = listener.accept().await.unwrap();
    let asked = Instant::now();
    holdfast.stop().await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_is_dialled_beside_a_vault_that_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
    let mut holdfast = Holdfast::new(program, directory.path(), "ws://127.0.0.1:1/").unwrap();
    holdfast.start().await.unwrap();
    holdfast.stop().await.unwrap();
    for slot in ["identity.a", "identity.b"] {
        let slot = holdfast.data().join("gen-0001").join(slot);
        std::fs::write(slot, "rotten").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut holdfast = Holdfast::new(program, directory.path(), &url).unwrap();
    holdfast.begin().await.unwrap();
    // No run of the link comes to dial it.
    let dialled = tokio::time::timeout(Duration::from_secs(30), listener.accept());
    dialled.await.expect("a dial").unwrap();
    holdfast.reaches("StorageFault").await.unwrap();
    holdfast.kill().await.unwrap();
}
