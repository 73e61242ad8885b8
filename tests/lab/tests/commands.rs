//! The lab on the command line: what it prints last and how it exits.

use std::process::{Command, Output};

fn lab(arguments: &[&str]) -> Command {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_holdfast-lab"));
    lab.args(arguments);
    lab
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn last_line(output: &Output) -> String {
    let printed = text(&output.stdout);
    printed.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_proof_ends_with_its_tally_and_the_seed_replays_it() {
    let run = || {
        lab(&["prove", "simulation", "--seed", "7", "--count", "2"])
            .output()
            .unwrap()
    };
    let (first, second) = (run(), run());
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stdout));
    assert_eq!(
        last_line(&first),
        "prove simulation: 9 cases, 0 failed, 0 not run, seed 7"
    );
    // How fast it went is another thing.
    let lived = |output: &Output| {
        let said = text(&output.stdout);
        let line = said.lines().find(|line| line.contains(" steps, "));
        line.and_then(|line| line.split(';').next())
            .map(str::to_owned)
    };
    assert!(lived(&first).is_some());
    assert_eq!(lived(&first), lived(&second));
}

#[test]
fn what_cannot_be_tried_here_is_not_run_and_not_passed() {
    let nowhere = tempfile::tempdir().unwrap();
    let output = lab(&["prove", "baileys", "--seed", "7"])
        .env("PATH", nowhere.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(77));
    let last = last_line(&output);
    assert!(
        last.starts_with("prove baileys: 0 cases, 0 failed, "),
        "{last}"
    );
    assert!(last.ends_with(" not run, seed 7"), "{last}");
    assert!(!last.contains(" 0 not run"), "{last}");
    assert!(text(&output.stdout).contains("needs Node"));
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    for (arguments, hint) in [
        (&["prove", "no-such"][..], "prove --list"),
        (&["bench", "no-such"], "bench --list"),
        (&["serve", "--listen", "0.0.0.0:0"], "127.0.0.1"),
        (&["serve", "--control", "0.0.0.0:0"], "127.0.0.1"),
    ] {
        let output = lab(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(hint), "{said}");
    }
    for arguments in [
        &["prove"][..],
        &["prove", "--round", "5"],
        &["prove", "--round", "5", "--seed", "1", "--full"],
        &["prove", "qr", "--ages"],
        &["prove", "--list", "--seed", "1"],
        &["bench"],
        &["bench", "start", "--check"],
        &["bench", "--check", "--record"],
    ] {
        let code = lab(arguments).output().unwrap().status.code();
        assert_eq!(code, Some(2), "{arguments:?}");
    }
}

#[test]
fn everything_there_is_is_listed() {
    for (what, name) in [
        ("prove", "baileys"),
        ("prove", "qr"),
        ("prove", "whatsmeow"),
        ("bench", "memory"),
        ("bench", "start"),
    ] {
        let output = lab(&[what, "--list"]).output().unwrap();
        assert!(output.status.success());
        let list = text(&output.stdout);
        let mut names = list.lines().map(|line| line.split(' ').next());
        assert!(names.any(|listed| listed == Some(name)), "{list}");
    }
}
