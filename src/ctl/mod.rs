//! `holdfastctl`: what an operator does with Holdfast, as a client of its bus.
//!
//! Every command prints for people, or with `--json` one object a line. Exit codes follow systemctl: 0 done, 1 failed, 2 used wrongly,
//! 3 `status` of a session that is not connected, 4 no Holdfast to talk to; and 5 one that does not answer.

mod archive;
mod audit;
mod boot;
mod daemon;
mod error;
mod find;
mod fingerprint;
mod harmless;
mod inbox;
mod incidents;
mod link;
mod messages;
mod outbox;
mod output;
mod panel;
mod passkey;
mod passphrase;
mod peer;
mod screen;
mod self_test;
mod settings;
mod status;
mod terminal;
mod text;
mod update;
mod usage;
mod vault;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand, builder::NonEmptyStringValueParser};
use zbus::Address;

use daemon::Daemon;
pub use error::Error;
use output::Output;

/// Asks and tells a running Holdfast.
#[derive(Debug, Parser)]
#[command(name = "holdfastctl", version, after_help = EXIT_CODES)]
pub struct Args {
    /// Print JSON, one object a line.
    #[arg(long, global = true)]
    json: bool,
    /// Look on the message bus at this D-Bus address only.
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        conflicts_with = "runtime"
    )]
    bus: Option<Address>,
    /// Look for the daemon with this runtime directory only.
    #[arg(long, global = true, value_name = "DIR")]
    runtime: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Without --bus and --runtime, Holdfast is looked for on the system bus, on the session bus, and at the private socket of
a daemon started here. Only one that runs as root, as you or as the user holdfast is spoken to.

Exit codes: 0 done, 1 failed, 2 used wrongly, 3 `status` when not connected, 4 no Holdfast found, 5 it does not answer.";

const TEXTS: &str = "\
A text that reads like an option of this command goes behind `--`, as whatever a program sends does best:
    holdfastctl send --wait -- NUMBER TEXT

Standard input is UTF-8 and 1 MiB at most. One newline at its end is not part of the text.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how the session is, why, and what to do.
    Status,
    /// Wait until the session is in a state.
    Wait {
        /// Wait for `Connected` (this is the default).
        #[arg(long, conflicts_with = "state")]
        connected: bool,
        /// Wait for the state of this name, such as `Pairing`.
        #[arg(long, value_name = "NAME", default_value = status::CONNECTED, value_parser = status::names())]
        state: String,
        /// Give up after so many seconds.
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Link, or connect, now instead of waiting.
    Link {
        /// Draw the screen here until a phone has scanned it and the session is connected.
        #[arg(long)]
        show: bool,
    },
    /// Retire the present link to the archive and link anew: the phone has to scan again.
    Relink {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Send a text message.
    #[command(after_help = TEXTS)]
    Send {
        /// Phone number with country code, or JID.
        to: String,
        /// The text, which may begin with a dash; `-` reads it from standard input.
        #[arg(allow_hyphen_values = true)]
        text: String,
        /// The id to send under; the same id again is the same message.
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        id: Option<String>,
        /// Wait until WhatsApp has it, or refuses it.
        #[arg(long)]
        wait: bool,
    },
    /// Show what waits to be sent, and why it still does.
    Outbox {
        #[command(subcommand)]
        command: Option<outbox::Command>,
    },
    /// Show received messages, or who reads them.
    #[command(args_conflicts_with_subcommands = true)]
    Inbox {
        #[command(subcommand)]
        command: Option<inbox::Command>,
        /// Go on with messages as they come.
        #[arg(long)]
        follow: bool,
        /// Whose place in the inbox to start from.
        #[arg(long, value_name = "NAME", default_value = "holdfastctl")]
        consumer: String,
        /// At most so many messages.
        #[arg(long, value_name = "N")]
        max: Option<u64>,
        /// Acknowledge what was shown: the next time begins after it.
        #[arg(long)]
        ack: bool,
    },
    /// Show what the vault holds, what it writes and why, and how long the card lasts.
    Vault,
    /// Show how the last run ended, and how this start went.
    Boot,
    /// Show what went wrong, since when, what was done about it, and how long it took.
    Incidents {
        /// At most so many, the newest last; 0: as many as fit.
        #[arg(long, value_name = "N", default_value_t = 20)]
        max: u32,
    },
    /// Find out whether a message gets through.
    SelfTest,
    /// Show what WhatsApp said when it refused or ended a connection. It may name the account.
    LastWords {
        /// At most so many, the newest last; 0: all that are kept.
        #[arg(long, value_name = "N", default_value_t = 20)]
        max: u32,
    },
    /// Go on with a linking that WhatsApp wants a passkey for.
    #[command(subcommand)]
    Passkey(passkey::Command),
    /// Retired links: see them, bring one back, hand one out, take one in.
    #[command(subcommand)]
    Archive(archive::Command),
    /// The record of who had what done.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Install a new version of the device, the newest where none is named, and restart into it.
    #[command(args_conflicts_with_subcommands = true)]
    Update {
        #[command(subcommand)]
        command: Option<update::Command>,
        /// A RAUC bundle: a file, an address that begins with https://, or `-` for standard input.
        #[arg(value_name = "FILE|URL|-")]
        from: Option<String>,
    },
    /// Show how the machine is set up, or change it: name, Wi-Fi, address, who comes in over SSH.
    Settings {
        #[command(subcommand)]
        command: Option<settings::Command>,
    },
    /// The screen and its wires.
    #[command(subcommand)]
    Panel(panel::Command),
    /// Show the screen, here or as a picture.
    Screen {
        /// Write it as a PNG.
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
    },
}

/// Reads the command line, the program's name first, and runs it to its exit code.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    match usage::parse(&arguments) {
        Ok(args) => run(args).await,
        Err(unparsed) => usage::tell(&unparsed, &arguments),
    }
}

