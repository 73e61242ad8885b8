//! A command, in the words of `holdfast.toml`, as the bus takes them.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use holdfast_medium::Secret;
use serde_json::Value;

use super::super::{Error, fingerprint::fingerprint, messages, terminal};
use super::{Address, Command, Key, Link, Wifi};
use crate::boot::settings::Shown;
use crate::bus::{self, LONGEST_SETTINGS};

/// A change, as the bus takes it.
pub(super) struct Asked {
    pub(super) sheet: Secret<String>,
    pub(super) leave: Vec<String>,
    pub(super) force: bool,
    /// Of the network, so that it is tried.
    pub(super) is_tried: bool,
}

impl Asked {
    /// Puts a command into the words of `holdfast.toml`; `None` where it changes nothing.
    pub(super) fn of(command: Command, shown: &Shown) -> Result<Option<Self>, Error> {
        let (sheet, leave, force, is_tried) = match command {
            Command::Name { name } => (
                format!("hostname = {}\n", quoted(&name)),
                None,
                false,
                false,
            ),
            Command::TimeZone { zone } => (
                format!("time_zone = {}\n", quoted(&zone)),
                None,
                false,
                false,
            ),
            Command::Language { code } => (
                format!("[panel]\nlanguage = {}\n", quoted(&code)),
                None,
                false,
                false,
            ),
            Command::Wifi(Wifi::Join {
                ssid,
                security,
                hidden,
                country,
                force,
            }) => (
                join(&ssid, &security, hidden, country)?,
                None,
                force.force,
                true,
            ),
            Command::Wifi(Wifi::Leave { ssid, force }) => {
                let network = shown.wifi.iter().find(|network| network.ssid == ssid);
                let network = network.ok_or(Error::NoSuch("a network of this name"))?;
                (String::new(), Some(network.hex.clone()), force.force, true)
            }
            Command::Address(address) => (address.sheet(), None, address.force.force, true),
            Command::Key(Key::List) => return Ok(None),
            Command::Key(Key::Add { key, diagnosis }) => {
                let key = messages::typed(key)?;
                let kept = match diagnosis {
                    true => &shown.diagnosis_keys,
                    false => &shown.authorized_keys,
                };
                let keys = kept.iter().map(String::as_str).chain([key.trim()]);
                (list(diagnosis, keys), None, false, false)
            }
            Command::Key(Key::Remove {
                fingerprint: wanted,
                force,
            }) => {
                let is_it = |key: &&String| fingerprint(key) == wanted;
                let diagnosis = !shown.authorized_keys.iter().any(|key| is_it(&key));
                let kept = match diagnosis {
                    true => &shown.diagnosis_keys,
                    false => &shown.authorized_keys,
                };
                if !kept.iter().any(|key| is_it(&key)) {
                    return Err(Error::NoSuch("a key of this fingerprint"));
                }
                let keys = kept.iter().filter(|key| !is_it(key)).map(String::as_str);
                (list(diagnosis, keys), None, force.force, false)
            }
        };
        if sheet.len() as u64 > LONGEST_SETTINGS {
            let long = "These settings are too long.".to_owned();
            return Err(Error::Refused(bus::Error::InvalidArgument(long)));
        }
        Ok(Some(Self {
            sheet: Secret::new(sheet),
            leave: leave.into_iter().collect(),
            force,
            is_tried,
        }))
    }
}

impl Address {
    fn sheet(&self) -> String {
        let section = match self.link {
            Link::Ethernet => "ethernet",
            Link::Wifi => "wifi",
        };
        let mut sheet = format!("[{section}]\naddress = {}\n", array(&self.address));
        for (key, values) in [("gateway", &self.gateway), ("dns", &self.dns)] {
            if !values.is_empty() {
                // A text takes all that is written to it.
                let _ = writeln!(sheet, "{key} = {}", array(values));
            }
        }
        sheet
    }
}

fn join(
    ssid: &str,
    security: &str,
    hidden: bool,
    country: Option<String>,
) -> Result<String, Error> {
    let mut sheet = format!(
        "[wifi]\nssid = {}\nsecurity = {}\nhidden = {hidden}\n",
        quoted(ssid),
        quoted(security)
    );
    if let Some(country) = country {
        let _ = writeln!(sheet, "country = {}", quoted(&country));
    }
    if security != "open" {
        let _ = writeln!(sheet, "password = {}", quoted(password()?.expose()));
    }
    Ok(sheet)
}

