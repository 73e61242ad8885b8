//! The owner is told: in the chat with oneself, and by a program of the operator's.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use holdfast_core::Cause;
use holdfast_medium::Secret;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use super::hands::Hands;
use crate::mail::{OutMessage, fresh_id};

/// How long the operator's program may take, with all that it starts.
const HOOK_LIMIT: Duration = Duration::from_secs(30);

/// Environment variables that the service manager gave to us alone (systemd.exec(5)): with them a program could speak in our name.
const OURS: [&str; 9] = [
    "CREDENTIALS_DIRECTORY",
    "FDSTORE",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

impl Hands {
    /// Tells of a cause, as far as that is wanted. Nobody waits for it.
    pub(super) fn notify(&self, state: &'static str, cause: Cause) {
        self.publisher.news(cause);
        let settings = &self.config.settings;
        if settings.notify_own_chat
            && let Some(open) = &self.open
            && let Some(to) = open.rooms.vault.own_chat()
        {
            let (outbox, text) = (open.rooms.outbox.clone(), text(cause));
            tokio::spawn(async move {
                let message = match fresh_id() {
                    Ok(id) => OutMessage { id, to, text },
                    Err(error) => return tracing::warn!("the owner's chat: {error}"),
                };
                if let Err(error) = outbox.accept(message).await {
                    tracing::warn!("the owner cannot be told in the chat with oneself: {error}");
                }
            });
        }
        if let Some(hook) = settings.notify_hook.clone() {
            tokio::spawn(async move {
                if let Err(error) = run(&hook, state, cause, HOOK_LIMIT).await {
                    tracing::warn!("{}: {error:#}", hook.display());
                }
            });
        }
    }
}

/// Writes the text that the owner reads.
fn text(cause: Cause) -> Secret<String> {
    let advice = cause.advice().map(|advice| format!(" {advice}"));
    Secret::new(format!("Holdfast: {cause}{}", advice.unwrap_or_default()))
}

/// Runs the operator's program with what happened in its environment, in a process group of its own: what takes too long is
/// ended with all that it started.
async fn run(hook: &Path, state: &str, cause: Cause, limit: Duration) -> anyhow::Result<()> {
    let mut command = Command::new(hook);
    for name in OURS {
        command.env_remove(name);
    }
    command
        .process_group(0)
        .env("HOLDFAST_STATE", state)
        .env("HOLDFAST_CAUSE", cause.code.as_str())
        .env("HOLDFAST_SENTENCE", cause.to_string())
        .env("HOLDFAST_ACTION", cause.action())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut running = command.spawn()?;
    let Ok(status) = timeout(limit, running.wait()).await else {
        let group = running
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            kill_process_group(group, Signal::KILL)?;
        }
        running.wait().await?;
        anyhow::bail!("it took longer than {limit:?}");
    };
    let status = status?;
    anyhow::ensure!(status.success(), "it ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::thread;

    use holdfast_core::CauseCode;
    use rustix::fs::{CWD, Mode, mkfifoat};
    use tokio::sync::oneshot;

    use super::*;

    /// A program of these lines.
    fn hook(dir: &Path, lines: &str) -> PathBuf {
        let hook = dir.join("hook");
        fs::write(&hook, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        hook
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        mkfifoat(CWD, &held, Mode::RWXU).unwrap();
        // The pipe is open for writing as long as either of them lives.
        let lines = format!("exec 3>{}\nsleep 1000 &\nwait", held.display());
        let hook = hook(dir.path(), &lines);
        let (tell, released) = oneshot::channel();
        thread::spawn(move || tell.send(fs::read(held)));
        let limit = Duration::from_secs(1);
        let ended = run(&hook, "Replaced", CauseCode::Replaced.into(), limit).await;
        assert!(ended.unwrap_err().to_string().contains("longer"));
        let released = timeout(Duration::from_secs(30), released).await;
        assert!(released.unwrap().unwrap().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_program_is_told_what_happened_and_its_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("told");
        let lines = format!(
            "echo \"$HOLDFAST_STATE $HOLDFAST_CAUSE\" >{}\ntest \"$HOLDFAST_STATE\" = Replaced",
            told.display()
        );
        let (hook, cause) = (hook(dir.path(), &lines), CauseCode::Replaced.into());
        let run = async |hook, state| run(hook, state, cause, HOOK_LIMIT).await;
        run(&hook, "Replaced").await.unwrap();
        assert_eq!(
            fs::read_to_string(&told).unwrap(),
            "Replaced session.replaced\n"
        );
        assert!(run(&hook, "Connected").await.is_err());
        assert!(run(&told, "Replaced").await.is_err(), "no program");
    }
}