/// Runs one command to its exit code; what failed is on stderr, with `--json` on stdout.
pub async fn run(args: Args) -> ExitCode {
    let output = Output::new(args.json);
    match execute(args, &output).await {
        Ok(code) => code,
        // What was asked for was done; what was not shown is not acknowledged either.
        Err(error) if error.is_reader_gone() => ExitCode::SUCCESS,
        Err(error) => {
            output.fail(&error);
            error.exit_code()
        }
    }
}

async fn execute(args: Args, output: &Output) -> Result<ExitCode, Error> {
    let finder = find::Finder::new(args.bus, args.runtime);
    if let Command::Wait { state, timeout, .. } = args.command {
        let timeout = timeout.map(Duration::from_secs);
        status::wait(&finder, &state, timeout, output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Panel(command) = &args.command {
        panel::run(command, output)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Settings { command } = args.command {
        settings::run(&finder, command, output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let daemon = finder.find().await?;
    let done = carry_out(args.command, &daemon, output);
    daemon.while_it_answers(done).await
}

async fn carry_out(command: Command, daemon: &Daemon, output: &Output) -> Result<ExitCode, Error> {
    match command {
        Command::Status => return status::status(daemon, output).await,
        Command::SelfTest => return self_test::self_test(daemon, output).await,
        Command::Audit(command) => return audit::run(command, daemon, output).await,
        Command::Update { command, from } => {
            return update::run(command, from.as_deref(), daemon, output).await;
        }
        // They have no one daemon, and were done before.
        Command::Wait { .. } | Command::Panel(_) | Command::Settings { .. } => {}
        Command::Link { show } => link::link(daemon, show, output).await?,
        Command::Relink { yes } => link::relink(daemon, yes, output).await?,
        Command::Send { to, text, id, wait } => {
            let text = messages::typed(text)?;
            let id = id.unwrap_or_default();
            messages::send(daemon, &to, &text, &id, wait, output).await?;
        }
        Command::Outbox { command: None } => outbox::list(daemon, output).await?,
        Command::Outbox {
            command: Some(command),
        } => outbox::run(&command, daemon, output).await?,
        Command::Inbox {
            command: Some(command),
            ..
        } => inbox::run(command, daemon, output).await?,
        Command::Inbox {
            command: None,
            follow,
            consumer,
            max,
            ack: acknowledge,
        } => {
            let reading = messages::Reading {
                follow,
                consumer,
                max,
                acknowledge,
            };
            messages::inbox(daemon, &reading, output).await?;
        }
        Command::Vault => vault::vault(daemon, output).await?,
        Command::Boot => boot::boot(daemon, output).await?,
        Command::Incidents { max } => incidents::incidents(daemon, max, output).await?,
        Command::LastWords { max } => self_test::last_words(daemon, max, output).await?,
        Command::Passkey(command) => passkey::run(command, daemon, output).await?,
        Command::Archive(command) => archive::run(command, daemon, output).await?,
        Command::Screen { png } => screen::screen(daemon, png.as_deref(), output).await?,
    }
    Ok(ExitCode::SUCCESS)
}
