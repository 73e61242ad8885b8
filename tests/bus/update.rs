//! Updates over the bus and with the real `holdfastctl`: what is handed over, what comes of it, and what is said meanwhile.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use holdfast::bus::Where;
use holdfast_core::Stage;

use super::ctl::{holdfastctl, lines, run};
use super::rig::{Daemon, in_time, report};

#[tokio::test]
async fn a_bundle_is_handed_over_as_a_file_or_through_a_pipe() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let bundle = daemon.dir.path().join("bundle");
    fs::write(&bundle, "sound").unwrap();
    let path = bundle.to_str().unwrap();
    let output = run(&daemon.runtime(), &["update", path]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("is installed"), "{text}");

    let mut command = holdfastctl(&daemon.runtime(), &["--json", "update", "-"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut piped = command.spawn().unwrap();
    let stdin = piped.stdin.take().unwrap().into_owned_fd().unwrap();
    fs::File::from(stdin).write_all(b"sound").unwrap();
    let output = in_time(piped.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&output).last().unwrap()["done"], "installed");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_who_refuses_and_no_terminal_obeys_them() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let bundle = daemon.dir.path().join("bundle");
    fs::write(&bundle, "foreign").unwrap();
    let path = bundle.to_str().unwrap();
    let output = run(&daemon.runtime(), &["update", path]).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("signature verification failed"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");

    daemon.status.send_modify(|status| status.state = "Pairing");
    let output = run(&daemon.runtime(), &["--json", "update", path]).await;
    assert_eq!(output.status.code(), Some(1));
    let refused = &lines(&output)[0];
    assert_eq!(refused["error"], "refused");
    let why = refused["message"].as_str().unwrap();
    assert!(why.contains("A phone is linking this device"), "{why}");

    for wrong in ["http://example.org/bundle", "ftp://example.org/bundle"] {
        let output = run(&daemon.runtime(), &["update", wrong]).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("begins with https://"), "{text}");
    }
    let output = run(&daemon.runtime(), &["update", "/no/such/bundle"]).await;
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn without_a_name_the_newest_is_looked_for() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let output = run(&daemon.runtime(), &["update"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("There is no newer version."), "{text}");
}

#[tokio::test]
async fn status_tells_slots_versions_and_what_is_under_way() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    daemon.status.send_modify(|status| {
        status.update = Stage::Trial;
        let left = std::time::Duration::from_secs(600);
        status.trial_ends = Some(tokio::time::Instant::now() + left);
    });
    let output = run(&daemon.runtime(), &["update", "status"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for said in [
        "Version: 0.1.0",
        "Slot A: unknown, runs, good",
        "Slot B: 0.2.0, not to be booted",
        "on trial, 10 min left",
        "Last: 0.2.0, fell-back",
        "Look: failed: there is no key",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let output = run(&daemon.runtime(), &["--json", "update", "status"]).await;
    let said = &lines(&output)[0];
    assert_eq!(said["version"], report().version);
    assert_eq!(said["slots"][1]["slot"], "B");
    assert_eq!(said["stage"], "trial");
    assert!(said["trial_left_ms"].as_u64().unwrap() > 500_000);
}
