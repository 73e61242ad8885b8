//! `prove paper`: the mission in a virtual board whose kernel drives an e-paper on an SPI bus and on lines of its own, and what must not stay on
//! paper without power. The display is the one of `prove panel`; between it and the daemon are spidev, the GPIO character device, and the kernel's
//! drivers of a bridge on USB.

use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use holdfast::panel::glass::text;
use holdfast::panel::{Frame, draw};
use holdfast_core::{CauseCode, Face};

use super::{Proof, Run};
use crate::camera;
use crate::vm::card::Arch;
use crate::vm::machine::Machine;
use crate::vm::paper::Paper;
use crate::vm::scene::{self, BOOT, SOON, Scene};

/// One step; the board may be starting in it.
const STEP: Duration = Duration::from_secs(1200);

/// How often the paper is looked at: several times between two of its pictures.
const LOOK: Duration = Duration::from_millis(100);

/// So long a control looks for what cannot be on the paper.
const GLIMPSE: Duration = Duration::from_secs(3);

/// The rows of a picture, from the top, that are its title; those below tell of figures.
const TITLE: u32 = 28;

/// How many cases and controls there are.
const STEPS: u64 = 10;

/// The proof.
pub struct OnPaper;

#[async_trait(?Send)]
impl Proof for OnPaper {
    fn name(&self) -> &'static str {
        "paper"
    }

    fn claim(&self) -> &'static str {
        "a board with an e-paper on its kernel's own SPI bus does the whole job, and no code stays on the paper"
    }

    fn minutes(&self) -> u64 {
        9
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "board",
            "src/boot",
            "src/panel",
            "src/wires",
            "tests/lab/src/vm",
            "tests/lab/src/wires",
            "tests/lab/src/prove/paper.rs",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let arch = Arch::Amd64;
        let missing = scene::no_tool(arch).or_else(|| scene::no_image("qemu", arch));
        if let Some(missing) = missing {
            return run.not_run(STEPS, missing);
        }
        if let Err(error) = tell(run).await {
            // The step that failed was counted; those after it were not tried.
            println!("  it stops here: {error:#}");
        }
    }
}

/// A board with its paper.
struct Stage {
    scene: Scene,
    machine: Machine,
    paper: Paper,
}

async fn tell(run: &mut Run) -> anyhow::Result<()> {
    let stop = || anyhow::anyhow!("what follows needs this step");
    let scene = Scene::set_for_paper().await?;
    let mut paper = Paper::new()?;
    let machine = scene.power_on().await?;
    paper.plug(&machine)?;
    let stage = Stage {
        scene,
        machine,
        paper,
    };

    let name = "powered on, it shows a QR on an e-paper by /dev/spidev";
    run.case(name, STEP, stage.shows_code(BOOT))
        .await
        .ok_or_else(stop)?;
    let name = "a code that is on the paper passes for wiped";
    run.caught(name, "can be read", STEP, async { stage.is_wiped() })
        .await;
    let name = "stopped with a code on it, the paper is wiped, and both memories";
    run.case(name, STEP, stage.stops()).await.ok_or_else(stop)?;
    let name = "without power a code stays, and the next boot's first picture wipes it";
    let cut = cut_and_boot(stage);
    let mut stage = run.case(name, STEP, cut).await.ok_or_else(stop)?;
    let name = "a phone links it from the paper, and the code is wiped";
    run.case(name, STEP, stage.links()).await.ok_or_else(stop)?;
    let name = "Connected, it says so";
    run.case(
        name,
        STEP,
        stage.says(&Face::Connected {
            account: None,
            fault: None,
        }),
    )
    .await;
    let name = "messages go both ways";
    run.case(name, STEP, stage.talks("first")).await;
    let name = "a board that is linked shows a QR";
    let shown = stage.shows_code(GLIMPSE);
    run.caught(name, "a QR is not on the paper", STEP, shown)
        .await;
    let name = "pulled out, the paper is reported, and back in it is drawn anew; the link stays";
    run.case(name, STEP, stage.is_pulled_out()).await;
    let name = "the power is turned off in order, and the paper says so";
    run.case(name, STEP, ends(stage)).await;
    Ok(())
}

