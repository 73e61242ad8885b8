//! A card as `board/build` wrote it, with what its owner puts on the boot partition.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::rig::{replay, tool};

/// As `board/build --board` calls it.
pub const RASPBERRY_PI: &str = "raspberrypi";

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// Of which processor the board is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// `pc`.
    Amd64,
    /// `virt`.
    Arm64,
}

impl Arch {
    /// Whose programs run here.
    pub const HOST: Option<Arch> = if cfg!(target_arch = "x86_64") {
        Some(Arch::Amd64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Arch::Arm64)
    } else {
        None
    };

    /// As Debian calls it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }
}

/// A card, ready to be put into a board.
#[derive(Clone, Debug)]
pub struct Card {
    /// For which board.
    pub arch: Arch,
    /// Its content, as large as the card.
    pub disk: PathBuf,
    /// How the board starts from it.
    pub start: Start,
    /// The partition `firmware`'s first byte.
    firmware: u64,
}

/// What a board runs first.
#[derive(Clone, Debug)]
pub enum Start {
    /// U-Boot, which a virtual machine has instead of a BIOS: it reads the card.
    Bios(PathBuf),
    /// U-Boot as a Raspberry Pi 3's firmware loads it, with the device tree that it hands over.
    RaspberryPi {
        /// `u-boot.bin`.
        u_boot: PathBuf,
        /// The device tree of a Raspberry Pi 3 B.
        tree: PathBuf,
    },
    /// A kernel that QEMU loads itself, for a system that is not ours.
    Kernel {
        /// The kernel.
        kernel: PathBuf,
        /// Its first file system.
        initrd: PathBuf,
        /// Its command line.
        append: String,
    },
}

impl Card {
    /// Writes the image `holdfast-qemu-ARCH.img.zst` in `built` to a card of `mib` MiB, the file `disk`.
    ///
    /// # Errors
    /// There is no such image, or a tool fails.
    pub fn flash(built: &Path, arch: Arch, mib: u64, disk: &Path) -> anyhow::Result<Card> {
        let bios = beside(built, "qemu", arch).join("bios");
        Card::write(built, "qemu", arch, mib, disk, Start::Bios(bios))
    }

    /// Writes the Raspberry Pi's image in `built` to a card of `mib` MiB, the file `disk`.
    ///
    /// # Errors
    /// There is no such image, or a tool fails.
    pub fn flash_pi(built: &Path, mib: u64, disk: &Path) -> anyhow::Result<Card> {
        let firmware = beside(built, RASPBERRY_PI, Arch::Arm64).join("firmware");
        let start = Start::RaspberryPi {
            u_boot: firmware.join("u-boot.bin"),
            tree: firmware.join("bcm2837-rpi-3-b.dtb"),
        };
        Card::write(built, RASPBERRY_PI, Arch::Arm64, mib, disk, start)
    }

    fn write(
        built: &Path,
        board: &str,
        arch: Arch,
        mib: u64,
        disk: &Path,
        start: Start,
    ) -> anyhow::Result<Card> {
        let image = image(built, board, arch);
        ensure!(
            image.exists(),
            "{} is missing: board/build --board {board} --arch {} --out {}",
            image.display(),
            arch.name(),
            built.display()
        );
        tool(
            Command::new("zstd")
                .args(["-d", "-q", "-f", "--sparse", "--long=27", "-o"])
                .arg(disk)
                .arg(&image),
        )?;
        let file = fs::File::options().write(true).open(disk)?;
        ensure!(
            file.metadata()?.len() <= mib << 20,
            "the image is larger than {mib} MiB"
        );
        file.set_len(mib << 20)?;
        Ok(Card {
            arch,
            firmware: partition(disk, "firmware")?.place.start,
            disk: disk.to_owned(),
            start,
        })
    }

    /// More words for the kernel command line, in place of those that it was given before: as whoever holds the card adds them.
    ///
    /// # Errors
    /// `mcopy` fails.
    pub fn append(&self, words: &[String]) -> anyhow::Result<()> {
        self.give(
            "append.txt",
            format!("append={}\n", words.join(" ")).as_bytes(),
        )
    }

