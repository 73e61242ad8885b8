//! `holdfastctl`: the operator's tool, a client of the bus.

use std::process::ExitCode;

use clap::Parser;
use holdfast::ctl::{self, Args};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    ctl::run(Args::parse()).await
}
