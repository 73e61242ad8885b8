//! A bot on the bus: it reads what comes and acknowledges each message by itself.

use std::time::Duration;

use anyhow::Context as _;
use holdfast::bus::{Messages1Proxy, follow};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What it is called as a consumer.
const NAME: &str = "bot";

/// A running bot; it ends when this is dropped.
pub struct Bot {
    task: JoinHandle<anyhow::Result<()>>,
    /// How many messages it has acknowledged.
    acknowledged: watch::Receiver<usize>,
}

impl Bot {
    /// Begins one, which knows of what has come so far.
    ///
    /// # Errors
    /// The bus does not tell of messages.
    pub async fn start(messages: Messages1Proxy<'static>) -> anyhow::Result<Bot> {
        let mut news = follow(messages.receive_received().await?);
        let (told, acknowledged) = watch::channel(0);
        let task = tokio::spawn(async move {
            loop {
                let unread = messages.read(NAME, 0, 0).await?;
                if unread.is_empty() {
                    news.changed().await.context("the daemon has left")?;
                }
                for message in unread {
                    messages.acknowledge(NAME, message.seq).await?;
                    told.send_modify(|count| *count += 1);
                }
            }
        });
        Ok(Bot { task, acknowledged })
    }

    /// How many it has acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Waits until it has acknowledged so many in all.
    ///
    /// # Errors
    /// It stopped, or needed longer.
    pub async fn has_acknowledged(&mut self, count: usize, within: Duration) -> anyhow::Result<()> {
        let done = self.acknowledged.wait_for(|done| *done >= count);
        let done = tokio::time::timeout(within, done).await;
        let late = || format!("the bot did not acknowledge {count} messages within {within:?}");
        if done.with_context(late)?.is_ok() {
            return Ok(());
        }
        (&mut self.task).await?.context("the bot has stopped")
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.task.abort();
    }
}
