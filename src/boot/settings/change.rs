//! A change of the settings on the running machine, and whether it holds. What concerns the network is on trial: the core's [`Trial`]
//! says how long, and what was before comes back where the change leads nowhere.
//!
//! What was before is noted first, and the note goes last: a power cut anywhere in between leaves what was before, and one
//! after it the change.

use std::io;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use holdfast_core::{Trial, Tried as Judged};
use holdfast_medium::Machine;

use super::changes::Changes;
use super::request::Request;
use super::shelf::{KEYS, Shelf};
use super::shown::{Shown, Standing, Tried};
use super::wifi::Network;
use super::wishes::Wishes;
use super::{ASKED, card, set_aside, turn, undo};
use crate::network::gateway::{self, Lead, Over, answers};
use crate::sheet::Problem;

/// The radio that joins the owner's networks.
const RADIO: &str = "wlan0";
/// Its service; every other one is named where it is told something.
const SUPPLICANT: &str = "wpa_supplicant@wlan0.service";

/// Takes over what is asked for, and takes it back where it leads nowhere.
///
/// # Errors
/// What was before is there, or will be after the next start.
pub(in crate::boot) fn change(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let mut around = Around {
        machine,
        began: Instant::now(),
    };
    carry_out(machine, &mut around)
}

/// What a change touches beside files.
trait World {
    /// Tells a service something. That it may not be there is none of a change's business.
    fn tell(&mut self, command: &[&str]);
    /// How far the worst of these ways leads.
    fn lead(&mut self, ways: &[Way]) -> Lead;
    /// Milliseconds of a clock that only runs forward.
    fn now(&mut self) -> u64;
    /// Lets time pass.
    fn wait(&mut self, ms: u64);
}

struct Around<'a> {
    machine: &'a Machine,
    began: Instant,
}

impl World for Around<'_> {
    fn tell(&mut self, command: &[&str]) {
        let Some((program, arguments)) = command.split_first() else {
            return;
        };
        let told = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .status();
        match told {
            Ok(status) if status.success() => {}
            Ok(status) => tracing::warn!("{}: {status}", command.join(" ")),
            Err(error) => tracing::warn!("{program} cannot be run: {error}"),
        }
    }

    fn lead(&mut self, ways: &[Way]) -> Lead {
        let leads = ways
            .iter()
            .map(|Way { over, gateways }| gateway::leads(self.machine, *over, gateways, answers));
        leads.min().unwrap_or(Lead::Out)
    }

    fn now(&mut self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(ms));
    }
}

fn carry_out(machine: &Machine, world: &mut impl World) -> anyhow::Result<Vec<String>> {
    let _turn = turn::take(machine).context("the turn")?;
    let shelf = Shelf::new(machine);
    let mut told = Vec::new();
    // First of all: what stays there begins this step again and again.
    let request = Request::take(machine).context("the request");
    let say = |id, standing, why: Vec<String>| {
        let (wishes, _) = as_kept(machine, &shelf);
        let tried = Tried { id, standing, why };
        let shown = Shown::of(&shelf, &wishes, Some(tried)).put(machine);
        shown.context("what is shown")
    };
    let cut_off = match undo::take_back(&shelf) {
        Ok(cut_off) => cut_off.map(str::to_owned),
        Err(error) => {
            let why = format!("What was before the last change cannot be put back: {error}.");
            if let Ok(Some(request)) = request {
                say(request.id, Standing::Refused, vec![why.clone()])?;
            }
            bail!(why);
        }
    };
    if cut_off.is_some() {
        go_back(machine, &shelf, world, &Touched::ALL);
    }
    // A step that was killed left it, whether it had begun or not.
    let is_open = |tried: &Tried| tried.standing == Standing::Trying;
    let shown = Shown::read(machine).ok();
    if let Some(open) = shown.and_then(|shown| shown.change).filter(is_open) {
        let why = cut_off.clone().unwrap_or_else(|| CUT_OFF.to_owned());
        say(open.id, Standing::TakenBack, vec![why])?;
    }
    told.extend(cut_off);
    let Some(request) = request? else {
        return Ok(told);
    };
    let id = request.id;
    let change = match Change::of(machine, &shelf, &request) {
        Ok(change) => change,
        Err(why) => {
            say(id, Standing::Refused, why)?;
            told.push("a change of the settings was refused".to_owned());
            return Ok(told);
        }
    };
    say(id, Standing::Trying, Vec::new())?;
    let begun = undo::begin(&shelf).context("what was before");
    let ended = begun.and_then(|()| {
        change.put(machine, &shelf, world)?;
        let lead = match request.force {
            true => Lead::Out,
            false => change.lead(world),
        };
        if lead == Lead::Out {
            change.keep(&shelf, world)?;
        }
        Ok(lead)
    });
    if !matches!(ended, Ok(Lead::Out)) {
        undo::take_back(&shelf).context("what was before")?;
        go_back(machine, &shelf, world, &change.touched);
    }
    let (standing, why, line) = match &ended {
        Ok(Lead::Out) => (Standing::Kept, None, "the settings are changed"),
        Ok(Lead::Silent) => (
            Standing::TakenBack,
            Some("The gateway did not answer for two minutes.".to_owned()),
            "a change of the settings led to no gateway that answers, and is taken back",
        ),
        Ok(Lead::Nowhere) => (
            Standing::TakenBack,
            Some("The network did not come up with it in two minutes.".to_owned()),
            "a change of the settings led to no network, and is taken back",
        ),
        Err(error) => (
            Standing::TakenBack,
            Some(format!("It could not be kept: {error:#}.")),
            "a change of the settings could not be kept, and is taken back",
        ),
    };
    let is_lost = standing == Standing::Kept && set_aside(machine).is_some();
    let why = why.or(is_lost.then(|| IN_MEMORY.to_owned()));
    say(id, standing, why.into_iter().collect())?;
    told.push(line.to_owned());
    ended.map(|_| told)
}

