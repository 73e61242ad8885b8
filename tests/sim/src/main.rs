//! `holdfast-sim`: lives by their seeds, until one is broken.

use std::process::ExitCode;

use clap::Parser;
use holdfast_sim::{DAYS, model, play};

/// Plays lives of a device on a virtual clock, and stops at the first in which something that must hold does not
#[derive(Parser)]
#[command(name = "holdfast-sim")]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// How long each life is, days
    #[arg(long, default_value_t = DAYS)]
    days: u64,
    /// Instead checks everything that adversaries can do within so many moves
    #[arg(long)]
    moves: Option<u8>,
}

fn main() -> ExitCode {
    let Arguments {
        seed,
        count,
        days,
        moves,
    } = Arguments::parse();
    let begun = std::time::Instant::now();
    if let Some(moves) = moves {
        let checked = model::check(moves, false);
        let (states, steps) = (checked.states, checked.steps);
        println!(
            "{states} states, {steps} steps in {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        if let Some(broken) = checked.broken.first() {
            println!("broken: {broken}");
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    }
    let mut total = holdfast_sim::Life::default();
    for seed in (0..count).map(|nth| seed.wrapping_add(nth)) {
        match play(seed, days, None) {
            Ok(life) => total += life,
            Err(broken) => {
                println!("broken: {broken}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{total} in {:.1} s", begun.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
