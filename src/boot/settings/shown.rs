//! What is set now, as an admin sees it over the bus; no password is in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};

use holdfast_medium::Machine;
use serde::{Deserialize, Serialize};

use super::shelf::{DIAGNOSIS_KEYS, KEYS, Shelf};
use super::wifi::{self, Ssid};
use super::wishes::Wishes;
use crate::boot::note;
use crate::boot::user::user;
use crate::boot::wifi::note_named;
use crate::panel::Language;

/// Where the daemon finds it: in a directory of root's, that nobody else writes to.
const FILE: &str = "run/holdfast-settings/shown.json";

/// There, whether anybody can log in: the keys themselves are hidden from the daemon.
const LETS_IN: &str = "run/holdfast-settings/lets-in.json";

/// Whether anybody can log in by SSH, as the settings step of this boot found it, or the last change since; `None` on a machine that has no
/// such step.
pub fn lets_in(machine: &Machine) -> Option<bool> {
    let kept = fs::read(machine.file(LETS_IN)).ok()?;
    serde_json::from_slice(&kept).ok()
}

/// The language that the screens are to speak now, where the settings say so.
pub fn spoken(machine: &Machine) -> Option<Language> {
    Language::of(&Shown::read(machine).ok()?.language?)
}

/// What is set now.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The machine's name.
    pub hostname: String,
    /// Its time zone; `None` is UTC.
    pub time_zone: Option<String>,
    /// What the screens are written in, where the settings say so.
    pub language: Option<String>,
    /// The country whose rules the radio keeps to.
    pub country: Option<String>,
    /// The networks it joins, the first one first.
    pub wifi: Vec<Network>,
    /// Lines of fixed addresses of the cable; empty where the network gives them.
    pub ethernet_address: Vec<String>,
    /// The same of the Wi-Fi.
    pub wifi_address: Vec<String>,
    /// Public keys that come in over SSH, as authorized_keys has them.
    pub authorized_keys: Vec<String>,
    /// Public keys that come in over SSH to look.
    pub diagnosis_keys: Vec<String>,
    /// The last change since the boot.
    pub change: Option<Tried>,
}

/// A network.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Its name, as far as it is text.
    pub ssid: String,
    /// Its name's bytes in hexadecimal.
    pub hex: String,
    /// How it is joined: `open`, `wpa2`, `wpa3`, `wpa2+wpa3`.
    pub security: String,
}

/// A change, and what became of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Its number.
    pub id: u64,
    /// What became of it.
    pub standing: Standing,
    /// What is to be said of it.
    pub why: Vec<String>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is not known yet whether it leads out.
    Trying,
    /// It holds.
    Kept,
    /// It did not lead out, and everything is as before.
    TakenBack,
    /// It was not begun.
    Refused,
}

impl Shown {
    /// Gathers it from what is kept and asked for.
    pub(super) fn of(shelf: &Shelf, wishes: &Wishes, change: Option<Tried>) -> Self {
        let network = |own: wifi::Network| Network {
            ssid: Ssid::of_hex(&own.ssid).map_or_else(|_| own.ssid.clone(), |ssid| ssid.text()),
            security: own.lock.security().name().to_owned(),
            hex: own.ssid,
        };
        Self {
            hostname: shelf.hostname(),
            time_zone: wishes.time_zone.clone(),
            language: wishes.language.clone(),
            country: wishes.country.clone(),
            wifi: shelf.joined().into_iter().map(network).collect(),
            ethernet_address: wishes.wired.lines(),
            wifi_address: wishes.wireless.lines(),
            authorized_keys: shelf.keys(KEYS),
            diagnosis_keys: shelf.keys(DIAGNOSIS_KEYS),
            change,
        }
    }

    /// Reads what the last step left.
    pub(super) fn read(machine: &Machine) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(machine.file(FILE))?)?)
    }

    /// Leaves it for the daemon, and nobody else; and word of what of it is nobody's secret.
    pub(super) fn put(&self, machine: &Machine) -> io::Result<()> {
        note(machine, LETS_IN, &!self.authorized_keys.is_empty())?;
        note_named(machine, !self.wifi.is_empty())?;
        let path = machine.file(FILE);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let new = path.with_added_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&new)?;
        if let Some((own, group)) = user(machine, "holdfast") {
            fchown(&file, Some(own), Some(group))?;
        }
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }
}
