//! A store that cannot be written any more: no message is lost by it, and the process comes to its end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::boot::forget;
use holdfast_core::Face;
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{Fault, Lab, LabConfig, When};
use holdfast_lab::terminal::Terminal;
use holdfast_medium::DataDir;
use rustix::fs::{CWD, Mode, mkfifoat};

const OWNER: &str = "15550000001";
/// From the signal on: systemd waits for as long.
const END: Duration = Duration::from_secs(45);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_holdfast-lab"))
}

/// A small partition of its own, in a mount namespace: nobody has to be root for it.
struct Partition {
    /// Keeps the namespace.
    holder: Child,
    place: PathBuf,
}

impl Partition {
    fn mount(place: PathBuf) -> Self {
        fs::create_dir(&place).unwrap();
        let script =
            r#"mount -t tmpfs -o size=64m holdfast-full "$0" && echo && exec sleep infinity"#;
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .arg(&place)
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux");
        let mut mounted = String::new();
        let mut told = BufReader::new(holder.stdout.take().unwrap());
        told.read_line(&mut mounted).unwrap();
        assert_eq!(mounted, "\n", "no partition without user namespaces");
        Self { holder, place }
    }

    /// A program that runs `holdfast-lab` where the partition is.
    fn program(&self, directory: &Path) -> PathBuf {
        let path = directory.join("in-there");
        let script = format!(
            "#!/bin/sh\nexec nsenter --target {} --user --mount --preserve-credentials {} \"$@\"\n",
            self.holder.id(),
            program().display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The partition, as it is seen from outside of the namespace.
    fn seen(&self) -> PathBuf {
        let place = self.place.strip_prefix("/").unwrap();
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(place)
    }

    fn filler(&self) -> PathBuf {
        self.seen().join("filler")
    }

    /// Writes until not a byte more fits.
    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let part = vec![0xAA; size];
            loop {
                match file.write(&part) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn relieve(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_fills_up_under_traffic_costs_no_message_and_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let partition = Partition::mount(directory.path().join("data"));
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
    let friend = lab.create_phone("15550000002", "Friend").await.unwrap();
    let inside = partition.program(directory.path());
    let mut holdfast = Holdfast::new(&inside, directory.path(), &lab.url()).unwrap();
    holdfast.start().await.unwrap();
    holdfast.links(&lab, &owner).await.unwrap();

    let mut sent = BTreeSet::new();
    for round in 0..3 {
        for number in 0..400 {
            if number == 40 + 10 * round {
                partition.fill();
            }
            let text = format!("{round} {number} {}", "x".repeat(200));
            lab.send_text(&friend, OWNER, &text).await.unwrap();
            sent.insert(text);
        }
        holdfast.reaches("StorageFault").await.unwrap();
        let asked = Instant::now();
        // In order where the link came down in time, and as failed where a write did not fit.
        let _ = holdfast.stop().await;
        assert!(asked.elapsed() < END, "{}", holdfast.read_log());
        partition.relieve();
        holdfast.start().await.unwrap();
        holdfast.reaches("Connected").await.unwrap();
    }

    let messages = holdfast.messages().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut came, mut next) = (BTreeSet::new(), 0);
    while came.len() < sent.len() {
        assert!(
            Instant::now() < deadline,
            "{} of {} came",
            came.len(),
            sent.len()
        );
        let read = messages.read("bot", next, 0).await.unwrap();
        next = read.last().map_or(next, |last| last.seq + 1);
        came.extend(read.into_iter().map(|message| message.text));
    }
    assert_eq!(came, sent);
    let log = holdfast.read_log();
    assert!(!log.contains("were repaired"), "a sound key went:\n{log}");
    holdfast.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_reset_goes_through_without_a_free_byte() {
    let directory = tempfile::tempdir().unwrap();
    let partition = Partition::mount(directory.path().join("data"));
    let mut terminal = Terminal::open().unwrap();
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
    let inside = partition.program(directory.path());
    let mut holdfast = Holdfast::new(&inside, directory.path(), &lab.url()).unwrap();
    holdfast.sits_at(&terminal).unwrap();
    holdfast.start().await.unwrap();
    holdfast.links(&lab, &owner).await.unwrap();
    // Not even an entry of the audit finds room: the page that its log ends in is full.
    let audit = DataDir::new(partition.seen()).audit();
    let mut log = File::options()
        .append(true)
        .create(true)
        .open(&audit)
        .unwrap();
    let ends = log.metadata().unwrap().len();
    let torn = vec![b'x'; usize::try_from(4096 - ends % 4096).unwrap()];
    log.write_all(&torn).unwrap();
    partition.fill();
    holdfast.reaches("StorageFault").await.unwrap();
    partition.fill();

    terminal.press().unwrap();
    let asks = Face::ConfirmReset { left_ms: 30_000 };
    holdfast.shows(&asks).await.unwrap();
    partition.fill();
    let before = holdfast.read_log().len();
    terminal.release().unwrap();
    terminal.press().unwrap();
    terminal.release().unwrap();
    holdfast.begins_again().await.unwrap();
    let log = holdfast.read_log().split_off(before);
    assert!(log.contains("a piece of the reserve is given up"), "{log}");
    let data = DataDir::new(partition.seen());
    let emptied = forget::done(&data).expect("it is told what was done");
    assert_eq!(
        (emptied.links, emptied.left),
        (1, 1),
        "the filler is not ours"
    );
    let audit = fs::read_to_string(audit).unwrap();
    let entry = "\"kind\":\"reset\",\"trigger\":\"button\"";
    assert!(audit.contains(entry), "{audit}");
    partition.relieve();
    holdfast.links(&lab, &owner).await.unwrap();
    holdfast.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_store_does_not_come_back_is_ended_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
    let mut holdfast = Holdfast::new(program(), directory.path(), &lab.url()).unwrap();
    holdfast.start().await.unwrap();
    let qr = holdfast.scan_screen().await.unwrap();
    // Who writes into a pipe that nobody reads waits for ever.
    for slot in ["identity.a.new", "identity.b.new"] {
        let pipe = holdfast.data().join("gen-0001").join(slot);
        mkfifoat(CWD, pipe, Mode::RWXU).unwrap();
    }
    // The new device is to be saved now.
    let scanned = lab.scan_qr(&owner, &qr).await;
    let asked = Instant::now();
    let left = holdfast.stop().await.unwrap_err().to_string();
    assert!(asked.elapsed() < END);
    assert!(left.contains("exit status: 74"), "{scanned:?}: {left}");
    assert!(left.contains("does not come to its end"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_fails_in_the_middle_of_a_life_is_no_end_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
    let mut holdfast = Holdfast::new(program(), directory.path(), &lab.url()).unwrap();
    holdfast.start().await.unwrap();
    let device = holdfast.links(&lab, &owner).await.unwrap();
    let mut friends = Vec::new();
    for number in 2..=6 {
        let number = format!("1555000000{number}");
        friends.push(lab.create_phone(&number, "Friend").await.unwrap());
        holdfast.sends(&number, "hello").await.unwrap();
    }
    // Where the old store would be set aside, there is no directory.
    fs::write(holdfast.data().join("quarantine"), "in the way").unwrap();
    // A storm has the keys made anew.
    for sent in 1.. {
        assert!(sent < 100, "{}", holdfast.read_log());
        let broken = lab.inject(device.clone(), Fault::BadMac, When::Now, 1);
        broken.await.unwrap();
        let friend = &friends[sent % friends.len()];
        lab.send_text(friend, OWNER, "hello").await.unwrap();
        tokio::select! {
            failed = holdfast.reaches("StorageFault") => {
                failed.unwrap();
                break;
            }
            received = holdfast.receives("bot", sent) => drop(received.unwrap()),
        }
    }
    let (cause, ..) = holdfast.session().await.unwrap().cause().await.unwrap();
    assert_eq!(cause, "storage.wrong-file");
    let left = holdfast.stop().await.unwrap_err().to_string();
    assert!(left.contains("exit status: 1"), "{left}");
    assert!(left.contains("the keys could not be repaired"), "{left}");
}
