//! `holdfast-boot`: does one step of the boot, before the daemon.

use std::process::ExitCode;

use clap::Parser;
use holdfast::boot::Boot;

fn main() -> ExitCode {
    Boot::parse().run()
}
