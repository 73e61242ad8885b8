//! `holdfastd`: keeps one WhatsApp linked-device session alive.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast::boot::Boot;
use holdfast::config::{Args, VERSION};
use holdfast::daemon;

/// Keeps one WhatsApp linked-device session alive for months, through pulled plugs.
#[derive(Parser)]
#[command(name = "holdfastd", version = VERSION, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    daemon: Args,
}

#[derive(Subcommand)]
enum Command {
    /// Does one of the steps that come before the daemon; the units run them, as root
    Boot(Boot),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Boot(boot)) => boot.run(),
        None => daemon::main(&arguments.daemon),
    }
}
