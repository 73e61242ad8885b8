//! What was changed over SSH since, and lies over what the card's files say: the last word wins, key by key.
//!
//! Beside each change stands what the files said of the same thing then. Once they say something else, an owner wrote it with the card
//! in a reader, later than the change, which then is void. A file that says nothing of it any more says nothing against it either.

use std::fs;
use std::io;
use std::path::Path;

use holdfast_medium::atomic;
use serde::{Deserialize, Serialize};

use super::ASKED;
use super::address::Addresses;
use super::shelf::{Shelf, UNREADABLE};
use super::wifi::{self, Security, Ssid};
use super::wishes::{Asked, Place, Point, Wishes};
use crate::sheet::Problem;

/// Where they are kept, beside the values themselves.
const FILE: &str = "settings.json";

/// Everything that was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Changes {
    hostname: Option<Change<String>>,
    time_zone: Option<Change<String>>,
    language: Option<Change<String>>,
    country: Option<Change<String>>,
    authorized_keys: Option<Change<Vec<String>>>,
    diagnosis_keys: Option<Change<Vec<String>>>,
    wired: Option<Change<Addresses>>,
    wireless: Option<Change<Addresses>>,
    networks: Vec<Network>,
}

/// A value, and what the files said then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change<T> {
    value: T,
    over: Option<T>,
}

/// A network that was joined or left. Its password is where those of all networks are: with what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Network {
    /// Its name in hexadecimal.
    ssid: String,
    /// How it is joined; `None`: it was left.
    joined: Option<Manner>,
    over: Option<Manner>,
}

/// A network as it is kept, with what opens it.
type Kept = wifi::Network;

/// What the files tell of a network beside name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manner {
    security: Option<Security>,
    hidden: bool,
}

impl Manner {
    fn of(point: &Point) -> Self {
        Self {
            security: point.security,
            hidden: point.hidden.unwrap_or_default(),
        }
    }
}

