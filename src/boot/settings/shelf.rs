//! Where the owner's values are kept: `/data/system`, written only when something is new.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use holdfast_medium::{Machine, atomic};

use super::address::{WIRED, WIRELESS};
use super::wifi::{self, Lock, Network, Security};
use super::wishes::Wishes;
use crate::boot::firmware::FIRMWARE;
use crate::sheet::Problem;

/// Who may come in over SSH.
pub(super) const KEYS: &str = "ssh/authorized_keys";
/// Who may come in over SSH to look.
pub(super) const DIAGNOSIS_KEYS: &str = "ssh/diagnosis_keys";
/// The networks.
pub(super) const WIFI: &str = "wifi/wpa_supplicant.conf";
/// What is added to the name of a file that cannot be read.
pub(super) const UNREADABLE: &str = "unreadable";
/// The host name of a machine that nobody named.
const UNNAMED: &str = "holdfast";

/// Where the image has a file for each time zone, and the link by which `/etc/localtime` names one of them (localtime(5)).
const ZONES: &str = "usr/share/zoneinfo";
const ZONE: &str = "run/localtime";
/// What of the owner's settings is the daemon's, where it is not what its file on the boot partition says.
const DAEMONS: &str = "run/holdfast-settings/config.toml";

/// The directory.
pub(super) struct Shelf(PathBuf);

impl Shelf {
    pub(super) fn new(machine: &Machine) -> Self {
        Self(machine.file("data/system"))
    }

    /// A file there.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Keeps a file that cannot be read beside its place, where nothing is written over it.
    pub(super) fn set_aside(&self, name: &str) -> io::Result<()> {
        let path = self.file(name);
        fs::rename(&path, path.with_added_extension(UNREADABLE))?;
        path.parent().map_or(Ok(()), atomic::sync_dir)
    }

    /// Keeps what is asked for, durably, with these of the networks; `told` is what is new.
    ///
    /// # Errors
    /// Not all of it is kept.
    pub(super) fn keep(
        &self,
        wishes: &Wishes,
        networks: &[Network],
        told: &mut Vec<String>,
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
        let lines = |keys: &[String]| {
            keys.iter()
                .map(|key| format!("{key}\n"))
                .collect::<String>()
        };
        if let Some(keys) = &wishes.authorized_keys {
            put("who may come in over SSH", KEYS, &lines(keys))?;
        }
        if let Some(keys) = &wishes.diagnosis_keys {
            put("who may look in over SSH", DIAGNOSIS_KEYS, &lines(keys))?;
            // sshd(8) reads it as the user who comes in.
            fs::set_permissions(self.0.join(DIAGNOSIS_KEYS), Permissions::from_mode(0o644))?;
        }
        if !networks.is_empty() || wishes.leaves {
            let conf = wifi::conf(wishes.country.as_deref(), networks);
            put("the Wi-Fi", WIFI, conf.expose())?;
        }
        Ok(())
    }

    /// Every whole network that is asked for, the later file's first, with what was kept of it before where its password is not
    /// in the files any more. Where none is whole the last good ones stay.
    pub(super) fn networks(&self, wishes: &Wishes, problems: &mut Vec<Problem>) -> Vec<Network> {
        let kept = self.joined();
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
            let kept = kept.iter().find(|own| own.ssid == ssid);
            let lock = Lock::new(
                point.security.unwrap_or(Security::Wpa2),
                &asked.value,
                password.map(|password| &password.value),
                kept.map(|own| &own.lock),
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
        !self.keys(KEYS).is_empty()
    }

    /// The keys of one of these files.
    pub(super) fn keys(&self, file: &str) -> Vec<String> {
        let keys = fs::read_to_string(self.0.join(file)).unwrap_or_default();
        keys.lines().map(str::to_owned).collect()
    }

    /// The name that is kept.
    pub(super) fn hostname(&self) -> String {
        let kept = fs::read_to_string(self.0.join("hostname")).unwrap_or_default();
        match kept.trim() {
            "" => UNNAMED.to_owned(),
            name => name.to_owned(),
        }
    }

    /// Gives the running machine everything that is kept or asked for: name, addresses, time zone, language.
    ///
    /// # Errors
    /// Of some of it, it keeps what it has.
    pub(super) fn put_into_use(
        &self,
        machine: &Machine,
        wishes: &Wishes,
        language: Option<&str>,
        problems: &mut Vec<Problem>,
    ) -> Vec<anyhow::Error> {
        let done = [
            self.name_the_machine(machine),
            Self::address(machine, wishes),
            zone(machine, wishes, problems),
            speak(machine, language),
        ];
        done.into_iter().filter_map(Result::err).collect()
    }

    /// The networks that are kept, the first one first.
    pub(super) fn joined(&self) -> Vec<Network> {
        wifi::of_conf(&fs::read_to_string(self.0.join(WIFI)).unwrap_or_default())
    }

    /// Gives the running machine the addresses of the files, before networkd starts.
    ///
    /// # Errors
    /// It keeps those it has.
    fn address(machine: &Machine, wishes: &Wishes) -> anyhow::Result<()> {
        for (way, addresses) in [(WIRED, &wishes.wired), (WIRELESS, &wishes.wireless)] {
            let path = machine.file(way.drop_in);
            let done = match (addresses.conf(&way), path.parent()) {
                (Some(conf), Some(directory)) => {
                    fs::create_dir_all(directory).and_then(|()| fs::write(&path, conf))
                }
                _ => remove(&path),
            };
            done.with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Gives the running machine the name that is kept.
    ///
    /// # Errors
    /// It keeps the name it has.
    fn name_the_machine(&self, machine: &Machine) -> anyhow::Result<()> {
        let place = machine.file("proc/sys/kernel/hostname");
        fs::write(&place, self.hostname()).with_context(|| place.display().to_string())
    }
}

/// Names the running machine's time zone, UTC where none is asked for. Nothing of it is kept: it is no secret, and stays where it is
/// written.
fn zone(machine: &Machine, wishes: &Wishes, problems: &mut Vec<Problem>) -> anyhow::Result<()> {
    let link = machine.file(ZONE);
    let zone = wishes.time_zone.as_deref();
    let known = zone.filter(|name| machine.file(ZONES).join(name).is_file());
    if zone.is_some() && known.is_none() {
        problems.push(Problem {
            file: machine.file(FIRMWARE),
            line: None,
            what: "time_zone: there is no such time zone".to_owned(),
        });
    }
    remove(&link)?;
    if let Some(name) = known {
        fs::create_dir_all(machine.file("run"))?;
        symlink(Path::new("/").join(ZONES).join(name), &link)
            .with_context(|| link.display().to_string())?;
    }
    Ok(())
}

/// Tells the daemon which language its screens speak, where its own file says another.
fn speak(machine: &Machine, language: Option<&str>) -> anyhow::Result<()> {
    let path = machine.file(DAEMONS);
    let Some(language) = language else {
        return remove(&path).with_context(|| path.display().to_string());
    };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let text = format!("[panel]\nlanguage = \"{language}\"\n");
    fs::write(&path, text).with_context(|| path.display().to_string())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
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
