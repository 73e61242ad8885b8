//! The command line of `holdfastctl`, for whoever mistypes, pipes, and passes on what others wrote.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
    process::{Output, Stdio},
};

use clap::{Command as Line, CommandFactory as _};
use holdfast::{bus::Where, ctl, desk::Role, mail::OutMessage};
use holdfast_core::Linked;
use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, tcgetattr},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::ctl::{holdfastctl, lines, run};
use super::rig::{Daemon, in_time};

const TO: &str = "+4915100000001";

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs with something on standard input.
async fn fed(runtime: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = holdfastctl(runtime, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who has read too much already reads no more.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    in_time(child.wait_with_output()).await.unwrap()
}

async fn waiting(daemon: &Daemon) -> Vec<OutMessage> {
    let pending = daemon.outbox.pending(0, usize::MAX).await.unwrap();
    pending.into_iter().map(|pending| pending.message).collect()
}

#[tokio::test]
async fn a_text_may_begin_with_a_dash() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let runtime = daemon.runtime();
    for (text, args) in [
        ("-hurry up", &["send", TO, "-hurry up"][..]),
        ("-5 degrees", &["send", TO, "-5 degrees", "--id", "five"]),
        ("-h", &["send", TO, "-h"]),
        ("--help", &["send", TO, "--help"]),
        ("--version", &["send", TO, "--version"]),
        (
            "--no-such-option",
            &["send", "--json", TO, "--no-such-option"],
        ),
        ("-text", &["send", TO, "--", "-text"]),
        ("--wait", &["send", "--", TO, "--wait"]),
        ("--", &["send", "--", TO, "--"]),
    ] {
        let output = run(&runtime, args).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        let message = waiting(&daemon).await.pop().unwrap();
        assert_eq!(message.text.expose(), text, "{args:?}");
    }
    let count = waiting(&daemon).await.len();
    // What reads like an option of `send` itself is one, and then the text is missing.
    for option in ["--wait", "--json", "--id=x", "--"] {
        let output = run(&runtime, &["send", TO, option]).await;
        assert_eq!(output.status.code(), Some(2), "{option}: {output:?}");
    }
    let help = run(&runtime, &["send", "--help"]).await;
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("standard input"));
    assert_eq!(waiting(&daemon).await.len(), count);
}

#[tokio::test]
async fn a_long_text_comes_on_standard_input() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let runtime = daemon.runtime();
    let send = ["send", TO, "-"];
    let long = "ä".repeat(65_536);
    let longer = long.clone() + "ä";
    for (input, text) in [
        (format!("{long}\n"), long.as_str()),
        ("one\ntwo\n\n".into(), "one\ntwo\n"),
        ("-".into(), "-"),
    ] {
        let output = fed(&runtime, &send, input.as_bytes()).await;
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let message = waiting(&daemon).await.pop().unwrap();
        assert_eq!(message.text.expose(), text);
    }
    for (input, why) in [
        (&b"abc\xff"[..], "not UTF-8 text, from byte 3"),
        (b"a\0b", "byte 1 is a NUL"),
        (longer.as_bytes(), "longer than 65536 characters"),
        (&[b'x'; (1 << 20) + 1], "longer than 1048576 bytes"),
        (b"", "empty"),
        (b"\n", "empty"),
    ] {
        let output = fed(&runtime, &send, input).await;
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert!(told(&output).contains(why), "{}", told(&output));
    }
    assert_eq!(waiting(&daemon).await.len(), 3);
}

/// Every command that needs more than its name, by its words.
fn unfinished(parent: &Line, above: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_needed = |it: &clap::Arg| it.is_required_set();
    if parent.is_subcommand_required_set() || parent.get_arguments().any(is_needed) {
        found.push(above.iter().map(|&word| word.to_owned()).collect());
    }
    for command in parent.get_subcommands() {
        found.extend(unfinished(
            command,
            &[above, &[command.get_name()]].concat(),
        ));
    }
    found
}