impl Changes {
    /// Reads those that are kept.
    pub(super) fn read(shelf: &Shelf, problems: &mut Vec<Problem>) -> Self {
        let path = shelf.file(FILE);
        let kept = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            kept => kept.and_then(|kept| Ok(serde_json::from_slice(&kept)?)),
        };
        kept.unwrap_or_else(|error| {
            let beside = match shelf.set_aside(FILE) {
                Ok(()) => format!("it is kept as {FILE}.{UNREADABLE}"),
                Err(error) => format!("it cannot be kept beside: {error}"),
            };
            problems.push(Problem {
                file: path,
                line: None,
                what: format!(
                    "what was changed by `holdfastctl settings` cannot be read: {error}; {beside}, and the card's files alone hold; change it again"
                ),
            });
            Self::default()
        })
    }

    /// Keeps these, durably; writes nothing where they are kept already.
    pub(super) fn keep(&self, shelf: &Shelf) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let path = shelf.file(FILE);
        let kept = fs::read(&path);
        let is_new = match &kept {
            Ok(kept) => *kept != json,
            Err(_) => *self != Self::default(),
        };
        if is_new {
            atomic::replace(&path, &json)?;
        }
        Ok(())
    }

    /// Adds what is asked for now, over what the files say, and the networks that are left, by their names in hexadecimal. Where it is about
    /// the Wi-Fi, those that are `kept` and that no file tells of any more are noted as well: from now on they are kept by being named.
    pub(super) fn add(&mut self, asked: &Wishes, card: &Wishes, left: &[String], kept: &[Kept]) {
        add(&mut self.hostname, &asked.hostname, &card.hostname);
        add(&mut self.time_zone, &asked.time_zone, &card.time_zone);
        add(&mut self.language, &asked.language, &card.language);
        add(&mut self.country, &asked.country, &card.country);
        let (own, card_s) = (&asked.authorized_keys, &card.authorized_keys);
        add(&mut self.authorized_keys, own, card_s);
        let (own, card_s) = (&asked.diagnosis_keys, &card.diagnosis_keys);
        add(&mut self.diagnosis_keys, own, card_s);
        for (change, own, card_s, is_asked) in [
            (
                &mut self.wired,
                &asked.wired,
                &card.wired,
                asked.addressed[0],
            ),
            (
                &mut self.wireless,
                &asked.wireless,
                &card.wireless,
                asked.addressed[1],
            ),
        ] {
            add(change, &is_asked.then(|| own.clone()), &told(card_s));
        }
        if !asked.points.is_empty() || !left.is_empty() || asked.country.is_some() {
            self.name(kept, card);
        }
        let joined = asked.points.iter().filter_map(|point| {
            let ssid = point.ssid.as_ref()?.value.hex();
            Some((ssid, Some(Manner::of(point))))
        });
        let left = left.iter().map(|ssid| (ssid.clone(), None));
        for (ssid, joined) in joined.chain(left) {
            let over = card.point(&ssid).map(Manner::of);
            self.networks.retain(|own| own.ssid != ssid);
            self.networks.push(Network { ssid, joined, over });
        }
    }

    /// Notes networks that nothing tells of but what is kept of them, the first one last: they go after those that are joined by name.
    fn name(&mut self, kept: &[Kept], card: &Wishes) {
        let is_told = |ssid: &str| {
            card.point(ssid).is_some() || self.networks.iter().any(|own| own.ssid == ssid)
        };
        let untold = kept.iter().rev().filter(|own| !is_told(&own.ssid));
        let mut named: Vec<Network> = untold.map(Network::kept).collect();
        named.append(&mut self.networks);
        self.networks = named;
    }

    /// Lays them over what the files say, and forgets those that the files are later than.
    pub(super) fn lay_over(&mut self, card: &mut Wishes) {
        lay(&mut card.hostname, &mut self.hostname);
        lay(&mut card.time_zone, &mut self.time_zone);
        lay(&mut card.language, &mut self.language);
        lay(&mut card.country, &mut self.country);
        lay(&mut card.authorized_keys, &mut self.authorized_keys);
        lay(&mut card.diagnosis_keys, &mut self.diagnosis_keys);
        for (card_s, change) in [
            (&mut card.wired, &mut self.wired),
            (&mut card.wireless, &mut self.wireless),
        ] {
            let mut own = told(card_s);
            lay(&mut own, change);
            *card_s = own.unwrap_or_default();
        }
        // The one joined last goes first, before those of the files.
        let ranks = super::FILES.len()..;
        let mut joined = Vec::new();
        self.networks.retain(|own| {
            let point = card.point(&own.ssid);
            let is_later = point.is_some_and(|point| {
                point.password.is_some() || Some(Manner::of(point)) != own.over
            });
            if !is_later {
                card.points.retain(|point| !point.is_called(&own.ssid));
                card.leaves |= own.joined.is_none();
                joined.push(own.clone());
            }
            !is_later
        });
        let points = joined.iter().zip(ranks);
        card.points
            .extend(points.filter_map(|(own, rank)| own.point(rank)));
    }

    /// The language, where the daemon's own file says another, or none.
    pub(super) fn language(&self) -> Option<&str> {
        self.language.as_ref().map(|change| change.value.as_str())
    }
}

impl Network {
    fn kept(own: &Kept) -> Self {
        Self {
            ssid: own.ssid.clone(),
            joined: Some(Manner {
                security: Some(own.lock.security()),
                hidden: own.hidden,
            }),
            over: None,
        }
    }

    fn point(&self, rank: usize) -> Option<Point> {
        let Manner { security, hidden } = self.joined?;
        let mut point = Point::new(rank, "wifi.password");
        point.ssid = Some(Asked {
            value: Ssid::of_hex(&self.ssid).ok()?,
            place: Place {
                file: Path::new(ASKED).to_owned(),
                line: 1,
                key: "wifi.ssid".to_owned(),
                span: 0..0,
            },
        });
        point.security = security;
        point.hidden = Some(hidden);
        Some(point)
    }
}

/// Addresses, where a file tells any.
fn told(addresses: &Addresses) -> Option<Addresses> {
    (*addresses != Addresses::default()).then(|| addresses.clone())
}

fn add<T: Clone>(change: &mut Option<Change<T>>, asked: &Option<T>, card: &Option<T>) {
    if let Some(value) = asked.clone() {
        let over = card.clone();
        *change = Some(Change { value, over });
    }
}

fn lay<T: Clone + PartialEq>(card: &mut Option<T>, change: &mut Option<Change<T>>) {
    let Some(Change { value, over }) = change else {
        return;
    };
    if card.is_some() && card != over {
        *change = None;
    } else {
        *card = Some(value.clone());
    }
}
