//! Who has SSH to the board, with a key and nothing else.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::machine::Machine;

/// How often a board that does not answer yet is asked again.
const AGAIN: Duration = Duration::from_secs(1);

const NO_SSH: &str = "ssh cannot be run: apt-get install openssh-client";

/// An operator and their key.
#[derive(Clone, Debug)]
pub struct Operator {
    key: PathBuf,
}

impl Operator {
    /// An operator with a new key, kept in `dir`.
    ///
    /// # Errors
    /// `ssh-keygen` cannot be run.
    pub async fn new(dir: &Path) -> anyhow::Result<Operator> {
        let key = dir.join("operator");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f"])
            .arg(&key)
            .output()
            .await
            .context("ssh-keygen cannot be run: apt-get install openssh-client")?;
        ensure!(made.status.success(), "ssh-keygen made no key");
        Ok(Operator { key })
    }

    /// The public half, as `authorized_keys` wants it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn public(&self) -> anyhow::Result<String> {
        let line = std::fs::read_to_string(self.key.with_extension("pub"))?;
        Ok(line.trim().to_owned())
    }

    /// Waits until the board lets the operator in.
    ///
    /// # Errors
    /// It does not within this time; with what SSH said last.
    pub async fn is_let_in(&self, machine: &Machine, within: Duration) -> anyhow::Result<()> {
        let mut last = None;
        let let_in = async {
            while let Err(error) = self.run(machine, "true").await {
                last = Some(error);
                tokio::time::sleep(AGAIN).await;
            }
        };
        if tokio::time::timeout(within, let_in).await.is_ok() {
            return Ok(());
        }
        Err(last.context("SSH never answered")?)
            .with_context(|| format!("the operator was not let in within {within:?}"))
    }

    /// Runs a command on the board and returns what it printed.
    ///
    /// # Errors
    /// SSH fails, or the command does; with what it said.
    pub async fn run(&self, machine: &Machine, command: &str) -> anyhow::Result<String> {
        printed(self.ssh(machine, command), command).await
    }

    /// Copies a file onto the board.
    ///
    /// # Errors
    /// It cannot be read, or SSH fails.
    pub async fn send(&self, machine: &Machine, file: &Path, to: &str) -> anyhow::Result<()> {
        let sent = self.feed(machine, file, &format!("cat >{to}")).await;
        let sent = sent.with_context(|| format!("{} does not arrive", file.display()));
        sent.map(drop)
    }

    /// Runs a command on the board that reads a file of here through a pipe, and returns what it printed.
    ///
    /// # Errors
    /// The file cannot be read, SSH fails, or the command does; with what it said.
    pub async fn feed(
        &self,
        machine: &Machine,
        file: &Path,
        command: &str,
    ) -> anyhow::Result<String> {
        let mut ssh = self.ssh(machine, command);
        ssh.stdin(std::fs::File::open(file)?);
        printed(ssh, command).await
    }

    /// Runs a command on the board and follows what it prints.
    ///
    /// # Errors
    /// SSH cannot be run.
    pub fn follow(&self, machine: &Machine, command: &str) -> anyhow::Result<Followed> {
        let mut ssh = self.ssh(machine, command);
        let mut ssh = ssh.stdout(Stdio::piped()).spawn().context(NO_SSH)?;
        let stdout = ssh.stdout.take().context("SSH has no output")?;
        Ok(Followed {
            lines: BufReader::new(stdout).lines(),
            _ssh: ssh,
        })
    }

    fn ssh(&self, machine: &Machine, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-i"])
            .arg(&self.key)
            .args(["-p", &machine.ssh().to_string()])
            // A new card has a new host key each time; whom we reach is our own child.
            .args(["-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-o", "BatchMode=yes"])
            .args(["-o", "ConnectTimeout=20", "root@127.0.0.1", command])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        ssh
    }
}

/// What a command on the board prints, until it ends.
async fn printed(mut ssh: Command, command: &str) -> anyhow::Result<String> {
    let output = ssh.output().await.context(NO_SSH)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{command:?} failed on the board: {}{}",
        printed.trim(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(printed)
}

/// A command that runs on the board until this is dropped.
pub struct Followed {
    lines: Lines<BufReader<ChildStdout>>,
    _ssh: Child,
}

impl Followed {
    /// The next line that it prints; none when it ended.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn line(&mut self) -> anyhow::Result<Option<String>> {
        Ok(self.lines.next_line().await?)
    }
}
