//! Other clients beside us: each a process of its own, so that its memory and its start are its own too.
//!
//! - [`baileys`]: an unmodified Baileys in Node
//! - [`whatsmeow`]: an unmodified whatsmeow, of which a copy is told where the lab is
//! - [`bare`]: a whatsapp-rust client with its SQLite store and nothing else
//!
//! They speak JSON lines ([`lines`]). The daemon, driven through its screen and its bus, is [`crate::holdfast`].

pub mod baileys;
pub mod bare;
pub mod lines;
pub mod whatsmeow;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::holdfast::Holdfast;
use crate::server::{DeviceId, Lab, PhoneId};

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

    /// Starts it; its session is kept below `keep`, everything else below `home`.
    ///
    /// # Errors
    /// The process cannot be started.
    pub async fn start(
        self,
        lab: &Lab,
        home: &Path,
        keep: &Path,
    ) -> anyhow::Result<Box<dyn Client>> {
        std::fs::create_dir_all(keep)?;
        let bare = |durable| bare::start(lab, &keep.join("bare.db"), durable);
        Ok(match self {
            Kind::Holdfast => {
                let program = std::env::current_exe()?;
                let mut holdfast = Holdfast::new(&program, home, &lab.url())?;
                holdfast.move_to(keep.join("data"));
                holdfast.begin().await?;
                Box::new(holdfast)
            }
            Kind::WhatsappRust => Box::new(bare(false)?),
            Kind::WhatsappRustFull => Box::new(bare(true)?),
            Kind::Baileys => Box::new(baileys::start(lab, &keep.join("baileys"))?),
        })
    }
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