    /// Puts a file onto the boot partition, as the owner does in a card reader.
    ///
    /// # Errors
    /// `mcopy` fails.
    pub fn give(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let from = self.disk.with_extension("given");
        fs::write(&from, content)?;
        let mut copy = Command::new("mcopy");
        copy.arg("-i").arg(self.fat());
        tool(copy.arg("-o").arg(&from).arg(format!("::{name}"))).map(drop)
    }

    /// Takes a file off the boot partition, as it is there now.
    ///
    /// # Errors
    /// `mtype` fails.
    pub fn take(&self, name: &str) -> anyhow::Result<String> {
        let mut copy = Command::new("mtype");
        copy.arg("-i").arg(self.fat());
        tool(copy.arg(format!("::{name}")))
    }

    /// Changes a text file on a boot partition.
    ///
    /// # Errors
    /// There is no such partition, or `mtype` or `mcopy` fails.
    pub fn edit(
        &self,
        name: &str,
        file: &str,
        change: impl FnOnce(&str) -> String,
    ) -> anyhow::Result<()> {
        let start = partition(&self.disk, name)?.place.start;
        let fat = format!("{}@@{start}", self.disk.display());
        let mut read = Command::new("mtype");
        let text = tool(read.arg("-i").arg(&fat).arg(format!("::{file}")))?;
        let from = self.disk.with_extension("given");
        fs::write(&from, change(&text))?;
        let mut copy = Command::new("mcopy");
        copy.arg("-i").arg(&fat);
        tool(copy.arg("-o").arg(&from).arg(format!("::{file}"))).map(drop)
    }

    /// The same card once more, as the file `disk`.
    ///
    /// # Errors
    /// What the system says.
    pub fn copy(&self, disk: &Path) -> anyhow::Result<Card> {
        replay::copy(&self.disk, disk)?;
        let disk = disk.to_owned();
        Ok(Card {
            disk,
            ..self.clone()
        })
    }

    /// Makes this card what another one is.
    ///
    /// # Errors
    /// What the system says.
    pub fn become_again(&self, other: &Card) -> anyhow::Result<()> {
        replay::copy(&other.disk, &self.disk)?;
        Ok(())
    }

    /// Overwrites `size` bytes of a partition `at` its byte, and so on at `every` further ones.
    ///
    /// # Errors
    /// There is no such partition, or the file cannot be written.
    pub fn wound(&self, name: &str, at: u64, every: usize, size: usize) -> anyhow::Result<()> {
        let place = partition(&self.disk, name)?.place;
        let file = fs::File::options().write(true).open(&self.disk)?;
        for at in (place.start + at..place.end).step_by(every) {
            file.write_all_at(&vec![0xa5; size], at)?;
        }
        Ok(())
    }

    /// What U-Boot's environment says, as text: a line for each variable, sorted. Empty where its checksum is not right.
    ///
    /// # Errors
    /// There is no such partition, or the file cannot be read.
    pub fn environment(&self) -> anyhow::Result<String> {
        let mut sector = [0; SECTOR as usize];
        let place = partition(&self.disk, "env")?.place;
        fs::File::open(&self.disk)?.read_exact_at(&mut sector, place.start)?;
        let text = String::from_utf8_lossy(&sector[4..]);
        let text = text.trim_end_matches('\0').replace('\0', "\n");
        if self.packed(&text)? != sector {
            return Ok(String::new());
        }
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        Ok(lines.join("\n"))
    }

    /// Gives U-Boot another environment, of such lines.
    ///
    /// # Errors
    /// There is no such partition, or `mkenvimage` fails.
    pub fn set_environment(&self, text: &str) -> anyhow::Result<()> {
        let place = partition(&self.disk, "env")?.place;
        let file = fs::File::options().write(true).open(&self.disk)?;
        file.write_all_at(&self.packed(text)?, place.start)?;
        Ok(())
    }

    /// An environment as U-Boot has it.
    fn packed(&self, text: &str) -> anyhow::Result<Vec<u8>> {
        let (lines, packed) = (
            self.disk.with_extension("lines"),
            self.disk.with_extension("env"),
        );
        fs::write(&lines, format!("{text}\n"))?;
        let mut pack = Command::new("mkenvimage");
        pack.args(["-s", &SECTOR.to_string(), "-p", "0", "-o"]);
        tool(pack.arg(&packed).arg(&lines))?;
        Ok(fs::read(&packed)?)
    }

