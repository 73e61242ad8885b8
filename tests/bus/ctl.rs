//! The real `holdfastctl` against a daemon.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
};

use holdfast::{
    bus::{Served, Where},
    history::{Incidents, LastWords},
    mail::OutState,
};
use holdfast_core::CauseCode;
use holdfast_medium::Secret;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::rig::{Daemon, in_time, message_bus, picture, status};

pub fn holdfastctl(runtime: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfastctl"));
    command
        .env_clear()
        .current_dir("/")
        .arg("--runtime")
        .arg(runtime)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub async fn run(runtime: &Path, args: &[&str]) -> Output {
    in_time(holdfastctl(runtime, args).output()).await.unwrap()
}

pub fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

async fn daemon() -> (Daemon, Served) {
    let daemon = Daemon::new().await;
    let served = daemon.serve(Where::Private).await;
    (daemon, served)
}

#[tokio::test]
async fn no_daemon_is_exit_code_4_and_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["status"]).await;
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains(dir.path().to_str().unwrap()) && text.contains("holdfastd"),
        "{text}"
    );
    let output = run(dir.path(), &["--json", "wait", "--timeout", "0"]).await;
    assert_eq!(
        (output.status.code(), lines(&output)[0]["error"].as_str()),
        (Some(4), Some("no-daemon"))
    );
}

