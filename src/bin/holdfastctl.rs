//! `holdfastctl`: the operator's tool, a client of the bus.

use std::{env, process::ExitCode};

use holdfast::ctl;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    ctl::main(env::args_os()).await
}
