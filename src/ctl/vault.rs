//! `vault`: what is kept, what is written and why, and how long the card lasts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Daemon, Error, Output};

/// The output of `vault`.
#[derive(Debug, Serialize)]
struct VaultOutput {
    generation: String,
    /// Records by tier.
    records: BTreeMap<String, u64>,
    commits: u64,
    barriers: u64,
    bytes: u64,
    costs: Vec<Cost>,
    card: Card,
}

/// The writes made for one purpose since the daemon started.
#[derive(Debug, Serialize)]
struct Cost {
    purpose: String,
    bytes: u64,
    barriers: u64,
}

/// The forecast of the card's wear.
#[derive(Debug, Serialize)]
struct Card {
    bytes_per_day: u64,
    budget_per_day: u64,
    years: f64,
}

impl fmt::Display for VaultOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.generation)?;
        for (tier, count) in &self.records {
            write!(f, " {count} {tier}")?;
        }
        write!(
            f,
            "\n{} commits, {} barriers, {} bytes since the start",
            self.commits, self.barriers, self.bytes
        )?;
        write!(f, "\n{:<14}{:>14}{:>10}", "purpose", "bytes", "barriers")?;
        for cost in &self.costs {
            let Cost {
                purpose,
                bytes,
                barriers,
            } = cost;
            write!(f, "\n{purpose:<14}{bytes:>14}{barriers:>10}")?;
        }
        let Card {
            bytes_per_day,
            budget_per_day,
            years,
        } = self.card;
        if years == 0.0 {
            return write!(
                f,
                "\ncard: its budget is {budget_per_day} bytes a day; what is used of it is known after a day"
            );
        }
        write!(
            f,
            "\ncard: {bytes_per_day} bytes a day of a budget of {budget_per_day}; "
        )?;
        if years > 100.0 {
            write!(f, "it lasts more than a hundred years")
        } else {
            write!(f, "it lasts about {years:.1} years")
        }
    }
}

/// Prints how the vault is doing.
pub(super) async fn vault(daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let vault = daemon.vault().await?;
    let (commits, barriers, bytes) = vault.counters().await?;
    let costs = vault.costs().await?.into_iter();
    let (bytes_per_day, budget_per_day, years) = vault.forecast().await?;
    let report = VaultOutput {
        generation: vault.generation().await?,
        records: vault.records().await?.into_iter().collect(),
        commits,
        barriers,
        bytes,
        costs: costs
            .map(|(purpose, bytes, barriers)| Cost {
                purpose,
                bytes,
                barriers,
            })
            .collect(),
        card: Card {
            bytes_per_day,
            budget_per_day,
            years,
        },
    };
    Ok(output.say(&report)?)
}
