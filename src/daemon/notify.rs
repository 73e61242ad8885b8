//! The owner is told: in the chat with oneself, and by a program of the operator's.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use holdfast_core::Cause;
use tokio::process::Command;
use tokio::time::timeout;

use super::Daemon;
use crate::journal::Secret;
use crate::mail::{OutMessage, fresh_id};

/// How long the operator's program may take.
const HOOK_LIMIT: Duration = Duration::from_secs(30);

/// What the settings say of it.
pub(super) struct Notices {
    /// Whether the owner's own chat is written to.
    pub own_chat: bool,
    /// The program.
    pub hook: Option<PathBuf>,
}

impl Daemon {
    /// Tells of a cause, as far as that is wanted. Nobody waits for it.
    pub(super) fn notify(&self, cause: Cause) {
        // Nobody listens to the bus yet, or any more.
        let _ = self.news.send(cause);
        if self.notices.own_chat
            && let Some(to) = self.vault.own_chat()
        {
            let (outbox, text) = (self.outbox.clone(), text(cause));
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
        if let Some(hook) = self.notices.hook.clone() {
            let state = self.state.name();
            tokio::spawn(async move {
                if let Err(error) = run(&hook, state, cause).await {
                    tracing::warn!("{}: {error:#}", hook.display());
                }
            });
        }
    }
}

/// What the owner reads.
fn text(cause: Cause) -> Secret<String> {
    Secret::new(format!("Holdfast: {cause} {}", cause.action()))
}

/// Runs the operator's program with what happened in its environment.
async fn run(hook: &Path, state: &str, cause: Cause) -> anyhow::Result<()> {
    let mut command = Command::new(hook);
    command
        .env("HOLDFAST_STATE", state)
        .env("HOLDFAST_CAUSE", cause.code.as_str())
        .env("HOLDFAST_SENTENCE", cause.to_string())
        .env("HOLDFAST_ACTION", cause.action())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let status = timeout(HOOK_LIMIT, command.status()).await;
    let status = status.map_err(|_| anyhow::anyhow!("it took longer than {HOOK_LIMIT:?}"))??;
    anyhow::ensure!(status.success(), "it ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use holdfast_core::CauseCode;

    use super::*;

    #[tokio::test]
    async fn the_program_is_told_what_happened_and_its_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (hook, told) = (dir.path().join("hook"), dir.path().join("told"));
        let script = format!(
            "#!/bin/sh\necho \"$HOLDFAST_STATE $HOLDFAST_CAUSE\" >{}\ntest \"$HOLDFAST_STATE\" = Replaced\n",
            told.display()
        );
        fs::write(&hook, script).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        let cause = CauseCode::Replaced.into();
        run(&hook, "Replaced", cause).await.unwrap();
        assert_eq!(
            fs::read_to_string(&told).unwrap(),
            "Replaced session.replaced\n"
        );
        assert!(run(&hook, "Connected", cause).await.is_err());
        assert!(run(&told, "Replaced", cause).await.is_err(), "no program");
    }
}
