//! The operator's tool.

use std::process::ExitCode;

use clap::Parser;
use holdfast::ctl::{self, Args};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    ctl::run(Args::parse()).await
}
