//! The settings that the owner's files ask for, and what a valid value of each is.

use std::ops::Range;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::address::Addresses;
use super::regulatory::Countries;
use super::wifi::{Password, Security, Ssid};
use crate::sheet::Problem;

/// Everything asked for so far; `None` is left as it is.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The machine's name.
    pub hostname: Option<String>,
    /// Where the clock on the wall is read: a name of the IANA time zone database.
    pub time_zone: Option<String>,
    /// What the screens are written in: the code of a language that they speak.
    pub language: Option<String>,
    /// Keys that may come in over SSH: lines of authorized_keys (sshd(8)).
    pub authorized_keys: Option<Vec<String>>,
    /// Keys that may come in over SSH to look, and change nothing.
    pub diagnosis_keys: Option<Vec<String>>,
    /// The networks; each name once.
    pub points: Vec<Point>,
    /// Where the radio is: a country's two letters (ISO 3166-1).
    pub country: Option<String>,
    /// The countries that there are.
    pub countries: Countries,
    /// A network was left: that none may be there any more is meant.
    pub leaves: bool,
    /// How the cable is addressed.
    pub wired: Addresses,
    /// How the Wi-Fi is addressed.
    pub wireless: Addresses,
    /// Whether anything was said of the one's addresses, and of the other's.
    pub addressed: [bool; 2],
    /// Secrets that nobody needs where they are, whatever becomes of the rest: of what this is not, or of what a later file
    /// says otherwise.
    pub spent: Vec<(PathBuf, Range<usize>)>,
}

/// A value, and where it stands, for what can only be judged together with others.
#[derive(Clone, Debug)]
pub(super) struct Asked<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What the file calls it.
    pub key: String,
    /// The value's bytes in the text.
    pub span: Range<usize>,
}

impl Place {
    /// Says what is wrong there.
    pub(super) fn problem(&self, what: impl AsRef<str>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: Some(self.line),
            what: format!("{}: {}", self.key, what.as_ref()),
        }
    }
}

/// A network, as files ask for it.
#[derive(Debug)]
pub(super) struct Point {
    /// Its name.
    pub ssid: Option<Asked<Ssid>>,
    /// Its password, or the key made of it.
    pub password: Option<Asked<Password>>,
    /// How it is joined; where nobody says, by WPA2.
    pub security: Option<Security>,
    /// There is no word of a password where that means that there is none, unless one was taken over before.
    pub may_be_open: bool,
    /// It does not tell its name.
    pub hidden: Option<bool>,
    /// What the file calls a password.
    pub password_key: &'static str,
    /// The later file's network goes first.
    pub rank: usize,
}

impl Point {
    /// A network of which nothing is known yet.
    pub(super) fn new(rank: usize, password_key: &'static str) -> Self {
        Self {
            ssid: None,
            password: None,
            security: None,
            may_be_open: false,
            hidden: None,
            password_key,
            rank,
        }
    }

    /// Whether its name, in hexadecimal, is this.
    pub(super) fn is_called(&self, ssid: &str) -> bool {
        self.ssid
            .as_ref()
            .is_some_and(|own| own.value.hex() == ssid)
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.ssid, &other.ssid) {
            (Some(own), Some(other)) => own.value == other.value,
            // What names no network is about the one that does, unless it is another network's half.
            _ => self.rank != other.rank || self.password.is_none() || other.password.is_none(),
        }
    }
}

impl Wishes {
    /// Adds a network, or what a later file says of one, key by key.
    pub(super) fn add(&mut self, mut point: Point, problems: &mut Vec<Problem>) {
        if let Some(password) = &point.password
            && password.value.is_key()
            && point.security == Some(Security::Wpa3)
        {
            problems.push(password.place.problem(
                "WPA3 needs the password, not the key that Raspberry Pi Imager makes of it; write into holdfast.toml [wifi] ssid, password, security = \"wpa3\"",
            ));
            self.spend(&password.place.clone());
            return;
        }
        let Some(at) = self.points.iter().rposition(|own| own.is_same(&point)) else {
            self.points.push(point);
            return;
        };
        let mut own = self.points.remove(at);
        if point.password.is_some()
            && let Some(password) = own.password.take()
        {
            self.spend(&password.place);
        }
        point.ssid = point.ssid.or(own.ssid);
        point.password = point.password.or(own.password);
        point.security = point.security.or(own.security);
        // One file alone cannot say of a network that another one locks that it has no lock.
        point.may_be_open &= own.may_be_open;
        point.hidden = point.hidden.or(own.hidden);
        self.points.push(point);
    }

    /// The network of this name, in hexadecimal.
    pub(super) fn point(&self, ssid: &str) -> Option<&Point> {
        self.points.iter().find(|point| point.is_called(ssid))
    }

