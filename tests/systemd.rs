//! What systemd and the message bus are told: by their own tools.

mod systemd {
    mod trial;
}
mod tool;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::{Parser, ValueEnum};
use holdfast::{
    boot::{Boot, Step, forget, settings, wifi},
    journal::MessageId,
};
use holdfast_medium::{Machine, Secret};

use tool::tool;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("systemd")
        .join(path)
}

fn run(command: &mut Command) -> (bool, String) {
    let done = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Everything of ours in a directory that looks like a system.
fn installed() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let (done, said) = run(Command::new(source("install")).arg(root.path()));
    assert!(done, "{said}");
    root
}

/// Whoever leaves the argument out, or takes the wrong one, has a system of their own there.
#[test]
fn nothing_is_installed_over_the_system_that_runs() {
    for wrong in [
        &[][..],
        &[""],
        &["/"],
        &["//"],
        &["/usr/.."],
        &["/proc/self/root"],
    ] {
        // Without any of its tools it could do no harm.
        let mut install = Command::new("/bin/bash");
        install.env("PATH", "/nowhere").arg(source("install"));
        let (done, said) = run(install.args(wrong));
        assert!(
            !done && said.contains("systemd/install DESTDIR"),
            "{wrong:?}: {said}"
        );
    }
}

#[test]
fn the_units_are_sound() {
    let root = installed();
    // What they run, and what of systemd's own they lean on.
    for program in [
        "holdfastd",
        "holdfast-boot",
        "journalctl",
        "find",
        "rm",
        "grep",
        "systemctl",
    ] {
        let program = root.path().join("usr/bin").join(program);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::copy("/bin/true", program).unwrap();
    }
    let own = Path::new("/usr/lib/systemd/system");
    let units = root.path().join("usr/lib/systemd/system");
    for entry in fs::read_dir(own).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if [".target", ".slice", ".socket"]
            .iter()
            .any(|kind| name.ends_with(kind))
        {
            fs::copy(entry.path(), units.join(name)).unwrap();
        }
    }
    for unit in [
        "holdfastd.service",
        "holdfast-panel.service",
        "holdfast-card.service",
        "holdfast-rejoin.path",
        "holdfast-rejoin.service",
        "holdfast-change.path",
        "holdfast-change.service",
        "holdfast-restart.path",
        "holdfast-ring.service",
        "holdfast-ring.timer",
        "holdfast-trial.service",
        "holdfast-trial.timer",
    ] {
        let mut verify = Command::new(tool("systemd-analyze"));
        verify.args(["verify", "--man=no", "--recursive-errors=no"]);
        let (sound, said) = run(verify
            .arg(format!("--root={}", root.path().display()))
            .arg(unit));
        assert!(sound && said.is_empty(), "{unit}: {said}");
    }
}

/// Debian's rauc-hawkbit-updater 1.4 with our drop-in: it is what an image built with it starts.
#[test]
fn a_fleet_s_updater_waits_for_its_configuration_and_cannot_restart_the_machine() {
    let root = installed();
    let units = root.path().join("usr/lib/systemd/system");
    let name = "rauc-hawkbit-updater.service";
    let shipped = "[Unit]\nDescription=HawkBit client for Rauc\nAfter=rauc.service\n[Service]\nUser=rauc-hawkbit\n\
        Group=rauc-hawkbit\nAmbientCapabilities=CAP_SYS_BOOT\nRestart=on-failure\n\
        ExecStart=/usr/bin/rauc-hawkbit-updater -s -c /etc/rauc-hawkbit-updater/config.conf\n";
    fs::write(units.join(name), shipped).unwrap();
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    for program in ["rauc-hawkbit-updater", "install"] {
        fs::copy("/bin/true", root.path().join("usr/bin").join(program)).unwrap();
    }
    for target in ["sysinit", "basic", "shutdown"] {
        let file = format!("{target}.target");
        fs::copy(
            Path::new("/usr/lib/systemd/system").join(&file),
            units.join(file),
        )
        .unwrap();
    }
    let mut verify = Command::new(tool("systemd-analyze"));
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    let (sound, said) = run(verify
        .arg(format!("--root={}", root.path().display()))
        .arg(name));
    assert!(sound && said.is_empty(), "{said}");
    let ours = fs::read_to_string(units.join(format!("{name}.d/holdfast.conf"))).unwrap();
    assert_eq!(values(&ours, "AmbientCapabilities"), [""]);
    assert_eq!(values(&ours, "CapabilityBoundingSet"), [""]);
    assert_eq!(values(&ours, "ExecStart").first(), Some(&""));
    let place = "/data/system/hawkbit.conf";
    assert_eq!(values(&ours, "ConditionPathExists"), [place]);
    assert_eq!(values(&ours, "LoadCredential"), [format!("config:{place}")]);
    for (file, line) in [
        ("sysusers.d/holdfast.conf", "u rauc-hawkbit "),
        (
            "root/usr/lib/systemd/system-preset/70-board.preset",
            "enable rauc-hawkbit-updater.service\n",
        ),
    ] {
        let text = fs::read_to_string(source(file)).unwrap();
        assert!(text.contains(line), "{file}: {text}");
    }
}

