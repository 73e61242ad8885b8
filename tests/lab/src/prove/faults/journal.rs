//! A journald of our own, in a mount namespace where nobody else's is, so that its records can be read back wherever this runs
//! as root: what a daemon sends to `/run/systemd/journal/socket` there is this one's.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command as Process};
use tokio::time::sleep;

use crate::holdfast::within;
use crate::records::Record;

/// Where Debian and its kin have it: it is no command of anybody's.
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// What is a machine's journal elsewhere is empty and private here. `exec`, so that the process is journald itself.
const ALONE: &str = "for place in /run/systemd /run/log /var/log; do mount -t tmpfs tmpfs $place || exit 1; done; \
     mkdir -p /run/log/journal && exec /lib/systemd/systemd-journald";

/// Names what is missing here.
pub(super) fn missing() -> Option<String> {
    let has = |command: &str| {
        let asked = Command::new(command)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    };
    if !rustix::process::geteuid().is_root() {
        return Some("a journald of its own needs root".to_owned());
    }
    if !Path::new(JOURNALD).exists() {
        return Some(format!("there is no {JOURNALD}"));
    }
    ["unshare", "nsenter", "journalctl"]
        .into_iter()
        .find(|command| !has(command))
        .map(|command| format!("there is no {command}"))
}

/// A running journald.
pub(super) struct Journal {
    namespace: PathBuf,
    _journald: Child,
}

impl Journal {
    /// Starts one and waits until it listens.
    pub async fn start(log: &Path) -> anyhow::Result<Journal> {
        let journald = Process::new("unshare")
            .args(["--mount", "sh", "-c", ALONE])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?)
            .kill_on_drop(true)
            .spawn()?;
        let process = PathBuf::from(format!("/proc/{}", journald.id().context("it left")?));
        // A socket in another namespace cannot be waited for otherwise; before it is there, the root is everybody's.
        let up = async {
            while !process
                .join("root/run/systemd/journal/io.systemd.journal")
                .exists()
                || process.join("root/run/systemd/journal").metadata()?.dev()
                    == Path::new("/run").metadata()?.dev()
            {
                sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        within(30, "journald", up).await??;
        Ok(Journal {
            namespace: process.join("ns/mnt"),
            _journald: journald,
        })
    }

    /// The words that have a command run where this journal is.
    pub fn inside(&self) -> Vec<PathBuf> {
        let namespace = format!("--mount={}", self.namespace.display());
        vec!["nsenter".into(), namespace.into(), "--".into()]
    }

    /// What was sent to it over its socket so far.
    pub async fn records(&self) -> anyhow::Result<Vec<Record>> {
        let read = "journalctl --sync && journalctl --directory=/run/log/journal --no-pager --all --output=json _TRANSPORT=journal";
        let inside = self.inside();
        let read = Process::new(&inside[0])
            .args(&inside[1..])
            .args(["sh", "-c", read])
            .stdin(Stdio::null())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&read.stderr);
        ensure!(read.status.success(), "journalctl: {said}");
        Record::read(&String::from_utf8_lossy(&read.stdout))
    }
}
