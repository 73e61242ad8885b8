//! A client process that speaks JSON lines: commands on its standard input, events on its standard output, each after the
//! mark `@lab ` because libraries print there too.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command as Process};
use tokio::sync::mpsc;

use super::{Client, PeerError, STEP};

/// What a line of ours begins with.
pub const MARK: &str = "@lab ";

/// How long a client may take to end.
const GOODBYE: Duration = Duration::from_secs(10);

/// What a client says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A linking QR is shown.
    Qr {
        /// Its text.
        qr: String,
    },
    /// Connected and usable.
    Open,
    /// The connection ended; the client goes on by itself.
    Close {
        /// The status the library gives it.
        code: u16,
    },
    /// A message was received and decrypted.
    Message {
        /// The id its sender chose.
        id: String,
        /// The sender's address.
        from: String,
        /// The text.
        text: String,
    },
    /// A message was received that cannot be decrypted, for now.
    Undecryptable {
        /// The id its sender chose.
        id: String,
    },
    /// A message was handed to the socket.
    Sent {
        /// Its id.
        id: String,
    },
    /// A command failed.
    Failed {
        /// Why.
        error: String,
    },
}

impl Event {
    fn name(&self) -> String {
        match self {
            Event::Qr { .. } => "qr".to_owned(),
            Event::Open => "open".to_owned(),
            Event::Close { code } => format!("close({code})"),
            Event::Message { .. } => "message".to_owned(),
            Event::Undecryptable { .. } => "undecryptable".to_owned(),
            Event::Sent { .. } => "sent".to_owned(),
            Event::Failed { .. } => "failed".to_owned(),
        }
    }
}

/// What a client is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Send a text.
    Send {
        /// A number, or an address.
        to: String,
        /// The text.
        text: String,
    },
    /// End the link.
    Logout,
    /// End in order.
    Stop,
}

/// A running client.
pub struct Lines {
    name: &'static str,
    child: Child,
    commands: ChildStdin,
    events: mpsc::UnboundedReceiver<Event>,
    /// Events that nobody has waited for yet.
    early: VecDeque<Event>,
}

impl Lines {
    /// Starts the process.
    ///
    /// # Errors
    /// [`PeerError::Process`].
    pub fn start(name: &'static str, process: &mut Process) -> Result<Lines, PeerError> {
        let failed = |source| PeerError::Process { peer: name, source };
        let mut child = process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(commands), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        let (told, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // What is not ours is read on, so that the pipe never fills.
                let event = line
                    .strip_prefix(MARK)
                    .and_then(|json| serde_json::from_str(json).ok());
                if let Some(event) = event
                    && told.send(event).is_err()
                {
                    return;
                }
            }
        });
        Ok(Lines {
            name,
            child,
            commands,
            events,
            early: VecDeque::new(),
        })
    }

    /// Waits for the first event that `pick` takes; those it leaves stay for the next wait.
    ///
    /// # Errors
    /// [`PeerError::Late`], [`PeerError::Ended`], [`PeerError::Failed`] as soon as the client reports a failure.
    pub async fn wait<T>(
        &mut self,
        awaited: &str,
        within: Duration,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> Result<T, PeerError> {
        let waited = tokio::time::timeout(within, self.search(awaited, pick)).await;
        waited.unwrap_or_else(|_| {
            let said: Vec<String> = self.early.iter().map(Event::name).collect();
            Err(PeerError::Late {
                peer: self.name,
                awaited: awaited.to_owned(),
                within,
                said: if said.is_empty() {
                    "nothing".to_owned()
                } else {
                    said.join(", ")
                },
            })
        })
    }

    async fn search<T>(
        &mut self,
        awaited: &str,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> Result<T, PeerError> {
        for at in 0..self.early.len() {
            if let Some(found) = pick(&self.early[at]) {
                self.early.remove(at);
                return Ok(found);
            }
        }
        loop {
            let Some(event) = self.events.recv().await else {
                return Err(PeerError::Ended {
                    peer: self.name,
                    awaited: awaited.to_owned(),
                });
            };
            match (pick(&event), event) {
                (Some(found), _) => return Ok(found),
                (None, Event::Failed { error }) => {
                    return Err(PeerError::Failed {
                        peer: self.name,
                        awaited: awaited.to_owned(),
                        error,
                    });
                }
                (None, event) => self.early.push_back(event),
            }
        }
    }

    /// Sends a text and returns the id the client gave it.
    ///
    /// # Errors
    /// As [`Lines::wait`].
    pub async fn send(&mut self, to: &str, text: &str) -> Result<String, PeerError> {
        self.tell(&Command::Send {
            to: to.to_owned(),
            text: text.to_owned(),
        })
        .await?;
        self.wait(
            "word that the message went out",
            super::STEP,
            |event| match event {
                Event::Sent { id } => Some(id.clone()),
                _ => None,
            },
        )
        .await
    }

    /// Has the client end its link.
    ///
    /// # Errors
    /// [`PeerError::Process`].
    pub async fn log_out(&mut self) -> Result<(), PeerError> {
        self.tell(&Command::Logout).await
    }

    /// Waits for a message with this text and returns its id.
    ///
    /// # Errors
    /// As [`Lines::wait`].
    pub async fn message(&mut self, text: &str, within: Duration) -> Result<String, PeerError> {
        self.wait("the message", within, |event| match event {
            Event::Message { id, text: read, .. } if read == text => Some(id.clone()),
            _ => None,
        })
        .await
    }

    async fn tell(&mut self, command: &Command) -> Result<(), PeerError> {
        let mut line = serde_json::to_vec(command).map_err(|error| self.cannot(error.into()))?;
        line.push(b'\n');
        let written = self.commands.write_all(&line).await;
        written.map_err(|error| self.cannot(error))
    }

    fn cannot(&self, source: std::io::Error) -> PeerError {
        PeerError::Process {
            peer: self.name,
            source,
        }
    }
}

#[async_trait]
impl Client for Lines {
    async fn qr(&mut self) -> anyhow::Result<String> {
        let shown = self.wait("QR", STEP, |event| match event {
            Event::Qr { qr } => Some(qr.clone()),
            _ => None,
        });
        Ok(shown.await?)
    }

    async fn connected(&mut self) -> anyhow::Result<()> {
        let open = self.wait("connection", STEP, |event| {
            matches!(event, Event::Open).then_some(())
        });
        Ok(open.await?)
    }

    async fn text(&mut self, to: &str, text: &str) -> anyhow::Result<String> {
        Ok(self.send(to, text).await?)
    }

    fn process(&self) -> Option<u32> {
        self.child.id()
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        self.tell(&Command::Stop).await?;
        let ended = tokio::time::timeout(GOODBYE, self.child.wait()).await;
        ended
            .with_context(|| format!("{} did not end within {GOODBYE:?}", self.name))?
            .map_err(|error| self.cannot(error))?;
        Ok(())
    }
}
