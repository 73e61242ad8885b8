//! TOML: our own `holdfast.toml`, the `custom.toml` of Raspberry Pi OS and the `rpi-preseed.toml` that came after it
//! (schema/rpi-preseed.schema of rpi-preseed).

use std::path::Path;

use toml::de::DeValue;

use super::address::{Addresses, LACKS_DNS, Prefix, Route, domain, ip};
use super::script;
use super::wifi::{Password, Security, Ssid};
use super::wishes::{Asked, Place, Point, Unknown, Wishes, country, hostname, is_key, time_zone};
use super::{ASKED, language};
use crate::sheet::{Entry, Problem, Sheet, Unclear};

/// Whose keys are not ours to say anything about: they mean nothing on an appliance.
const FOREIGN: [&str; 4] = ["user", "locale", "interfaces", "debug"];
/// What is not here, of which an owner would expect something.
const ABSENT: [(&str, &str); 8] = [
    ("connect", "Raspberry Pi Connect is not here"),
    ("packages", NOTHING_RUNS),
    ("runcmd", NOTHING_RUNS),
    ("boot", "config.txt and cmdline.txt are the image's own"),
    ("mounts", NOTHING_RUNS),
    ("ca_certificates", "no certificate is added"),
    ("time", "the time comes from Debian's servers"),
    (
        "network",
        "not taken here; write [ethernet] or [wifi], or into holdfast.toml [network] proxy",
    ),
];
const NOTHING_RUNS: &str = "nothing is installed, mounted or run here";

/// Adds what one file asks for, and says what is wrong with the rest.
pub(super) fn read(
    wishes: &mut Wishes,
    (file, rank): (&Path, usize),
    sheet: &Sheet,
    problems: &mut Vec<Problem>,
) {
    let (entries, unclear) = sheet.read();
    let is_asked = file == Path::new(ASKED);
    let mut reader = Reader {
        wishes,
        file,
        rank,
        is_ours: is_asked || file.ends_with("holdfast.toml"),
        is_asked,
        is_clear: unclear.is_empty(),
        networks: Vec::new(),
        addressed: Vec::new(),
        problems,
    };
    // The daemon says it of its own file.
    if !reader.is_ours || is_asked {
        reader
            .problems
            .extend(unclear.into_iter().map(|Unclear(line, what)| Problem {
                file: file.to_owned(),
                line: Some(line),
                what,
            }));
    }
    let comments = script::comments(sheet.text(), '=').into_iter();
    let comments = comments.map(|span| (file.to_owned(), span));
    reader.wishes.spent.extend(comments);
    for entry in entries {
        match reader.take(&entry) {
            Ok(()) => {}
            Err(Unknown::Key) if reader.is_ours && !is_asked && !is_imported(&entry) => {}
            Err(why) => {
                let problem = reader.place(&entry).problem(why.sentence());
                reader.problems.push(problem);
            }
        }
    }
    reader.names();
    reader.networks();
}

struct Reader<'a> {
    wishes: &'a mut Wishes,
    file: &'a Path,
    rank: usize,
    is_ours: bool,
    /// It is no file, but what somebody asks for over the bus.
    is_asked: bool,
    /// Every line of it is understood: none can have been meant for a password.
    is_clear: bool,
    networks: Vec<Draft>,
    /// Where addresses stand, and whether they are the cable's.
    addressed: Vec<(Place, bool)>,
    problems: &'a mut Vec<Problem>,
}

/// A network as far as its section is read.
struct Draft {
    /// Which section of the file it is.
    table: usize,
    point: Point,
    /// Something in it is, or may have been meant for, a password.
    has_password: bool,
    /// Its name is none, so that nothing here is about another network.
    is_spoiled: bool,
}

