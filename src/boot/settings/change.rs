//! A change of the settings on the running machine, and whether it holds. What concerns the network is on trial: the core's [`Trial`]
//! says how long, and what was before comes back where the change leads nowhere.
//!
//! What was before is noted first, and the note goes last: a power cut anywhere in between leaves what was before, and one
//! after it the change.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use holdfast_core::{Trial, Tried as Judged};
use holdfast_medium::Machine;

use super::changes::Changes;
use super::request::Request;
use super::shelf::{KEYS, Shelf};
use super::shown::{Shown, Standing, Tried};
use super::wifi::Network;
use super::wishes::Wishes;
use super::{ASKED, card, undo};
use crate::network::{self, Over};
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
    /// Whether a way out leads over all of these.
    fn leads_out(&mut self, over: &[Over]) -> bool;
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

    fn leads_out(&mut self, over: &[Over]) -> bool {
        let mut over = over.iter();
        over.all(|over| network::leads_out(self.machine, *over))
    }

    fn now(&mut self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(ms));
    }
}

fn carry_out(machine: &Machine, world: &mut impl World) -> anyhow::Result<Vec<String>> {
    let shelf = Shelf::new(machine);
    let mut told = Vec::new();
    // A step that was killed left it.
    if undo::take_back(&shelf).context("a change that was under way")? {
        told.push("a change of the settings was cut off, and is taken back".to_owned());
        go_back(machine, &shelf, world, &Touched::ALL);
    }
    let Some(request) = Request::take(machine).context("the request")? else {
        return Ok(told);
    };
    let id = request.id;
    let say = |standing, why: Vec<String>| {
        let (wishes, _) = as_kept(machine, &shelf);
        let tried = Tried { id, standing, why };
        Shown::of(&shelf, &wishes, Some(tried)).put(machine)
    };
    let change = match Change::of(machine, &shelf, &request) {
        Ok(change) => change,
        Err(why) => {
            say(Standing::Refused, why).context("what is shown")?;
            told.push("a change of the settings was refused".to_owned());
            return Ok(told);
        }
    };
    say(Standing::Trying, Vec::new()).context("what is shown")?;
    undo::begin(&shelf).context("what was before")?;
    let ended = change.put(machine, &shelf, world).and_then(|()| {
        let holds = request.force || change.holds(world);
        if holds {
            change.keep(&shelf, world)?;
        }
        anyhow::Ok(holds)
    });
    if !matches!(ended, Ok(true)) {
        undo::take_back(&shelf).context("what was before")?;
        go_back(machine, &shelf, world, &change.touched);
    }
    let (standing, why, line) = match &ended {
        Ok(true) => (Standing::Kept, Vec::new(), "the settings are changed"),
        Ok(false) => (
            Standing::TakenBack,
            vec!["The network did not come up with it in two minutes.".to_owned()],
            "a change of the settings led to no network, and is taken back",
        ),
        Err(error) => (
            Standing::TakenBack,
            vec![format!("It could not be kept: {error:#}.")],
            "a change of the settings could not be kept, and is taken back",
        ),
    };
    say(standing, why).context("what is shown")?;
    told.push(line.to_owned());
    if standing == Standing::Kept && change.touched.language {
        // Last, for it is the daemon that passes all this on.
        world.tell(&[
            "systemctl",
            "try-restart",
            "--no-block",
            "holdfastd.service",
        ]);
    }
    ended.map(|_| told)
}

/// What of the running machine has to hear of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Touched {
    wifi: bool,
    addresses: bool,
    keys: bool,
    language: bool,
}

impl Touched {
    const ALL: Self = Self {
        wifi: true,
        addresses: true,
        keys: true,
        language: false,
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
    let mut changes = Changes::read(shelf, &mut Vec::new());
    changes.lay_over(&mut wishes);
    (wishes, changes)
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
    over: Vec<Over>,
}

impl Change {
    /// Checks it, or tells what is wrong with it, in sentences without any value.
    fn of(machine: &Machine, shelf: &Shelf, request: &Request) -> Result<Self, Vec<String>> {
        let (asked, problems) = request.wishes(machine);
        refuse(&problems)?;
        let (of_the_card, _) = card(machine, &mut Vec::new());
        let mut changes = Changes::read(shelf, &mut Vec::new());
        changes.add(&asked, &of_the_card, &request.leave);
        let mut wishes = of_the_card;
        changes.lay_over(&mut wishes);
        let joined: Vec<String> = asked
            .points
            .iter()
            .filter_map(|point| Some(point.ssid.as_ref()?.value.hex()))
            .collect();
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
            language: asked.language.is_some(),
        };
        let over = [
            (Over::Cable, asked.addressed[0]),
            (Over::WiFi, asked.addressed[1] || !joined.is_empty()),
            (Over::Any, touched.wifi && joined.is_empty()),
        ];
        let over: Vec<Over> = over
            .into_iter()
            .filter_map(|(over, is_it)| is_it.then_some(over))
            .collect();
        let is_known = |zone: &String| machine.file("usr/share/zoneinfo").join(zone).is_file();
        let nobody = asked.authorized_keys.as_ref().is_some_and(Vec::is_empty);
        let mut why = Vec::new();
        if asked.time_zone.is_some_and(|zone| !is_known(&zone)) {
            why.push("There is no such time zone.".to_owned());
        }
        if nobody && !shelf.keys(KEYS).is_empty() && !request.force {
            why.push(
                "Nobody could come in over SSH any more; --force does it all the same.".to_owned(),
            );
        }
        if over.contains(&Over::WiFi) && !has_radio(machine) && !request.force {
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
            over,
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

    /// Waits until it is known whether it leads out.
    fn holds(&self, world: &mut impl World) -> bool {
        if self.over.is_empty() {
            return true;
        }
        let mut trial = Trial::begin(world.now());
        loop {
            let leads_out = world.leads_out(&self.over);
            match trial.look(world.now(), leads_out) {
                Judged::Wait(ms) => world.wait(ms),
                Judged::Keep => return true,
                Judged::TakeBack => return false,
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
