//! `wpa_supplicant.conf` (wpa_supplicant.conf(5)), which older guides lay on the boot partition of a Raspberry Pi.

use std::ops::Range;
use std::path::Path;

use super::wifi::{Password, Security, Ssid};
use super::wishes::{Asked, Place, Point, Wishes, country};
use crate::sheet::Problem;

/// What stands where a secret was.
const EMPTY: &str = "\"\"";

/// Adds what a file asks for, and says what is wrong with the rest.
pub(super) fn read(
    wishes: &mut Wishes,
    (file, rank): (&Path, usize),
    text: &str,
    problems: &mut Vec<Problem>,
) {
    let mut reader = Reader {
        wishes,
        problems,
        rank,
        block: Block::None,
        announced: None,
    };
    let mut at = 0;
    for (line, whole) in (1..).zip(text.split_inclusive('\n')) {
        for part in parts(whole) {
            let start = at + part.start;
            let text = &whole[part];
            reader.line(&Line {
                file,
                line,
                start,
                text,
            });
        }
        at += whole.len();
    }
    reader.end();
}

/// What stands in a line: one thing, or a block that begins there, and what of it is there (`network={ ssid="a" psk="b" }`).
fn parts(line: &str) -> Vec<Range<usize>> {
    let start = line.len() - line.trim_start().len();
    let whole = start..line.trim_end().len().max(start);
    let text = &line[whole.clone()];
    let opened = match text.split_once('{') {
        Some((name, _)) if !text.starts_with('#') && !name.contains('"') => {
            name.trim().is_empty() || name.trim_end().ends_with('=')
        }
        _ => false,
    };
    if !opened {
        return vec![whole];
    }
    let inner = start + text.find('{').map_or(text.len(), |at| at + 1);
    let mut parts = Vec::from_iter(Some(start..inner));
    let (mut begun, mut is_quoted) = (None, false);
    for (at, letter) in line[inner..whole.end].char_indices() {
        let at = inner + at;
        match letter {
            _ if is_quoted => is_quoted = letter != '"',
            '#' if begun.is_none() => {
                begun = Some(at);
                break;
            }
            letter if letter.is_whitespace() || letter == '}' => {
                parts.extend(begun.take().map(|begin| begin..at));
                parts.extend((letter == '}').then_some(at..at + 1));
                continue;
            }
            '"' => is_quoted = true,
            _ => {}
        }
        begun = begun.or(Some(at));
    }
    parts.extend(begun.map(|begin| begin..whole.end));
    parts
}

struct Line<'a> {
    file: &'a Path,
    line: usize,
    /// Where it begins in the file.
    start: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// `key=value`: the key, the value with its quotes, and where that stands.
    fn parts(&self) -> Option<(&'a str, &'a str, Range<usize>)> {
        let (key, behind) = self.text.split_once('=')?;
        let value = behind.trim_start();
        let blanks = behind.len() - value.len();
        let end = match value.strip_prefix('"') {
            Some(quoted) => quoted.rfind('"').map_or(value.len(), |end| end + 2),
            None => value.find('#').unwrap_or(value.len()),
        };
        let end = value[..end].trim_end().len();
        let start = self.start + key.len() + 1 + blanks;
        Some((key.trim(), &value[..end], start..start + end))
    }

    fn place(&self, key: &str, span: Range<usize>) -> Place {
        Place {
            file: self.file.to_owned(),
            line: self.line,
            key: key.to_owned(),
            span,
        }
    }
}

/// What a line stands in.
enum Block {
    /// Nothing.
    None,
    /// A network.
    Network(Box<Network>),
    /// What is no network: it is read for its secrets alone.
    Other,
}

