//! A recorded disk: QEMU serves an image as a file over FUSE and logs every write and flush; on it a loop device, on that ext4.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::cut::{Cut, Kind};
use super::log::Log;
use super::mounted::unmount;
use super::replay::{self, Replay};
use super::tool;

/// How long QEMU may take until it serves the disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// A disk that is being recorded. Dropping it takes mount, loop device and process away.
pub struct Disk {
    /// Goes before the directory does.
    parts: Parts,
    dir: tempfile::TempDir,
}

/// What was set up so far, taken down in the reverse order.
#[derive(Default)]
struct Parts {
    qemu: Option<Child>,
    device: Option<String>,
    mount: Option<PathBuf>,
}

/// What a recorded disk was and what happened to it. Its files go with it.
pub struct Record {
    /// The image it began with.
    pub start: PathBuf,
    /// The image as it was in the end.
    pub end: PathBuf,
    /// Everything in between.
    pub log: Log,
    dir: tempfile::TempDir,
}

/// Tells how much has happened on a disk.
#[derive(Clone, Debug)]
pub struct Clock {
    log: PathBuf,
}

impl Clock {
    /// The clock of the disk that writes this log.
    pub fn of(log: PathBuf) -> Clock {
        Clock { log }
    }

    /// The log it is read off.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The size of the log, bytes: what returned before now is at most here. QEMU answers a write once it is logged.
    pub fn now(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
    }
}

impl Disk {
    /// Begins a disk in `place` with a copy of the image `start`, and mounts it.
    ///
    /// # Errors
    /// What the system or its tools say.
    pub fn begin(place: &Path, start: &Path) -> anyhow::Result<Disk> {
        let dir = tempfile::tempdir_in(place)?;
        let mut disk = Disk {
            parts: Parts::default(),
            dir,
        };
        replay::copy(start, &disk.file("start"))?;
        replay::copy(start, &disk.file("disk"))?;
        for empty in ["log", "export"] {
            File::create(disk.file(empty))?;
        }
        disk.parts.qemu = Some(disk.serve()?);
        disk.wait_until_served()?;
        let device = tool(
            Command::new("losetup")
                .args(["--find", "--show"])
                .arg(disk.file("export")),
        )?;
        disk.parts.device = Some(device.clone());
        let at = disk.path().to_owned();
        fs::create_dir(&at)?;
        tool(
            Command::new("mount")
                .args(["-t", "ext4", "-o", "noatime", &device])
                .arg(&at),
        )?;
        disk.parts.mount = Some(at);
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.file("mount")
    }

    /// Its clock.
    pub fn clock(&self) -> Clock {
        Clock::of(self.file("log"))
    }

    /// Ends the recording: what is unmounted now is written too.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn end(mut self) -> anyhow::Result<Record> {
        self.parts = Parts::default();
        Ok(Record {
            start: self.file("start"),
            end: self.file("disk"),
            log: Log::open(&self.file("log"))?,
            dir: self.dir,
        })
    }

    /// Makes `image` what a power cut of this kind now would leave.
    ///
    /// # Errors
    /// The log or the image cannot be read or written.
    pub fn cut(&self, kind: Kind, dice: u64, image: &Path) -> anyhow::Result<()> {
        let log = Log::open(&self.file("log"))?;
        let after = log.entries().len();
        let cut = Cut { kind, after, dice };
        Replay::new(&log, &self.file("start"), self.dir.path())?.build(&cut, image)?;
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn serve(&self) -> anyhow::Result<Child> {
        let file = |node: &str, name: &str| {
            let path = self.file(name);
            format!("driver=file,node-name={node},filename={}", path.display())
        };
        let export = self.file("export");
        Command::new("qemu-storage-daemon")
            .args(["--blockdev", &file("image", "disk")])
            .args(["--blockdev", &file("writes", "log")])
            .args([
                "--blockdev",
                "driver=blklogwrites,node-name=logged,file=image,log=writes,log-sector-size=512",
            ])
            .arg("--export")
            .arg(format!(
                "type=fuse,id=export,node-name=logged,mountpoint={},writable=on",
                export.display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.file("qemu.log"))?)
            // An interrupt meant for us must not end it before its disk is unmounted.
            .process_group(0)
            .spawn()
            .context("qemu-storage-daemon cannot be run")
    }

    /// The empty file becomes as large as the disk when the export is mounted over it.
    fn wait_until_served(&mut self) -> anyhow::Result<()> {
        let size = fs::metadata(self.file("disk"))?.len();
        let deadline = Instant::now() + PATIENCE;
        while fs::metadata(self.file("export"))?.len() != size {
            let left = match &mut self.parts.qemu {
                Some(qemu) => qemu.try_wait()?,
                None => None,
            };
            if left.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(self.file("qemu.log")).unwrap_or_default();
                bail!(
                    "qemu-storage-daemon does not serve the disk: {}",
                    said.trim()
                );
            }
            // A mount by another process cannot be waited for otherwise.
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Record {
    /// Where there is room for files that go with the record.
    pub fn place(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Some(at) = &self.mount {
            unmount(at);
        }
        if let Some(device) = &self.device {
            // With nothing mounted on it nobody keeps it; an error here would hide the one that led here.
            let _ = tool(Command::new("losetup").args(["--detach", device]));
        }
        if let Some(qemu) = &mut self.qemu {
            let pid = qemu
                .id()
                .try_into()
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            // SIGTERM lets it take its mount away.
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = qemu.wait();
        }
    }
}
