//! The archive and the audit, over the bus and through `holdfastctl`.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use holdfast::bus::{Error, Served, Vault1Proxy, Where};
use holdfast::history::AuditKind;
use holdfast::vault::Vault;
use holdfast_core::{GenerationId, LastFour, Order, Trigger};
use holdfast_medium::{DataDir, barrier::Barrier};
use serde_json::Value;
use wacore::store::Device;
use zbus::OwnedFd;

use super::ctl::{holdfastctl, lines, run};
use super::rig::{Daemon, in_time, private_client};

/// A daemon whose first generation was linked and is retired, and whose second never was.
async fn daemon() -> (Daemon, Served) {
    let daemon = Daemon::new().await;
    let data = DataDir::new(daemon.dir.path().join("data"));
    let barrier = Barrier::start().unwrap();
    let vault = Vault::open(data, barrier.clone()).await.unwrap();
    let mut device = Device::new();
    device.pn = Some("15550004711:7@s.whatsapp.net".parse().unwrap());
    vault.backend().save(&device).await.unwrap();
    for (old, account) in [(1, Some(LastFour(*b"4711"))), (2, None)] {
        let old = GenerationId(old);
        let order = Order {
            trigger: Trigger::Button,
            old,
            new: old.next(),
        };
        daemon.audit.append(AuditKind::Retire, &order).unwrap();
        vault.begin_next().await.unwrap();
        let reason = "the owner asked";
        daemon.archive.retire(&order, account, reason).unwrap();
    }
    vault.close().await.unwrap();
    barrier.stop().await.unwrap();
    let served = daemon.serve(Where::Private).await;
    (daemon, served)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn json(runtime: &Path, args: &[&str]) -> Value {
    let args: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
    let output = run(runtime, &args).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    lines(&output).remove(0)
}

#[tokio::test]
async fn what_the_journal_names_is_held_against_the_log() {
    let (daemon, _served) = daemon().await;
    let runtime = daemon.runtime();
    let head = daemon.audit.head().unwrap();
    let tools = daemon.dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let verified = async |says: &str| {
        let tool = tools.join("journalctl");
        fs::write(&tool, format!("#!/bin/sh\ncat <<'END'\n{says}\nEND\n")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", tools.display());
        let mut asked = holdfastctl(&runtime, &["--json", "audit", "verify"]);
        let output = in_time(asked.env("PATH", path).output()).await.unwrap();
        (output.status.code(), lines(&output).remove(0))
    };
    let named = |seq: u64, hash: &str| {
        format!("{{\"HOLDFAST_AUDIT_SEQ\":\"{seq}\",\"HOLDFAST_AUDIT_HEAD\":\"{hash}\"}}")
    };
    let (code, verdict) = verified(&named(head.seq, &head.hash)).await;
    assert_eq!(
        (code, &verdict["journal"]),
        (Some(0), &head.seq.into()),
        "{verdict}"
    );
    let (code, verdict) = verified("no line of a journal").await;
    assert_eq!(
        (code, &verdict["journal"]),
        (Some(0), &Value::Null),
        "{verdict}"
    );
    for (seq, hash) in [(head.seq, "00"), (head.seq + 1, &head.hash)] {
        let earlier = named(1, "whatever");
        let (code, verdict) = verified(&format!("{earlier}\n{}", named(seq, hash))).await;
        assert_eq!(code, Some(1), "{verdict}");
        let fault = verdict["faults"][0].as_str().unwrap();
        assert!(fault.contains("the journal names entry"), "{fault}");
    }
    let shown = json(&runtime, &["audit", "verify"]).await;
    assert_eq!(shown["sound"], true, "{shown}");
}

#[tokio::test]
async fn the_archive_is_listed_and_shown() {
    let (daemon, _served) = daemon().await;
    let runtime = daemon.runtime();
    let output = run(&runtime, &["--json", "archive", "list"]).await;
    let listed = lines(&output);
    assert_eq!(listed.len(), 2, "{}", text(&output));
    assert_eq!(listed[0]["id"], "gen-0001");
    assert_eq!(listed[0]["standing"], "restorable");
    assert_eq!(listed[0]["account"], "4711");
    assert_eq!(listed[0]["trigger"], "button");
    assert_eq!(listed[1]["standing"], "never-linked");
    let people = text(&run(&runtime, &["archive", "list"]).await);
    assert!(
        people.contains("••4711") && people.contains("the owner asked"),
        "{people}"
    );

    let shown = json(&runtime, &["archive", "show", "gen-0001"]).await;
    assert_eq!(shown["kept"]["identity"], 1);
    assert_eq!(shown["dropped"]["ratchet"], 0);
    assert_eq!(shown["damaged"], 0);
    assert_eq!(shown["manifest"]["lineage"]["next"], "gen-0002");
    let people = text(&run(&runtime, &["archive", "show", "gen-0001"]).await);
    assert!(people.contains("comes back: 1 identity"), "{people}");

    for unknown in ["gen-0009", "gen-9", "../gen-0001"] {
        let output = run(&runtime, &["archive", "show", unknown]).await;
        assert_eq!(output.status.code(), Some(1), "{unknown}");
        assert!(text(&output).contains("archive"), "{}", text(&output));
    }
}

#[tokio::test]
async fn a_restore_takes_two_steps_for_the_same_archive() {
    let (daemon, _served) = daemon().await;
    let client = private_client(&daemon.runtime()).await;
    let vault = Vault1Proxy::new(&client).await.unwrap();
    let never = vault.restore("gen-0002").await;
    assert!(matches!(never, Err(Error::NotRestorable(_))), "{never:?}");
    let unknown = vault.restore("gen-0009").await;
    assert!(
        matches!(unknown, Err(Error::UnknownArchive(_))),
        "{unknown:?}"
    );
    let (token, valid_ms) = vault.restore("gen-0001").await.unwrap();
    assert_eq!(valid_ms, 60_000);
    let other = vault.confirm_restore("gen-0002", token).await;
    assert!(matches!(other, Err(Error::BadToken(_))), "{other:?}");
    let (token, _) = vault.restore("gen-0001").await.unwrap();
    vault.confirm_restore("gen-0001", token).await.unwrap();
    assert_eq!(vault.generation().await.unwrap(), "gen-0004");

    let output = run(&daemon.runtime(), &["archive", "restore", "gen-0001"]).await;
    assert!(text(&output).contains("--yes"), "{}", text(&output));
    let done = json(
        &daemon.runtime(),
        &["archive", "restore", "gen-0001", "--yes"],
    )
    .await;
    assert_eq!(
        (&done["done"], &done["archive"]),
        (&"restore".into(), &"gen-0001".into())
    );
    assert_eq!(vault.generation().await.unwrap(), "gen-0005");
}

#[tokio::test]
async fn an_export_goes_into_a_file_of_the_operators_and_comes_back_in() {
    let (daemon, _served) = daemon().await;
    let runtime = daemon.runtime();
    let place = daemon.dir.path();
    let at = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let (file, secret, wrong) = (at("out.age"), at("passphrase"), at("wrong"));
    fs::write(&secret, "correct horse battery\n").unwrap();
    fs::write(&wrong, "wrong horse battery\n").unwrap();
    let export = ["archive", "export", "gen-0001", &file, "--yes"];
    let never = text(&run(&runtime, &["status"]).await);
    assert!(never.contains("Last export: never\n"), "{never}");
    let output = run(&runtime, &export).await;
    assert!(
        text(&output).contains("--passphrase-file"),
        "{}",
        text(&output)
    );
    let with = |args: &[&str], passphrase: &str| {
        let args = args
            .iter()
            .copied()
            .chain(["--passphrase-file", passphrase]);
        args.map(str::to_owned).collect::<Vec<_>>()
    };
    let owned = with(&export, &secret);
    let args: Vec<&str> = owned.iter().map(String::as_str).collect();
    let done = json(&runtime, &args).await;
    assert_eq!(done["done"], "export");
    assert!(
        fs::read(&file)
            .unwrap()
            .starts_with(b"age-encryption.org/v1\n")
    );
    let status = text(&run(&runtime, &["status"]).await);
    assert!(status.contains("Last export: gen-0001, 20"), "{status}");
    let again = run(&runtime, &args).await;
    assert_eq!(again.status.code(), Some(1), "a file is never overwritten");

    let listed = json(&runtime, &["archive", "list"]).await;
    assert_eq!(listed["standing"], "exported");
    let refused = run(&runtime, &["archive", "restore", "gen-0001", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("exported"), "{}", text(&refused));

    let owned = with(&["archive", "import", &file], &wrong);
    let args: Vec<&str> = owned.iter().map(String::as_str).collect();
    let output = run(&runtime, &args).await;
    assert!(text(&output).contains("passphrase"), "{}", text(&output));
    let owned = with(&["archive", "import", &file], &secret);
    let args: Vec<&str> = owned.iter().map(String::as_str).collect();
    assert_eq!(json(&runtime, &args).await["archive"], "import-0001");

    let output = run(&runtime, &["audit", "verify"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output).contains("4 entries, sound"),
        "{}",
        text(&output)
    );
    let shown = text(&run(&runtime, &["audit", "show", "--from", "2"]).await);
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(
        shown.contains("import") && shown.contains("import-0001"),
        "{shown}"
    );
    assert!(shown.contains("gen-0002 -> gen-0003"), "{shown}");
}

/// A file to be read, or written, from its beginning.
fn file(text: &str) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    std::os::fd::OwnedFd::from(file).into()
}

#[tokio::test]
async fn a_short_passphrase_is_refused_before_anything_is_given_up() {
    let (daemon, _served) = daemon().await;
    let client = private_client(&daemon.runtime()).await;
    let vault = Vault1Proxy::new(&client).await.unwrap();
    let never = vault.export("gen-0002").await;
    assert!(matches!(never, Err(Error::NotRestorable(_))), "{never:?}");
    let (token, _) = vault.export("gen-0001").await.unwrap();
    let short = vault
        .confirm_export("gen-0001", token, file("1234567"), file(""))
        .await;
    assert!(matches!(short, Err(Error::BadPassphrase(_))), "{short:?}");
    let listed = vault.list_archives().await.unwrap();
    assert_eq!(listed[0].standing, "restorable");
    // The token was not used up by it.
    vault
        .confirm_export("gen-0001", token, file("correct horse"), file(""))
        .await
        .unwrap();
    let listed = vault.list_archives().await.unwrap();
    assert_eq!(listed[0].standing, "exported");
}

/// Exports to `out.age` with this passphrase; the output, and whether the file is there.
async fn exported(daemon: &Daemon, id: &str, passphrase: &str) -> (Output, bool) {
    let (file, secret) = (
        daemon.dir.path().join("out.age"),
        daemon.dir.path().join("passphrase"),
    );
    fs::write(&secret, passphrase).unwrap();
    let (to, from) = (file.to_str().unwrap(), secret.to_str().unwrap());
    let export = ["archive", "export", id, to, "--yes"];
    let args: Vec<&str> = export
        .into_iter()
        .chain(["--passphrase-file", from])
        .collect();
    let output = run(&daemon.runtime(), &args).await;
    (output, file.exists())
}

#[tokio::test]
async fn an_export_that_is_refused_leaves_the_live_link_alone() {
    let (daemon, _served) = daemon().await;
    let before = daemon.status.borrow().linked;
    let (output, is_there) = exported(&daemon, "gen-0003", "1234567\n").await;
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output);
    assert!(told.contains("shorter than 8"), "{told}");
    let status = daemon.status.borrow();
    assert_eq!((status.state, status.linked), ("Connected", before));
    assert!(!is_there);
}

#[tokio::test]
async fn an_export_that_is_refused_leaves_no_file() {
    let (daemon, _served) = daemon().await;
    for (id, passphrase, told) in [
        ("gen-0001", "1234567", "shorter than 8"),
        // More than a pipe holds.
        ("gen-0001", &"€".repeat(1 << 20), "longer than 1024"),
        ("gen-0001", &"x".repeat(1025), "longer than 1024"),
        ("gen-0002", "correct horse", "never linked"),
        ("gen-0009", "correct horse", "gen-0009"),
    ] {
        let (output, is_there) = exported(&daemon, id, passphrase).await;
        assert_eq!((output.status.code(), is_there), (Some(1), false), "{id}");
        assert!(text(&output).contains(told), "{}", text(&output));
    }
    let longest = "x".repeat(1024) + "\r\nanother line";
    let (output, is_there) = exported(&daemon, "gen-0001", &longest).await;
    assert_eq!((output.status.code(), is_there), (Some(0), true));
    fs::remove_file(daemon.dir.path().join("out.age")).unwrap();
    // The last step is refused, too, when the daemon stops.
    daemon.lane.close().await;
    let (output, is_there) = exported(&daemon, "gen-0001", "correct horse").await;
    assert_eq!((output.status.code(), is_there), (Some(1), false));
    assert!(text(&output).contains("stopping"), "{}", text(&output));
}

#[tokio::test]
async fn a_file_that_never_ends_holds_no_deed_up() {
    let (daemon, _served) = daemon().await;
    let client = private_client(&daemon.runtime()).await;
    let vault = Vault1Proxy::new(&client).await.unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"age-encryption.org/v1\n").unwrap();
    let endless = std::os::fd::OwnedFd::from(reader).into();
    let importing = vault.clone();
    let importing = tokio::spawn(async move {
        let passphrase = file("correct horse");
        importing.import(passphrase, endless).await
    });
    let (token, _) = vault.export("gen-0001").await.unwrap();
    let exported = vault.confirm_export("gen-0001", token, file("correct horse"), file(""));
    in_time(exported).await.unwrap();
    in_time(daemon.lane.run(async {})).await.unwrap();
    drop(writer);
    let cut_off = in_time(importing).await.unwrap();
    assert!(matches!(cut_off, Err(Error::BadFile(_))), "{cut_off:?}");

    // Once the lane is closed nothing is given up any more.
    daemon.lane.close().await;
    let (token, _) = vault.export("gen-0001").await.unwrap();
    let late = vault
        .confirm_export("gen-0001", token, file("correct horse"), file(""))
        .await;
    assert!(matches!(late, Err(Error::Stopping(_))), "{late:?}");
}

#[tokio::test]
async fn an_audit_that_was_altered_is_exit_code_1() {
    let (daemon, _served) = daemon().await;
    let log = daemon.dir.path().join("data/audit.log");
    let altered = fs::read_to_string(&log)
        .unwrap()
        .replacen("button", "server", 1);
    fs::write(&log, altered).unwrap();
    let output = run(&daemon.runtime(), &["--json", "audit", "verify"]).await;
    assert_eq!(output.status.code(), Some(1));
    let verdict = &lines(&output)[0];
    assert_eq!(
        (&verdict["sound"], &verdict["entries"]),
        (&false.into(), &1.into())
    );
    assert!(verdict["faults"][0].as_str().unwrap().contains("line 1"));
}
