//! A virtual panel for a virtual machine: a CP2112 that only the kernel believes in gives it a real I2C bus and eight real
//! GPIO lines; on them hang a display whose picture can be looked at and a button that can be pressed.
//!
//! - [`display`]: the displays; [`bus`]: their wires and what can go wrong on them; [`displays`]: with their drivers
//! - [`cp2112`]: the bridge; [`uhid`]: how the kernel comes to see it
//! - [`control`]: the lab's hand, from inside or outside of the machine
//! - [`simulated`]: the same display and a line without a kernel, for tests of the daemon's panel
//! - [`ljca`]: a bridge to SPI and lines with those behind it; [`usbredir`]: how a virtual machine comes to have it on its USB

pub mod bus;
pub mod control;
pub mod cp2112;
pub mod displays;
#[cfg(test)]
mod kernel;
pub mod ljca;
pub mod sh110x;
pub mod simulated;
pub mod ssd1306;
pub mod ssd168x;
pub mod st7789;
pub mod uhid;
pub mod usbredir;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::bus::{Bus, Chip};
use self::control::Place;
use self::cp2112::Cp2112;
use self::sh110x::Sh110x;
use self::ssd168x::Ssd168x;
use self::ssd1306::Ssd1306;
use self::st7789::St7789;
use self::uhid::{Uhid, Wanted};

/// The display's I2C address.
const ADDRESS: u8 = 0x3c;

/// An emulated display, by its driver's name in a board description.
pub fn display(driver: &str) -> Option<Box<dyn Chip>> {
    Some(match driver {
        "ssd1306" => Box::<Ssd1306>::default(),
        "ssd1309" => Box::new(Ssd1306::ssd1309()),
        "sh1106" => Box::new(Sh110x::sh1106()),
        "sh1107" => Box::new(Sh110x::sh1107()),
        "st7789" => Box::<St7789>::default(),
        "epd2in13-v3" => Box::new(Ssd168x::new(ssd168x::EPD2IN13_V3)),
        "epd2in13-v4" => Box::new(Ssd168x::new(ssd168x::EPD2IN13_V4)),
        "epd2in9-v2" => Box::new(Ssd168x::new(ssd168x::EPD2IN9_V2)),
        "epd4in2-v2" => Box::new(Ssd168x::new(ssd168x::EPD4IN2_V2)),
        _ => return None,
    })
}

/// Deadline for the kernel to look at a line. It does ten times a second, on a board that is not busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of a virtual panel.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Where the lab's hand comes from: an address to listen on, a virtio port's device file, or else a Unix socket to
    /// make
    #[arg(long, value_name = "PLACE")]
    control: Place,
    /// The display's controller, by its driver's name
    #[arg(long, default_value = "ssd1306", value_name = "NAME")]
    display: String,
    /// The kernel's way to devices of our own making
    #[arg(long, default_value = "/dev/uhid", value_name = "FILE")]
    uhid: PathBuf,
}

/// Runs a virtual panel until the process ends.
///
/// # Errors
/// When the kernel has no uhid, or the control cannot be had.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let uhid = Uhid::open(&options.uhid).with_context(|| {
        format!(
            "{}: is the kernel module uhid loaded, and are we root?",
            options.uhid.display()
        )
    })?;
    let chip = display(&options.display)
        .with_context(|| format!("there is no emulated {}", options.display))?;
    let panel = Panel::plug(uhid, chip).context("the kernel does not take the virtual CP2112")?;
    control::serve(options.control, panel).await?;
    Ok(ExitCode::SUCCESS)
}

/// A running virtual panel. Cheap to clone: all are the same one.
#[derive(Clone, Debug)]
pub struct Panel {
    chip: Arc<Mutex<Cp2112>>,
    uhid: Arc<Uhid>,
    times: Arc<Times>,
    /// Levels of the lines when the kernel looked last, a bit for each: it polls them.
    looks: watch::Sender<u8>,
}

/// Moments of the panel, since the kernel's start.
#[derive(Debug, Default)]
struct Times {
    /// The panel was plugged in, for the first time.
    plugged: OnceLock<Duration>,
    /// The first picture was whole.
    drawn: OnceLock<Duration>,
}

