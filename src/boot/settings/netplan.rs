//! netplan's `network-config` (netplan-yaml), version 2: the networks of every radio, and fixed addresses of the first cable and
//! the first radio that have some.

use super::address::{Addresses, LACKS_DNS, Prefix, Route, domain, ip};
use super::reader::Reader;
use super::wifi::{Password, Security, Ssid};
use super::wishes::{Asked, Point, country};
use super::yaml::{Node, entries, get, items};

/// What a device may say without a word from us: it is so here, or makes no difference.
const SILENT: [&str; 10] = [
    "access-points",
    "accept-ra",
    "critical",
    "dhcp-identifier",
    "link-local",
    "match",
    "optional",
    "regulatory-domain",
    "renderer",
    "set-name",
];
/// What addresses a device.
const ADDRESSES: [&str; 7] = [
    "addresses",
    "dhcp4",
    "dhcp6",
    "gateway4",
    "gateway6",
    "nameservers",
    "routes",
];

/// What a network may say of how it is proved who is who.
const AUTH: [&str; 2] = ["key-management", "password"];

/// Adds what a file asks for, and says what is wrong with the rest.
pub(super) fn read(reader: &mut Reader<'_>, rank: usize, root: &Node<'_>) {
    for kind in ["ethernets", "wifis"] {
        let devices = get(root, kind).filter(|node| reader.is_map(node, kind));
        let devices = devices.into_iter().flat_map(entries);
        let mut addressed = false;
        for (name, device) in devices {
            let addresses = reader.device(device);
            if addresses == Addresses::default() {
                // As ever.
            } else if addressed {
                reader.refuse(name, kind, "one fixed address is taken, the first");
            } else {
                addressed = true;
                match kind {
                    "ethernets" => reader.wishes.wired = addresses,
                    _ => reader.wishes.wireless = addresses,
                }
            }
            if kind == "wifis" {
                reader.radio(rank, device);
            } else if let Some(auth) = get(device, "auth") {
                reader.refuse(auth, "auth", "802.1X is not supported");
                reader.spend_below(auth, &is_secret);
            }
        }
    }
    // Where it stands alone, other keys are cloud-init's.
    let version = get(root, "version").and_then(|node| reader.source.text(node));
    if let Some(node) = get(root, "config").filter(|_| version == Some("1")) {
        reader.refuse(
            node,
            "config",
            "version 1 is not read; write version 2, netplan's",
        );
        reader.spend_below(node, &is_secret);
    }
    for kind in [
        "bonds",
        "bridges",
        "modems",
        "tunnels",
        "vlans",
        "vrfs",
        "nm-devices",
    ] {
        if let Some(node) = get(root, kind) {
            reader.refuse(
                node,
                kind,
                "not set up here; there is one cable and one Wi-Fi",
            );
            reader.spend_below(node, &is_secret);
        }
    }
}

