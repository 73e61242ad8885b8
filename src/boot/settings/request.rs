//! What is asked for over the bus, checked as a card's file is; and the door through which the daemon, which may write nothing of the
//! system's, hands it to the step that may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use holdfast_medium::{Machine, Secret, Stopped};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::regulatory::Countries;
use super::shown::{Shown, Standing};
use super::wishes::Wishes;
use super::{ASKED, FILES, MOST, sheets, turn};
use crate::sheet::{Problem, Sheet};

/// There when the daemon wants something changed: `holdfast-change.path` waits for it.
const FILE: &str = "run/holdfast/change.json";

/// A change, asked for.
#[derive(Deserialize, Serialize)]
pub(super) struct Request {
    /// Its number, by which its end is known.
    pub id: u64,
    /// As in `holdfast.toml`.
    settings: String,
    /// The networks to be left, by their names in hexadecimal.
    pub leave: Vec<String>,
    /// Kept wherever it leads: to nobody who comes in, or to a network that is not there.
    pub force: bool,
}

impl Request {
    /// Takes what is asked for; `None` when nothing is. The file is the daemon's, who is not to be believed of anything but its content.
    ///
    /// # Errors
    /// It cannot be understood, and is gone.
    pub(super) fn take(machine: &Machine) -> io::Result<Option<Self>> {
        let path = machine.file(FILE);
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(no_follow)
            .open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened,
        };
        fs::remove_file(&path)?;
        let mut json = Vec::new();
        file?.take(2 * MOST).read_to_end(&mut json)?;
        Ok(Some(serde_json::from_slice(&json)?))
    }

    /// What it asks for, and what is wrong with it.
    pub(super) fn wishes(&self, machine: &Machine) -> (Wishes, Vec<Problem>) {
        read(machine, &self.settings)
    }
}

fn read(machine: &Machine, settings: &str) -> (Wishes, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut wishes = Wishes {
        countries: Countries::of(machine),
        ..Wishes::default()
    };
    let sheet = Sheet::new(settings.as_bytes());
    let file = (Path::new(ASKED), FILES.len());
    sheets::read(&mut wishes, file, &sheet, &mut problems);
    (wishes, problems)
}

/// Checks what is asked for as the boot checks `holdfast.toml`, before it is handed on. Returns what is wrong; none of it holds a value.
pub fn check(machine: &Machine, settings: &Secret<String>) -> Vec<Problem> {
    read(machine, settings.expose()).1
}

/// The daemon's way to the settings of the machine it runs on.
#[derive(Clone, Debug)]
pub struct Door(Machine);

/// Why a change was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// No step of the boot reads an owner's settings here.
    #[error("the settings are not Holdfast's")]
    NotOurs,
    /// Another change is under way.
    #[error("another change is being tried")]
    Busy,
    /// The request could not be left.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Holdfast stops.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Door {
    /// The door of a machine.
    pub fn new(machine: Machine) -> Self {
        Self(machine)
    }

    /// [`check`] for the machine that it leads to.
    pub fn check(&self, settings: &Secret<String>) -> Vec<Problem> {
        check(&self.0, settings)
    }

    /// What is set now.
    ///
    /// # Errors
    /// [`NotAsked::NotOurs`], or it cannot be read.
    pub fn shown(&self) -> Result<Shown, NotAsked> {
        match Shown::read(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NotAsked::NotOurs),
            shown => Ok(shown?),
        }
    }

    /// Asks for a change, under this number. Nothing of it waits for a disk: what is not taken at once is void after a power cut.
    ///
    /// # Errors
    /// Nothing is asked for.
    pub fn ask(
        &self,
        id: u64,
        settings: &Secret<String>,
        leave: Vec<String>,
        force: bool,
    ) -> Result<(), NotAsked> {
        let path = self.0.file(FILE);
        let standing = self.shown()?.change.map(|change| change.standing);
        let is_tried = standing == Some(Standing::Trying) && turn::is_taken(&self.0);
        if is_tried || path.exists() {
            return Err(NotAsked::Busy);
        }
        let settings = settings.expose().clone();
        let request = Request {
            id,
            settings,
            leave,
            force,
        };
        // Whole under its name, for which the step waits; and nobody else's to read, for there may be a password in it.
        let new = path.with_added_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(&request).map_err(io::Error::other)?)?;
        Ok(fs::rename(new, path)?)
    }
}
