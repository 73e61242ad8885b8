//! `holdfast-boot STEP...`: what the units run as root before the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use holdfast_medium::{Machine, leave_no_core};
use tracing::Level;

use super::early::Early;
use super::{age, audit_key, card, forget, host_key, panel, partition, settings};
use crate::journal;

/// A step of the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Shows on the panel that the board starts, as soon as there is a bus
    Panel,
    /// Makes the data partition at first boot, and grows it on a larger card
    Grow,
    /// Reads how the last run ended, before the data partition is checked and mounted
    Evidence,
    /// Checks the data partition and mounts it
    Mount,
    /// Makes what has to be on the data partition; sets a broken one aside
    Data,
    /// Takes over the owner's settings from the boot partition
    Settings,
    /// Changes them as somebody asks for over the bus, and takes that back where it leads to no network
    Change,
    /// Makes this card's SSH host key, once
    HostKey,
}

/// Does steps that come before the daemon, one after the other in one process, each whatever became of the one before; the units run
/// them, as root.
#[derive(Clone, Debug, Parser)]
#[command(name = "holdfast-boot", version)]
pub struct Boot {
    /// The steps, in their order
    #[arg(required = true, value_name = "STEP")]
    pub steps: Vec<Step>,
    /// The directory the machine's files are found in
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
}

impl Boot {
    /// Does the steps, and says on the log what they did.
    pub fn run(&self) -> ExitCode {
        journal::quiet_panics();
        if let Err(error) = journal::init(Level::INFO, false, &self.root) {
            eprintln!("holdfast-boot: {error}");
        }
        // The owner's passwords pass through it.
        if let Err(error) = leave_no_core() {
            tracing::warn!("a crash may leave a core dump: {error}");
        }
        let machine = Machine::at(&self.root);
        let mut code = ExitCode::SUCCESS;
        for step in &self.steps {
            match step.go(&machine) {
                Ok(lines) => lines.iter().for_each(|line| tracing::info!("{line}")),
                Err(error) => {
                    tracing::error!("{error:#}");
                    code = ExitCode::FAILURE;
                }
            }
        }
        code
    }
}

impl Step {
    fn go(self, machine: &Machine) -> anyhow::Result<Vec<String>> {
        match self {
            Step::Panel => panel::show(machine),
            Step::Grow => card::grow(machine),
            Step::Evidence => evidence(machine),
            Step::Mount => card::mount(machine),
            Step::Data => partition::prepare(machine),
            Step::Settings => owners_settings(machine),
            Step::Change => settings::change(machine),
            Step::HostKey => host_key::make(machine),
        }
    }
}

fn owners_settings(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    match forget::finish(machine) {
        Ok(None) => {}
        Ok(Some(left)) => journal::forgotten(&left),
        Err(error) => tracing::error!("the factory reset could not be finished: {error:#}"),
    }
    let imported = settings::import(machine);
    if let Err(error) = audit_key::make(machine) {
        tracing::warn!("there is no key for the audit: {error:#}");
    }
    match age::compare(machine) {
        Ok(lines) => told.extend(lines),
        Err(error) => tracing::warn!("how old the data is was not compared: {error:#}"),
    }
    match imported {
        Ok(lines) => Ok(lines.into_iter().chain(told).collect()),
        // What was done all the same is on the log before what was not.
        Err(error) => {
            told.iter().for_each(|line| tracing::info!("{line}"));
            Err(error)
        }
    }
}

fn evidence(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let early = Early::look(machine);
    early.keep(machine)?;
    let cut = early.recovery.present().is_some();
    Ok(cut
        .then(|| "the data partition was not unmounted the last time".to_owned())
        .into_iter()
        .collect())
}
