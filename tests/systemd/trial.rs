//! The end of a trial that nobody judges: the timer that asks for it, and the condition of its unit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::{installed, run, source, values};

/// A machine as the condition of a trial's end finds it: each change away from one that is left.
#[test]
fn a_trial_is_left_where_nobody_judges_it_in_its_own_boot_alone() {
    let unit = fs::read_to_string(source("system/holdfast-trial.service")).unwrap();
    let installed = installed();
    let condition = values(&unit, "ExecCondition")[0].trim_start_matches('/');
    let is_left = |change: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| put(root.path(), path, text);
        write("proc/cmdline", "quiet rauc.slot=B holdfast.left=2\n");
        write("proc/uptime", "1900.12 1000.00\n");
        write("proc/sys/kernel/random/boot_id", "6a2d\n");
        write("data/holdfast/update/trial", "5d1c\n");
        write(
            "bin/fw_printenv",
            "#!/bin/sh\necho \"$2=0\" | sed -n 's/^BOOT_B_LEFT=//p;s/^BOOT_A_LEFT=0/9/p'\n",
        );
        change(root.path());
        let fake = root.path().join("bin");
        let everyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(fake.join("fw_printenv"), everyone).unwrap();
        let path = format!("{}:{}", fake.display(), std::env::var("PATH").unwrap());
        let mut asks = Command::new(installed.path().join(condition));
        run(asks.arg(root.path()).env("PATH", path)).0
    };
    let loses_data = |root: &Path| put(root, "run/holdfast/set-aside.json", "\"torn\"");
    let judged = |root: &Path| put(root, JUDGED, "");
    assert!(is_left(&|_| {}));
    assert!(
        !is_left(&|root| { put(root, "data/holdfast/update/trial", "6a2d\n") }),
        "this boot installed it"
    );
    assert!(
        !is_left(&|root| {
            fs::remove_file(root.join("data/holdfast/update/trial")).unwrap();
        }),
        "it panicked, and is no new version"
    );
    assert!(!is_left(&judged));
    assert!(
        is_left(&|root| {
            judged(root);
            put(root, "proc/uptime", "7200.00 1000.00\n");
        }),
        "it never comes to an end"
    );
    assert!(is_left(&loses_data));
    assert!(is_left(&|root| fs::remove_dir_all(
        root.join("data/holdfast")
    )
    .unwrap()));
    assert!(
        !is_left(&|root| {
            loses_data(root);
            put(root, "proc/cmdline", "rauc.slot=A holdfast.left=2\n");
        }),
        "the other slot has no try left"
    );
    assert!(
        !is_left(&|root| {
            loses_data(root);
            put(root, "bin/fw_printenv", "#!/bin/sh\nexit 1\n");
        }),
        "nobody knows"
    );
}

/// Where the daemon says that it judges a trial.
const JUDGED: &str = "run/holdfast/trial-is-judged";

fn put(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// The daemon, its unit, and the condition of a trial's end have to mean the same file.
#[test]
fn a_trial_is_judged_as_long_as_the_daemon_is_there() {
    assert!(JUDGED.ends_with(holdfast::update::JUDGED));
    let unit = fs::read_to_string(source("system/holdfastd.service")).unwrap();
    let removes = values(&unit, "ExecStopPost")[0];
    assert!(removes.ends_with(&format!(" -f /{JUDGED}")), "{removes}");
}

/// The boot loader's script counts three tries, and tells the kernel what is left of them.
#[test]
fn where_nothing_is_counted_nobody_asks_for_a_trial_s_end() {
    let timer = fs::read_to_string(source("system/holdfast-trial.timer")).unwrap();
    let asks = values(&timer, "ConditionKernelCommandLine");
    let tries = ["2", "1", "0"].map(|left| format!("|holdfast.left={left}"));
    assert_eq!(asks, tries);
    let script = source("../board/image/boot.cmd");
    let script = fs::read_to_string(script).unwrap();
    for left in ["2", "1", "0"] {
        assert!(script.contains(&format!("&& setenv next {left}\n")));
    }
    assert!(script.contains(" holdfast.left=${told} ${append}\""));
}
