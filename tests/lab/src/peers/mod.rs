//! Other clients beside us: each a process of its own, so that its memory and its start are its own too.
//!
//! - [`baileys`]: an unmodified Baileys in Node
//! - [`whatsmeow`]: an unmodified whatsmeow, of which a copy is told where the lab is
//! - [`bare`]: a whatsapp-rust client with its SQLite store and nothing else
//!
//! They speak JSON lines ([`lines`]). The daemon, driven through its screen and its bus, is [`crate::holdfast`]; a [`bot`] of its
//! may hang on it.

pub mod baileys;
pub mod bare;
pub mod bot;
pub mod lines;
pub mod whatsmeow;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;

use crate::holdfast::Holdfast;
use crate::server::{DeviceId, Lab, PhoneId};
use bot::Bot;
use lines::Lines;

/// How long a client may take for one step; Baileys makes 812 pre-keys in JavaScript before it is connected.
pub const STEP: Duration = Duration::from_secs(60);

/// A client as a process.
#[async_trait]
pub trait Client: Send {
    /// The linking QR it shows.
    async fn qr(&mut self) -> anyhow::Result<String>;
    /// Waits until it says that it is connected.
    async fn connected(&mut self) -> anyhow::Result<()>;
    /// Has a text sent to a number, and returns its id once that is taken.
    async fn text(&mut self, to: &str, text: &str) -> anyhow::Result<String>;
    /// The process.
    fn process(&self) -> Option<u32>;
    /// Ends it in order.
    async fn end(&mut self) -> anyhow::Result<()>;
    /// Begins a bot that acknowledges each message, where a client has consumers.
    async fn bot(&mut self) -> anyhow::Result<Option<Bot>> {
        Ok(None)
    }
}

#[async_trait]
impl Client for Holdfast {
    async fn qr(&mut self) -> anyhow::Result<String> {
        self.scan_screen().await
    }

    async fn connected(&mut self) -> anyhow::Result<()> {
        self.reaches("Connected").await
    }

    async fn text(&mut self, to: &str, text: &str) -> anyhow::Result<String> {
        Ok(self.messages().await?.send(to, text, "").await?)
    }

    fn process(&self) -> Option<u32> {
        self.pid().ok()
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        self.stop().await
    }

    async fn bot(&mut self) -> anyhow::Result<Option<Bot>> {
        Ok(Some(Bot::start(self.messages().await?).await?))
    }
}

/// Where a client lives, and what it is run under.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its session is kept below here.
    pub keep: PathBuf,
    /// Everything else is here.
    pub home: PathBuf,
    /// The program and its arguments that run it; none as a rule.
    pub under: Vec<PathBuf>,
    /// The daemon that is run, when it is none of this program's.
    pub daemon: Option<PathBuf>,
}

impl Place {
    /// All of it in one directory.
    pub fn of(home: &Path) -> Place {
        Place {
            keep: home.to_owned(),
            home: home.to_owned(),
            under: Vec::new(),
            daemon: None,
        }
    }

    /// The same, with this daemon.
    pub fn with(self, daemon: Option<&Path>) -> Place {
        let daemon = daemon.map(Path::to_owned);
        Place { daemon, ..self }
    }
}

/// The clients that benchmarks compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our daemon.
    Holdfast,
    /// A bare whatsapp-rust client, its SQLite as the crate sets it up.
    WhatsappRust,
    /// The same as durable as Holdfast is: `synchronous=FULL`, and no message acked before it is stored.
    WhatsappRustFull,
    /// Baileys.
    Baileys,
}

