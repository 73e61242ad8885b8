//! A whole scene: a lab, phones, and a board with a card that knows where the lab is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast::panel::glass::text;
use holdfast::panel::{Frame, PLAIN};
use holdfast_core::Face;

use super::card::{self, Arch, Card};
use super::inside;
use super::machine::{Extras, HOST, Machine};
use super::operator::Operator;
use super::paper;
use crate::camera;
use crate::ledger::{Act, Entry};
use crate::phone::inbox::{Content, Received};
use crate::server::{Lab, LabConfig, MessageId, PhoneId};

/// The number of the phone that the board is linked to, and of a friend's.
pub const OWNER: &str = "15550000001";
/// See [`OWNER`].
pub const FRIEND: &str = "15550000002";

/// Size of the card, MiB: the data partition has room to grow.
const CARD_MIB: u64 = 1024;

/// From power to anything: an emulated board on a busy host.
pub const BOOT: Duration = Duration::from_secs(600);

/// How long anything may take on a board that is up.
pub const SOON: Duration = Duration::from_secs(180);

/// How often the glass is looked at: it does not say that it changed.
const LOOK: Duration = Duration::from_millis(250);

/// Where the card's image is: what `board/build --out` was told, [`IMAGES`] or `target/image`.
pub fn images() -> PathBuf {
    std::env::var_os(IMAGES).map_or_else(|| "target/image".into(), PathBuf::from)
}

/// The variable that names the directory with the image.
pub const IMAGES: &str = "HOLDFAST_IMAGE";

/// The owner's settings on the boot partition.
pub const SETTINGS: &str = "holdfast.toml";

/// A board and everything around it.
pub struct Scene {
    /// WhatsApp.
    pub lab: Lab,
    /// The phone that the board is linked to.
    pub owner: PhoneId,
    /// The other party.
    pub friend: PhoneId,
    /// The card.
    pub card: Card,
    /// What hangs on the board.
    pub extras: Extras,
    /// Who has SSH.
    pub operator: Operator,
    /// What the owner's settings say besides.
    settings: String,
    place: tempfile::TempDir,
}

/// What keeps a board from running here, and what to do about it.
pub fn missing(arch: Arch) -> Option<String> {
    no_tool(arch)
        .or_else(|| no_image("qemu", arch))
        .or_else(|| inside::program(arch).err())
}

/// A program that is missing.
pub(crate) fn no_tool(arch: Arch) -> Option<String> {
    let there = |tool: &str| {
        std::process::Command::new(tool)
            .arg("--version")
            .output()
            .is_ok()
    };
    for (tool, package) in [
        (arch.qemu(), "qemu-system-x86 qemu-system-arm"),
        ("mcopy", "mtools"),
        ("sfdisk", "fdisk"),
        ("ssh", "openssh-client"),
        ("zstd", "zstd"),
        ("mkfs.ext4", "e2fsprogs"),
    ] {
        if !there(tool) {
            return Some(format!("{tool} is missing: apt-get install {package}"));
        }
    }
    None
}

/// A board's image that is missing.
pub(crate) fn no_image(board: &str, arch: Arch) -> Option<String> {
    let image = card::image(&images(), board, arch);
    (!image.exists()).then(|| {
        format!(
            "{} is missing: see \"The image under proof\" in docs/image.md, or name its directory in {IMAGES}",
            image.display()
        )
    })
}

/// The update beside the virtual board's image, of the same parts.
pub(crate) fn bundle(arch: Arch) -> PathBuf {
    let image = card::image(&images(), "qemu", arch);
    // `.img.zst`
    image.with_extension("").with_extension("raucb")
}

/// A bundle that is missing.
pub(crate) fn no_bundle(arch: Arch) -> Option<String> {
    let bundle = bundle(arch);
    (!bundle.exists()).then(|| {
        format!(
            "{} is missing: board/build with --key and --cert, see \"Updates\" in docs/image.md",
            bundle.display()
        )
    })
}

impl Scene {
    /// Everything but the power.
    ///
    /// # Errors
    /// What could not be set up.
    pub async fn set(arch: Arch) -> anyhow::Result<Scene> {
        let program = inside::program(arch).map_err(anyhow::Error::msg)?;
        Scene::with(arch, String::new(), |place| inside::panel(&program, place)).await
    }

    /// The same for an e-paper outside of the board, which is amd64's.
    ///
    /// # Errors
    /// What could not be set up.
    pub async fn set_for_paper() -> anyhow::Result<Scene> {
        let settings = format!("\n[panel]\nboard = \"{}\"\n", paper::BOARD);
        let extras = Extras {
            paper: true,
            ..Extras::default()
        };
        Scene::with(Arch::Amd64, settings, |_| Ok(extras)).await
    }

