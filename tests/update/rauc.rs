//! RAUC's own service, on a bus of its own, with two slots that are files and a boot loader that is a script.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast::update::{Rauc, Slot, UpdateError};
use parking_lot::Mutex;
use rustix::process::geteuid;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::DBusProxy;

use super::{certificate, run, tool};

/// Nothing here takes this long; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

/// RAUC mounts a bundle, which root alone may; and whether the test is run.
fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        // Past the harness, which shows nothing of a test that passes.
        let mut err = std::io::stderr();
        let _ = err.write_all(b"not run: RAUC mounts bundles as root alone\n");
    }
    is_root
}

/// A process of ours, until the test is over.
struct Runs(Child);

impl Drop for Runs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bus that lets everybody do everything, but for what a policy says; and a connection to it.
async fn bus(place: &Path, policy: &str) -> (Runs, Connection) {
    let address = format!("unix:path={}", place.join("bus").display());
    let all = "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy>";
    let config = format!(
        "<busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth>{all}{policy}</busconfig>"
    );
    let file = place.join("bus.conf");
    fs::write(&file, config).unwrap();
    let bus = Command::new(tool::tool("dbus-daemon"))
        .args(["--nofork", "--config-file", file.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn();
    let bus = Runs(bus.unwrap());
    let connection = timeout(DEADLINE, async {
        loop {
            match Builder::address(address.as_str()).build().await {
                Ok(connection) => break connection,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    });
    (bus, connection.await.expect("a bus"))
}

/// A device of two slots, the first of which runs, and a bus with its RAUC.
struct Device {
    place: TempDir,
    address: String,
    rauc: Rauc,
    service: Option<Runs>,
    _bus: Runs,
}

impl Device {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        let at = |name: &str| place.join(name).display().to_string();
        for slot in ["a.img", "b.img"] {
            fs::write(place.join(slot), vec![0; 1 << 20]).unwrap();
        }
        certificate("owner", place);
        let loader = format!(
            "#!/bin/sh\ncd {} || exit 1\ncase $1 in\nget-primary) cat primary 2>/dev/null || echo A;;\nset-primary) echo \"$2\" >primary;;\n\
             get-state) cat \"state-$2\" 2>/dev/null || echo good;;\nset-state) echo \"$3\" >\"state-$2\";;\nget-current) echo A;;\nesac\n",
            place.display()
        );
        fs::write(place.join("loader"), loader).unwrap();
        let gate = format!(
            "#!/bin/sh\nwhile [ -e {} ]; do sleep 0.05; done\n",
            at("held")
        );
        fs::write(place.join("gate"), gate).unwrap();
        for script in ["loader", "gate"] {
            let all = fs::Permissions::from_mode(0o755);
            fs::set_permissions(place.join(script), all).unwrap();
        }
        let config = format!(
            "[system]\ncompatible=holdfast-test\nbootloader=custom\nbundle-formats=plain verity\nstatusfile={}\nmountprefix={}\n\
             [handlers]\nbootloader-custom-backend={}\npre-install={}\n[keyring]\npath={}\n\
             [slot.rootfs.0]\ndevice={}\ntype=raw\nbootname=A\n[slot.rootfs.1]\ndevice={}\ntype=raw\nbootname=B\n",
            at("status"),
            at("mnt"),
            at("loader"),
            at("gate"),
            at("owner.cert"),
            at("a.img"),
            at("b.img"),
        );
        fs::write(place.join("system.conf"), config).unwrap();
        let address = format!("unix:path={}", at("bus"));
        let (bus, connection) = bus(place, "").await;
        let mut device = Self {
            rauc: Rauc::on(connection.clone()),
            address,
            service: None,
            _bus: bus,
            place: dir,
        };
        device.start();
        let names = DBusProxy::new(&connection).await.unwrap();
        let served = timeout(DEADLINE, async {
            let name = || "de.pengutronix.rauc".try_into().unwrap();
            while !names.name_has_owner(name()).await.unwrap() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        served.await.expect("RAUC's service");
        device
    }

    fn start(&mut self) {
        let conf = format!("--conf={}", self.path().join("system.conf").display());
        let service = Command::new(tool::tool("rauc"))
            .args([&conf, "--override-boot-slot=A", "service"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.service = Some(Runs(service.unwrap()));
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    /// A bundle for this kind of device with an image of these bytes, signed by this key.
    fn bundle(&self, compatible: &str, key: &str, image: &[u8]) -> std::path::PathBuf {
        let name = format!("{compatible}-{key}");
        let content = self.path().join(&name);
        fs::create_dir(&content).unwrap();
        fs::write(content.join("root.img"), image).unwrap();
        let manifest = format!(
            "[update]\ncompatible={compatible}\nversion=0.2.0\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=root.img\n"
        );
        fs::write(content.join("manifest.raucm"), manifest).unwrap();
        let (cert, key) = (format!("--cert={key}.cert"), format!("--key={key}.key"));
        let bundle = format!("{name}.raucb");
        run(
            "rauc",
            &["bundle", &cert, &key, &name, &bundle],
            self.path(),
        );
        self.path().join(bundle)
    }

    /// Installs it; what RAUC says to it, and how far it told that it is.
    async fn install(&self, bundle: &Path) -> (Result<(), UpdateError>, Vec<u8>) {
        let told = Mutex::new(Vec::new());
        let installs = self
            .rauc
            .install(bundle, |percent| told.lock().push(percent));
        let done = timeout(DEADLINE, installs).await.expect("an end");
        (done, told.into_inner())
    }
}

fn refused(done: Result<(), UpdateError>) -> String {
    match done {
        Err(error @ UpdateError::Refused(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_signed_bundle_is_installed_into_the_slot_that_does_not_run() {
    if !is_root() {
        return;
    }
    let device = Device::new().await;
    assert_eq!(device.rauc.compatible().await.unwrap(), "holdfast-test");
    let slot = |name: &str, runs, version: Option<&str>, good| Slot {
        name: name.to_owned(),
        runs,
        version: version.map(str::to_owned),
        good: Some(good),
    };
    let slots = || async {
        let mut slots = device.rauc.slots().await.unwrap();
        slots.sort_by(|one, other| one.name.cmp(&other.name));
        slots
    };
    let before = [slot("A", true, None, true), slot("B", false, None, true)];
    assert_eq!(slots().await, before);

    let image = vec![7; 300_000];
    let bundle = device.bundle("holdfast-test", "owner", &image);
    let (done, told) = device.install(&bundle).await;
    done.unwrap();
    assert!(told.is_sorted() && told.len() > 1, "{told:?}");
    let written = fs::read(device.path().join("b.img")).unwrap();
    assert!(written.starts_with(&image));
    let untouched = fs::read(device.path().join("a.img")).unwrap();
    assert!(untouched.iter().all(|byte| *byte == 0));
    let primary = fs::read_to_string(device.path().join("primary")).unwrap();
    assert_eq!(primary, "B\n", "the next boot is a trial");
    let versions: Vec<_> = slots().await.into_iter().map(|slot| slot.version).collect();
    assert_eq!(versions, [None, Some("0.2.0".to_owned())]);

    device.rauc.mark_good().await.unwrap();
    let state = fs::read_to_string(device.path().join("state-A")).unwrap();
    assert_eq!(state, "good\n", "the slot that runs, and no other");
}

#[tokio::test]
async fn an_installation_that_somebody_else_began_is_followed_to_its_end() {
    if !is_root() {
        return;
    }
    let device = Device::new().await;
    let none = timeout(DEADLINE, device.rauc.go_on(|_| {})).await.unwrap();
    assert_eq!(none.unwrap_err().code().as_str(), "update.not-fetched");

    let held = device.path().join("held");
    fs::write(&held, "").unwrap();
    let bundle = device.bundle("holdfast-test", "owner", &vec![7; 300_000]);
    let connection = Builder::address(device.address.as_str()).build();
    let connection = connection.await.unwrap();
    let is_installing = || async {
        let call = connection.call_method(
            Some("de.pengutronix.rauc"),
            "/",
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &("de.pengutronix.rauc.Installer", "Operation"),
        );
        let answer = call.await.unwrap().body();
        let operation = answer.deserialize::<zbus::Variant<'_>>().unwrap();
        operation == zbus::Variant::from("installing")
    };
    let beside = Rauc::on(connection.clone());
    let follows = async {
        let begun = timeout(DEADLINE, async {
            while !is_installing().await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        begun.await.expect("an installation");
        let opens = async { fs::remove_file(&held).unwrap() };
        let (followed, ()) = tokio::join!(beside.go_on(|_| {}), opens);
        followed
    };
    let ((installed, _), followed) = tokio::join!(device.install(&bundle), follows);
    installed.unwrap();
    followed.unwrap();
    // Nobody was there at its end, but it starts next.
    let missed = timeout(DEADLINE, beside.go_on(|_| {})).await.unwrap();
    missed.unwrap();
}

#[tokio::test]
async fn what_rauc_does_not_take_is_refused_in_its_words() {
    if !is_root() {
        return;
    }
    let device = Device::new().await;
    certificate("stranger", device.path());
    let foreign = device.bundle("holdfast-test", "stranger", b"image");
    let why = refused(device.install(&foreign).await.0);
    assert!(why.contains("signature verification failed"), "{why}");
    let other = device.bundle("holdfast-other", "owner", b"image");
    let why = refused(device.install(&other).await.0);
    assert!(why.contains("Compatible mismatch"), "{why}");
    let unsigned = device.path().join("unsigned.raucb");
    fs::write(&unsigned, vec![0; 100_000]).unwrap();
    refused(device.install(&unsigned).await.0);
    let mut cut = fs::read(&other).unwrap();
    cut.truncate(cut.len() / 2);
    fs::write(&unsigned, cut).unwrap();
    refused(device.install(&unsigned).await.0);
    let untouched = fs::read(device.path().join("b.img")).unwrap();
    assert!(untouched.iter().all(|byte| *byte == 0));
    assert!(!device.path().join("primary").exists());
}

#[tokio::test]
async fn without_rauc_there_is_no_installer_and_no_harm() {
    if !is_root() {
        return;
    }
    let mut device = Device::new().await;
    device.service = None;
    let none = |error: UpdateError| error.code().as_str();
    let slots = timeout(DEADLINE, device.rauc.slots()).await.unwrap();
    assert_eq!(none(slots.unwrap_err()), "update.no-installer");
    let bundle = device.path().join("bundle");
    let (done, _) = device.install(&bundle).await;
    assert_eq!(none(done.unwrap_err()), "update.no-installer");
}

#[tokio::test]
async fn nobody_but_root_and_the_daemon_has_rauc_do_anything() {
    const NOBODY: &str = "4294967290";
    const POLICY: &str = include_str!("../../systemd/de.pengutronix.rauc.conf");
    let (_, policies) = POLICY.split_once("<busconfig>").unwrap();
    let policies = policies.replace("</busconfig>", "");
    let user = |policies: &str, name: &str, number: &str| {
        let named = format!("user=\"{name}\"");
        assert!(policies.contains(&named));
        policies.replace(&named, &format!("user=\"{number}\""))
    };
    let ours = geteuid().as_raw().to_string();
    for (root, daemon, allowed) in [
        (NOBODY, NOBODY, false),
        (ours.as_str(), NOBODY, true),
        (NOBODY, ours.as_str(), true),
    ] {
        let place = tempfile::tempdir().unwrap();
        let policies = user(&user(&policies, "root", root), "holdfast", daemon);
        let (_bus, service) = bus(place.path(), &policies).await;
        service.request_name("de.pengutronix.rauc").await.unwrap();
        service.object_server();
        let address = format!("unix:path={}", place.path().join("bus").display());
        let client = Builder::address(address.as_str()).build().await.unwrap();
        let (name, peer) = ("de.pengutronix.rauc", "org.freedesktop.DBus.Peer");
        let pinged = client.call_method(Some(name), "/", Some(peer), "Ping", &());
        let pinged = timeout(DEADLINE, pinged).await.expect("an answer");
        assert_eq!(pinged.is_ok(), allowed, "{pinged:?}");
    }
}
