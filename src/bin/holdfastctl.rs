//! `holdfastctl`: the operator's tool, a client of the bus.

use std::{env, process::ExitCode};

use holdfast::ctl;
use holdfast_medium::leave_no_core;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Passphrases pass through it. Where the kernel refuses there is nothing to be done about it.
    let _ = leave_no_core();
    ctl::main(env::args_os()).await
}