/// Asks for the password on the terminal, or takes the first line of what is piped in: an argument would be seen by everybody here.
fn password() -> Result<Secret<String>, Error> {
    if io::stdin().is_terminal() {
        return Ok(Secret::new(terminal::ask(|| {
            rpassword::prompt_password("Password of the Wi-Fi: ")
        })?));
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn list<'a>(diagnosis: bool, keys: impl Iterator<Item = &'a str>) -> String {
    let name = match diagnosis {
        true => "diagnosis_keys",
        false => "authorized_keys",
    };
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    format!("[ssh]\n{name} = {}\n", array(&keys))
}

/// A text on one line. Every escape of JSON is one of TOML's basic strings (TOML 1.0, "String").
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn array(texts: &[String]) -> String {
    Value::from(texts).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::Force;
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z kelp@shore";

    /// One without a table of radio rules.
    fn machine() -> holdfast_medium::Machine {
        holdfast_medium::Machine::at("/nonexistent")
    }

    /// What the bus is asked for.
    fn asked(command: Command, shown: &Shown) -> String {
        let asked = Asked::of(command, shown).unwrap().expect("a change");
        let wrong = crate::boot::settings::check(&machine(), &asked.sheet);
        assert_eq!(wrong, [], "{:?}", asked.sheet.expose());
        asked.sheet.into_exposed()
    }

    #[test]
    fn whatever_is_typed_stands_in_quotes() {
        let shown = Shown::default();
        let command = Command::Wifi(Wifi::Join {
            ssid: "Anna’s \"shore\" \\ #1".to_owned(),
            security: "open".to_owned(),
            hidden: true,
            country: Some("de".to_owned()),
            force: Force { force: false },
        });
        asked(command, &shown);
        let command = Command::Name {
            name: "kelp\"\n[ssh]\nauthorized_keys = []".to_owned(),
        };
        let asked = Asked::of(command, &shown).unwrap().expect("a change");
        let wrong = crate::boot::settings::check(&machine(), &asked.sheet);
        assert!(
            matches!(&wrong[..], [only] if only.what.starts_with("hostname:")),
            "{wrong:?}"
        );
    }

    #[test]
    fn keys_come_and_go_one_by_one() {
        let other = KEY
            .replace("kelp@shore", "crab@shore")
            .replace("IBm4", "IBm5");
        let shown = Shown {
            authorized_keys: vec![KEY.to_owned()],
            diagnosis_keys: vec![other.clone()],
            ..Shown::default()
        };
        let add = |diagnosis| {
            Command::Key(Key::Add {
                key: format!("{other}\n"),
                diagnosis,
            })
        };
        assert_eq!(
            asked(add(false), &shown),
            format!("[ssh]\nauthorized_keys = [\"{KEY}\",\"{other}\"]\n")
        );
        let remove = |key: &str| {
            Command::Key(Key::Remove {
                fingerprint: fingerprint(key),
                force: Force { force: false },
            })
        };
        assert_eq!(asked(remove(KEY), &shown), "[ssh]\nauthorized_keys = []\n");
        assert_eq!(
            asked(remove(&other), &shown),
            "[ssh]\ndiagnosis_keys = []\n"
        );
        let none = Asked::of(remove("ssh-rsa AAAA"), &shown);
        assert!(matches!(none, Err(Error::NoSuch(_))));
    }

    #[test]
    fn an_address_is_given_and_taken_back() {
        let address = |addresses: &[&str], gateway: &[&str]| {
            let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            Command::Address(Address {
                link: Link::Ethernet,
                address: own(addresses),
                gateway: own(gateway),
                dns: own(gateway),
                force: Force { force: false },
            })
        };
        let shown = Shown::default();
        asked(
            address(&["192.168.7.20/24", "fd00::7/64"], &["192.168.7.1"]),
            &shown,
        );
        assert_eq!(
            asked(address(&[], &[]), &shown),
            "[ethernet]\naddress = []\n"
        );
    }
}
