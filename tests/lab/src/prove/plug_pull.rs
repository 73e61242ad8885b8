//! `prove plug-pull`: the plug of a virtual board is pulled at any moment, what was not flushed is lost, and it goes on.

use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::{Proof, Run};
use crate::ledger::{Act, Entry};
use crate::rig::cut::Kind;
use crate::vm::card::Arch;
use crate::vm::machine::Machine;
use crate::vm::scene::{self, BOOT, SOON, Scene};

/// One cut and what follows, or the linking before them all.
const STEP: Duration = Duration::from_secs(900);

/// Power is cut so long after it came, at most: in the boot, while the link comes up, or in traffic.
const LONGEST: Duration = Duration::from_secs(60);

/// The proof.
pub struct PlugPull;

#[async_trait(?Send)]
impl Proof for PlugPull {
    fn name(&self) -> &'static str {
        "plug-pull"
    }

    fn claim(&self) -> &'static str {
        "whenever the plug of a board is pulled, it boots, connects without a QR, and nothing is lost"
    }

    async fn try_on(&self, run: &mut Run) {
        let count = run.count(2, 100);
        if let Some(missing) = scene::missing(Arch::Amd64) {
            return run.not_run(count + 1, missing);
        }
        let Some((scene, mut machine)) = run.case("a board is linked", STEP, linked()).await else {
            return run.not_run(count, "there is no linked board");
        };
        for (case, kind) in (0..count).zip(Kind::ALL.into_iter().cycle()) {
            let mut dice = run.dice(case);
            let after = LONGEST.mul_f64(dice.random());
            let name = format!("{kind}, {:.1} s after power on", after.as_secs_f64());
            let pulled = pulled(&scene, machine, kind, after, &mut dice);
            let Some(next) = run.case(name, STEP, pulled).await else {
                return run.not_run(count - case - 1, "the board is lost");
            };
            machine = next;
        }
    }
}

/// A card that has linked, in a board that is on.
async fn linked() -> anyhow::Result<(Scene, Machine)> {
    let mut scene = Scene::set(Arch::Amd64).await?;
    scene.extras.recorded = true;
    let mut machine = scene.power_on().await?;
    let qr = scene.shows_qr(&mut machine, None, BOOT).await?;
    scene.lab.scan_qr(&scene.owner, &qr).await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    scene.connected(&machine, SOON).await?;
    scene.hears(&machine, "before all cuts").await?;
    Ok((scene, machine))
}

/// Cuts the power of a board that is up, and of the next boot at the drawn moment; the boot after that must be as good as new.
async fn pulled(
    scene: &Scene,
    machine: Machine,
    kind: Kind,
    after: Duration,
    dice: &mut StdRng,
) -> anyhow::Result<Machine> {
    machine.cut(&scene.card, kind, dice.random()).await?;
    let text = format!("sent without power {}", dice.random::<u32>());
    let id = scene
        .lab
        .send_text(&scene.friend, scene::OWNER, &text)
        .await?;
    let short = scene.power_on().await?;
    tokio::time::sleep(after).await;
    short.cut(&scene.card, kind, dice.random()).await?;

    let ledger = scene.lab.ledger();
    let from = ledger.entries(0).len() as u64;
    let machine = scene.power_on().await?;
    let logged_in = |entry: &Entry| entry.act == Act::LoggedIn;
    let again = ledger.wait_for(from, BOOT, logged_in).await;
    again.with_context(|| {
        format!(
            "it did not log in again; the console says:\n{}",
            machine.last_lines()
        )
    })?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    scene.connected(&machine, SOON).await?;
    scene.has(&machine, &id, &text).await?;
    scene.hears(&machine, &format!("{text}, and after")).await?;
    scene
        .says(&machine, &format!("{text}, and answered"))
        .await?;
    let status = scene.operator.run(&machine, "holdfastctl status").await?;
    ensure!(
        status.contains("gen-0001"),
        "another generation is live: {status}"
    );
    ensure!(
        status.contains("power-loss"),
        "the boot report does not name the power loss: {status}"
    );
    let crimes = ledger.crimes();
    ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
    Ok(machine)
}
