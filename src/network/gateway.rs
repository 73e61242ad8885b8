//! Whether a way out leads over a link: a carrier, a default route, and a gateway that answers. A route alone tells nothing of an address
//! that somebody typed.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use holdfast_medium::Machine;

use super::{has_carrier, links, routes, routes6};

/// Which links a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Those of cables.
    Cable,
    /// Radios.
    WiFi,
    /// Whichever there are.
    Any,
}

/// How far a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lead {
    /// Nowhere: no carrier, or no default route.
    Nowhere,
    /// To a gateway that does not answer.
    Silent,
    /// Out.
    Out,
}

/// Tells how far a way leads over one of these links: to each gateway that is `named`, or, where none is, to whichever answers. A default
/// route without a gateway ends at the link's other end, and needs none.
pub fn leads(
    machine: &Machine,
    over: Over,
    named: &[IpAddr],
    mut answers: impl FnMut(&str, IpAddr) -> bool,
) -> Lead {
    let ways = defaults(machine, over);
    let mut lead = |wanted: Option<IpAddr>| {
        let ways = ways
            .iter()
            .filter(|(_, gateway)| wanted.is_none() || *gateway == wanted);
        let leads = ways.map(|(link, gateway)| match gateway {
            Some(gateway) if !answers(link, *gateway) => Lead::Silent,
            _ => Lead::Out,
        });
        leads.max().unwrap_or(Lead::Nowhere)
    };
    match named {
        [] => lead(None),
        named => {
            let all = named.iter().map(|gateway| lead(Some(*gateway)));
            all.min().unwrap_or(Lead::Nowhere)
        }
    }
}

