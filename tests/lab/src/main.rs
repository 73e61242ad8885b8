//! `holdfast-lab`: the lab, its proofs and its benchmarks on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use holdfast_lab::control::Control;
use holdfast_lab::server::{Lab, LabConfig};
use holdfast_lab::{bench, peers, prove, rig, story, wires};

/// A local WhatsApp server with simulated phones, and what is proved and measured with it.
#[derive(Parser)]
#[command(name = "holdfast-lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server until it is interrupted
    Serve {
        /// Where clients connect: a loopback address; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where the control API answers: a loopback address
        #[arg(long, default_value = "127.0.0.1:0")]
        control: SocketAddr,
        /// Keeps accounts and devices here, so that a restart unlinks nobody [default: in memory]
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// Tells the main job's story, step by step, with no internet
    Demo,
    /// Tries a claim over many cases
    Prove {
        /// Which claim
        #[arg(required_unless_present_any = ["list", "round", "ages"])]
        name: Option<String>,
        /// Names every proof, and what its sample takes
        #[arg(long, exclusive = true)]
        list: bool,
        /// Tries what the change that is checked out asks for, within so many minutes
        #[arg(long, value_name = "MINUTES", requires = "seed", conflicts_with_all = ["name", "count", "full", "record", "ages"])]
        round: Option<u64>,
        /// Says which full runs are older than what they prove; exit code 1 when one is
        #[arg(long, exclusive = true)]
        ages: bool,
        #[command(flatten)]
        extent: prove::Extent,
    },
    /// Measures Holdfast beside its peers
    Bench(bench::Options),
    /// Plugs a virtual panel into this machine: a display on an I2C bus and a button on a GPIO line
    Wires(wires::Options),
    /// Runs Holdfast's daemon as `holdfastd` does; it may connect to the lab
    Daemon(holdfast::config::Args),
    /// A bare whatsapp-rust client, driven over standard input and output
    #[command(hide = true)]
    BareClient(peers::bare::Options),
    /// Boots on a disk as a power cut left it, and says as JSON what it found
    #[command(hide = true)]
    Boot(rig::boot::Options),
    /// Opens a store and says as JSON how long that took
    #[command(hide = true)]
    Open(bench::recovery::Options),
    /// Stores numbered steps in a careful or a naive way, or says which are there
    #[command(hide = true)]
    Writer(rig::writer::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve {
            listen,
            control,
            state,
        } => finish(serve(listen, control, state)),
        // The daemon brings a runtime of its own.
        Command::Daemon(args) => holdfast::daemon::main(&args),
        Command::Wires(options) => finish(wires::run(options)),
        Command::Demo => finish(demo()),
        Command::Prove {
            name: Some(name),
            extent,
            ..
        } => finish(interruptible(
            async move { prove::run(&name, extent).await },
        )),
        Command::Prove {
            round: Some(minutes),
            extent,
            ..
        } => finish(interruptible(async move {
            let seed = extent.seed.context("a round needs a seed")?;
            prove::round::run(seed, minutes).await
        })),
        Command::Prove { ages: true, .. } => finish(async { Ok(prove::record::ages()?) }),
        Command::Prove { .. } => print(&prove::list()),
        Command::Bench(options) => finish(interruptible(bench::run(options))),
        Command::BareClient(options) => finish(async {
            peers::bare::run(options).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Open(options) => finish(async {
            bench::recovery::run(options).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Boot(options) => finish(async {
            rig::boot::run(options).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Writer(options) => finish(async {
            rig::writer::run(options).await?;
            Ok(ExitCode::SUCCESS)
        }),
    }
}

/// Ends a command in order when it is interrupted: what it mounted and started goes.
async fn interruptible(
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    // A task of its own, since the command may be busy for long.
    let interrupted = tokio::spawn(async {
        whatsapp_rust::prelude::shutdown_signal().await;
        rig::interrupt();
    });
    tokio::select! {
        biased;
        _ = interrupted => bail!("interrupted"),
        done = command => done,
    }
}

/// Runs a command to its end and says on standard error why it could not.
fn finish(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime does not start");
    match runtime.and_then(|runtime| runtime.block_on(command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("holdfast-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let begun = Instant::now();
    story::tell(&program, story::Friend::Phone, None, |step| {
        println!("{:6.2} s  {step}", begun.elapsed().as_secs_f32())
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

async fn serve(
    listen: SocketAddr,
    control: SocketAddr,
    state: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let lab = Lab::start(LabConfig {
        listen,
        state,
        ..LabConfig::default()
    })
    .await?;
    let control = Control::start(lab.clone(), control).await?;
    println!("server  {}", lab.url());
    println!("control {}", control.url());
    whatsapp_rust::prelude::shutdown_signal().await;
    drop(control);
    lab.stop().await?;
    Ok(ExitCode::SUCCESS)
}
