//! The settings that the owner's files ask for.

use std::ops::Range;
use std::path::Path;

use holdfast_medium::Secret;
use toml::de::DeValue;

use super::wifi;
use crate::sheet::{Entry, Problem, Sheet, Unclear};

/// Everything asked for so far; `None` is left as it is.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The machine's name.
    pub hostname: Option<String>,
    /// Keys that may come in over SSH: lines of authorized_keys (sshd(8)).
    pub authorized_keys: Option<Vec<String>>,
    /// The Wi-Fi's name.
    pub ssid: Option<Asked<wifi::Ssid>>,
    /// Its password, or the key made of it.
    pub password: Option<Asked<wifi::Password>>,
    /// Where the radio is: a country's two letters (ISO 3166-1).
    pub country: Option<String>,
    /// The Wi-Fi does not tell its name.
    pub hidden: Option<bool>,
}

/// A value, and where it stands, for what can only be judged together with others.
#[derive(Debug)]
pub(super) struct Asked<T> {
    /// The value.
    pub value: T,
    /// The place, with no word of what is wrong yet.
    pub place: Problem,
}

/// Whose keys are not ours to say anything about: they are in every `custom.toml`, and mean nothing on an appliance.
const FOREIGN: [&str; 2] = ["user", "locale"];

impl Wishes {
    /// Adds what one file asks for, says what is wrong with the rest, and where its secrets stand.
    pub(super) fn read(
        &mut self,
        file: &Path,
        sheet: &Sheet,
        problems: &mut Vec<Problem>,
    ) -> Vec<Range<usize>> {
        let is_ours = file.ends_with("holdfast.toml");
        let place = |line| Problem {
            file: file.to_owned(),
            line: Some(line),
            what: String::new(),
        };
        let (entries, unclear) = sheet.read();
        // The daemon says it of its own file.
        if !is_ours {
            problems.extend(unclear.into_iter().map(|Unclear(line, what)| Problem {
                what,
                ..place(line)
            }));
        }
        let mut secrets = Vec::new();
        for entry in entries {
            let is_secret = matches!(
                (entry.section.as_str(), entry.key.as_ref()),
                ("wifi" | "wlan" | "user", "password")
            );
            match self.take(&entry, place(entry.line)) {
                Ok(()) if is_secret && entry.value.as_str() != Some("") => {
                    secrets.push(entry.span);
                }
                Ok(()) => {}
                Err(Unknown::Key) if is_ours && !is_imported(&entry) => {}
                Err(why) => problems.push(Problem {
                    what: format!("{}: {}", entry.name(), why.sentence()),
                    ..place(entry.line)
                }),
            }
        }
        secrets
    }

    /// A password for no network.
    pub(super) fn is_half_a_network(&self) -> bool {
        self.password.is_some() && self.ssid.is_none()
    }

    fn take(&mut self, entry: &Entry<'_>, place: Problem) -> Result<(), Unknown> {
        let value = &entry.value;
        match (entry.section.as_str(), entry.key.as_ref()) {
            ("" | "system", "hostname") => self.hostname = Some(hostname(text(value)?)?),
            ("ssh", "authorized_keys") => self.authorized_keys = Some(keys(value)?),
            ("wifi" | "wlan", "ssid") => {
                let value = wifi::Ssid::new(text(value)?)?;
                self.ssid = Some(Asked { value, place });
            }
            // A password that was taken over before leaves this behind.
            ("wifi" | "wlan", "password") if value.as_str() == Some("") => {}
            ("wifi" | "wlan", "password") => {
                let value = wifi::Password::new(Secret::new(text(value)?.to_owned()))?;
                self.password = Some(Asked { value, place });
            }
            ("wifi" | "wlan", "country") => self.country = Some(country(text(value)?)?),
            ("wifi" | "wlan", "hidden") => {
                self.hidden = Some(
                    value
                        .as_bool()
                        .ok_or(Unknown::Value("must be true or false"))?,
                );
            }
            ("ssh", "password_authentication") if value.as_bool() == Some(true) => {
                return Err(Unknown::Value(
                    "nobody comes in by password; put your public key into ssh.authorized_keys",
                ));
            }
            ("ssh", "enabled" | "password_authentication")
            | ("wlan", "password_encrypted")
            | ("", "config_version") => {}
            (section, _) if FOREIGN.contains(&section) => {}
            _ => return Err(Unknown::Key),
        }
        Ok(())
    }
}

fn is_imported(entry: &Entry<'_>) -> bool {
    matches!(entry.section.as_str(), "ssh" | "system" | "wifi" | "wlan")
}

/// Why a key is not taken.
pub(super) enum Unknown {
    /// There is none of this name.
    Key,
    /// Its value is none: what would be one.
    Value(&'static str),
}

impl From<&'static str> for Unknown {
    fn from(wanted: &'static str) -> Self {
        Self::Value(wanted)
    }
}

impl Unknown {
    pub(super) fn sentence(&self) -> &'static str {
        match self {
            Self::Key => {
                "no such key; known are hostname, ssh.authorized_keys, wifi.ssid, wifi.password, wifi.country, wifi.hidden"
            }
            Self::Value(wanted) => wanted,
        }
    }
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Unknown> {
    value.as_str().ok_or(Unknown::Value("must stand in quotes"))
}

/// One label of RFC 1123: mDNS knows the machine by it.
pub(super) fn hostname(text: &str) -> Result<String, Unknown> {
    let name = text.trim().to_ascii_lowercase();
    let good = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    good.then_some(name).ok_or(Unknown::Value(
        "must be 1 to 63 letters, digits and hyphens, with no hyphen at either end",
    ))
}

pub(super) fn country(text: &str) -> Result<String, Unknown> {
    let name = text.trim().to_ascii_uppercase();
    let good = name.len() == 2 && name.bytes().all(|letter| letter.is_ascii_uppercase());
    good.then_some(name).ok_or(Unknown::Value(
        "must be a country's two letters, such as \"DE\"",
    ))
}

/// One key, or several in an array or line by line. One that is none spoils no other.
fn keys(value: &DeValue<'_>) -> Result<Vec<String>, Unknown> {
    const WANTED: &str = "must be public keys as in ~/.ssh/id_ed25519.pub, such as [\"ssh-ed25519 AAAA... me@home\"]";
    let texts: Vec<&str> = match value.as_array() {
        Some(array) => array
            .iter()
            .filter_map(|one| one.get_ref().as_str())
            .collect(),
        None => vec![text(value)?],
    };
    let keys: Vec<String> = texts
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| is_key(line))
        .map(str::to_owned)
        .collect();
    if keys.is_empty() && !value.as_array().is_some_and(|array| array.is_empty()) {
        return Err(Unknown::Value(WANTED));
    }
    Ok(keys)
}

/// `TYPE BASE64 [COMMENT]` (sshd(8), without options): the blob begins with the type again, after its length.
pub(super) fn is_key(line: &str) -> bool {
    const TYPES: [&str; 7] = [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-rsa",
    ];
    let mut parts = line.split_whitespace();
    let (Some(kind), Some(blob)) = (parts.next(), parts.next()) else {
        return false;
    };
    let is_base64 = |letter: u8| letter.is_ascii_alphanumeric() || b"+/=".contains(&letter);
    TYPES.contains(&kind)
        && blob.starts_with("AAAA")
        && blob.len() >= 60
        && blob.bytes().all(is_base64)
        && !line.contains(char::is_control)
}
