//! `prove boot`: the card in a virtual board.
//!
//! Always the [`mission`]; then what may be wrong with card, board and surroundings ([`Trouble`]), one after the other on a
//! card that stays linked: two by the seed, `--count` of them, or with `--full` all, and then the mission on arm64 and what
//! QEMU has of a Raspberry Pi ([`pi`]).

mod around;
mod mission;
mod owner;
mod pi;
mod storage;
mod trouble;

use std::time::Duration;

use async_trait::async_trait;
use rand::seq::SliceRandom as _;

use super::{Proof, Run};
use crate::vm::card::Arch;
use crate::vm::scene::{self, BOOT, SOON, Scene};
use trouble::Trouble;

/// One trouble, with every boot that it takes.
const TROUBLE: Duration = Duration::from_secs(3_000);

/// The proof.
pub struct Boot;

#[async_trait(?Send)]
impl Proof for Boot {
    fn name(&self) -> &'static str {
        "boot"
    }

    fn claim(&self) -> &'static str {
        "the card boots in a virtual board, does the whole job through its own display, button and SSH, and gets over what goes wrong"
    }

    fn minutes(&self) -> u64 {
        8
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "board",
            "systemd",
            "src/boot",
            "src/panel",
            "src/wires",
            "src/network.rs",
            "src/daemon.rs",
            "src/daemon",
            "src/bus",
            "tests/lab/src/vm",
            "tests/lab/src/prove/boot",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let linked = mission(run, Arch::Amd64).await;
        troubles(run, linked).await;
        if run.is_full() {
            mission(run, Arch::Arm64).await;
            pi::tell(run).await;
        }
    }
}

/// The whole mission; a card that is linked, where it came to that.
async fn mission(run: &mut Run, arch: Arch) -> Option<Scene> {
    println!("  on {}", arch.name());
    if let Some(missing) = scene::missing(arch) {
        run.not_run(mission::STEPS, missing);
        return None;
    }
    match mission::tell(run, arch).await {
        Ok(scene) => Some(scene),
        Err(error) => {
            // The step that failed was counted; those after it were not tried.
            println!("  {} stops here: {error:#}", arch.name());
            None
        }
    }
}

/// What may go wrong, one after the other, on amd64.
async fn troubles(run: &mut Run, mut linked: Option<Scene>) {
    let arch = Arch::Amd64;
    let all = Trouble::ALL.len();
    let count = usize::try_from(run.count(2, all as u64)).map_or(all, |count| count.min(all));
    if let Some(missing) = scene::missing(arch) {
        return run.not_run(count as u64, missing);
    }
    let mut troubles = Trouble::ALL;
    troubles.shuffle(&mut run.dice(0));
    for (at, trouble) in troubles[..count].iter().enumerate() {
        let scene = match linked.take() {
            Some(scene) => Some(scene),
            None => run.case("a card is linked", TROUBLE, link(arch)).await,
        };
        let Some(scene) = scene else {
            return run.not_run((count - at) as u64, "there is no linked card");
        };
        linked = run
            .case(trouble.claim(), TROUBLE, trouble.strike(scene))
            .await;
    }
}

/// A card that has linked, and is off.
async fn link(arch: Arch) -> anyhow::Result<Scene> {
    let scene = Scene::set(arch).await?;
    let mut machine = scene.power_on().await?;
    let qr = scene.shows_qr(&mut machine, None, BOOT).await?;
    scene.lab.scan_qr(&scene.owner, &qr).await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    scene.connected(&machine, SOON).await?;
    scene.hears(&machine, "before all trouble").await?;
    scene.power_off(machine).await?;
    Ok(scene)
}