/// Said of a change of which nothing else is known than that it never ended.
const CUT_OFF: &str = "It was cut off before it began.";
/// Said of one that is kept where nothing outlives the machine's restart.
const IN_MEMORY: &str = "It holds until the machine restarts: the data partition is set aside, so that nothing can be kept.";

/// What of the running machine has to hear of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Touched {
    wifi: bool,
    addresses: bool,
    keys: bool,
}

impl Touched {
    const ALL: Self = Self {
        wifi: true,
        addresses: true,
        keys: true,
    };

    /// Tells those who read the files.
    fn tell(&self, machine: &Machine, world: &mut impl World) {
        if self.addresses {
            world.tell(&["networkctl", "reload"]);
        }
        // Without a radio the service would be tried for ever.
        if self.wifi && has_radio(machine) {
            world.tell(&["systemctl", "restart", SUPPLICANT]);
        }
        // It runs from the first key on.
        if self.keys {
            world.tell(&["systemctl", "start", "--no-block", "ssh.service"]);
        }
    }
}

fn has_radio(machine: &Machine) -> bool {
    machine.file("sys/class/net").join(RADIO).exists()
}

/// What the card and the changes ask for together, and the changes.
fn as_kept(machine: &Machine, shelf: &Shelf) -> (Wishes, Changes) {
    let (mut wishes, _) = card(machine, &mut Vec::new());
    let mut changes = changes(shelf);
    changes.lay_over(&mut wishes);
    (wishes, changes)
}

fn changes(shelf: &Shelf) -> Changes {
    let mut problems = Vec::new();
    let changes = Changes::read(shelf, &mut problems);
    problems
        .iter()
        .for_each(|problem| tracing::warn!("{problem}"));
    changes
}

/// Gives the running machine what the files are again.
fn go_back(machine: &Machine, shelf: &Shelf, world: &mut impl World, touched: &Touched) {
    let (wishes, changes) = as_kept(machine, shelf);
    let failed = shelf.put_into_use(machine, &wishes, changes.language(), &mut Vec::new());
    for error in failed {
        tracing::warn!("not put back: {error:#}");
    }
    touched.tell(machine, world);
}

/// Said of a fixed address of which nobody can tell whether it leads anywhere.
const UNKNOWN_GATEWAY: &str = "No gateway is named beside the address, so that nobody can tell whether it leads out; name one, or --force keeps it all the same.";

/// A change that may be tried.
struct Change {
    changes: Changes,
    wishes: Wishes,
    /// Every network, as it is once the change holds.
    networks: Vec<Network>,
    /// Those of them that are joined now, by their names: on trial alone, so that no other one stands in for them.
    joined: Vec<String>,
    touched: Touched,
    /// What has to lead out; nothing where the change is none of the network's.
    ways: Vec<Way>,
}

/// A way out that was changed.
struct Way {
    over: Over,
    /// Who has to answer; none: whoever the network tells of.
    gateways: Vec<IpAddr>,
}