/// The time since the kernel's start (proc_uptime(5)).
fn uptime() -> Duration {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or_default())
}

impl Panel {
    /// Plugs a panel into this machine and serves the kernel from a thread of its own: it waits 50 ms for an answer, and
    /// no longer.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn plug(uhid: Uhid, display: Box<dyn Chip>) -> io::Result<Self> {
        let panel = Self {
            chip: Arc::new(Mutex::new(Cp2112::new(Bus::new(ADDRESS, display)))),
            uhid: Arc::new(uhid),
            times: Arc::default(),
            looks: watch::Sender::default(),
        };
        let served = panel.clone();
        std::thread::Builder::new()
            .name("cp2112".into())
            .spawn(move || {
                // It fails when the kernel no longer has a uhid; then nobody asks any more.
                while let Ok(wanted) = served.uhid.next() {
                    if let Err(error) = served.answer(wanted) {
                        eprintln!("holdfast-lab wires: {error}");
                    }
                }
            })?;
        panel.replug()?;
        Ok(panel)
    }

    /// Plugs the bridge in again.
    ///
    /// # Errors
    /// The kernel's; among others when it is plugged in.
    pub fn replug(&self) -> io::Result<()> {
        self.times.plugged.get_or_init(uptime);
        self.chip().bus.set(bus::Fault::None);
        self.uhid.plug(
            "Holdfast virtual panel",
            cp2112::USB_ID,
            &cp2112::descriptor(),
        )
    }

    /// Unplugs the bridge with all that hangs on it.
    ///
    /// # Errors
    /// The kernel's; among others when it is not plugged in.
    pub fn unplug(&self) -> io::Result<()> {
        self.chip().bus.set(bus::Fault::Absent);
        self.uhid.unplug()
    }

    /// The bridge, and behind it the display.
    pub fn chip(&self) -> MutexGuard<'_, Cp2112> {
        self.chip.lock()
    }

    /// Holds a line low for so long after the kernel saw it so, and comes back when it has seen it up again: whoever polls
    /// sees nothing of what was shorter.
    ///
    /// # Errors
    /// When nobody looks at the line.
    async fn press(&self, line: u8, time: Duration) -> anyhow::Result<()> {
        self.chip().hold_low(line, true);
        let down = self.is_seen(line, false).await;
        if down.is_ok() {
            sleep(time).await;
        }
        self.chip().hold_low(line, false);
        down?;
        self.is_seen(line, true).await
    }

    /// Waits until the kernel saw a line so, twice: it may have given up waiting for one answer.
    async fn is_seen(&self, line: u8, up: bool) -> anyhow::Result<()> {
        let mut looks = self.looks.subscribe();
        let twice = async {
            let mut times = 0;
            while times < 2 {
                looks.changed().await?;
                let levels = *looks.borrow_and_update();
                let is_so = (levels >> line & 1 == 1) == up;
                times = if is_so { times + 1 } else { 0 };
            }
            anyhow::Ok(())
        };
        let seen = timeout(PATIENCE, twice).await;
        seen.with_context(|| format!("the kernel does not look at line {line}"))?
    }

    fn answer(&self, wanted: Wanted) -> io::Result<()> {
        match wanted {
            Wanted::Output(report) => {
                let answers = self.chip().output(&report);
                if self.times.drawn.get().is_none() && self.chip().bus.chip.is_drawn() {
                    self.times.drawn.get_or_init(uptime);
                }
                answers
                    .iter()
                    .try_for_each(|answer| self.uhid.input(answer))
            }
            Wanted::Get { request, id } => {
                let report = self.chip().feature(id).ok();
                self.uhid.got(request, report.as_deref())?;
                if let Some(&[cp2112::LEVELS, levels]) = report.as_deref() {
                    self.looks.send_replace(levels);
                }
                Ok(())
            }
            Wanted::Set { request, report } => {
                let taken = self.chip().set_feature(&report).is_ok();
                self.uhid.set(request, taken)
            }
            Wanted::Nothing => Ok(()),
        }
    }
}
