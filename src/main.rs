//! `holdfastd`: keeps one WhatsApp linked-device session alive.

use std::process::ExitCode;

use clap::Parser;
use holdfast::config::Args;
use holdfast::daemon;

fn main() -> ExitCode {
    daemon::main(&Args::parse())
}
