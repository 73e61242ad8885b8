//! Whom `holdfastctl` speaks to, and for how long it waits for an answer.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::mpsc,
    thread,
};

use holdfast::bus::{NAME, Where, socket_path};
use rustix::{
    process::{Uid, geteuid},
    thread::set_thread_res_uid,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    sync::oneshot,
};
use zbus::connection::Builder;

use super::ctl::{holdfastctl, lines, run};
use super::rig::{Daemon, in_time, status};
use super::roles;

/// Somebody who is neither root nor whoever runs the tests: `nobody`, whom a message bus knows.
const STRANGER: u32 = 65_534;

/// Does something as [`STRANGER`], on a thread of its own: what a socket vouches for is who its thread was. Takes root.
fn as_stranger<T: Send + 'static>(deed: impl FnOnce() -> T + Send + 'static) -> T {
    let done = thread::spawn(move || {
        let stranger = Uid::from_raw(STRANGER);
        set_thread_res_uid(stranger, stranger, stranger).unwrap();
        deed()
    });
    done.join().unwrap()
}

/// Whether [`as_stranger`] can be had here; says so where not.
fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        // Past the harness, which shows nothing of what passes.
        let mut err = io::stderr();
        let _ = err.write_all(b"not run: only root plays a stranger\n");
    }
    is_root
}

/// A directory that anybody may write in.
fn open_place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_strangers_socket_is_told_nothing() {
    if !is_root() {
        return;
    }
    let place = open_place();
    let path = socket_path(place.path());
    let listener = as_stranger(move || UnixListener::bind(path).unwrap());
    let secret = place.path().join("passphrase");
    fs::write(&secret, "correct horse battery\n").unwrap();
    let (secret, file) = (secret.to_str().unwrap(), place.path().join("out.age"));
    let export = [
        "archive",
        "export",
        "gen-0001",
        file.to_str().unwrap(),
        "--yes",
        "--passphrase-file",
        secret,
    ];
    for args in [&["status"][..], &["wait"], &export] {
        let output = run(place.path(), args).await;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said = told(&output);
        assert!(
            said.contains("65534") && said.contains("nothing was said to it"),
            "{said}"
        );
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert!(heard.is_empty(), "{args:?}");
    }
    let output = run(place.path(), &["--json", "status"]).await;
    assert_eq!(lines(&output)[0]["error"], "stranger");
    // The same as the socket of a message bus.
    let address = format!("--bus=unix:path={}", socket_path(place.path()).display());
    let output = in_time(alone(place.path(), &[&address, "status"]).output())
        .await
        .unwrap();
    assert!(
        told(&output).contains("nothing was said to it"),
        "{output:?}"
    );
}

/// `holdfastctl` in a working directory, with no bus to be found.
fn alone(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfastctl"));
    command
        .env_clear()
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .current_dir(directory)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_stranger_in_the_working_directory_is_named_and_passed_over() {
    if !is_root() {
        return;
    }
    let (place, daemon) = (open_place(), Daemon::new().await);
    let strange = place.path().to_owned();
    let _listener = as_stranger(move || {
        let runtime = strange.join("holdfast-data/run");
        fs::create_dir_all(&runtime).unwrap();
        UnixListener::bind(socket_path(&runtime)).unwrap()
    });
    let output = in_time(alone(place.path(), &["status"]).output())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(
        told(&output).contains("./holdfast-data/run/bus answers"),
        "{output:?}"
    );
    // Ours is the last place of all.
    let _served = daemon.serve(Where::Private).await;
    let mine = place.path().join("holdfast");
    std::os::unix::fs::symlink(daemon.runtime(), &mine).unwrap();
    let mut found = alone(place.path(), &["status"]);
    found.env("XDG_RUNTIME_DIR", place.path());
    let output = in_time(found.output()).await.unwrap();
    assert_eq!(
        (output.status.code(), told(&output).as_str()),
        (Some(0), "")
    );
}

#[tokio::test]
async fn a_stranger_who_has_the_name_on_a_message_bus_is_not_spoken_to() {
    if !is_root() {
        return;
    }
    let place = open_place();
    let (_bus, address) = roles::message_bus(place.path(), None).await;
    let path = address.split_once("path=").unwrap().1;
    let path = path.split(',').next().unwrap().to_owned();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let stream = as_stranger(move || UnixStream::connect(path).unwrap());
    let stranger = Builder::unix_stream(stream).user_id(STRANGER).name(NAME);
    let _stranger = in_time(stranger.build()).await.unwrap();
    let output = in_time(alone(place.path(), &["--bus", &address, "status"]).output());
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(told(&output).contains("65534"), "{output:?}");
}

#[tokio::test]
async fn what_is_no_unix_socket_vouches_for_nobody() {
    let place = open_place();
    let tcp = ["--bus", "tcp:host=127.0.0.1,port=1", "status"];
    let output = in_time(alone(place.path(), &tcp).output()).await.unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(told(&output).contains("nobody vouches"), "{output:?}");
    let nonsense = ["--bus", "nonsense", "status"];
    let output = in_time(alone(place.path(), &nonsense).output())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn who_hangs_up_or_greets_with_nonsense_is_named() {
    for greeting in [&b""[..], b"\n", b"\0\n\r\n"] {
        let place = open_place();
        let listener = UnixListener::bind(socket_path(place.path())).unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting).unwrap();
            // Its end may be gone by then.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let output = run(place.path(), &["--json", "status"]).await;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert_eq!(lines(&output)[0]["error"], "hung-up");
        serving.join().unwrap();
    }
}

/// A daemon on a thread that stands still when it is told to, as under SIGSTOP.
fn a_daemon_that_stops() -> (PathBuf, oneshot::Sender<()>, mpsc::Sender<()>) {
    let (ready, place) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let loops = tokio::runtime::Builder::new_current_thread();
        let runtime = { loops }.enable_all().build().unwrap();
        runtime.block_on(async {
            let daemon = Daemon::new().await;
            daemon.status.send_replace(status("Pairing"));
            let _served = daemon.serve(Where::Private).await;
            ready.send(daemon.runtime()).unwrap();
            stopped.await.unwrap();
            // Until the test is over, and with it the other end.
            let _ = ended.recv();
        });
    });
    (place.recv().unwrap(), stop, end)
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_holds_nobody_up() {
    let (runtime, stop, _end) = a_daemon_that_stops();
    // These are at it when it stops.
    let mut followers = Vec::new();
    for args in [&["--json", "link", "--show"][..], &["--json", "wait"]] {
        let mut following = holdfastctl(&runtime, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if args.contains(&"link") {
            let mut printed = BufReader::new(following.stdout.as_mut().unwrap()).lines();
            in_time(printed.next_line()).await.unwrap().unwrap();
        }
        followers.push(following);
    }
    stop.send(()).unwrap();
    let late = holdfastctl(&runtime, &["--json", "status"])
        .stdout(Stdio::piped())
        .spawn();
    followers.push(late.unwrap());
    let [linking, waiting, late] = <[Child; 3]>::try_from(followers).unwrap();
    let ended = in_time(async { tokio::join!(ended(linking), ended(waiting), ended(late)) });
    let ended = <[_; 3]>::from(ended.await);
    for (code, text) in ended {
        assert_eq!(code, Some(5), "{text}");
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"], "silent", "{text}");
    }
}

/// How it ends, and what it printed until then.
async fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    let mut printed = child.stdout.take().unwrap();
    printed.read_to_string(&mut text).await.unwrap();
    (child.wait().await.unwrap().code(), text)
}