/// The daemon may restart neither the machine nor what joins the Wi-Fi: it makes a file, and a unit waits for that one.
#[test]
fn what_the_daemon_may_not_do_it_asks_for_where_a_unit_waits() {
    let root = tempfile::tempdir().unwrap();
    let machine = Machine::at(root.path());
    wifi::ask_to_rejoin(&machine).unwrap();
    forget::ask_for_restart(&machine, "a test").unwrap();
    let shown = root.path().join("run/holdfast-settings/shown.json");
    fs::create_dir_all(shown.parent().unwrap()).unwrap();
    let now = settings::Shown::default();
    fs::write(shown, serde_json::to_vec(&now).unwrap()).unwrap();
    let change = Secret::new("hostname = \"kelp\"\n".to_owned());
    let door = settings::Door::new(machine.clone());
    door.ask(1, &change, Vec::new(), false).unwrap();
    let unit = |name: &str| fs::read_to_string(source("system").join(name)).unwrap();
    for name in [
        "holdfast-rejoin.path",
        "holdfast-restart.path",
        "holdfast-change.path",
    ] {
        let unit = unit(name);
        let [path] = values(&unit, "PathExists")[..] else {
            panic!("{unit}")
        };
        let asked = root.path().join(path.trim_start_matches('/'));
        assert!(asked.is_file(), "{name} waits for {path}");
    }
    let step = unit("holdfast-change.service");
    assert_eq!(
        values(&step, "ExecStart"),
        ["/usr/bin/holdfast-boot change"]
    );
    // What is not taken away is asked for again and again.
    let rejoin = unit("holdfast-rejoin.service");
    let waits = unit("holdfast-rejoin.path");
    let first = values(&rejoin, "ExecStart")[0];
    assert!(first.ends_with(values(&waits, "PathExists")[0]), "{first}");
}

#[test]
fn the_sandboxes_leave_little() {
    for unit in ["holdfastd.service", "holdfast-panel.service"] {
        let mut security = Command::new(tool("systemd-analyze"));
        security.args(["security", "--offline=true", "--no-pager", "--threshold=15"]);
        let (good, said) = run(security.arg(source("system").join(unit)));
        assert!(good && said.contains("Overall exposure level"), "{said}");
    }
    // The same question about a unit with no sandbox has to fail.
    let open = tempfile::Builder::new()
        .suffix(".service")
        .tempfile()
        .unwrap();
    fs::write(open.path(), "[Service]\nExecStart=/bin/true\n").unwrap();
    let mut security = Command::new(tool("systemd-analyze"));
    security.args(["security", "--offline=true", "--no-pager", "--threshold=15"]);
    assert!(!run(security.arg(open.path())).0);
}