impl Change {
    /// Checks it, or tells what is wrong with it, in sentences without any value.
    fn of(machine: &Machine, shelf: &Shelf, request: &Request) -> Result<Self, Vec<String>> {
        let (asked, problems) = request.wishes(machine);
        refuse(&problems)?;
        let (of_the_card, _) = card(machine, &mut Vec::new());
        let joined: Vec<String> = asked
            .points
            .iter()
            .filter_map(|point| Some(point.ssid.as_ref()?.value.hex()))
            .collect();
        let mut why = Vec::new();
        let named = joined.iter().chain(&request.leave);
        why.extend(named.filter_map(|ssid| still_on_card(&of_the_card, ssid)));
        let mut changes = changes(shelf);
        changes.add(&asked, &of_the_card, &request.leave, &shelf.joined());
        let mut wishes = of_the_card;
        changes.lay_over(&mut wishes);
        for point in asked.points {
            let own = wishes.points.iter_mut().find(|own| {
                point
                    .ssid
                    .as_ref()
                    .is_some_and(|ssid| own.is_called(&ssid.value.hex()))
            });
            if let Some(own) = own {
                own.password = point.password;
            }
        }
        let mut problems = Vec::new();
        let networks = shelf.networks(&wishes, &mut problems);
        problems.retain(|problem| problem.file.as_os_str() == ASKED);
        refuse(&problems)?;
        let touched = Touched {
            wifi: !joined.is_empty() || !request.leave.is_empty() || asked.country.is_some(),
            addresses: asked.addressed != [false; 2],
            keys: asked.authorized_keys.is_some() || asked.diagnosis_keys.is_some(),
        };
        let addressed = [
            (Over::Cable, asked.addressed[0], &asked.wired),
            (Over::WiFi, asked.addressed[1], &asked.wireless),
        ];
        let mut ways = Vec::new();
        for (over, is_asked, own) in addressed {
            let gateways = own.gateways();
            if is_asked && !own.addresses.is_empty() && gateways.is_empty() && !request.force {
                why.push(UNKNOWN_GATEWAY.to_owned());
            }
            if is_asked {
                ways.push(Way { over, gateways });
            }
        }
        if touched.wifi {
            let over = match joined.is_empty() {
                true => Over::Any,
                false => Over::WiFi,
            };
            let gateways = Vec::new();
            ways.push(Way { over, gateways });
        }
        let is_known = |zone: &String| machine.file("usr/share/zoneinfo").join(zone).is_file();
        let nobody = asked.authorized_keys.as_ref().is_some_and(Vec::is_empty);
        if asked.time_zone.is_some_and(|zone| !is_known(&zone)) {
            why.push("There is no such time zone.".to_owned());
        }
        if nobody && !shelf.keys(KEYS).is_empty() && !request.force {
            why.push(
                "Nobody could come in over SSH any more; --force does it all the same.".to_owned(),
            );
        }
        let is_radio_s = ways.iter().any(|way| way.over == Over::WiFi);
        if is_radio_s && !has_radio(machine) && !request.force {
            why.push("This machine has no Wi-Fi; --force keeps it for one that has.".to_owned());
        }
        if !why.is_empty() {
            return Err(why);
        }
        Ok(Self {
            changes,
            wishes,
            networks,
            joined,
            touched,
            ways,
        })
    }

    /// Puts it into use; what is joined now, alone.
    fn put(&self, machine: &Machine, shelf: &Shelf, world: &mut impl World) -> anyhow::Result<()> {
        let is_tried =
            |network: &&Network| self.joined.is_empty() || self.joined.contains(&network.ssid);
        let tried: Vec<Network> = self.networks.iter().filter(is_tried).cloned().collect();
        self.changes.keep(shelf)?;
        shelf.keep(&self.wishes, &tried, &mut Vec::new())?;
        let language = self.changes.language();
        let mut failed = shelf.put_into_use(machine, &self.wishes, language, &mut Vec::new());
        self.touched.tell(machine, world);
        match failed.pop() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Waits until it is known how far it leads.
    fn lead(&self, world: &mut impl World) -> Lead {
        if self.ways.is_empty() {
            return Lead::Out;
        }
        let mut trial = Trial::begin(world.now());
        loop {
            let lead = world.lead(&self.ways);
            match trial.look(world.now(), lead == Lead::Out) {
                Judged::Wait(ms) => world.wait(ms),
                Judged::Keep => return Lead::Out,
                // What leads out is not taken back.
                Judged::TakeBack => return lead.min(Lead::Silent),
            }
        }
    }

    /// Keeps it, the other networks with it.
    fn keep(&self, shelf: &Shelf, world: &mut impl World) -> io::Result<()> {
        let is_more = !self.joined.is_empty() && self.networks.len() > self.joined.len();
        if is_more {
            let kept = shelf.keep(&self.wishes, &self.networks, &mut Vec::new());
            kept.map_err(io::Error::other)?;
        }
        undo::keep(shelf)?;
        if is_more {
            // It reads its file again, and takes the connection up again by itself (wpa_supplicant(8)).
            world.tell(&["systemctl", "kill", "--signal=HUP", SUPPLICANT]);
        }
        Ok(())
    }
}

/// What is wrong with a change of a network, by its name in hexadecimal, of which a file of the card still holds a password: that is news
/// at the next start, and would win.
fn still_on_card(card: &Wishes, ssid: &str) -> Option<String> {
    let place = &card.point(ssid)?.password.as_ref()?.place;
    Some(format!(
        "{}:{}: the card still holds a password of this network, which would win at the next start; restart the machine, which takes it over, or take it out there.",
        place.file.display(),
        place.line
    ))
}

fn refuse(problems: &[Problem]) -> Result<(), Vec<String>> {
    match problems {
        [] => Ok(()),
        _ => Err(problems
            .iter()
            .map(|problem| problem.what.clone())
            .collect()),
    }
}

#[cfg(test)]
mod tests;