/// Lists the default routes over these links, as far as they have a carrier: the link, and the gateway where there is one.
fn defaults(machine: &Machine, over: Over) -> Vec<(String, Option<IpAddr>)> {
    let file = |path: &str| fs::read_to_string(machine.file(path)).unwrap_or_default();
    let (four, six) = (file("proc/net/route"), file("proc/net/ipv6_route"));
    let all: Vec<(&str, Option<IpAddr>)> = routes(&four)
        .map(|(link, gateway)| (link, four_of(gateway)))
        .chain(routes6(&six).map(|(link, gateway)| (link, six_of(gateway))))
        .collect();
    let is_asked = |path: &Path| match over {
        Over::Any => true,
        // Every radio has one (Linux Documentation/ABI/testing/sysfs-class-net).
        Over::WiFi => path.join("phy80211").exists(),
        Over::Cable => !path.join("phy80211").exists(),
    };
    let links = links(machine).filter(|(_, path)| is_asked(path) && has_carrier(path));
    links
        .flat_map(|(link, _)| {
            let own = all.iter().filter(|(name, _)| *name == link);
            own.map(|(_, gateway)| (link.clone(), *gateway))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The boards are little-endian, and `/proc/net/route` shows numbers as they lie in memory: the first byte is the lowest.
fn four_of(digits: &str) -> Option<IpAddr> {
    let address = Ipv4Addr::from(u32::from_str_radix(digits, 16).ok()?.swap_bytes());
    (!address.is_unspecified()).then_some(address.into())
}

fn six_of(digits: &str) -> Option<IpAddr> {
    let address = Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?);
    (!address.is_unspecified()).then_some(address.into())
}

/// Asks whether a gateway answers: to an echo (ping(8)), or, where it keeps silent to those, to the question for its hardware address,
/// which whoever is there answers (RFC 826, section "Packet Reception"; RFC 4861, 7.2.4). Blocks, for a second at most.
pub fn answers(link: &str, gateway: IpAddr) -> bool {
    heard(link, gateway, |program, words| {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        command.output().ok()
    })
}

fn heard(link: &str, gateway: IpAddr, run: impl Fn(&str, &[&str]) -> Option<Output>) -> bool {
    let to = gateway.to_string();
    // For it the kernel asks for the hardware address.
    let echo = ["-n", "-q", "-c", "1", "-W", "1", "-I", link, &to];
    let echoed = run("ping", &echo).is_some_and(|done| done.status.success());
    // `reachable`: it answered within the last half a minute (ip-neighbour(8)).
    let known = [
        "neighbour",
        "show",
        "to",
        &to,
        "dev",
        link,
        "nud",
        "reachable",
    ];
    echoed || run("ip", &known).is_some_and(|done| !done.stdout.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::super::tests::{ROUTE6, ROUTES};
    use super::*;
    use Lead::{Nowhere, Out, Silent};

    struct Scene(tempfile::TempDir);

    impl Scene {
        /// A cable that is plugged in, and a radio that is joined.
        fn new() -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            scene.put("sys/class/net/wlan0/phy80211/index", "0\n");
            for link in ["lo", "eth0", "wlan0"] {
                scene.put(&format!("sys/class/net/{link}/carrier"), "1\n");
            }
            scene
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// Over each kind of link, where these answer.
        fn leads(&self, named: &[&str], answer: &[&str]) -> [Lead; 3] {
            let machine = Machine::at(self.0.path());
            let named: Vec<IpAddr> = named.iter().map(|name| name.parse().unwrap()).collect();
            [Over::Cable, Over::WiFi, Over::Any].map(|over| {
                leads(&machine, over, &named, |link, gateway| {
                    answer.contains(&format!("{gateway}%{link}").as_str())
                })
            })
        }
    }

    #[test]
    fn a_way_is_that_of_the_link_it_leads_over() {
        let scene = Scene::new();
        let answer = ["192.168.1.1%eth0", "192.168.1.1%wlan0", "fe80::1%eth0"];
        let leads = || scene.leads(&[], &answer);
        assert_eq!(leads(), [Nowhere; 3]);
        scene.put("proc/net/route", ROUTES);
        assert_eq!(leads(), [Out, Nowhere, Out]);
        scene.put("sys/class/net/eth0/carrier", "0\n");
        assert_eq!(
            leads(),
            [Nowhere; 3],
            "the route is the cable's, which is out"
        );
        scene.put("proc/net/route", &ROUTES.replace("eth0", "wlan0"));
        assert_eq!(leads(), [Nowhere, Out, Out]);
        scene.put("sys/class/net/eth0/carrier", "1\n");
        scene.put("proc/net/route", "");
        scene.put("proc/net/ipv6_route", ROUTE6);
        assert_eq!(leads(), [Out, Nowhere, Out]);
    }

    #[test]
    fn a_gateway_that_does_not_answer_leads_nowhere() {
        let scene = Scene::new();
        scene.put("proc/net/route", ROUTES);
        assert_eq!(scene.leads(&[], &[]), [Silent, Nowhere, Silent]);
        assert_eq!(
            scene.leads(&[], &["192.168.1.1%wlan0"])[0],
            Silent,
            "another link's"
        );
        // Where the router tells its own way, too, that is none of the one that was typed.
        scene.put("proc/net/ipv6_route", ROUTE6);
        let router = ["fe80::1%eth0"];
        assert_eq!(scene.leads(&[], &router)[0], Out);
        assert_eq!(scene.leads(&["192.168.1.1"], &router)[0], Silent);
        assert_eq!(scene.leads(&["192.168.1.2"], &router)[0], Nowhere);
        let both = ["192.168.1.1", "fe80::1"];
        assert_eq!(scene.leads(&both, &router)[0], Silent);
        assert_eq!(
            scene.leads(&both, &["192.168.1.1%eth0", "fe80::1%eth0"])[0],
            Out
        );
    }

    #[test]
    fn a_route_to_the_other_end_of_its_link_needs_no_gateway() {
        let scene = Scene::new();
        scene.put("proc/net/route", &ROUTES.replace("0101A8C0", "00000000"));
        assert_eq!(scene.leads(&[], &[])[0], Out);
        assert_eq!(scene.leads(&["192.168.1.1"], &[])[0], Nowhere);
    }

    #[test]
    fn one_that_echoes_nothing_is_heard_by_its_hardware_address() {
        let done = |code: i32, stdout: &str| Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: Vec::new(),
        };
        let hears = |ping: Option<Output>, ip: Option<Output>| {
            heard(
                "eth0",
                Ipv4Addr::new(192, 168, 1, 1).into(),
                |program, words| {
                    assert!(words.contains(&"eth0") && words.contains(&"192.168.1.1"));
                    match program {
                        "ping" => ping.clone(),
                        _ => ip.clone(),
                    }
                },
            )
        };
        let known = "192.168.1.1 lladdr 52:55:0a:00:02:02 REACHABLE\n";
        assert!(hears(Some(done(0, "")), None));
        assert!(hears(Some(done(1, "")), Some(done(0, known))));
        assert!(hears(None, Some(done(0, known))), "without the program");
        assert!(!hears(Some(done(1, "")), Some(done(0, ""))));
        assert!(!hears(None, None));
    }
}