#[test]
fn the_preset_enables_what_is_there_and_nothing_else() {
    let preset = fs::read_to_string(source("system-preset/50-holdfast.preset")).unwrap();
    let mut enabled: Vec<&str> = preset
        .lines()
        .filter_map(|line| line.strip_prefix("enable "))
        .collect();
    let mut installable: Vec<String> = fs::read_dir(source("system"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .filter(|entry| {
            fs::read_to_string(entry.path())
                .unwrap()
                .contains("[Install]")
        })
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    enabled.sort_unstable();
    installable.sort_unstable();
    assert_eq!(enabled, installable);
}

/// The values that a unit gives this key.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let value = |line: &'a str| line.strip_prefix(key)?.strip_prefix('=');
    unit.lines().filter_map(value).collect()
}

/// The daemon is read from the card once: what comes before it is `holdfast-boot`'s, which knows each step that a unit asks for.
#[test]
fn the_daemon_s_unit_alone_runs_the_daemon() {
    let root = installed();
    let units = root.path().join("usr/lib/systemd/system");
    let mut ahead = vec![units.clone()];
    let (mut daemons, mut steps) = (Vec::new(), 0);
    while let Some(path) = ahead.pop() {
        if path.is_dir() {
            ahead.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            continue;
        }
        let unit = fs::read_to_string(&path).unwrap();
        for line in unit.lines().filter(|line| line.starts_with("Exec")) {
            let (_, command) = line.split_once('=').unwrap();
            let words: Vec<_> = command.trim_start_matches('-').split(' ').collect();
            match words[0] {
                "/usr/bin/holdfastd" => daemons.push(path.strip_prefix(&units).unwrap().to_owned()),
                "/usr/bin/holdfast-boot" => {
                    let known = Boot::try_parse_from(&words);
                    let known = known.unwrap_or_else(|_| panic!("{}: {line}", path.display()));
                    steps += known.steps.len();
                }
                _ => {}
            }
        }
    }
    assert_eq!(daemons, [Path::new("holdfastd.service")]);
    assert_eq!(steps, Step::value_variants().len());
}

/// Checking and mounting the data partition wipe the traces of a power cut, the owner may want it emptied before it is used, and nothing
/// that the settings are about may be up before them.
#[test]
fn the_card_is_brought_up_in_its_order() {
    let unit = fs::read_to_string(source("system/holdfast-card.service")).unwrap();
    assert_eq!(
        values(&unit, "ExecStart"),
        ["/usr/bin/holdfast-boot grow evidence mount data settings"]
    );
    let later: Vec<_> = values(&unit, "Before")
        .into_iter()
        .flat_map(|units| units.split(' '))
        .collect();
    for name in [
        "holdfastd",
        "nftables",
        "ssh",
        "systemd-networkd",
        "systemd-pstore",
        "systemd-resolved",
        "wpa_supplicant@wlan0",
    ] {
        assert!(later.contains(&&*format!("{name}.service")), "{name}");
    }
}

#[test]
fn the_daemon_starts_with_the_system_and_again_whatever_ended_it_and_however_often() {
    let unit = fs::read_to_string(source("system/holdfastd.service")).unwrap();
    assert_eq!(values(&unit, "WantedBy"), ["multi-user.target"]);
    assert_eq!(values(&unit, "Restart"), ["always"]);
    assert_eq!(values(&unit, "StartLimitIntervalSec"), ["0"]);
    assert!(values(&unit, "RestartPreventExitStatus").is_empty());
    // One that hangs was never ended: the watchdog does that.
    let watchdog = values(&unit, "WatchdogSec");
    assert!(matches!(watchdog[..], [seconds] if seconds.parse::<u32>().is_ok_and(|it| it > 0)));
}

#[test]
fn the_ring_keeps_every_event_of_ours_but_accepted_messages() {
    let ring = fs::read_to_string(source("system/holdfast-ring.service")).unwrap();
    for id in MessageId::ALL {
        let kept = ring.contains(&format!("MESSAGE_ID={}", id.as_str()));
        assert_eq!(kept, id != MessageId::MESSAGES_ACCEPTED, "{id:?}");
    }
}

/// What the kernel says at every boot is no news; what it says of power and heat is, and those lines are warnings of its, too.
#[test]
fn the_ring_keeps_of_the_kernel_s_warnings_those_of_power_heat_and_card() {
    let ring = fs::read_to_string(source("system/holdfast-ring.service")).unwrap();
    let pattern = ring.split_once("--grep='").unwrap().1;
    let pattern = pattern.split_once('\'').unwrap().0;
    assert_eq!(
        pattern,
        pattern.to_lowercase(),
        "so that case does not matter (journalctl(1))"
    );
    let all = ring.split("ExecStart=").nth(1).unwrap();
    assert!(
        all.contains("PRIORITY=3 +") && !all.contains("PRIORITY=3 PRIORITY=4"),
        "{all}"
    );
    let keeps = |line: &str| {
        let mut grep = Command::new("grep");
        grep.args(["-E", "-i", "-q", "-e", pattern])
            .stdin(Stdio::piped());
        let mut grep = grep.spawn().unwrap();
        use std::io::Write as _;
        writeln!(grep.stdin.take().unwrap(), "{line}").unwrap();
        grep.wait().unwrap().success()
    };
    for kept in [
        "hwmon hwmon1: Undervoltage detected!",
        "hwmon hwmon1: Voltage normalised",
        "Under-voltage detected! (0x00050005)",
        "usb usb1-port3: over-current condition",
        "thermal thermal_zone0: critical temperature reached, shutting down",
        "CPU0: Core temperature above threshold, cpu clock throttled",
        "EXT4-fs warning (device mmcblk0p6): ext4_end_bio:343: I/O error 10",
        "mmc0: Timeout waiting for hardware interrupt.",
        "watchdog: watchdog0: watchdog did not stop!",
        "device-mapper: verity: 179:2: data block 7 is corrupted",
    ] {
        assert!(keeps(kept), "{kept}");
    }
    for noise in [
        "GPT:Primary header thinks Alt. header is not at the end of the disk.",
        "GPT: Use GNU Parted to correct GPT errors.",
        "mtrr: your CPUs had inconsistent variable MTRR settings",
        "tsc: Fast TSC calibration failed",
        "bcm2708_fb soc:fb: Unable to determine number of FBs. Disabling driver.",
        "spi-bcm2835 3f204000.spi: there is not valid maps for state default",
    ] {
        assert!(!keeps(noise), "{noise}");
    }
}

/// A `;` alone would end the command.
#[test]
fn the_ring_is_turned_over_by_one_command() {
    let ring = fs::read_to_string(source("system/holdfast-ring.service")).unwrap();
    assert!(!ring.contains(" ;"), "{ring}");
    let place = tempfile::tempdir().unwrap();
    let turn = || {
        let line = ring
            .lines()
            .find_map(|line| line.strip_prefix("ExecStartPre="))
            .unwrap();
        let line = line.replace("/data/system/journal/", place.path().to_str().unwrap());
        // A shell takes the words of this line as systemd does.
        assert!(run(Command::new("sh").args(["-c", &line])).0, "{line}");
    };
    let (ring, before) = (place.path().join("ring"), place.path().join("ring.1"));
    turn();
    fs::write(&ring, "little").unwrap();
    turn();
    assert!(ring.exists() && !before.exists());
    fs::write(&ring, vec![b'x'; 200 << 10]).unwrap();
    turn();
    assert!(!ring.exists() && before.exists());
}

#[test]
fn the_manual_and_the_completions_are_where_they_are_looked_for() {
    let root = installed();
    for path in [
        "usr/share/man/man1/holdfastctl.1",
        "usr/share/man/man8/holdfastd.8",
        "usr/share/man/man8/holdfast-boot.8",
        "usr/share/bash-completion/completions/holdfastctl",
        "usr/share/zsh/vendor-completions/_holdfastctl",
        "usr/share/fish/vendor_completions.d/holdfastctl.fish",
    ] {
        assert!(root.path().join(path).is_file(), "{path}");
    }
}

#[test]
fn users_and_directories_are_understood() {
    let root = installed();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    let at = format!("--root={}", root.path().display());
    let (done, said) = run(Command::new(tool("systemd-sysusers")).arg(&at));
    assert!(done, "{said}");
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(
        users.contains("holdfast:x:880:880:Holdfast:/data/holdfast:"),
        "{users}"
    );
    assert!(
        users.contains("diagnosis:x:884:880:Looks, and changes nothing:/:/bin/sh"),
        "{users}"
    );
    let init =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("board/init/src/main.rs"));
    assert!(init.unwrap().contains("\"gid=883,fmask=0137,dmask=0027\""));
    let groups = fs::read_to_string(root.path().join("etc/group")).unwrap();
    for group in [
        "holdfast:x:880:",
        "holdfast-admin:x:881:",
        "holdfast-bot:x:882:",
        // The one group that reads the boot partition has the daemon in it, and nobody else.
        "holdfast-card:x:883:holdfast\n",
    ] {
        assert!(groups.contains(group), "{groups}");
    }
}