    /// A secret that nobody needs any more where it is.
    pub(super) fn spend(&mut self, place: &Place) {
        self.spent.push((place.file.clone(), place.span.clone()));
    }

    /// Where this file's secrets stand that are safe elsewhere, or of no use, once all of this is kept. A password for no network
    /// is the only copy of what the owner still needs.
    pub(super) fn spent(&self, file: &Path) -> Vec<Range<usize>> {
        let taken = self.points.iter().filter(|point| point.ssid.is_some());
        let passwords = taken.filter_map(|point| point.password.as_ref());
        let passwords = passwords.map(|password| (&password.place.file, &password.place.span));
        let spent = self.spent.iter().map(|(file, span)| (file, span));
        passwords
            .chain(spent)
            .filter(|(own, _)| *own == file)
            .map(|(_, span)| span.clone())
            .collect()
    }
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug)]
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
                "no such key; known are hostname, time_zone; ssh: authorized_keys, diagnosis_keys; wifi: ssid, password, security, country, hidden; wifi and ethernet: address, gateway, dns, dns_search"
            }
            Self::Value(wanted) => wanted,
        }
    }
}

/// One label of RFC 1123: mDNS knows the machine by it.
pub(super) fn hostname(text: &str) -> Result<String, &'static str> {
    let name = text.trim().to_ascii_lowercase();
    let good = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    good.then_some(name)
        .ok_or("must be 1 to 63 letters, digits and hyphens, with no hyphen at either end")
}

/// A country's two letters, of which the kernel knows what a radio may do there.
pub(super) fn country(text: &str, countries: &Countries) -> Result<String, &'static str> {
    let name = text.trim().to_ascii_uppercase();
    let good = name.len() == 2 && name.bytes().all(|letter| letter.is_ascii_uppercase());
    let name = good
        .then_some(name)
        .ok_or("must be a country's two letters, such as \"DE\"")?;
    countries.know(&name).then_some(name).ok_or(
        "no such country; must be the two letters that ISO 3166 has for it, such as \"GB\" for the United Kingdom",
    )
}

/// A name as the IANA time zone database has them (theory.html, "Timezone identifiers"); whether there is one is for its files to say.
pub(super) fn time_zone(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    let is_part = |part: &str| {
        let mut letters = part.bytes();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|letter| letter.is_ascii_alphanumeric() || b"_+-".contains(&letter))
    };
    let good = name.len() <= 64 && name.split('/').all(is_part);
    good.then(|| name.to_owned())
        .ok_or("must be a time zone in quotes, such as \"Europe/Berlin\" or \"UTC\"")
}

/// `TYPE BASE64 [COMMENT]` (sshd(8), without options).
pub(super) fn is_key(line: &str) -> bool {
    let mut parts = line.split_whitespace();
    let (Some(kind), Some(blob)) = (parts.next(), parts.next()) else {
        return false;
    };
    let known = KEYS.iter().find(|(name, _)| *name == kind);
    let fields = STANDARD.decode(blob).ok().and_then(|blob| fields(&blob));
    let is_whole = |fields: Vec<Vec<u8>>| {
        fields.first().is_some_and(|own| own == kind.as_bytes())
            && known.is_some_and(|(_, count)| fields.len() == *count)
            && fields.iter().all(|field| !field.is_empty())
    };
    fields.is_some_and(is_whole) && !line.contains(char::is_control)
}

/// The kinds of public keys, and how many fields each has, its name included (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4; PROTOCOL.u2f of OpenSSH).
const KEYS: [(&str, usize); 7] = [
    ("ssh-ed25519", 2),
    ("ecdsa-sha2-nistp256", 3),
    ("ecdsa-sha2-nistp384", 3),
    ("ecdsa-sha2-nistp521", 3),
    ("sk-ssh-ed25519@openssh.com", 3),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 4),
    ("ssh-rsa", 3),
];

/// The fields of a key, each behind its length; `None` where they do not end where the key does.
fn fields(mut blob: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, behind) = blob.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, rest) = behind.split_at_checked(length)?;
        fields.push(field.to_owned());
        blob = rest;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_where_it_is_whole() {
        let ed25519 =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z";
        assert!(is_key(ed25519) && is_key(&format!("{ed25519} me@home of mine")));
        let cut = &ed25519[..ed25519.len() - 4];
        let other = ed25519.replace("ssh-ed25519", "ssh-rsa");
        let private = "PRIVATE KEY";
        let options = format!("no-pty {ed25519}");
        let split = ed25519.replace("IBm4", "IBm4\u{7}");
        for none in [
            "",
            "nothing",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            cut,
            &other,
            private,
            &options,
            &split,
        ] {
            assert!(!is_key(none), "{none}");
        }
    }
}