impl Reader<'_> {
    fn place(&self, entry: &Entry<'_>) -> Place {
        Place {
            file: self.file.to_owned(),
            line: entry.line,
            key: entry.name(),
            span: entry.span.clone(),
        }
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<(), Unknown> {
        let value = &entry.value;
        match (entry.section.as_str(), entry.key.as_ref()) {
            ("" | "system", "hostname") => self.wishes.hostname = Some(hostname(text(value)?)?),
            ("" | "system", "time_zone") => {
                self.wishes.time_zone = Some(time_zone(text(value)?)?);
            }
            ("locale", "timezone") if !self.is_ours => {
                self.wishes.time_zone = Some(time_zone(text(value)?)?);
            }
            // The daemon reads it itself, and says what is wrong with it.
            ("panel", "language") if self.is_ours => match language(text(value)?) {
                Err(why) if self.is_asked => return Err(why.into()),
                code => self.wishes.language = code.ok(),
            },
            ("ssh", "authorized_keys") => {
                self.wishes.authorized_keys = Some(self.keys(entry)?);
            }
            ("ssh", "diagnosis_keys") if self.is_ours => {
                self.wishes.diagnosis_keys = Some(self.keys(entry)?);
            }
            ("ssh", "password_authentication") if value.as_bool() == Some(true) => {
                return Err(Unknown::Value(
                    "nobody comes in by password; put your public key into ssh.authorized_keys",
                ));
            }
            ("ssh", "ssh_import_id") => {
                return Err(Unknown::Value(
                    "no key is fetched; put it into ssh.authorized_keys itself",
                ));
            }
            ("ssh", "enabled" | "password_authentication") | ("", "config_version") => {}
            ("wifi" | "wlan", "country") => {
                let country = country(text(value)?, &self.wishes.countries)?;
                self.wishes.country = Some(country);
            }
            ("wifi" | "wlan", key) if addresses(&mut self.wishes.wireless, key, value)? => {
                self.wishes.addressed[1] = true;
                self.addressed.push((self.place(entry), false));
            }
            ("wifi" | "wlan", _) => {
                let taken = self.network(entry);
                if taken.is_err() {
                    let mut networks = self.networks.iter_mut();
                    if let Some(draft) = networks.find(|draft| draft.table == entry.table) {
                        draft.has_password = true;
                    }
                }
                return taken;
            }
            ("ethernet", "method") if matches!(text(value)?, "dhcp" | "static") => {}
            ("ethernet", "method" | "interface") => {
                return Err(Unknown::Value("not taken; every cable has this address"));
            }
            ("ethernet", key) if addresses(&mut self.wishes.wired, key, value)? => {
                self.wishes.addressed[0] = true;
                self.addressed.push((self.place(entry), true));
            }
            ("user", "password") | ("connect", "token") if value.as_str() != Some("") => {
                let place = self.place(entry);
                self.wishes.spend(&place);
            }
            ("connect", "enabled") if value.as_bool() == Some(false) => {}
            ("connect", "mode" | "token") => {}
            (section, _) if FOREIGN.contains(&section) => {}
            (section, _) if !self.is_ours => {
                let commands = texts(value).unwrap_or_default();
                if commands
                    .iter()
                    .any(|text| !script::secrets(text).is_empty())
                {
                    let place = self.place(entry);
                    self.wishes.spend(&place);
                }
                let absent = ABSENT.iter().find(|(name, _)| *name == section);
                return Err(absent.map_or(Unknown::Key, |(_, what)| Unknown::Value(what)));
            }
            _ => return Err(Unknown::Key),
        }
        Ok(())
    }

    /// The keys of an entry, and a word on one that is none.
    fn keys(&mut self, entry: &Entry<'_>) -> Result<Vec<String>, Unknown> {
        let (keys, none) = keys(&entry.value)?;
        if let Some(at) = none {
            let what = format!(
                "number {at} is no public key: it must be the whole line of a .pub file, such as \"ssh-ed25519 AAAA... me@home\""
            );
            let problem = self.place(entry).problem(what);
            self.problems.push(problem);
        }
        Ok(keys)
    }

    fn network(&mut self, entry: &Entry<'_>) -> Result<(), Unknown> {
        let (value, place) = (&entry.value, self.place(entry));
        let at = self
            .networks
            .iter()
            .position(|draft| draft.table == entry.table);
        let at = at.unwrap_or_else(|| {
            let key = match entry.section.as_str() {
                "wifi" => "wifi.password",
                _ => "wlan.password",
            };
            self.networks.push(Draft {
                table: entry.table,
                point: Point::new(self.rank, key),
                has_password: false,
                is_spoiled: false,
            });
            self.networks.len() - 1
        });
        let draft = &mut self.networks[at];
        let point = &mut draft.point;
        match entry.key.as_ref() {
            key @ ("ssid" | "ssid_hex") => {
                draft.is_spoiled = true;
                let value = match key {
                    "ssid" => Ssid::new(text(value)?.as_bytes())?,
                    _ => Ssid::of_hex(text(value)?)?,
                };
                draft.is_spoiled = false;
                point.ssid = Some(Asked { value, place });
            }
            "password" => {
                draft.has_password = true;
                // One that was taken over before leaves an empty one behind.
                if value.as_str() != Some("") {
                    let value = Password::new(text(value)?)?;
                    point.password = Some(Asked { value, place });
                }
            }
            "hidden" => {
                let hidden = value.as_bool();
                point.hidden = Some(hidden.ok_or(Unknown::Value("must be true or false"))?);
            }
            "security" => point.security = Some(Security::of_name(text(value)?)?),
            "key_mgmt" => {
                point.security = Some(match text(value)? {
                    "none" => Security::Open,
                    "wpa-psk" => Security::Wpa2,
                    "sae" => Security::Wpa3,
                    _ => return Err(Unknown::Value("must be none, wpa-psk or sae here")),
                });
            }
            "password_encrypted" => draft.has_password = true,
            _ => return Err(Unknown::Key),
        }
        Ok(())
    }

    /// Says where a fixed address has nobody beside it who knows names.
    fn names(&mut self) {
        for is_wired in [true, false] {
            let ours = if is_wired {
                &self.wishes.wired
            } else {
                &self.wishes.wireless
            };
            let place = self.addressed.iter().find(|(_, own)| *own == is_wired);
            if let Some((place, _)) = place
                && ours.lacks_dns()
            {
                self.problems.push(place.problem(LACKS_DNS));
            }
        }
    }

    /// Hands on the networks. Where there is no word of a password, Imager's formats mean a network without; in ours the word
    /// may have been forgotten.
    fn networks(self) {
        for Draft {
            mut point,
            has_password,
            is_spoiled,
            ..
        } in self.networks
        {
            point.may_be_open =
                !self.is_ours && self.is_clear && !has_password && point.ssid.is_some();
            if !is_spoiled {
                self.wishes.add(point, self.problems);
            }
        }
    }
}