#[tokio::test]
async fn whatever_did_nothing_says_so() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let runtime = daemon.runtime();
    let unfinished = unfinished(&ctl::Args::command(), &[]);
    assert!(unfinished.contains(&vec![]) && unfinished.contains(&vec!["archive".to_owned()]));
    assert!(unfinished.contains(&vec!["inbox".to_owned(), "forget".to_owned()]));
    let mut wrong: Vec<(Vec<String>, i32)> = unfinished.into_iter().map(|args| (args, 2)).collect();
    for (args, code) in [
        (&["bogus"][..], 2),
        (&["status", "now"], 2),
        (&["send", TO], 2),
        (&["send", TO, "a", "b"], 2),
        (&["send", "", "hello"], 1),
        (&["send", TO, ""], 1),
        (&["send", TO, "hello", "--id", ""], 2),
        (&["wait", "--timeout=-1"], 2),
        (&["wait", "--timeout", "soon"], 2),
        (&["wait", "--timeout", "1.5"], 2),
        (&["wait", "--timeout", "99999999999999999999"], 2),
        (&["wait", "--state", "\x1b[31mBogus"], 2),
        (&["wait", "--timeout", "0", "--state", "Pairing"], 1),
        (&["inbox", "--max", "-1"], 2),
        (&["inbox", "forget", "nobody"], 1),
        (&["inbox", "forget", ""], 1),
        (&["outbox", "drop", "unknown"], 1),
        (&["outbox", "drop", ""], 1),
        (&["link"], 1),
        (&["relink"], 1),
        (&["passkey", "show"], 1),
        (&["passkey", "answer", "/"], 1),
        (&["passkey", "answer", "/dev/zero"], 1),
        (&["passkey", "answer", "-"], 1),
        (&["archive", "show", ""], 1),
        (&["archive", "restore", "gen-0009", "--yes"], 1),
        (&["archive", "import", "/"], 1),
        (&["archive", "import", "/dev/null"], 1),
        (&["screen", "--png", "/"], 1),
        (&["screen", "--png", ""], 2),
    ] {
        wrong.push((args.iter().map(|&arg| arg.to_owned()).collect(), code));
    }
    for (args, code) in wrong {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = run(&runtime, &args).await;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let said = told(&output);
        assert!(
            !said.is_empty() && !said.contains('\x1b'),
            "{args:?}: {output:?}"
        );
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
        let output = run(&runtime, &[&["--json"], &args[..]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let errors = lines(&output);
        assert!(
            errors.len() == 1 && output.stderr.is_empty(),
            "{args:?}: {output:?}"
        );
        let usage = errors[0]["error"] == "usage";
        assert_eq!(usage, code == 2, "{args:?}: {output:?}");
        assert!(!errors[0]["message"].as_str().unwrap().is_empty());
    }
    let mut invalid = holdfastctl(&runtime, &["send", TO]);
    invalid.arg(OsStr::from_bytes(b"caf\xe9"));
    let output = in_time(invalid.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told(&output).contains("UTF-8"), "{output:?}");
    // A time that never comes to an end is none that fails.
    let longest = ["wait", "--timeout", "18446744073709551615"];
    assert_eq!(run(&runtime, &longest).await.status.code(), Some(0));
}

#[tokio::test]
async fn what_cannot_be_printed_is_a_failure() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    daemon.receive("A", "one").await;
    let runtime = daemon.runtime();
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for args in [
        &["--help"][..],
        &["--version"],
        &["help", "send"],
        &["status"],
        &["wait"],
        &["send", TO, "hello"],
        &["outbox"],
        &["inbox"],
        &["inbox", "--ack"],
        &["inbox", "consumers"],
        &["vault"],
        &["boot"],
        &["audit", "verify"],
        &["screen"],
        &["self-test"],
        &["relink", "--yes"],
    ] {
        for json in [false, true] {
            let args = match json {
                true => &[&["--json"], args].concat(),
                false => args,
            };
            let mut command = holdfastctl(&runtime, args);
            command.stdout(full()).stderr(Stdio::piped());
            let output = in_time(command.spawn().unwrap().wait_with_output())
                .await
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
            assert!(
                told(&output).contains("No space left"),
                "{args:?}: {output:?}"
            );
        }
    }
    assert_eq!(daemon.inbox.cursor("holdfastctl"), 0, "nothing was shown");
    // Nor does it matter when not even that can be told.
    let mut command = holdfastctl(&runtime, &["inbox", "--ack", "--consumer", "anna"]);
    command.stdout(Stdio::null()).stderr(full());
    assert_eq!(in_time(command.status()).await.unwrap().code(), Some(0));
    let mut command = holdfastctl(&runtime, &["outbox", "drop", "unknown"]);
    command.stdout(full()).stderr(full());
    assert_eq!(in_time(command.status()).await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn who_reads_some_messages_has_the_others_kept() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    for number in 0..100 {
        daemon.receive(&format!("ID{number}"), "a text").await;
    }
    let runtime = daemon.runtime();
    for (lines, cursor) in [("1", 1), ("3", 4)] {
        let (reader, writer) = std::io::pipe().unwrap();
        let head = Command::new("head")
            .args(["-n", lines])
            .stdin(reader)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shown = holdfastctl(&runtime, &["inbox", "--ack"])
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let seen = in_time(head.wait_with_output()).await.unwrap();
        assert_eq!(
            seen.stdout.split(|it| *it == b'\n').count(),
            1 + lines.parse::<usize>().unwrap()
        );
        assert_eq!(in_time(shown.wait()).await.unwrap().code(), Some(0));
        assert_eq!(
            daemon.inbox.cursor("holdfastctl"),
            cursor,
            "head -n {lines}"
        );
    }
    let output = run(&runtime, &["inbox", "--ack"]).await;
    assert_eq!(output.stdout.split(|it| *it == b'\n').count(), 1 + 96);
    assert_eq!(daemon.inbox.cursor("holdfastctl"), 100);
}

#[tokio::test]
async fn what_is_refused_is_refused_before_anything_is_asked_or_done() {
    let daemon = Daemon::new().await;
    let served = daemon.serve(Where::Private).await;
    let runtime = daemon.runtime();
    let at = |name: &str| daemon.dir.path().join(name).to_str().unwrap().to_owned();
    let (there, new, short, secret) = (at("there"), at("new"), at("short"), at("secret"));
    fs::write(&there, "something else").unwrap();
    fs::write(&short, "1234567\n").unwrap();
    fs::write(&secret, "correct horse battery\n").unwrap();
    let nowhere = at("nowhere/file");
    // Nobody is there to be asked: whoever asks first says so.
    for (to, passphrase, why) in [
        (&there, &secret, "File exists"),
        (&nowhere, &secret, "nowhere"),
        (&new, &short, "shorter than 8"),
        (&new, &nowhere, "nowhere"),
    ] {
        let export = [
            "archive",
            "export",
            "gen-0003",
            to,
            "--passphrase-file",
            passphrase,
        ];
        for args in [&export[..], &[&export[..], &["--yes"]].concat()] {
            let output = run(&runtime, args).await;
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(told(&output).contains(why), "{why}: {output:?}");
            assert!(!Path::new(&new).exists());
        }
    }
    let export = ["archive", "export", "gen-0003", &new];
    let output = run(&runtime, &export).await;
    assert!(told(&output).contains("--passphrase-file"), "{output:?}");
    // A generation without an account has nothing to be exported.
    let linked = daemon.status.borrow().linked;
    let nobody = Linked {
        account: None,
        ..linked
    };
    daemon.status.send_modify(|status| status.linked = nobody);
    let output = run(
        &runtime,
        &[&export[..], &["--yes", "--passphrase-file", &secret]].concat(),
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("not linked"), "{output:?}");
    assert_eq!(daemon.status.borrow().linked, nobody);
    served.stop().await;
    // Who may not do it is not asked about it.
    let _served = daemon.serve_as(Role::Read).await;
    let output = run(&runtime, &["relink"]).await;
    assert!(!told(&output).contains("--yes"), "{output:?}");
    assert_eq!(daemon.status.borrow().linked, nobody);
}

#[tokio::test]
async fn a_picture_over_another_one_is_its_owners_alone() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let png = daemon.dir.path().join("screen.png");
    fs::write(&png, [b'x'; 1 << 16]).unwrap();
    fs::set_permissions(&png, fs::Permissions::from_mode(0o644)).unwrap();
    let screen = ["screen", "--png", png.to_str().unwrap()];
    assert_eq!(run(&daemon.runtime(), &screen).await.status.code(), Some(0));
    let expected = daemon.picture.borrow().frame.to_png(4);
    assert_eq!(fs::read(&png).unwrap(), expected);
    assert_eq!(
        fs::metadata(&png).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let output = run(&daemon.runtime(), &["screen", "--png", "/dev/stdout"]).await;
    assert!(output.stdout.starts_with(&expected), "{output:?}");
}

/// A terminal on which somebody is asked for the passphrase of an archive, and sees how that ends and what modes are left.
struct Terminal {
    script: Child,
    typed: ChildStdin,
    shown: BufReader<ChildStdout>,
    ctl: Pid,
}

impl Terminal {
    async fn importing(daemon: &Daemon, file: &str) -> Self {
        let line = format!(
            "(echo pid $BASHPID; exec {} --runtime {} archive import {file}); echo ended $?; stty -a",
            env!("CARGO_BIN_EXE_holdfastctl"),
            daemon.runtime().display(),
        );
        let mut script = Command::new("script")
            .args(["-q", "-c", &line, "/dev/null"])
            .env("SHELL", "/bin/bash")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let typed = script.stdin.take().unwrap();
        let mut shown = BufReader::new(script.stdout.take().unwrap());
        let mut first = String::new();
        in_time(shown.read_line(&mut first)).await.unwrap();
        let ctl = first.trim().strip_prefix("pid ").expect(&first);
        let ctl = Pid::from_raw(ctl.parse().unwrap()).unwrap();
        let mut asked = Vec::new();
        in_time(shown.read_until(b':', &mut asked)).await.unwrap();
        assert!(asked.ends_with(b"Passphrase:"), "{asked:?}");
        // The question is there before the modes are.
        let tty = format!("/proc/{}/fd/0", ctl.as_raw_nonzero());
        let tty = fs::File::open(tty).unwrap();
        in_time(async {
            while tcgetattr(&tty)
                .unwrap()
                .local_modes
                .contains(LocalModes::ECHO)
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Self {
            script,
            typed,
            shown,
            ctl,
        }
    }

    /// What it shows until it ends.
    async fn rest(mut self) -> String {
        let mut rest = String::new();
        in_time(self.shown.read_to_string(&mut rest)).await.unwrap();
        in_time(self.script.wait()).await.unwrap();
        rest
    }
}

#[tokio::test]
async fn the_terminal_is_left_as_it_was() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    // By Ctrl-C, and by signals from elsewhere.
    for (signal, code) in [
        (None, 130),
        (Some(Signal::INT), 130),
        (Some(Signal::TERM), 143),
        (Some(Signal::HUP), 129),
    ] {
        let mut terminal = Terminal::importing(&daemon, "/dev/null").await;
        match signal {
            None => terminal.typed.write_all(b"secret\x03").await.unwrap(),
            Some(signal) => kill_process(terminal.ctl, signal).unwrap(),
        }
        let rest = terminal.rest().await;
        assert!(
            rest.contains(&format!("ended {code}")),
            "{signal:?}: {rest}"
        );
        assert!(
            rest.contains(" echo ") && rest.contains(" icanon "),
            "{signal:?}: {rest}"
        );
        assert!(!rest.contains("secret"), "{rest}");
    }
    // What was asked is answered: the signal still ends it.
    let mut terminal = Terminal::importing(&daemon, "<(sleep 60)").await;
    terminal.typed.write_all(b"secret\n").await.unwrap();
    let mut line = String::new();
    in_time(terminal.shown.read_line(&mut line)).await.unwrap();
    kill_process(terminal.ctl, Signal::INT).unwrap();
    let rest = terminal.rest().await;
    assert!(rest.contains("ended 130"), "{rest}");
}
