//! Updates against the real thing: an index and bundles from a server with TLS, and RAUC's own service on a bus of its own.

mod rauc;
#[path = "../tool.rs"]
mod tool;
mod web;

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a program to its end, and returns what it printed.
fn run(program: &str, args: &[&str], place: &Path) -> Vec<u8> {
    let mut command = Command::new(tool::tool(program));
    let command = command.args(args).current_dir(place).stderr(Stdio::piped());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    output.stdout
}

/// Makes `NAME.key` and `NAME.cert`, for this name and for this machine.
fn certificate(name: &str, place: &Path) {
    let (key, cert) = (format!("{name}.key"), format!("{name}.cert"));
    let subject = format!("/CN={name}");
    let args = [
        ["req", "-x509", "-nodes", "-newkey", "rsa:2048"].as_slice(),
        &["-keyout", &key, "-out", &cert, "-days", "3650"],
        &["-subj", &subject],
        &["-addext", "basicConstraints=critical,CA:FALSE"],
        &["-addext", "subjectAltName=IP:127.0.0.1"],
    ];
    run("openssl", &args.concat(), place);
}