fn is_imported(entry: &Entry<'_>) -> bool {
    let outer = match entry.section.as_str() {
        "" => entry.key.as_ref(),
        section => section,
    };
    matches!(
        outer,
        "ssh" | "system" | "wifi" | "wlan" | "ethernet" | "time_zone"
    )
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Unknown> {
    value.as_str().ok_or(Unknown::Value("must stand in quotes"))
}

/// One text, or several in an array.
fn texts<'a>(value: &'a DeValue<'_>) -> Result<Vec<&'a str>, Unknown> {
    match value.as_array() {
        Some(array) => array.iter().map(|one| text(one.get_ref())).collect(),
        None => Ok(vec![text(value)?]),
    }
}

/// Takes a key that is about addresses; `false` when it is not.
fn addresses(ours: &mut Addresses, key: &str, value: &DeValue<'_>) -> Result<bool, Unknown> {
    fn all<T>(
        value: &DeValue<'_>,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, Unknown> {
        let all = texts(value)?.into_iter().map(|text| Ok(read(text)?));
        all.collect()
    }
    match key {
        "address" => {
            ours.addresses = all(value, Prefix::new)?;
            ours.dhcp = [false; 2];
        }
        "dns" => ours.dns = all(value, ip)?,
        "dns_search" => ours.domains = all(value, domain)?,
        "gateway" => {
            let routes = all(value, ip)?.into_iter().map(|via| Route {
                to: None,
                via,
                metric: None,
                on_link: false,
            });
            ours.routes = routes.collect();
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// One key, or several in an array or line by line; and which of them is none, counted from 1, where one is not: it spoils no other.
fn keys(value: &DeValue<'_>) -> Result<(Vec<String>, Option<usize>), Unknown> {
    const WANTED: &str = "must be public keys as in ~/.ssh/id_ed25519.pub, such as [\"ssh-ed25519 AAAA... me@home\"]";
    let texts: Vec<&str> = match value.as_array() {
        Some(array) => {
            let texts = array.iter().map(|one| one.get_ref().as_str());
            let is_said = |text: &&str| !text.trim().is_empty();
            texts
                .map(|text| text.filter(is_said).unwrap_or("nothing"))
                .collect()
        }
        None => vec![text(value)?],
    };
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let none = lines.iter().position(|line| !is_key(line));
    let keys: Vec<String> = lines
        .iter()
        .filter(|line| is_key(line))
        .map(|line| (*line).to_owned())
        .collect();
    if keys.is_empty() && !value.as_array().is_some_and(|array| array.is_empty()) {
        return Err(Unknown::Value(WANTED));
    }
    Ok((keys, none.map(|at| at + 1)))
}