    async fn with(
        arch: Arch,
        settings: String,
        extras: impl FnOnce(&Path) -> anyhow::Result<Extras>,
    ) -> anyhow::Result<Scene> {
        let place = crate::rig::scratch()?;
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, "Owner").await?;
        let friend = lab.create_phone(FRIEND, "Friend").await?;
        let operator = Operator::new(place.path()).await?;
        let card = Card::flash(&images(), arch, CARD_MIB, &place.path().join("card"))?;
        let scene = Scene {
            lab,
            owner,
            friend,
            card,
            extras: extras(place.path())?,
            operator,
            settings,
            place,
        };
        scene.settle(&scene.card)?;
        Ok(scene)
    }

    /// Another card of the same image, with the same settings.
    ///
    /// # Errors
    /// A tool fails.
    pub fn another_card(&self) -> anyhow::Result<Card> {
        let card = Card::flash(&images(), self.card.arch, CARD_MIB, &self.path("another"))?;
        self.settle(&card)?;
        Ok(card)
    }

    /// Puts plain settings onto a card: where the lab is, and the operator's key.
    ///
    /// # Errors
    /// A tool fails.
    pub fn settle(&self, card: &Card) -> anyhow::Result<()> {
        let settings = format!(
            "[server]\nurl = \"{}\"\n\n[ssh]\nauthorized_keys = [\"{}\"]\n{}",
            self.url(),
            self.operator.public()?,
            self.settings
        );
        card.give(SETTINGS, settings.as_bytes())
    }

    /// Where a board finds WhatsApp.
    pub fn url(&self) -> String {
        self.lab.url().replace("127.0.0.1", &HOST.to_string())
    }

    /// A place for a file that goes with the scene.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Turns the board on.
    ///
    /// # Errors
    /// QEMU does not start.
    pub async fn power_on(&self) -> anyhow::Result<Machine> {
        let dir = self.place.path().join("board");
        Machine::start(&self.card, &self.extras, &dir).await
    }

    /// Has the board shut down and go off.
    ///
    /// # Errors
    /// It does not.
    pub async fn power_off(&self, mut machine: Machine) -> anyhow::Result<()> {
        // The connection goes with the board.
        let _ = self.operator.run(&machine, "systemctl poweroff").await;
        machine.goes_off(SOON).await
    }

    /// Waits until a QR is on the glass that is not `old`, and reads it.
    ///
    /// # Errors
    /// None comes.
    pub async fn shows_qr(
        &self,
        machine: &mut Machine,
        old: Option<&str>,
        within: Duration,
    ) -> anyhow::Result<String> {
        let qr = |frame: &Frame| camera::read(frame).filter(|qr| Some(qr.as_str()) != old);
        self.sees(machine, "a QR", within, qr).await
    }

    /// Waits until the screen of a face is on the glass, as far as it does not count down.
    ///
    /// # Errors
    /// It does not come.
    pub async fn shows(
        &self,
        machine: &Machine,
        face: &Face,
        within: Duration,
    ) -> anyhow::Result<()> {
        let is_shown = |frame: &Frame| camera::is_of(frame, face).then_some(());
        self.sees(machine, face.name(), within, is_shown).await
    }

    /// Looks at the glass until it shows what is looked for.
    async fn sees<T>(
        &self,
        machine: &Machine,
        name: &str,
        within: Duration,
        what: impl Fn(&Frame) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut hand = inside::hand(machine).await?;
        let mut last = Frame::new(PLAIN);
        let shown = async {
            loop {
                last = hand.frame().await?;
                match what(&last) {
                    Some(found) => return anyhow::Ok(found),
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let seen = tokio::time::timeout(within, shown).await;
        match seen {
            Ok(seen) => seen,
            Err(_) => Err(anyhow::anyhow!(
                "{name} is not on the glass within {within:?}, but\n{}\nand the console says:\n{}",
                text(&last, 128, 32).join("\n"),
                machine.last_lines()
            )),
        }
    }

    /// Waits until the daemon on the board is Connected.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn connected(&self, machine: &Machine, within: Duration) -> anyhow::Result<()> {
        let command = format!("holdfastctl wait --timeout {}", within.as_secs());
        self.operator.run(machine, &command).await.map(drop)
    }

    /// The friend writes, and the board has it: WhatsApp was told so, and the bot reads it.
    ///
    /// # Errors
    /// It does not arrive.
    pub async fn hears(&self, machine: &Machine, text: &str) -> anyhow::Result<MessageId> {
        let id = self.lab.send_text(&self.friend, OWNER, text).await?;
        self.has(machine, &id, text).await?;
        Ok(id)
    }

    /// Waits until the board has acked a message and its bot reads it.
    ///
    /// # Errors
    /// It does not arrive.
    pub async fn has(&self, machine: &Machine, id: &str, text: &str) -> anyhow::Result<()> {
        let acked = |entry: &Entry| matches!(&entry.act, Act::Acked { id: acked, error: None } if acked == id);
        let entry = self.lab.ledger().wait_for(0, SOON, acked).await;
        entry.context("the message was not acked")?;
        let read = self
            .operator
            .run(machine, "holdfastctl --json inbox --consumer proof")
            .await?;
        ensure!(read.contains(text), "the bot does not read the message");
        Ok(())
    }

    /// The board writes, and the friend has it.
    ///
    /// # Errors
    /// It does not arrive.
    pub async fn says(&self, machine: &Machine, text: &str) -> anyhow::Result<()> {
        let command = format!("holdfastctl send {FRIEND} '{text}'");
        self.operator.run(machine, &command).await?;
        let content = Content::Text(text.to_owned());
        let there = |received: &Received| received.content == content;
        self.lab
            .wait_inbox(&self.friend, SOON, there)
            .await
            .map(drop)
            .context("the friend does not have it")
    }
}
