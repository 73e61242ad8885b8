//! A round: what a change is tried by, side by side, within so many minutes.

use std::fmt;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::process::Command;

use super::choice::{Choice, SIDE_BY_SIDE, Why, choose};
use super::source::Source;
use super::{ALL, NOT_RUN, Proof};

/// Chooses and tries; the exit code says whether one failed. What was not tried, here or at all, is printed last.
///
/// # Errors
/// Git does not say what changed.
pub async fn run(seed: u64, minutes: u64) -> anyhow::Result<ExitCode> {
    let source = Source::here();
    let before = source.before()?;
    let changed = before
        .as_deref()
        .map(|before| source.changed(before))
        .transpose()?;
    let choice = choose(ALL, changed.as_deref(), seed, minutes);
    println!(
        "seed {seed}; {} files changed since {}; {minutes} min",
        changed.map_or("nobody knows which".to_owned(), |files| files
            .len()
            .to_string()),
        before.as_deref().unwrap_or("nobody knows when"),
    );
    for (proof, why) in &choice.taken {
        println!("  takes {} ({} min): {why}", proof.name(), proof.minutes());
    }
    print!("{}", left_out(&choice));
    let begun = Instant::now();
    let tried = choice.taken.iter().map(|(proof, _)| attempt(*proof, seed));
    let mut tried = stream::iter(tried).buffer_unordered(SIDE_BY_SIDE);
    let mut ends = Vec::new();
    while let Some(end) = tried.next().await {
        let end = end?;
        println!("\n-- {end}\n{}", end.said);
        ends.push(end);
    }
    println!("-- the round took {}", Minutes(begun.elapsed()));
    print!("{}", summary(&choice, &ends));
    let failed = ends.iter().any(|end| end.is_failure());
    Ok(ExitCode::from(u8::from(failed)))
}

/// How a proof ended.
struct End {
    proof: &'static dyn Proof,
    /// Its exit code; none where a signal ended it.
    code: Option<u8>,
    took: Duration,
    said: String,
}

impl End {
    fn is_failure(&self) -> bool {
        !matches!(self.code, Some(0 | NOT_RUN))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, said) = (Minutes(self.took), self.proof.minutes());
        let code = match self.code {
            Some(0) => "held".to_owned(),
            Some(NOT_RUN) => "NOT RUN in whole or in part".to_owned(),
            Some(code) => format!("FAILED with code {code}"),
            None => "FAILED by a signal".to_owned(),
        };
        write!(
            f,
            "{}: {code} after {took} of {said} min",
            self.proof.name()
        )
    }
}

/// A time as `7:05`.
struct Minutes(Duration);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02}", self.0.as_secs() / 60, self.0.as_secs() % 60)
    }
}

/// Tries one, in a process of its own.
async fn attempt(proof: &'static dyn Proof, seed: u64) -> anyhow::Result<End> {
    let program = std::env::current_exe().context("this program cannot find itself")?;
    println!("-- {} begins", proof.name());
    let begun = Instant::now();
    // Interrupted, it hears that as a member of this process group, and tidies up.
    let done = Command::new(program)
        .args(["prove", proof.name(), "--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn()?
        .wait_with_output()
        .await?;
    Ok(End {
        proof,
        code: done.status.code().and_then(|code| code.try_into().ok()),
        took: begun.elapsed(),
        said: String::from_utf8_lossy(&done.stdout).into_owned(),
    })
}

fn left_out(choice: &Choice) -> String {
    let line = |(proof, why): &(&dyn Proof, Why)| {
        let (name, minutes) = (proof.name(), proof.minutes());
        format!("== LEFT OUT {name}, which takes {minutes} min: no time ({why})\n")
    };
    choice.left_out.iter().map(line).collect()
}

/// What this round does not show, and what it broke.
fn summary(choice: &Choice, ends: &[End]) -> String {
    let unlike = ends.iter().filter(|end| end.code != Some(0));
    let unlike: String = unlike.map(|end| format!("== {end}\n")).collect();
    left_out(choice) + &unlike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_and_what_failed_is_said_last() {
        let (one, other) = (ALL[0], ALL[1]);
        let choice = Choice {
            taken: vec![(one, Why::Quick)],
            left_out: vec![(other, Why::Drawn)],
        };
        let end = |code| End {
            proof: one,
            code,
            took: Duration::from_secs(65),
            said: String::new(),
        };
        let of = |code| summary(&choice, &[end(code)]);
        let left_out = format!("== LEFT OUT {}", other.name());
        assert!(of(Some(0)).starts_with(&left_out) && of(Some(0)).lines().count() == 1);
        assert!(of(Some(NOT_RUN)).contains("NOT RUN in whole or in part after 1:05 of"));
        assert!(of(Some(1)).contains("FAILED with code 1") && end(Some(1)).is_failure());
        assert!(of(None).contains("FAILED by a signal") && end(None).is_failure());
        assert!(!end(Some(0)).is_failure() && !end(Some(NOT_RUN)).is_failure());
    }
}
