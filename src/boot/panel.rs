//! The first picture: on the glass as soon as there is a bus, however long the rest of the boot takes. The daemon takes over from
//! it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_core::Face;
use holdfast_medium::Machine;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use sd_notify::NotifyState;

use super::NOTES;
use super::early::Early;
use crate::config::{self, Places};
use crate::panel::{Frame, draw, glass};
use crate::wires::{self, Description, Display, WireError, Wires};

/// A bus that is not there by then is the daemon's to wait for.
const LIMIT: Duration = Duration::from_secs(120);
/// A display may come up a little later than its bus: so often, so long after each other it is tried.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Shows on this board's display that the board starts.
///
/// # Errors
/// The display does not answer. The caller may ignore it: the daemon reports the display, should it stay so.
pub(super) fn show(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let places = Places::system();
    // A faulty description is told of by the daemon, too.
    let (boards, drivers) = (&places.boards, glass::drivers());
    let board = match config::named_board(&places) {
        Some(name) => Description::find(boards, &drivers, &name),
        None => Description::detect(boards, &drivers, &places.models),
    };
    let display = board.ok().flatten().and_then(|board| board.display);
    // From here on it is the bus that is waited for: the card is brought up meanwhile.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let Some(display) = display else {
        return Ok(Vec::new());
    };
    let changes = changes(machine)?;
    let shown = accompany(&wires::MachineWires, &display, machine, &changes)?;
    Ok(shown
        .then(|| "the panel shows that the board starts".to_owned())
        .into_iter()
        .collect())
}

/// Shows that the board starts, and with the first evidence of a power cut that what it left is repaired, until there is no more
/// to say or the daemon says it. Whether anything was shown.
///
/// `changes` tells of new devices and of new evidence.
///
/// # Errors
/// The display does not answer.
pub fn accompany(
    wires: &dyn Wires,
    display: &Display,
    machine: &Machine,
    changes: &Receiver<()>,
) -> Result<bool, WireError> {
    let end = Instant::now() + LIMIT;
    let (mut shown, mut failures) = (None, 0);
    loop {
        let early = Early::kept(machine);
        let wanted = face(early.as_ref());
        let mut until = end;
        if shown.as_ref() != Some(&wanted) {
            let mut frame = Frame::new(glass::format(display));
            let Ok(()) = draw(&wanted, None, &mut frame);
            match glass::put(wires, display, &frame) {
                Ok(()) => shown = Some(wanted.clone()),
                Err(WireError::NoI2c(_) | WireError::NoSpi { .. } | WireError::NoLine(_)) => {}
                Err(WireError::Taken(_)) => return Ok(shown.is_some()),
                Err(error) => {
                    failures += 1;
                    if failures == TRIES {
                        return Err(error);
                    }
                    until = Instant::now() + PAUSE;
                }
            }
        }
        if early.is_some() && shown == Some(wanted) {
            return Ok(true);
        }
        let left = until.saturating_duration_since(Instant::now());
        match changes.recv_timeout(left) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) if until < end => {}
            Err(_) => return Ok(shown.is_some()),
        }
    }
}

fn face(early: Option<&Early>) -> Face {
    match early {
        Some(early) if early.recovery.present().is_some() => Face::Repairing,
        _ => Face::Starting,
    }
}

/// Tells of each new device file, and of each note that a boot step has left.
fn changes(machine: &Machine) -> io::Result<Receiver<()>> {
    let notes = machine.file(NOTES);
    fs::create_dir_all(&notes)?;
    let watched = inotify::init(CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watched, machine.file("dev"), WatchFlags::CREATE)?;
    inotify::add_watch(&watched, notes, WatchFlags::CLOSE_WRITE)?;
    let (tell, changes) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut watched = File::from(watched);
        let mut events = [0; 4096];
        while watched.read(&mut events).is_ok() && tell.send(()).is_ok() {}
    })?;
    Ok(changes)
}