    /// Gives a partition the content of another one of its size or less.
    ///
    /// # Errors
    /// One of them is not there, or the file cannot be written.
    pub fn fill(&self, name: &str, from: &str) -> anyhow::Result<()> {
        let (from, to) = (
            partition(&self.disk, from)?.place,
            partition(&self.disk, name)?.place,
        );
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(&self.disk)?;
        let mut bytes = vec![0; usize::try_from(from.end - from.start)?];
        file.read_exact_at(&mut bytes, from.start)?;
        file.write_all_at(&bytes, to.start)?;
        Ok(())
    }

    /// Takes a partition out of the table.
    ///
    /// # Errors
    /// There is none, or `sfdisk` fails.
    pub fn forget(&self, name: &str) -> anyhow::Result<()> {
        let number = partition(&self.disk, name)?.number;
        let mut table = Command::new("sfdisk");
        table.args(["--quiet", "--delete"]).arg(&self.disk);
        tool(table.arg(number)).map(drop)
    }

    /// Whether a partition has the same bytes on another card.
    ///
    /// # Errors
    /// One of them has no such partition, or `cmp` cannot be run.
    pub fn has_the_same(&self, name: &str, other: &Card) -> anyhow::Result<bool> {
        let place = partition(&self.disk, name)?.place;
        let same = Command::new("cmp")
            .args(["--quiet", "--bytes", &(place.end - place.start).to_string()])
            .args(["--ignore-initial", &place.start.to_string()])
            .args([&self.disk, &other.disk])
            .status()
            .context("cmp cannot be run: apt-get install diffutils")?;
        Ok(same.success())
    }

    /// Whether these bytes are anywhere on the card, named by a file or not.
    ///
    /// # Errors
    /// `grep` cannot be run, or not to its end: what it did not look at may be there.
    pub fn holds(&self, text: &str) -> anyhow::Result<bool> {
        let looked = Command::new("grep")
            // A card is mostly one long line of zeros.
            .args(["--null-data", "--text", "--quiet", "--fixed-strings", "--"])
            .arg(text)
            .arg(&self.disk)
            .env("LC_ALL", "C")
            .output()
            .context("grep cannot be run")?;
        match looked.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => bail!("{}", String::from_utf8_lossy(&looked.stderr).trim()),
        }
    }

    fn fat(&self) -> String {
        format!("{}@@{}", self.disk.display(), self.firmware)
    }
}

/// The image of a board in the directory where `board/build` put it.
pub fn image(built: &Path, board: &str, arch: Arch) -> PathBuf {
    built.join(format!("holdfast-{board}-{}.img.zst", arch.name()))
}

/// What its boot partitions hold, and what a virtual machine starts with, beside the image.
fn beside(built: &Path, board: &str, arch: Arch) -> PathBuf {
    built.join(format!("holdfast-{board}-{}.boot", arch.name()))
}

/// A partition as the table has it.
struct Partition {
    /// Its number, from 1.
    number: String,
    /// Its bytes on the disk.
    place: Range<u64>,
}

/// The partition of this name.
fn partition(disk: &Path, name: &str) -> anyhow::Result<Partition> {
    #[derive(Deserialize)]
    struct Told {
        partitiontable: Table,
    }
    #[derive(Deserialize)]
    struct Table {
        partitions: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        node: String,
        start: u64,
        size: u64,
        name: Option<String>,
    }
    let told = tool(Command::new("sfdisk").arg("--json").arg(disk))?;
    let told: Told = serde_json::from_str(&told).context("sfdisk speaks otherwise")?;
    let rows = told.partitiontable.partitions;
    let row = rows
        .into_iter()
        .find(|row| row.name.as_deref() == Some(name))
        .with_context(|| format!("{} has no partition {name}", disk.display()))?;
    // It calls them by the disk's name and their number.
    let letters = row
        .node
        .trim_end_matches(|letter: char| letter.is_ascii_digit());
    Ok(Partition {
        number: row.node[letters.len()..].to_owned(),
        place: row.start * SECTOR..(row.start + row.size) * SECTOR,
    })
}
