//! `wpa_supplicant.conf` (wpa_supplicant.conf(5)), which older guides lay on the boot partition of a Raspberry Pi.

use std::ops::Range;
use std::path::Path;

use super::wifi::{Password, Security, Ssid};
use super::wishes::{Asked, Place, Point, Wishes, country};
use crate::sheet::Problem;

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
        block: None,
    };
    let mut at = 0;
    for (line, whole) in (1..).zip(text.split_inclusive('\n')) {
        let start = at + (whole.len() - whole.trim_start().len());
        at += whole.len();
        let line = Line {
            file,
            line,
            start,
            text: whole.trim(),
        };
        reader.line(&line);
    }
    reader.end();
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
        let (key, value) = self.text.split_once('=')?;
        let end = match value.strip_prefix('"') {
            Some(quoted) => quoted.rfind('"').map_or(value.len(), |end| end + 2),
            None => value.find('#').unwrap_or(value.len()),
        };
        let end = value[..end].trim_end().len();
        let start = self.start + key.len() + 1;
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

/// A block, as far as it is read.
struct Block {
    point: Point,
    /// Why it is not joined, and where that stands.
    refused: Option<(Place, &'static str)>,
    /// The psk, where there is an SAE password as well.
    other: Option<Place>,
    /// Something in it is wrong, so that it is left as it is.
    is_spoiled: bool,
}

struct Reader<'a> {
    wishes: &'a mut Wishes,
    problems: &'a mut Vec<Problem>,
    rank: usize,
    block: Option<Block>,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>) {
        if line.text.starts_with('}') {
            return self.end();
        }
        if let Some((name, rest)) = line.text.split_once('=')
            && rest.trim_start().starts_with('{')
        {
            self.end();
            let point = Point::new(self.rank, "psk");
            // What is no network is read for its secrets alone.
            self.block = (name.trim() == "network").then_some(Block {
                point,
                refused: None,
                other: None,
                is_spoiled: false,
            });
            return;
        }
        let Some((key, value, span)) = line.parts() else {
            return;
        };
        let place = line.place(key, span);
        if let Some(key) = key.strip_prefix('#') {
            // `wpa_passphrase` leaves the password in a comment above the key it makes.
            if is_secret(key.trim()) {
                self.spend(&place, value);
            }
        } else if key == "country" {
            match country(value.trim_matches('"')) {
                Ok(country) => self.wishes.country = Some(country),
                Err(why) => self.problems.push(place.problem(why)),
            }
        } else if let Some(block) = &mut self.block {
            if let Err(why) = block.take(key, value, &place) {
                block.is_spoiled = true;
                self.problems.push(place.problem(why));
            } else if is_secret(key) && !matches!(key, "psk" | "sae_password") {
                self.spend(&place, value);
            }
        } else if is_secret(key) {
            self.spend(&place, value);
        }
    }

    fn spend(&mut self, place: &Place, value: &str) {
        if value != "\"\"" {
            self.wishes.spend(place);
        }
    }

    /// The block is over, or the file.
    fn end(&mut self) {
        let Some(block) = self.block.take().filter(|block| !block.is_spoiled) else {
            return;
        };
        if let Some(other) = &block.other {
            self.wishes.spend(other);
        }
        if let Some((place, why)) = block.refused {
            self.problems.push(place.problem(why));
            if let Some(password) = block.point.password {
                self.wishes.spend(&password.place);
            }
            return;
        }
        if block.point.ssid.is_some() {
            let is_open = block.point.security == Some(Security::Open);
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

impl Block {
    fn take(&mut self, key: &str, value: &str, place: &Place) -> Result<(), &'static str> {
        let quoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        match key {
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
                self.other = other.map(|other| other.place);
            }
            "key_mgmt" => self.management(value, place),
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
    fn management(&mut self, ways: &str, place: &Place) {
        let has = |names: &[&str]| ways.split_whitespace().any(|way| names.contains(&way));
        let by_key = has(&["WPA-PSK", "WPA-PSK-SHA256", "FT-PSK"]);
        self.point.security = match (has(&["SAE", "FT-SAE"]), by_key) {
            (true, true) => Some(Security::Either),
            (true, false) => Some(Security::Wpa3),
            (false, true) => Some(Security::Wpa2),
            (false, false) if has(&["NONE"]) => Some(Security::Open),
            (false, false) => {
                let why = "a network with user names is not joined here; name one with a password";
                return self.refuse(place, why);
            }
        };
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