impl Reader<'_> {
    fn radio(&mut self, rank: usize, device: &Node<'_>) {
        if let Some(node) = get(device, "regulatory-domain") {
            let countries = std::mem::take(&mut self.wishes.countries);
            let domain = self.value(node, "regulatory-domain", |text| country(text, &countries));
            self.wishes.countries = countries;
            self.wishes.country = domain.or(self.wishes.country.take());
        }
        if let Some(auth) = get(device, "auth") {
            self.refuse(auth, "auth", "802.1X is not supported");
            self.spend_below(auth, &is_secret);
        }
        let points = get(device, "access-points");
        let points = points.filter(|node| self.is_map(node, "access-points"));
        for (name, point) in points.into_iter().flat_map(entries) {
            if self.is_map(point, "access-points") {
                self.access_point(rank, name, point);
            }
        }
    }

    fn access_point(&mut self, rank: usize, name: &Node<'_>, node: &Node<'_>) {
        // Only who says nothing that could have been meant for a password means a network without.
        let mut is_clear = true;
        for (key, value) in entries(node) {
            let key = self.source.text(key).unwrap_or_default();
            let why = match key {
                "auth" if self.is_map(value, "auth") => {
                    is_clear = false;
                    continue;
                }
                "auth" => return,
                "hidden" | "password" | "networkmanager" => continue,
                "mode" if self.source.text(value) == Some("infrastructure") => continue,
                "mode" => "a Wi-Fi of its own is not made here",
                "band" | "bssid" | "channel" => "not taken; any radio of this name is joined",
                _ => {
                    is_clear = false;
                    "no such key; known are password, auth and hidden"
                }
            };
            self.refuse(value, key, why);
            if key == "mode" {
                return self.spend_below(node, &is_secret);
            }
        }
        let Some(ssid) = self.ssid(name) else {
            return;
        };
        let mut point = Point::new(rank, "password");
        point.ssid = Some(ssid);
        point.hidden = get(node, "hidden").and_then(|node| self.boolean(node, "hidden"));
        let auth = get(node, "auth");
        let management = auth.and_then(|auth| get(auth, "key-management"));
        let inner = auth.and_then(|auth| get(auth, "password"));
        let (password, other) = match get(node, "password") {
            Some(outer) => (Some(outer), inner),
            None => (inner, None),
        };
        point.security = match management.and_then(|node| self.source.text(node)) {
            Some("none") => Some(Security::Open),
            Some("psk") => Some(Security::Wpa2),
            Some("sae") => Some(Security::Wpa3),
            Some("psk-sae") => Some(Security::Either),
            None if management.is_none() => None,
            _ => {
                self.refuse(
                    management.unwrap_or(node),
                    "key-management",
                    "a network with user names is not joined here; name one with a password",
                );
                return self.spend_below(node, &is_secret);
            }
        };
        for (key, value) in auth.into_iter().flat_map(entries) {
            let key = self.source.text(key).unwrap_or_default();
            if !AUTH.contains(&key) {
                self.refuse(
                    value,
                    key,
                    "no such key; known are key-management and password",
                );
            }
        }
        point.may_be_open = is_clear && password.is_none();
        if point.security == Some(Security::Open) {
            self.spend_below(node, &is_secret);
        } else if let Some(node) = password.filter(|node| self.source.is_told(node)) {
            let Some(value) = self.value(node, "password", Password::new) else {
                return;
            };
            let place = self.place(node, "password");
            point.password = Some(Asked { value, place });
            if let Some(other) = other.filter(|node| self.source.is_told(node)) {
                let other = self.place(other, "password");
                self.wishes.spend(&other);
            }
        }
        self.wishes.add(point, self.problems);
    }

    /// A network's name. Imager 2.0.10 writes each byte beyond ASCII as `\xHH`, which in YAML is a character of that number
    /// (rpi-imager issue 1743): the bytes are meant.
    fn ssid(&mut self, node: &Node<'_>) -> Option<Asked<Ssid>> {
        let place = self.place(node, "access-points");
        let written = self.source.0.get(place.span.clone()).unwrap_or_default();
        let is_escaped = written.starts_with('"') && written.contains("\\x");
        let value = self.value(node, "access-points", |name| {
            let bytes: Option<Vec<u8>> = name
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).ok())
                .collect();
            match bytes {
                Some(bytes) if is_escaped => Ssid::new(&bytes),
                _ => Ssid::new(name.as_bytes()),
            }
        })?;
        Some(Asked { value, place })
    }

    /// How a device is addressed; the default where it says nothing but DHCP.
    fn device(&mut self, device: &Node<'_>) -> Addresses {
        let mut ours = Addresses::default();
        for (key, value) in entries(device) {
            let key = self.source.text(key).unwrap_or_default();
            if !SILENT.contains(&key) && !ADDRESSES.contains(&key) && key != "auth" {
                self.refuse(value, key, "not taken here");
            }
        }
        if let Some(node) = get(device, "addresses") {
            for item in items(node) {
                // An address with options is a map of one.
                let (address, options) = match entries(item).into_iter().next() {
                    Some((address, options)) => (address, Some(options)),
                    None => (item, None),
                };
                if let Some(options) = options {
                    self.refuse(options, "addresses", "options of an address are not taken");
                }
                ours.addresses
                    .extend(self.value(address, "addresses", Prefix::new));
            }
        }
        for key in ["gateway4", "gateway6"] {
            if let Some(node) = get(device, key) {
                let via = self.value(node, key, ip);
                ours.routes.extend(via.map(|via| Route {
                    to: None,
                    via,
                    metric: None,
                    on_link: false,
                }));
            }
        }
        let routes = get(device, "routes").into_iter().flat_map(items);
        ours.routes
            .extend(routes.filter_map(|node| self.route(node)));
        let servers = get(device, "nameservers");
        let listed = |key| servers.and_then(|node| get(node, key)).into_iter();
        for node in listed("addresses").flat_map(items) {
            ours.dns.extend(self.value(node, "nameservers", ip));
        }
        for node in listed("search").flat_map(items) {
            ours.domains.extend(self.value(node, "nameservers", domain));
        }
        if ours == Addresses::default() {
            return ours;
        }
        for (own, key) in ours.dhcp.iter_mut().zip(["dhcp4", "dhcp6"]) {
            let asked = get(device, key).and_then(|node| self.boolean(node, key));
            *own = asked.unwrap_or_default();
        }
        if ours.lacks_dns() {
            self.refuse(device, "nameservers", LACKS_DNS);
        }
        ours
    }

    fn route(&mut self, node: &Node<'_>) -> Option<Route> {
        for (key, value) in entries(node) {
            let key = self.source.text(key).unwrap_or_default();
            if !["to", "via", "metric", "on-link"].contains(&key) {
                self.refuse(
                    value,
                    "routes",
                    "only to, via, metric and on-link are taken",
                );
                return None;
            }
        }
        let (Some(to), Some(via)) = (get(node, "to"), get(node, "via")) else {
            self.refuse(node, "routes", "each must say to and via");
            return None;
        };
        let via = self.value(via, "routes", ip)?;
        let to = match self.source.text(to) {
            Some("default" | "0.0.0.0/0" | "::/0") => None,
            _ => Some(self.value(to, "routes", Prefix::new)?),
        };
        let metric = match get(node, "metric") {
            Some(node) => Some(self.value(node, "routes", |text| {
                text.parse().map_err(|_| "metric must be a number")
            })?),
            None => None,
        };
        let on_link = match get(node, "on-link") {
            Some(node) => self.boolean(node, "routes")?,
            None => false,
        };
        Some(Route {
            to,
            via,
            metric,
            on_link,
        })
    }
}

/// Whether netplan has a secret under this name.
fn is_secret(key: &str) -> bool {
    matches!(
        key,
        "password" | "client-key-password" | "key" | "private" | "shared" | "psk" | "pin"
    )
}