impl Stage {
    /// Looks at the paper until it shows what is looked for.
    async fn sees<T>(
        &self,
        name: &str,
        within: Duration,
        what: impl Fn(&Frame) -> Option<T>,
    ) -> anyhow::Result<T> {
        let shown = async {
            loop {
                match what(&self.paper.glass.picture()) {
                    Some(found) => return found,
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let seen = tokio::time::timeout(within, shown).await;
        seen.map_err(|_| {
            anyhow::anyhow!(
                "{name} is not on the paper within {within:?}, but\n{}\nand the console says:\n{}",
                text(&self.paper.glass.picture(), 125, 31).join("\n"),
                self.machine.last_lines()
            )
        })
    }

    async fn shows_code(&self, within: Duration) -> anyhow::Result<String> {
        self.sees("a QR", within, camera::read).await
    }

    async fn says(&self, face: &Face) -> anyhow::Result<()> {
        let is_shown = |frame: &Frame| has_title_of(frame, face).then_some(());
        self.sees(face.name(), SOON, is_shown).await
    }

    /// No code is on the paper, none left a trace there, and both memories hold what it shows.
    fn is_wiped(&self) -> anyhow::Result<()> {
        let glass = &self.paper.glass;
        let shown = glass.picture();
        ensure!(camera::read(&shown).is_none(), "a code can be read");
        ensure!(
            glass.held().iter().all(|held| *held == shown),
            "a memory holds another picture"
        );
        let traces = glass.left();
        let codes = traces.iter().filter_map(camera::read).count();
        ensure!(codes == 0, "the paper was driven in parts over a code");
        Ok(())
    }

    /// Waits until no code can be read any more, and nothing is on its way; then there has to be no trace of one.
    async fn wipes(&self, within: Duration) -> anyhow::Result<()> {
        let is_gone = |frame: &Frame| {
            let held = self.paper.glass.held();
            let rests = held.iter().all(|held| held == frame);
            (rests && camera::read(frame).is_none()).then_some(())
        };
        self.sees("no code", within, is_gone).await?;
        self.is_wiped()
    }

    async fn run(&self, command: &str) -> anyhow::Result<String> {
        self.scene.operator.run(&self.machine, command).await
    }

    async fn stops(&self) -> anyhow::Result<()> {
        self.scene.operator.is_let_in(&self.machine, BOOT).await?;
        self.run("systemctl stop holdfastd").await?;
        self.wipes(SOON).await?;
        self.says(&Face::Stopped { saved: true }).await?;
        self.run("systemctl start holdfastd").await?;
        self.shows_code(SOON).await.map(drop)
    }

    async fn links(&self) -> anyhow::Result<()> {
        let qr = self.shows_code(BOOT).await?;
        self.scene.lab.scan_qr(&self.scene.owner, &qr).await?;
        self.wipes(SOON).await?;
        self.scene.operator.is_let_in(&self.machine, BOOT).await?;
        self.scene.connected(&self.machine, SOON).await
    }

    async fn talks(&self, what: &str) -> anyhow::Result<()> {
        let to = format!("{what} to you");
        self.scene.hears(&self.machine, &to).await?;
        let from = format!("{what} from me");
        self.scene.says(&self.machine, &from).await
    }

    async fn is_pulled_out(&mut self) -> anyhow::Result<()> {
        let absent = CauseCode::DisplayAbsent.as_str();
        // It sleeps, and is missed when it is drawn on: each minute, or now.
        self.paper.unplug();
        self.talks("second").await?;
        let noticed = format!(
            "timeout 150 sh -c 'until holdfastctl status | grep -qF {absent}; do sleep 1; done'"
        );
        let noticed = self.run(&noticed).await;
        noticed.context("it is not said that the paper is gone")?;
        self.paper.plug(&self.machine)?;
        self.says(&Face::Connected {
            account: None,
            fault: None,
        })
        .await?;
        let mended = format!(
            "timeout 150 sh -c 'while holdfastctl status | grep -qF {absent}; do sleep 1; done'"
        );
        let mended = self.run(&mended).await;
        mended.context("the paper that is back is still called absent")?;
        // The memories were noise without power.
        let glass = &self.paper.glass;
        let is_drawn = |shown: &Frame| glass.held().iter().all(|held| held == shown).then_some(());
        self.sees("what its memories hold", SOON, is_drawn).await?;
        self.talks("third").await
    }
}

/// The plug is pulled with a code on the paper. Nothing but the boot step draws before the daemon.
async fn cut_and_boot(mut stage: Stage) -> anyhow::Result<Stage> {
    stage.shows_code(SOON).await?;
    stage.machine.unplug().await?;
    stage.paper.unplug();
    let left = stage.paper.glass.picture();
    ensure!(
        camera::read(&left).is_some(),
        "the paper lost its code with the power"
    );
    stage.machine = stage.scene.power_on().await?;
    stage.paper.plug(&stage.machine)?;
    stage.wipes(BOOT).await?;
    let shown = stage.paper.glass.picture();
    let of_boot = [Face::Starting, Face::Repairing];
    ensure!(
        of_boot.iter().any(|face| has_title_of(&shown, face)),
        "another picture than the boot's came first"
    );
    stage.scene.operator.is_let_in(&stage.machine, BOOT).await?;
    let step = stage
        .run("journalctl --no-pager -b -o cat -u holdfast-panel")
        .await?;
    ensure!(
        step.contains("the panel shows that the board starts"),
        "the boot step did not draw it: {}",
        step.trim()
    );
    Ok(stage)
}

async fn ends(stage: Stage) -> anyhow::Result<()> {
    let Stage {
        scene,
        machine,
        paper,
    } = stage;
    scene.power_off(machine).await?;
    let shown = paper.glass.picture();
    ensure!(
        has_title_of(&shown, &Face::Stopped { saved: true }),
        "it shows another picture"
    );
    Ok(())
}

fn has_title_of(shown: &Frame, face: &Face) -> bool {
    let format = shown.format();
    let mut wanted = Frame::new(format);
    let Ok(()) = draw(face, None, &mut wanted);
    let mut points = (0..TITLE).flat_map(|y| (0..format.width).map(move |x| (x, y)));
    points.all(|(x, y)| shown.lit(x, y) == wanted.lit(x, y))
}
