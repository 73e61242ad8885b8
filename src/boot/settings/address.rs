//! Fixed addresses, as systemd-networkd takes them (systemd.network(5)).
//!
//! They lie over the image's own networks as drop-ins in `/run`, written anew at each boot from what the files say then: they are
//! no secret, so that they can stay there, and a line that is gone gives the address back to DHCP.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One of the two ways out, of which there is one each.
pub(super) struct Way {
    /// Where its drop-in lies.
    pub drop_in: &'static str,
    /// What its routes cost beside the other's, as the image's own networks have it for DHCP.
    metric: u32,
}

/// The cable.
pub(super) const WIRED: Way = Way {
    drop_in: "run/systemd/network/20-wired.network.d/owner.conf",
    metric: 100,
};
/// The Wi-Fi.
pub(super) const WIRELESS: Way = Way {
    drop_in: "run/systemd/network/30-wireless.network.d/owner.conf",
    metric: 600,
};

/// An address and how many of its bits are the network's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prefix(IpAddr, u8);

impl Prefix {
    /// Reads `192.168.7.20/24`.
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        const WANTED: &str =
            "must be an address with its network's bits, such as \"192.168.7.20/24\"";
        let (address, bits) = text.trim().split_once('/').ok_or(WANTED)?;
        let address: IpAddr = address.parse().map_err(|_| WANTED)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most);
        Ok(Self(address, bits.ok_or(WANTED)?))
    }
}

/// Reads `192.168.7.1`.
pub(super) fn ip(text: &str) -> Result<IpAddr, &'static str> {
    let address = text.trim().parse();
    address.map_err(|_| "must be an address, such as \"192.168.7.1\"")
}

/// Reads a domain to look names up in.
pub(super) fn domain(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    let good = !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || b"-._".contains(&letter));
    good.then(|| name.to_owned())
        .ok_or("must be a domain, such as \"home.arpa\"")
}

/// A way to other networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Route {
    /// To where; `None`: to all.
    pub to: Option<Prefix>,
    /// Who passes it on.
    pub via: IpAddr,
    /// What it costs beside others, where it says.
    pub metric: Option<u32>,
    /// Whoever passes it on is there, though no address says so.
    pub on_link: bool,
}

/// How one way out is addressed; empty: as the image does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Addresses {
    /// Addresses by DHCP beside the fixed ones, of IPv4 and of IPv6.
    pub dhcp: [bool; 2],
    /// Our own.
    pub addresses: Vec<Prefix>,
    /// The ways to other networks.
    pub routes: Vec<Route>,
    /// Who knows names.
    pub dns: Vec<IpAddr>,
    /// Where names are looked up that have no domain.
    pub domains: Vec<String>,
}

/// What is wrong with an address beside which nobody knows names.
pub(super) const LACKS_DNS: &str =
    "no DNS server is named beside the address, so that WhatsApp is not found";

impl Addresses {
    /// Nobody who knows names is named, and no router tells.
    pub(super) fn lacks_dns(&self) -> bool {
        !self.addresses.is_empty() && self.dns.is_empty() && self.dhcp == [false; 2]
    }

    /// Who passes on to all other networks.
    pub(super) fn gateways(&self) -> Vec<IpAddr> {
        let out = self.routes.iter().filter(|route| route.to.is_none());
        out.map(|route| route.via).collect()
    }

    /// As an owner reads it: the fixed addresses, who passes on and who knows names; empty where the network gives them.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for Prefix(address, bits) in &self.addresses {
            lines.push(format!("address {address}/{bits}"));
        }
        lines.extend(self.gateways().iter().map(|via| format!("gateway {via}")));
        lines.extend(self.dns.iter().map(|dns| format!("dns {dns}")));
        lines.extend(self.domains.iter().map(|name| format!("dns_search {name}")));
        lines
    }

    /// The drop-in; `None` when there is nothing to say.
    pub(super) fn conf(&self, way: &Way) -> Option<String> {
        let nothing = Self {
            dhcp: self.dhcp,
            ..Self::default()
        };
        if *self == nothing {
            return None;
        }
        let mut text =
            "# Made by `holdfast-boot settings` from the files of the boot partition.\n[Network]\n"
                .to_owned();
        let mut line = |key: &str, value: &dyn Display| {
            // A text takes all that is written to it.
            let _ = writeln!(text, "{key}={value}");
        };
        if !self.addresses.is_empty() {
            let dhcp = match self.dhcp {
                [false, false] => "no",
                [true, false] => "ipv4",
                [false, true] => "ipv6",
                [true, true] => "yes",
            };
            line("DHCP", &dhcp);
        }
        for Prefix(address, bits) in &self.addresses {
            line("Address", &format_args!("{address}/{bits}"));
        }
        self.dns.iter().for_each(|dns| line("DNS", dns));
        self.domains.iter().for_each(|name| line("Domains", name));
        for route in &self.routes {
            let _ = writeln!(text, "\n[Route]\nGateway={}", route.via);
            if let Some(Prefix(address, bits)) = &route.to {
                let _ = writeln!(text, "Destination={address}/{bits}");
            }
            if route.on_link {
                text.push_str("GatewayOnLink=yes\n");
            }
            let _ = writeln!(text, "Metric={}", route.metric.unwrap_or(way.metric));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_addresses_is_taken_for_one() {
        for good in ["192.168.7.20/24", " fd00::7/64 ", "10.0.0.1/0", "::1/128"] {
            assert!(Prefix::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "192.168.7.20",
            "192.168.7.20/33",
            "192.168.7/24",
            "fd00::7/129",
            "a/24",
            "192.168.7.20/24\nDHCP=yes",
            "192.168.7.20/255.255.255.0",
        ] {
            assert!(Prefix::new(bad).is_err(), "{bad}");
        }
        assert!(ip("192.168.7.1").is_ok() && ip("192.168.7.1/24").is_err());
        for bad in ["", "two words", "a\nb", "x[Match]"] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }
}
