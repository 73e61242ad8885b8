//! Where the owner's values are kept: `/data/system`, written only when something is new.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use holdfast_medium::{Machine, atomic};

use super::wifi::Network;
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

    /// Keeps what is asked for, durably; says what is new, and what is missing.
    ///
    /// # Errors
    /// Not all of it is kept.
    pub(super) fn keep(
        &self,
        wishes: &Wishes,
        problems: &mut Vec<Problem>,
    ) -> anyhow::Result<Vec<String>> {
        let mut told = Vec::new();
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
        if let Some(network) = self.network(wishes, problems) {
            let conf = network.conf();
            put("the Wi-Fi", "wifi/wpa_supplicant.conf", conf.expose())?;
        }
        Ok(told)
    }

    /// The network that was kept, with what is asked for now in its place.
    fn network(&self, wishes: &Wishes, problems: &mut Vec<Problem>) -> Option<Network> {
        let kept = fs::read_to_string(self.0.join("wifi/wpa_supplicant.conf")).ok();
        let kept = kept.and_then(|conf| Network::of_conf(&conf));
        let Some(asked) = &wishes.ssid else {
            if let Some(password) = &wishes.password {
                problems.push(Problem {
                    what: "wifi.password: wifi.ssid is missing, the network's name".into(),
                    ..password.place.clone()
                });
            }
            return None;
        };
        let ssid = asked.value.hex();
        let kept = kept.filter(|kept| kept.ssid == ssid);
        let key = match &wishes.password {
            Some(password) => password.value.key(&asked.value),
            None => match &kept {
                Some(kept) => kept.key.clone(),
                None => {
                    problems.push(Problem {
                        what: "wifi.ssid: wifi.password is missing".into(),
                        ..asked.place.clone()
                    });
                    return None;
                }
            },
        };
        Some(Network {
            ssid,
            key,
            country: wishes.country.clone(),
            hidden: wishes.hidden.unwrap_or_default(),
        })
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
