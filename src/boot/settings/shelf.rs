//! Where the owner's values are kept: `/data/system`, written only when something is new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use holdfast_medium::{Machine, atomic};

use super::address::{WIRED, WIRELESS};
use super::wifi::{self, Lock, Network, Security};
use super::wishes::Wishes;
use crate::sheet::Problem;

/// The host name of a machine that nobody named.
const UNNAMED: &str = "holdfast";

/// The directory.
pub(super) struct Shelf(PathBuf);

impl Shelf {
    pub(super) fn new(machine: &Machine) -> Self {
        Self(machine.file("data/system"))
    }

    /// Keeps what is asked for, durably; `told` is what is new, and the problems what is missing.
    ///
    /// # Errors
    /// Not all of it is kept.
    pub(super) fn keep(
        &self,
        wishes: &Wishes,
        told: &mut Vec<String>,
        problems: &mut Vec<Problem>,
    ) -> anyhow::Result<()> {
        let mut put = |what: &str, path: &str, text: &str| {
            let path = self.0.join(path);
            let new = replace(&path, text).with_context(|| path.display().to_string())?;
            told.extend(new.then(|| format!("{what} is taken over")));
            anyhow::Ok(())
        };
        if let Some(name) = &wishes.hostname {
            put("the host name", "hostname", &format!("{name}\n"))?;
        }
        if let Some(keys) = &wishes.authorized_keys {
            let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
            put("who may come in over SSH", "ssh/authorized_keys", &lines)?;
        }
        let networks = self.networks(wishes, problems);
        if !networks.is_empty() {
            let conf = wifi::conf(wishes.country.as_deref(), &networks);
            put("the Wi-Fi", "wifi/wpa_supplicant.conf", conf.expose())?;
        }
        Ok(())
    }

    /// Every whole network that is asked for, the later file's first, with what was kept of it before where its password is not
    /// in the files any more. Where none is whole the last good ones stay.
    fn networks(&self, wishes: &Wishes, problems: &mut Vec<Problem>) -> Vec<Network> {
        let kept = fs::read_to_string(self.0.join("wifi/wpa_supplicant.conf")).unwrap_or_default();
        let kept = wifi::of_conf(&kept);
        let mut networks = Vec::new();
        for point in &wishes.points {
            let password = point.password.as_ref();
            let Some(asked) = &point.ssid else {
                let alone = password.map(|password| &password.place);
                problems.extend(
                    alone.map(|place| place.problem("wifi.ssid is missing, the network's name")),
                );
                continue;
            };
            let ssid = asked.value.hex();
            let kept = kept.iter().find(|(own, _)| *own == ssid);
            let lock = Lock::new(
                point.security.unwrap_or(Security::Wpa2),
                &asked.value,
                password.map(|password| &password.value),
                kept.map(|(_, lock)| lock),
            );
            let Some(lock) =
                lock.or((point.may_be_open && point.security.is_none()).then_some(Lock::Open))
            else {
                let key = point.password_key;
                let what = match point.security {
                    Some(Security::Wpa3) => format!(
                        "{key} is missing: WPA3 needs it itself, not the key that Raspberry Pi Imager makes of it"
                    ),
                    _ => format!("{key} is missing"),
                };
                problems.push(asked.place.problem(what));
                continue;
            };
            networks.push(Network {
                ssid,
                hidden: point.hidden.unwrap_or_default(),
                lock,
                priority: point.rank,
            });
        }
        networks.sort_by_key(|network| std::cmp::Reverse(network.priority));
        networks
    }

    /// Whether anybody may come in over SSH.
    pub(super) fn lets_in(&self) -> bool {
        let keys = fs::read_to_string(self.0.join("ssh/authorized_keys"));
        keys.is_ok_and(|keys| !keys.trim().is_empty())
    }

    /// Whether there is a Wi-Fi to join.
    pub(super) fn names_wifi(&self) -> bool {
        let kept = fs::read_to_string(self.0.join("wifi/wpa_supplicant.conf")).unwrap_or_default();
        !wifi::of_conf(&kept).is_empty()
    }

    /// Gives the running machine the addresses of the files, before networkd starts.
    ///
    /// # Errors
    /// It keeps those it has.
    pub(super) fn address(&self, machine: &Machine, wishes: &Wishes) -> anyhow::Result<()> {
        for (way, addresses) in [(WIRED, &wishes.wired), (WIRELESS, &wishes.wireless)] {
            let path = machine.file(way.drop_in);
            let done = match (addresses.conf(&way), path.parent()) {
                (Some(conf), Some(directory)) => {
                    fs::create_dir_all(directory).and_then(|()| fs::write(&path, conf))
                }
                _ => match fs::remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    removed => removed,
                },
            };
            done.with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Gives the running machine the name that is kept.
    ///
    /// # Errors
    /// It keeps the name it has.
    pub(super) fn name_the_machine(&self, machine: &Machine) -> anyhow::Result<()> {
        let kept = fs::read_to_string(self.0.join("hostname")).unwrap_or_default();
        let name = match kept.trim() {
            "" => UNNAMED,
            name => name,
        };
        let place = machine.file("proc/sys/kernel/hostname");
        fs::write(&place, name).with_context(|| place.display().to_string())
    }
}

/// Whether it was new.
fn replace(path: &Path, text: &str) -> anyhow::Result<bool> {
    if fs::read(path).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(false);
    }
    atomic::replace(path, text.as_bytes())?;
    Ok(true)
}
