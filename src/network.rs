//! Watches the network through the kernel: links, addresses, routes. Name resolution and WhatsApp itself are tried by the link's
//! attempts alone.
//!
//! - [`gateway`]: whether a way out leads over a link
//! - [`radio`]: whether there is a radio, whether it did not start, whether it is the only way out, and how well it hears

pub mod gateway;
pub mod radio;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_core::{Event, Reception, Way};
use holdfast_medium::Machine;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Polling interval, for a change that no message of the kernel announced.
const LOOK: Duration = Duration::from_secs(10);

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV6_ROUTE` of Linux
/// include/uapi/linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// `RTF_UP` and `RTF_REJECT` of Linux include/uapi/linux/route.h.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// How far the way has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// To the internet.
    Internet,
    /// To a proxy, which may be in the same network.
    Proxy,
}

/// Sends an event for each change, until nobody listens; `joins` tells whether a network is named that a radio could join.
pub async fn watch(
    machine: Machine,
    aim: Aim,
    joins: fn(&Machine) -> bool,
    mut known: Way,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut was_alone = false;
    let changes = Changes::subscribe();
    if let Err(error) = &changes {
        tracing::warn!(
            "the kernel does not say when the network changes: {error}; it is looked at"
        );
    }
    loop {
        // Silence is looked at as well: it costs little, and something may be missed.
        let _ = match &changes {
            Ok(changes) => timeout(LOOK, changes.next()).await,
            Err(_) => timeout(LOOK, std::future::pending()).await,
        };
        let now = way(&machine, aim);
        if now != known && events.send(Event::Network(now)).is_err() {
            return;
        }
        known = now;
        let alone = radio::is_alone(&machine) && joins(&machine);
        if alone != was_alone && events.send(Event::Radio { alone }).is_err() {
            return;
        }
        was_alone = alone;
    }
}

/// A socket on which the kernel reports that a link, an address or a route has changed (rtnetlink(7)). The message is not parsed.
///
/// To the runtime it is a socket of datagrams like any other.
struct Changes(UnixDatagram);

impl Changes {
    fn subscribe() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // No protocol is the first of them: NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self(UnixDatagram::from_std(socket.into())?))
    }

    /// Waits for the next change; changes that came together count once.
    async fn next(&self) {
        let mut ignored = [0; 4096];
        // When it fails there were more than the kernel could keep.
        let _ = self.0.recv(&mut ignored).await;
        while self.0.try_recv(&mut ignored).is_ok() {}
    }
}

/// Reads how far the way goes now.
pub fn way(machine: &Machine, aim: Aim) -> Way {
    let file = |path: &str| fs::read_to_string(machine.file(path)).unwrap_or_default();
    if has_route(&file("proc/net/route")) || has_route6(&file("proc/net/ipv6_route")) {
        Way::Open
    } else if has_address(&file("proc/net/fib_trie")) || has_address6(&file("proc/net/if_inet6")) {
        match aim {
            Aim::Internet => Way::NoRoute,
            Aim::Proxy => Way::Open,
        }
    } else if has_link(machine) {
        Way::NoAddress
    } else if radio::has_not_started(machine) {
        Way::NoRadio
    } else {
        Way::NoLink
    }
}

/// Where this machine is found on the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its address, that on the way to the outside where it has several.
    pub address: Option<String>,
    /// Its name.
    pub host: Option<String>,
    /// How well the radio hears its access point; `None` where none is joined.
    pub wifi: Option<Reception>,
}

/// Looks where this machine is found on the network. Blocks.
pub fn whereabouts(machine: &Machine) -> Whereabouts {
    let file = |path: &str| fs::read_to_string(machine.file(path)).unwrap_or_default();
    let (routes, trie) = (file("proc/net/route"), file("proc/net/fib_trie"));
    let host = file("proc/sys/kernel/hostname").trim().to_owned();
    let address = address(&routes, &trie).map(|address| address.to_string());
    Whereabouts {
        address: address.or_else(|| address6(&file("proc/net/if_inet6"))),
        host: Some(host).filter(|host| !host.is_empty()),
        wifi: radio::reception(machine),
    }
}

/// Finds the address in the network that the default route leads through, else the first.
fn address(routes: &str, trie: &str) -> Option<Ipv4Addr> {
    let mut all = addresses(trie).filter_map(|address| address.parse::<Ipv4Addr>().ok());
    let first = all.clone().next();
    let rows = || {
        routes
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
    };
    let out = rows().find_map(|fields| match fields[..] {
        [link, "00000000", _, flags, ..] if is_usable(flags) => Some(link),
        _ => None,
    });
    // The boards are little-endian, and the table shows numbers as they lie in memory: the first byte is the lowest.
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::swap_bytes);
    let nets: Vec<(u32, u32)> = rows()
        .filter_map(|fields| match fields[..] {
            [link, net, _, _, _, _, _, mask, ..] if Some(link) == out && mask != "00000000" => {
                Some((number(net)?, number(mask)?))
            }
            _ => None,
        })
        .collect();
    let is_inside = |address: &Ipv4Addr| {
        let address = u32::from(*address);
        nets.iter().any(|(net, mask)| address & mask == *net)
    };
    all.find(is_inside).or(first)
}

/// Finds the first global address in `/proc/net/if_inet6`.
fn address6(table: &str) -> Option<String> {
    let global = table.lines().find(|line| has_address6(line))?;
    let digits = u128::from_str_radix(global.split_whitespace().next()?, 16).ok()?;
    Some(Ipv6Addr::from(digits).to_string())
}

/// Tells whether a link has a carrier (Linux Documentation/ABI/testing/sysfs-class-net).
fn has_link(machine: &Machine) -> bool {
    links(machine).any(|(_, path)| has_carrier(&path))
}

/// Lists the links to others, by name and place.
fn links(machine: &Machine) -> impl Iterator<Item = (String, PathBuf)> {
    let links = fs::read_dir(machine.file("sys/class/net"));
    let links = links.into_iter().flatten().flatten();
    let named = links.filter_map(|link| Some((link.file_name().into_string().ok()?, link.path())));
    named.filter(|(name, _)| name != "lo")
}

fn has_carrier(link: &Path) -> bool {
    // One that is down cannot be asked.
    let carrier = fs::read_to_string(link.join("carrier"));
    carrier.is_ok_and(|carrier| carrier.trim() == "1")
}

/// Whether there is a default route.
fn has_route(table: &str) -> bool {
    routes(table).next().is_some()
}

fn has_route6(table: &str) -> bool {
    routes6(table).next().is_some()
}

/// Lists the default routes of `/proc/net/route` (proc_pid_net(5)), link and gateway: interface, destination, gateway, flags, three counters, mask.
fn routes(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [link, "00000000", gateway, flags, _, _, _, "00000000", ..] => {
                is_usable(flags).then_some((link, gateway))
            }
            _ => None,
        }
    })
}

/// Lists those of `/proc/net/ipv6_route`: destination and length, source and length, next hop, three counters, flags, interface.
fn routes6(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [to, "00", _, _, gateway, _, _, _, flags, link] => {
                let is_default = to.bytes().all(|digit| digit == b'0') && link != "lo";
                (is_default && is_usable(flags)).then_some((link, gateway))
            }
            _ => None,
        }
    })
}

fn is_usable(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & (UP | REJECT) == UP)
}

/// Finds an address of this machine in `/proc/net/fib_trie`, but for those it gave itself: loopback, and link-local (RFC 3927).
fn has_address(trie: &str) -> bool {
    addresses(trie).next().is_some()
}

/// Lists these addresses.
fn addresses(trie: &str) -> impl Iterator<Item = &str> + Clone {
    let lines = trie.lines().map(str::trim);
    let local = lines.scan("", |address, line| {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            *address = leaf;
        }
        Some(line.starts_with("/32 host LOCAL").then_some(*address))
    });
    local
        .flatten()
        .filter(|address| !address.starts_with("127.") && !address.starts_with("169.254."))
}

/// Finds a global address in `/proc/net/if_inet6`: address, index, prefix length, scope, flags, interface.
fn has_address6(table: &str) -> bool {
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [_, _, _, "00", _, link] if link != "lo")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
";
    pub(super) const ROUTE6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n";
    const REFUSED6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n";
    const ADDRESSES: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.168.1.0/24 2 0 2
           |-- 192.168.1.7
              /32 host LOCAL
";

    struct Scene(tempfile::TempDir);

    impl Scene {
        fn new() -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            scene.put("sys/class/net/lo/carrier", "1\n");
            scene.put("sys/class/net/eth0/carrier", "0\n");
            scene
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn way(&self) -> Way {
            way(&Machine::at(self.0.path()), Aim::Internet)
        }
    }

    #[tokio::test]
    async fn changes_that_come_together_are_one() {
        let (kernel, ours) = UnixDatagram::pair().unwrap();
        let changes = Changes(ours);
        for _ in 0..2 {
            kernel.send(b"a link").await.unwrap();
            kernel.send(b"its address").await.unwrap();
            changes.next().await;
            let more = timeout(Duration::from_millis(1), changes.next()).await;
            assert!(more.is_err(), "nothing has changed");
        }
        assert!(Changes::subscribe().is_ok(), "the kernel's own");
    }

    #[test]
    fn the_way_is_told_as_far_as_it_goes() {
        let scene = Scene::new();
        assert_eq!(scene.way(), Way::NoLink);
        scene.put("sys/class/net/eth0/carrier", "1\n");
        assert_eq!(scene.way(), Way::NoAddress);
        scene.put(
            "proc/net/fib_trie",
            &ADDRESSES.replace("192.168.1.7", "169.254.1.7"),
        );
        assert_eq!(scene.way(), Way::NoAddress);
        scene.put("proc/net/fib_trie", ADDRESSES);
        assert_eq!(scene.way(), Way::NoRoute);
        let (header, routes) = ROUTES.split_once('\n').unwrap();
        let (_, local) = routes.split_once('\n').unwrap();
        scene.put("proc/net/route", &format!("{header}\n{local}"));
        assert_eq!(scene.way(), Way::NoRoute);
        scene.put("proc/net/route", ROUTES);
        assert_eq!(scene.way(), Way::Open);
    }

    #[test]
    fn a_radio_that_did_not_start_is_told_where_nothing_else_is_there() {
        let scene = Scene::new();
        scene.put("sys/module/brcmfmac/refcnt", "0\n");
        scene.put("sys/bus/sdio/devices/mmc1:0001:1/vendor", "0x02d0\n");
        assert_eq!(scene.way(), Way::NoRadio);
        scene.put("sys/class/net/eth0/carrier", "1\n");
        assert_eq!(scene.way(), Way::NoAddress);
    }

    #[test]
    fn a_network_of_the_new_address_alone_is_one() {
        let scene = Scene::new();
        let address = "20010db8000000000000000000000007 02 40 00 80 eth0\n";
        scene.put("proc/net/if_inet6", address);
        assert_eq!(scene.way(), Way::NoRoute);
        scene.put("proc/net/ipv6_route", REFUSED6);
        assert_eq!(scene.way(), Way::NoRoute);
        scene.put("proc/net/ipv6_route", &format!("{REFUSED6}{ROUTE6}"));
        assert_eq!(scene.way(), Way::Open);
    }

    #[test]
    fn the_machine_is_found_where_its_default_route_is() {
        let scene = Scene::new();
        let found = || whereabouts(&Machine::at(scene.0.path()));
        assert_eq!(found(), Whereabouts::default());
        let address6 = "20010db8000000000000000000000007 02 40 00 80 eth0\n";
        scene.put("proc/net/if_inet6", address6);
        assert_eq!(found().address.as_deref(), Some("2001:db8::7"));
        // A bridge of containers sorts before the way out.
        let bridge = "           |-- 172.17.0.1\n              /32 host LOCAL\n";
        let (main, rest) = ADDRESSES.split_once('\n').unwrap();
        let trie = format!("{main}\n{bridge}{rest}");
        scene.put("proc/net/fib_trie", &trie);
        assert_eq!(found().address.as_deref(), Some("172.17.0.1"));
        scene.put("proc/net/route", ROUTES);
        assert_eq!(found().address.as_deref(), Some("192.168.1.7"));
        scene.put("proc/sys/kernel/hostname", "holdfast\n");
        assert_eq!(found().host.as_deref(), Some("holdfast"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told() {
        let scene = Scene::new();
        let (events, mut told) = mpsc::unbounded_channel();
        tokio::spawn(watch(
            Machine::at(scene.0.path()),
            Aim::Internet,
            |machine| machine.file("named").exists(),
            Way::NoLink,
            events,
        ));
        let mut told = async || timeout(3 * LOOK, told.recv()).await.ok().flatten();
        scene.put("proc/net/route", ROUTES);
        assert_eq!(told().await, Some(Event::Network(Way::Open)));
        scene.put("sys/class/net/wlan0/phy80211/index", "0\n");
        assert_eq!(told().await, None, "nobody named a network");
        scene.put("named", "");
        assert_eq!(told().await, Some(Event::Radio { alone: true }));
        assert_eq!(told().await, None, "nothing new");
        scene.put("sys/class/net/eth0/device/uevent", "");
        scene.put("sys/class/net/eth0/carrier", "1\n");
        assert_eq!(told().await, Some(Event::Radio { alone: false }));
    }
}