impl Kind {
    /// The name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Holdfast => "holdfast",
            Kind::WhatsappRust => "whatsapp-rust",
            Kind::WhatsappRustFull => "sqlite-full",
            Kind::Baileys => "baileys",
        }
    }

    /// What keeps it from running here, and what to do about it.
    pub async fn missing(self) -> Option<String> {
        match self {
            Kind::Holdfast | Kind::WhatsappRust | Kind::WhatsappRustFull => None,
            Kind::Baileys => baileys::missing().await,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// The process cannot be started.
    pub async fn start(self, lab: &Lab, place: &Place) -> anyhow::Result<Box<dyn Client>> {
        let keep = &place.keep;
        std::fs::create_dir_all(keep)?;
        let process = match self {
            Kind::Holdfast => {
                let program = std::env::current_exe()?;
                let mut holdfast = Holdfast::new(&program, &place.home, &lab.url())?;
                if let Some(daemon) = &place.daemon {
                    holdfast.is_daemon(daemon);
                }
                holdfast.move_to(keep.join("data"));
                holdfast.runs_in_memory()?;
                holdfast.runs_under(place.under.clone());
                holdfast.begin().await?;
                return Ok(Box::new(holdfast));
            }
            Kind::WhatsappRust => bare::command(lab, &keep.join("bare.db"), false)?,
            Kind::WhatsappRustFull => bare::command(lab, &keep.join("full.db"), true)?,
            Kind::Baileys => baileys::command(lab, &keep.join("baileys")),
        };
        let mut process = under(&place.under, process);
        Ok(Box::new(Lines::start(self.name(), &mut process)?))
    }
}

/// The same command, run by these words.
fn under(words: &[PathBuf], command: Command) -> Command {
    let Some((first, others)) = words.split_first() else {
        return command;
    };
    let inner = command.as_std();
    let mut outer = Command::new(first);
    outer.args(others).arg(inner.get_program());
    outer.args(inner.get_args());
    if let Some(dir) = inner.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// The clients that nobody here wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Baileys.
    Baileys,
    /// whatsmeow.
    Whatsmeow,
}

impl Foreign {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Foreign::Baileys => "baileys",
            Foreign::Whatsmeow => "whatsmeow",
        }
    }

    /// What keeps it from running here, and what to do about it.
    pub async fn missing(self) -> Option<String> {
        match self {
            Foreign::Baileys => baileys::missing().await,
            Foreign::Whatsmeow => whatsmeow::missing().await,
        }
    }

    /// Starts a client that keeps its session in `auth`.
    ///
    /// # Errors
    /// [`PeerError::Process`].
    pub fn start(self, lab: &Lab, auth: &Path) -> Result<lines::Lines, PeerError> {
        match self {
            Foreign::Baileys => baileys::start(lab, auth),
            Foreign::Whatsmeow => whatsmeow::start(lab, auth),
        }
    }
}

impl fmt::Display for Foreign {
    /// As its makers write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::Baileys => "Baileys",
            Foreign::Whatsmeow => "whatsmeow",
        })
    }
}

/// Links a client: the phone scans the QR it shows, and it connects.
///
/// # Errors
/// The step that failed.
pub async fn link(lab: &Lab, phone: &PhoneId, client: &mut dyn Client) -> anyhow::Result<DeviceId> {
    let qr = client.qr().await?;
    let device = lab.scan_qr(phone, &qr).await?;
    client.connected().await?;
    Ok(device)
}

/// Why a client did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The process could not be started or spoken to.
    #[error("{peer} cannot be run: {source}")]
    Process {
        /// The client.
        peer: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The process ended.
    #[error("{peer} ended while {awaited} was awaited")]
    Ended {
        /// The client.
        peer: &'static str,
        /// What was awaited.
        awaited: String,
    },
    /// The client reported a failure of its own.
    #[error("{peer} failed while {awaited} was awaited: {error}")]
    Failed {
        /// The client.
        peer: &'static str,
        /// What was awaited.
        awaited: String,
        /// What the client says.
        error: String,
    },
    /// It took too long.
    #[error("{peer}: waited {within:?} for {awaited} in vain; it said {said}")]
    Late {
        /// The client.
        peer: &'static str,
        /// What was awaited.
        awaited: String,
        /// How long.
        within: Duration,
        /// What it said instead, by name.
        said: String,
    },
}