/// A message bus that knows our policy, and next to nothing else.
struct Bus {
    child: std::process::Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The policy denies by default: a system bus with it gives the name to nobody but the daemon's user.
#[test]
fn the_policy_gives_the_name_to_nobody_by_default() {
    let bus = bus();
    let ask = |name: &str| {
        let mut request = Command::new(tool("dbus-send"));
        request.args([
            &format!("--bus={}", bus.address),
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus.RequestName",
            &format!("string:{name}"),
            "uint32:4",
        ]);
        run(&mut request)
    };
    let (given, said) = ask("org.holdfast.Holdfast1");
    assert!(!given && said.contains("AccessDenied"), "{said}");
    let (given, said) = ask("org.holdfast.Control");
    assert!(given, "the control has to be given: {said}");
}

fn bus() -> Bus {
    use std::io::{BufRead, BufReader};
    let directory = tempfile::tempdir().unwrap();
    // Ours as it is, but for users this machine does not have.
    let ours = fs::read_to_string(source("org.holdfast.Holdfast1.conf")).unwrap();
    let config = directory.path().join("bus.conf");
    let head = format!(
        "<listen>unix:path={}/bus</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow user=\"*\"/><allow own=\"org.holdfast.Control\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy>",
        directory.path().display()
    );
    fs::write(
        &config,
        ours.replace("<busconfig>", &format!("<busconfig>{head}")),
    )
    .unwrap();
    let mut child = Command::new(tool("dbus-daemon"))
        .arg("--nofork")
        .arg("--print-address")
        .arg(format!("--config-file={}", config.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    Bus {
        child,
        address: address.trim().to_owned(),
        _directory: directory,
    }
}
