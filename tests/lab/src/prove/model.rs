//! `prove model`: everything that adversaries can do to the core within a number of moves, in every order.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;
use holdfast_sim::model::{Checked, Diagram, check};
use tokio::task::spawn_blocking;

use super::{Proof, Run};

/// Moves of the adversaries: what CI takes, and what `--full` takes.
const MOVES: (u64, u64) = (2, 3);
/// The diagram is made of so many.
const DRAWN: u8 = 2;
/// The longest check, on a busy machine.
const WITHIN: Duration = Duration::from_secs(4 * 3600);
/// The page with the diagram.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");
/// The variable that has the page written anew.
const WRITE: &str = "HOLDFAST_WRITE";

/// The proof.
pub struct Everything;

#[async_trait(?Send)]
impl Proof for Everything {
    fn name(&self) -> &'static str {
        "model"
    }

    fn claim(&self) -> &'static str {
        "in whatever order adversaries make their moves, no promise of the core is broken and a way back is left"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/core", "tests/sim"]
    }

    async fn try_on(&self, run: &mut Run) {
        run.control("a board without a button", WITHIN, holds(1, true))
            .await;
        let moves = run.count(MOVES.0, MOVES.1).min(u8::MAX.into()) as u8;
        let name = format!("whatever {moves} moves can do");
        let found = run.case(name, WITHIN, holds(moves, false)).await;
        let drawn = match found {
            Some(found) if moves == DRAWN => Some(found),
            _ => run.case("the diagram", WITHIN, holds(DRAWN, false)).await,
        };
        let Some(drawn) = drawn else { return };
        if !Path::new(PAGE).parent().is_some_and(Path::exists) {
            return run.not_run(1, "the project's source is not on this machine");
        }
        let same = async { compare(&page(&drawn.diagram)) };
        run.case("docs/states.md is what was found", WITHIN, same)
            .await;
    }
}

async fn holds(moves: u8, without_button: bool) -> anyhow::Result<Checked> {
    let begun = Instant::now();
    let checked = spawn_blocking(move || check(moves, without_button)).await?;
    if let Some(broken) = checked.broken.first() {
        bail!("{broken}");
    }
    let Checked { states, steps, .. } = checked;
    let seconds = begun.elapsed().as_secs_f64();
    println!("          {states} states, {steps} steps, {seconds:.0} s");
    Ok(checked)
}

fn compare(page: &str) -> anyhow::Result<()> {
    if std::env::var_os(WRITE).is_some() {
        fs::write(PAGE, page).context("the page cannot be written")?;
    }
    let written = fs::read_to_string(PAGE).unwrap_or_default();
    ensure!(written == page, "it is not; write it anew with {WRITE}=1");
    Ok(())
}

fn page(diagram: &Diagram) -> String {
    let mut page = String::from(
        "# Which state follows which\n\n\
         Made by `holdfast-lab prove model` from what it found; it fails when they differ. What each state is, and how long it \
         lasts: [causes.md](causes.md).\n\n```mermaid\nstateDiagram-v2\n    [*] --> Starting\n",
    );
    for ((from, to), by) in diagram {
        let by: Vec<&str> = by.iter().copied().collect();
        let _ = writeln!(page, "    {from} --> {to}: {}", by.join(", "));
    }
    page.push_str("```\n");
    page
}