#[tokio::test]
async fn status_says_what_and_why_and_what_to_do() {
    let (daemon, _served) = daemon().await;
    let output = run(&daemon.runtime(), &["status"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("● Holdfast: Connected")
            && text.contains("gen-0003")
            && text.contains("••1234"),
        "{text}"
    );

    daemon.status.send_modify(|status| {
        status.state = "Replaced";
        status.cause = Some(CauseCode::Replaced.into());
        status.display = Some(CauseCode::DisplayAbsent);
        status.supply = Some((CauseCode::UnderVoltage, 7));
    });
    let output = run(&daemon.runtime(), &["status"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("Panel: SSD1306 at 0x3c (raspberrypi)")
            && text.contains("The display does not answer. (panel.display-absent) Check"),
        "{text}"
    );
    assert!(
        text.contains("Supply: The power supply is too weak") && text.contains("(dips: 7)"),
        "{text}"
    );
    let not_taken = "/boot/firmware/firstrun.sh: is not run here";
    assert!(text.contains(&format!("Not taken: {not_taken}")), "{text}");
    let output = run(&daemon.runtime(), &["status", "--json"]).await;
    assert_eq!(output.status.code(), Some(3));
    let report = &lines(&output)[0];
    assert_eq!(report["state"], "Replaced");
    assert_eq!(report["cause"]["code"], "session.replaced");
    assert!(!report["cause"]["action"].as_str().unwrap().is_empty());
    assert_eq!(report["account"], "1234");
    assert_eq!(report["last_end"], "first-start");
    assert_eq!(report["panel"]["glass"], "SSD1306 at 0x3c (raspberrypi)");
    assert_eq!(report["panel"]["faults"][0]["code"], "panel.display-absent");
    assert_eq!(report["ignored_settings"][0], not_taken);
    assert_eq!(report["supply_fault"]["code"], "power.under-voltage");
    assert_eq!(report["supply_fault"]["dips"], 7);
}

#[tokio::test]
async fn boot_says_how_the_last_run_ended_and_what_every_signal_said() {
    let (daemon, _served) = daemon().await;
    let output = run(&daemon.runtime(), &["boot"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for said in ["This is the first start.", "run mark", "absent", "Stages"] {
        assert!(text.contains(said), "{text}");
    }
    let output = run(&daemon.runtime(), &["boot", "--json"]).await;
    let report = &lines(&output)[0];
    assert_eq!(report["last_end"], "first-start");
    assert_eq!(report["signals"][0]["name"], "run mark");
    assert_eq!(report["signals"][0]["said"], "absent");
}

#[tokio::test]
async fn it_finds_the_daemon_on_a_message_bus() {
    let daemon = Daemon::new().await;
    let address = message_bus(daemon.dir.path()).await;
    let _served = daemon.serve(Where::Address(address.clone())).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfastctl"));
    command
        .env_clear()
        .current_dir("/")
        .args(["--json", "status"])
        .env("DBUS_SESSION_BUS_ADDRESS", &address);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let output = in_time(command.output()).await.unwrap();
    assert_eq!(
        (output.status.code(), lines(&output)[0]["bus"].as_str()),
        (Some(0), Some("session bus"))
    );
}

#[tokio::test]
async fn wait_lasts_until_the_state_comes_even_when_the_daemon_comes_later() {
    let daemon = Daemon::new().await;
    daemon.status.send_replace(status("Connecting"));
    let waiting = holdfastctl(&daemon.runtime(), &["--json", "wait", "--connected"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let served = daemon.serve(Where::Private).await;
    let output = run(&daemon.runtime(), &["wait", "--state", "Connecting"]).await;
    assert_eq!(output.status.code(), Some(0));
    // A restart in between is waited out, too.
    served.stop().await;
    let _served = daemon.serve(Where::Private).await;
    daemon.status.send_replace(status("Connected"));
    let output = in_time(waiting.wait_with_output()).await.unwrap();
    assert_eq!(
        (output.status.code(), lines(&output)[0]["state"].as_str()),
        (Some(0), Some("Connected"))
    );
}

#[tokio::test]
async fn wait_gives_up_in_time_and_says_why() {
    let (daemon, _served) = daemon().await;
    daemon.status.send_modify(|status| {
        status.state = "Reconnecting";
        status.cause = Some(CauseCode::DialFailed.into());
    });
    let output = run(&daemon.runtime(), &["wait", "--timeout", "1"]).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("Still Reconnecting") && text.contains("cannot be reached"),
        "{text}"
    );
}

#[tokio::test]
async fn wait_without_time_looks_once() {
    let (daemon, _served) = daemon().await;
    let wait = async |state: &str| {
        let args = ["wait", "--timeout", "0", "--state", state];
        let output = run(&daemon.runtime(), &args).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = wait("Connected").await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = wait("Pairing").await;
    assert_eq!(code, Some(1));
    assert!(text.contains("Still Connected after 0 s"), "{text}");
}

#[tokio::test]
async fn wait_refuses_a_state_that_there_is_none_of() {
    let (daemon, _served) = daemon().await;
    for state in ["Bogus", "connected", ""] {
        let output = run(&daemon.runtime(), &["wait", "--state", state]).await;
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{state}: {text}");
        assert!(text.contains("Pairing, PairingPaused"), "{state}: {text}");
    }
}

#[tokio::test]
async fn send_waits_for_the_end_and_fails_when_whatsapp_refuses() {
    let (daemon, _served) = daemon().await;
    for (id, end, code) in [
        ("one", OutState::Acked, 0),
        ("two", OutState::Failed { code: "479".into() }, 1),
    ] {
        let mut moves = daemon.outbox.moves();
        let sending = holdfastctl(
            &daemon.runtime(),
            &[
                "--json",
                "send",
                "+4915100000001",
                "hello",
                "--id",
                id,
                "--wait",
            ],
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
        assert_eq!(in_time(moves.recv()).await.unwrap().1, OutState::Accepted);
        daemon.outbox.mark(id, OutState::Sent).await.unwrap();
        daemon.outbox.mark(id, end).await.unwrap();
        let output = in_time(sending.wait_with_output()).await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let output = run(&daemon.runtime(), &["send", "nobody", "hello"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("country code"));
}

#[tokio::test]
async fn what_was_sent_is_not_called_untried() {
    let (daemon, _served) = daemon().await;
    for id in ["one", "two"] {
        let send = ["send", "+4915100000001", "hello", "--id", id];
        let output = run(&daemon.runtime(), &send).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    daemon.outbox.mark("one", OutState::Sent).await.unwrap();
    let output = run(&daemon.runtime(), &["outbox"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Vec<_> = text
        .lines()
        .map(|line| (line.contains("sent since"), line.contains("not tried yet")))
        .collect();
    assert_eq!(told, [(true, false), (false, true)], "{text}");
}

#[tokio::test]
async fn inbox_shows_follows_and_acknowledges() {
    let (daemon, _served) = daemon().await;
    daemon.receive("A", "one").await;
    daemon.receive("B", "two \x1b[2J").await;

    let output = run(&daemon.runtime(), &["inbox"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("one") && text.contains("two") && !text.contains('\x1b'),
        "{text}"
    );

    daemon
        .receive(
            "F",
            "hello\n9 4915100000002@s.whatsapp.net send the money\u{202e}",
        )
        .await;
    let output = run(&daemon.runtime(), &["inbox"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.ends_with("hello\n    9 4915100000002@s.whatsapp.net send the money\u{fffd}\n"),
        "{text}"
    );

    let output = run(
        &daemon.runtime(),
        &["--json", "inbox", "--max", "1", "--ack"],
    )
    .await;
    let shown: Vec<_> = lines(&output)
        .iter()
        .map(|message| message["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, ["A"]);
    assert_eq!(daemon.inbox.cursor("holdfastctl"), 1);

    let mut following = holdfastctl(&daemon.runtime(), &["--json", "inbox", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(following.stdout.take().unwrap()).lines();
    for expected in ["B", "F", "C"] {
        let line = in_time(printed.next_line()).await.unwrap().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&line).unwrap()["id"],
            expected
        );
        daemon.receive("C", "three").await;
    }
}

#[tokio::test]
async fn a_first_acknowledgement_is_made_before_it_is_told() {
    let (daemon, _served) = daemon().await;
    daemon.receive("A", "one").await;
    let first = ["inbox", "--ack", "--max", "0", "--consumer", "anna"];
    let output = run(&daemon.runtime(), &first).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("until anna has acknowledged"), "{told}");
    let kept: Vec<_> = daemon
        .inbox
        .consumers()
        .into_iter()
        .map(|consumer| (consumer.name, consumer.cursor))
        .collect();
    assert_eq!(kept, [("anna".to_owned(), 0)]);
    let again = run(&daemon.runtime(), &first).await;
    assert!(again.stderr.is_empty(), "{again:?}");

    let longest = "x".repeat(65);
    for name in ["", "a\nb", &longest] {
        let output = run(&daemon.runtime(), &["inbox", "--ack", "--consumer", name]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("From now on"), "{told}");
    }
}

/// Runs with a reader of its results that is gone already.
async fn unread(runtime: &Path, args: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = holdfastctl(runtime, args);
    command.stdout(writer).stderr(Stdio::piped());
    let output = in_time(command.spawn().unwrap().wait_with_output())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), told)
}

#[tokio::test]
async fn nobody_who_reads_on_is_no_failure_and_acknowledges_nothing() {
    let (daemon, _served) = daemon().await;
    daemon.receive("A", "one").await;
    let runtime = daemon.runtime();
    let quiet = |code| (Some(code), String::new());
    assert_eq!(unread(&runtime, &["inbox"]).await, quiet(0));
    daemon.inbox.acknowledge("holdfastctl", 0).await.unwrap();
    assert_eq!(unread(&runtime, &["inbox", "--ack"]).await, quiet(0));
    assert_eq!(daemon.inbox.cursor("holdfastctl"), 0);
    // What the exit code tells it tells all the same.
    daemon.status.send_replace(status("Pairing"));
    assert_eq!(unread(&runtime, &["status"]).await, quiet(3));
    assert_eq!(unread(&runtime, &["self-test"]).await, quiet(1));
}

#[tokio::test]
async fn the_screen_is_written_as_a_png_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let (daemon, _served) = daemon().await;
    daemon.picture.send_replace(picture(true));
    let png = daemon.dir.path().join("screen.png");
    let output = run(
        &daemon.runtime(),
        &["screen", "--png", png.to_str().unwrap()],
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read(&png).unwrap(), picture(true).frame.to_png(4));
    assert_eq!(
        fs::metadata(&png).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let output = run(&daemon.runtime(), &["screen"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        (text.lines().count(), text.chars().next()),
        (32, Some('▀')),
        "{text}"
    );
}

#[tokio::test]
async fn relink_asks_first_and_then_does_both_steps() {
    let (daemon, _served) = daemon().await;
    let output = run(&daemon.runtime(), &["relink"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(daemon.status.borrow().state, "Connected");
    let output = run(&daemon.runtime(), &["--json", "relink", "--yes"]).await;
    assert_eq!(
        (
            output.status.code(),
            lines(&output)[0]["generation"].as_str()
        ),
        (Some(0), Some("gen-0003"))
    );
    assert_eq!(daemon.status.borrow().state, "Pairing");
}

#[tokio::test]
async fn link_shows_the_code_until_it_is_connected() {
    let (daemon, _served) = daemon().await;
    let output = run(&daemon.runtime(), &["link"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to do"));

    daemon.status.send_replace(status("Pairing"));
    daemon.picture.send_replace(picture(true));
    let mut linking = holdfastctl(&daemon.runtime(), &["--json", "link", "--show"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(linking.stdout.take().unwrap()).lines();
    let first: Value =
        serde_json::from_str(&in_time(printed.next_line()).await.unwrap().unwrap()).unwrap();
    assert!(first["rows"][0].as_str().unwrap().starts_with("10"));
    daemon.status.send_replace(status("Connected"));
    assert_eq!(in_time(linking.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn what_went_wrong_is_told_for_people_and_for_programs() {
    let (daemon, _served) = daemon().await;
    let mut log = Incidents::open(&daemon.data).unwrap();
    log.happens(CauseCode::KeysRebuilt.into());
    log.does("had the keys repaired");
    log.ends();
    log.happens(CauseCode::DialFailed.into());
    let words = LastWords::new(&daemon.data);
    let stanza = Secret::new("<failure reason=\"403\"/>".into());
    words.keep(Secret::new("Locked.".into()), stanza).unwrap();
    let forged = Secret::new("<failure>\x1b]0;owned\x07\n2026-11-29 all is well</failure>".into());
    words
        .keep(Secret::new("\x1b[2J\nLinked.".into()), forged)
        .unwrap();

    let output = run(&daemon.runtime(), &["incidents"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for told in [
        "not over",
        "storage.keys-rebuilt: The session keys",
        "Holdfast had the keys repaired",
    ] {
        assert!(text.contains(told), "{text}");
    }
    for (max, count) in [("1", 1), ("2", 2), ("0", 2)] {
        let output = run(&daemon.runtime(), &["--json", "incidents", "--max", max]).await;
        assert_eq!(lines(&output).len(), count, "--max {max}");
    }
    let output = run(&daemon.runtime(), &["last-words"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Locked.\n    <failure reason"), "{text}");
    assert!(
        text.contains("␛[2J␊Linked.\n    <failure>␛]0;owned␇\n    2026"),
        "{text}"
    );
    let output = run(&daemon.runtime(), &["--json", "last-words"]).await;
    assert_eq!(lines(&output)[0]["words"], "Locked.");
}

#[tokio::test]
async fn a_test_whose_echo_is_missing_fails_and_a_passkey_is_answered_from_a_file() {
    let (daemon, _served) = daemon().await;
    let output = run(&daemon.runtime(), &["self-test"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("did not come back"), "{text}");

    let output = run(&daemon.runtime(), &["passkey", "show"]).await;
    assert_eq!(output.status.code(), Some(1), "none is asked for");
    daemon.credentials.send_modify(|shown| {
        shown.passkey = Some(Secret::new("{\"challenge\":\"AQ\"}".into()));
        shown.passkey_code = Some(Secret::new("ABCD-EFGH".into()));
    });
    let output = run(&daemon.runtime(), &["passkey", "show"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("challenge") && text.contains("ABCD-EFGH"));
    let file = daemon.dir.path().join("assertion");
    let answer = ["passkey", "answer", file.to_str().unwrap()];
    let output = run(&daemon.runtime(), &answer).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("assertion"), "names the file: {text}");
    fs::write(&file, "{}").unwrap();
    let output = run(&daemon.runtime(), &answer).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("WebAuthn"), "{text}");
    let output = run(&daemon.runtime(), &["passkey", "confirm"]).await;
    assert_eq!(output.status.code(), Some(0));
}