/// A network, as far as it is read.
struct Network {
    point: Point,
    /// Why it is not joined, and where that stands.
    refused: Option<(Place, &'static str)>,
    /// What goes with it: the psk, where there is an SAE password as well, and what is commented out.
    others: Vec<Place>,
    /// Something in it is wrong, so that it is left as it is.
    is_spoiled: bool,
}

struct Reader<'a> {
    wishes: &'a mut Wishes,
    problems: &'a mut Vec<Problem>,
    rank: usize,
    block: Block,
    /// A block whose brace stands in the next line.
    announced: Option<bool>,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>) {
        if line.text.starts_with('}') {
            return self.end();
        }
        if let Some(is_network) = self.opened(line.text) {
            self.end();
            self.block = match is_network {
                true => Block::Network(Box::new(Network {
                    point: Point::new(self.rank, "psk"),
                    refused: None,
                    others: Vec::new(),
                    is_spoiled: false,
                })),
                false => Block::Other,
            };
            return;
        }
        let Some((key, value, span)) = line.parts() else {
            return;
        };
        let place = line.place(key, span);
        if let Some(key) = key.strip_prefix('#') {
            // `wpa_passphrase` leaves the password in a comment above the key it makes.
            match &mut self.block {
                _ if !is_secret(key.trim()) || value == EMPTY => {}
                Block::Network(network) => network.others.push(place),
                Block::None | Block::Other => self.wishes.spend(&place),
            }
            return;
        }
        if key == "country" {
            match country(value.trim_matches('"'), &self.wishes.countries) {
                Ok(country) => self.wishes.country = Some(country),
                Err(why) => self.problems.push(place.problem(why)),
            }
            return;
        }
        match &mut self.block {
            Block::Network(network) => {
                if let Err(why) = network.take(key, value, &place) {
                    network.is_spoiled = true;
                    self.problems.push(place.problem(why));
                } else if is_secret(key) && !matches!(key, "psk" | "sae_password") {
                    self.spend(&place, value);
                }
            }
            Block::Other if is_secret(key) => self.spend(&place, value),
            // It may be a network's whose block is written in another way.
            Block::None if is_secret(key) && value != EMPTY => {
                self.problems
                    .push(place.problem("stands in no network={ }, and is left there"));
            }
            Block::Other | Block::None => {}
        }
        // Whose brace ends the line is over, too.
        let behind = &line.text[place.span.end - line.start..];
        if value.starts_with('"') && behind.trim() == "}" {
            self.end();
        }
    }

    /// Whether a block begins here, and whether it is a network.
    fn opened(&mut self, text: &str) -> Option<bool> {
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let announced = self.announced.take();
        if text.starts_with('{') {
            return announced;
        }
        let (name, rest) = text.split_once('=')?;
        let is_network = name.trim() == "network";
        if rest.trim().is_empty() {
            self.announced = Some(is_network);
        }
        let rest = rest.trim_start();
        rest.starts_with('{').then_some(is_network)
    }

    fn spend(&mut self, place: &Place, value: &str) {
        if value != EMPTY {
            self.wishes.spend(place);
        }
    }

    /// The block is over, or the file.
    fn end(&mut self) {
        let Block::Network(block) = std::mem::replace(&mut self.block, Block::None) else {
            return;
        };
        if block.is_spoiled {
            return;
        }
        if let Some((place, why)) = block.refused {
            self.problems.push(place.problem(why));
            let password = block.point.password.map(|password| password.place);
            let places = block.others.iter().chain(&password);
            places.for_each(|place| self.wishes.spend(place));
            return;
        }
        if block.point.ssid.is_some() {
            let is_open = block.point.security == Some(Security::Open);
            // A password that is missing may be the one that is commented out.
            if is_open || block.point.password.is_some() {
                let others = block.others.iter();
                others.for_each(|place| self.wishes.spend(place));
            }
            if is_open && let Some(password) = &block.point.password {
                self.wishes.spend(&password.place);
            }
            self.wishes.add(block.point, self.problems);
        } else if let Some(password) = &block.point.password {
            let problem = password
                .place
                .problem("ssid is missing, the network's name");
            self.problems.push(problem);
        }
    }
}

impl Network {
    fn take(&mut self, key: &str, value: &str, place: &Place) -> Result<(), &'static str> {
        let quoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        match key {
            // wpa_supplicant's own way of writing any byte.
            "ssid" | "psk" | "sae_password" if value.starts_with("P\"") => {
                return Err("P\"...\" is not read; write it in quotes alone, without the P");
            }
            "psk" | "sae_password" if value.starts_with("ext:") => {
                return Err(
                    "what lies elsewhere is not here; write the password itself, in quotes",
                );
            }
            "ssid" => {
                let value = match quoted {
                    Some(name) => Ssid::new(name.as_bytes())?,
                    None => Ssid::of_hex(value).map_err(|_| "must stand in quotes")?,
                };
                let place = place.clone();
                self.point.ssid = Some(Asked { value, place });
            }
            // One that was taken over before leaves an empty one behind.
            "psk" | "sae_password" if quoted == Some("") => {}
            "psk" | "sae_password" => {
                let place = place.clone();
                let value = Password::new(quoted.unwrap_or(value))?;
                let asked = Asked { value, place };
                let other = match self.point.password.replace(asked) {
                    Some(before) if key == "psk" => self.point.password.replace(before),
                    other => other,
                };
                self.others.extend(other.map(|other| other.place));
            }
            "disabled" if value != "0" => {
                return Err(
                    "a network that is switched off is not joined; take this line out to join it",
                );
            }
            "mode" if value != "0" => self.refuse(place, "a Wi-Fi of its own is not made here"),
            "key_mgmt" => self.management(value, place)?,
            "scan_ssid" => self.point.hidden = Some(value == "1"),
            "eap" => self.refuse(
                place,
                "a network with user names is not joined here; name one with a password",
            ),
            _ if key.starts_with("wep_key") => self.refuse(
                place,
                "WEP is not joined: it keeps nobody out; set the router to WPA2",
            ),
            _ => {}
        }
        Ok(())
    }

    /// How it is joined: by all of these ways that are here.
    fn management(&mut self, ways: &str, place: &Place) -> Result<(), &'static str> {
        let has = |names: &[&str]| ways.split_whitespace().any(|way| names.contains(&way));
        let by_key = has(&["WPA-PSK", "WPA-PSK-SHA256", "FT-PSK"]);
        self.point.security = match (has(&["SAE", "FT-SAE"]), by_key) {
            (true, true) => Some(Security::Either),
            (true, false) => Some(Security::Wpa3),
            (false, true) => Some(Security::Wpa2),
            (false, false) if has(&["NONE"]) => Some(Security::Open),
            (false, false) if ways.contains("EAP") || has(&["IEEE8021X"]) => {
                let why = "a network with user names is not joined here; name one with a password";
                self.refuse(place, why);
                None
            }
            (false, false) if has(&["OWE"]) => {
                return Err(
                    "enhanced open (OWE) is not joined here; name a network with a password",
                );
            }
            (false, false) if has(&["DPP"]) => {
                return Err(
                    "Easy Connect (DPP) is not joined here; name a network with a password",
                );
            }
            (false, false) => return Err("must be WPA-PSK, SAE or NONE here"),
        };
        Ok(())
    }

    fn refuse(&mut self, place: &Place, why: &'static str) {
        self.refused.get_or_insert((place.clone(), why));
    }
}

/// Whether wpa_supplicant has a secret under this name.
fn is_secret(key: &str) -> bool {
    key.starts_with("wep_key")
        || matches!(
            key,
            "psk"
                | "sae_password"
                | "password"
                | "private_key_passwd"
                | "private_key2_passwd"
                | "pin"
        )
}
