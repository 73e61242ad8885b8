//! `bench panel`: what a change costs on a display's wires, beside a whole picture, beside what its bus could carry in that time, and beside
//! the crates that others drive it with; what drawing on it takes of the processor, and what a panel takes that has nothing to say.

mod meter;
mod plain;

use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use holdfast::panel::{
    Credential, Figures, Format, Frame, Language, Light, Panel, Picture, Scene, Showing,
};
use holdfast::wires::{Description, DisplayBus};
use holdfast_core::{CauseCode, Face, LastFour, PairingFace};
use holdfast_medium::Secret;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use self::meter::Meter;
use super::report::NONE;
use super::{Bench, Extent, Report, Terms};
use crate::wires::displays::{Board, boards};

/// The clock of an I2C bus, Hz: its fast mode, which the image sets.
const I2C_HZ: f64 = 400_000.0;

/// How often a picture is drawn for the processor's time of one.
const DRAWN: u32 = 20;

/// So long a panel is looked at that has nothing to say.
const IDLE: Duration = Duration::from_secs(60);
const IDLE_IN_FULL: Duration = Duration::from_secs(600);

/// Of a whole picture the bytes with all that is around them, the time they take on the bus, and that time by what the pixels alone would
/// take; the bytes of each change; a countdown's by the whole; the processor's time of a change of face; and of an hour without any.
const COLUMNS: [&str; 10] = [
    "full_bytes",
    "full_ms",
    "full_of_limit",
    "second_bytes",
    "count_bytes",
    "face_bytes",
    "code_bytes",
    "second_of_full",
    "face_cpu_us",
    "idle_cpu_ms_h",
];

/// Rows beside those of the displays.
const WORST: &str = "the most of ours";
const IDLING: &str = "connected, idle";

/// The benchmark.
pub struct Wiring;

#[async_trait(?Send)]
impl Bench for Wiring {
    fn name(&self) -> &'static str {
        "panel"
    }

    fn about(&self) -> &'static str {
        "what a change costs on a display's wires, beside a whole picture, the bus' own limit, and the crates that others use"
    }

    fn is_checked(&self) -> bool {
        true
    }

    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report> {
        let mut report = Report::new(&COLUMNS);
        let boards = boards();
        let times = match terms.extent {
            Extent::Short => 1,
            Extent::Usual | Extent::Full => DRAWN,
        };
        let mut worst = [NONE; COLUMNS.len()];
        for board in &boards {
            let figures = figures(board, times, open(board)?)?;
            for (worst, figure) in worst.iter_mut().zip(figures) {
                *worst = worst.max(figure);
            }
            report.row(board.to_string(), Ok(figures.to_vec()));
        }
        report.row(WORST, Ok(worst.to_vec()));
        report.plain("full_of_limit", "full_of_limit", WORST);
        report.plain("second_of_full", "second_of_full", WORST);
        report.steady("full_of_limit", 0.0);
        report.steady("second_of_full", 0.0);
        for plain in &plain::ALL {
            let is_beside =
                |board: &&Board| (board.display.driver.as_str(), board.spi) == plain.beside;
            let beside = boards.iter().find(is_beside);
            let beside = beside.ok_or_else(|| anyhow!("nothing is beside {}", plain.name))?;
            let meter = Meter::default();
            let show = (plain.open)(meter.clone())?;
            let figures = figures(beside, times, (meter, show))?;
            report.row(plain.name, Ok(figures.to_vec()));
            let [second, face, cpu] = plain.ratios;
            report.ratio(second, "second_bytes", &beside.to_string(), plain.name);
            report.ratio(face, "face_bytes", &beside.to_string(), plain.name);
            report.ratio(cpu, "face_cpu_us", &beside.to_string(), plain.name);
            report.steady(second, 0.0);
            report.steady(face, 0.0);
        }
        let idle = match terms.extent {
            Extent::Short => return Ok(report),
            Extent::Usual => IDLE,
            Extent::Full => IDLE_IN_FULL,
        };
        let mut figures = [NONE; COLUMNS.len()];
        figures[COLUMNS.len() - 1] = idling(&boards[0], idle).await;
        report.row(IDLING, Ok(figures.to_vec()));
        report.plain("idle_cpu_ms_h", "idle_cpu_ms_h", IDLING);
        Ok(report)
    }
}

/// Who shows pictures, and the wires over which that goes.
type Driven = (Meter, plain::Show);

/// Our own driver of a display, set up.
fn open(board: &Board) -> anyhow::Result<Driven> {
    let meter = Meter::default();
    let mut glass = board.open(&meter).map_err(anyhow::Error::msg)?;
    let show = move |picture: &Picture| Ok(glass.show(picture)?);
    Ok((meter, Box::new(show)))
}

/// The figures of a row.
fn figures(
    board: &Board,
    times: u32,
    (meter, mut show): Driven,
) -> anyhow::Result<[f64; COLUMNS.len()]> {
    let pictures = Pictures::of(board.format);
    let mut sent = |picture: &Picture| {
        meter.take();
        show(picture).map(|()| meter.take())
    };
    let full = sent(&pictures.waiting)?;
    let [second, face, count, code] = [
        &pictures.second_later,
        &pictures.connected,
        &pictures.one_more,
        &pictures.code,
    ]
    .map(|picture| sent(picture).map(|sent| sent.bytes as f64));
    // The confidential one is gone before what follows is measured.
    sent(&pictures.waiting)?;
    let begun = clock(ClockId::ThreadCPUTime);
    for _ in 0..times {
        sent(&pictures.connected)?;
        sent(&pictures.waiting)?;
    }
    let took = (clock(ClockId::ThreadCPUTime) - begun) / f64::from(times * 2);

    let (hz, clocks_a_byte) = match &board.display.bus {
        DisplayBus::I2c(_) => (I2C_HZ, 9.0),
        DisplayBus::Spi(spi) => (f64::from(spi.clock_hz), 8.0),
    };
    let Format {
        width,
        height,
        depth,
        ..
    } = board.format;
    // Paper is given its picture twice, or what was there before would be left in the second memory.
    let memories = if board.is_paper() { 2.0 } else { 1.0 };
    let pixels = f64::from(width * height) * f64::from(depth as u32) / 8.0 * memories;
    let (bytes, clocks, second) = (full.bytes as f64, full.clocks as f64, second?);
    Ok([
        bytes,
        clocks / hz * 1e3,
        clocks / (pixels * clocks_a_byte),
        second,
        count?,
        face?,
        code?,
        second / bytes,
        took * 1e6,
        NONE,
    ])
}

/// What a glass shows one after the other.
struct Pictures {
    /// A countdown.
    waiting: Picture,
    second_later: Picture,
    /// Another face.
    connected: Picture,
    /// One message more is unread, which a large glass says.
    one_more: Picture,
    /// A QR.
    code: Picture,
}

impl Pictures {
    fn of(format: Format) -> Self {
        let waiting = |next_ms| Face::WaitingForNetwork {
            code: CauseCode::NoAddress,
            attempt: 1,
            next_ms,
        };
        let qr = Face::Pairing(PairingFace::Qr { left_ms: 60_000 });
        // As long as a linking code is.
        let text = Credential::Qr(Secret::new("2@holdfast/".repeat(22)[..239].to_owned()));
        let picture = |face: Face, credential: Option<&Credential>, unread: u64| {
            let mut frame = Frame::new(format);
            let scene = Scene {
                face: &face,
                credential,
                figures: &figures_with(unread),
                named: None,
                language: Language::English,
            };
            let Ok(()) = scene.draw(format, &mut frame);
            Picture {
                frame,
                confidential: credential.is_some(),
                light: Light::Full,
            }
        };
        Self {
            waiting: picture(waiting(12_000), None, 3),
            second_later: picture(waiting(11_000), None, 3),
            connected: picture(CONNECTED, None, 3),
            one_more: picture(CONNECTED, None, 4),
            code: picture(qr, Some(&text), 4),
        }
    }
}

const CONNECTED: Face = Face::Connected {
    account: Some(LastFour(*b"4567")),
    fault: None,
};

fn figures_with(unread: u64) -> Figures {
    Figures {
        since_ms: Some(7_200_000),
        address: Some("192.168.178.41".to_owned()),
        unread: Some(unread),
        unsent: Some(1),
        message_ms: Some(300_000),
        ..Figures::default()
    }
}

/// The processor's time of an hour, ms, of a panel that shows the same face for so long.
async fn idling(board: &Board, time: Duration) -> f64 {
    let showing = Showing::new(CONNECTED, None).with(figures_with(3));
    let (_show, showings) = watch::channel(showing);
    let (inputs, _unheard) = mpsc::unbounded_channel();
    let described = Description {
        name: "lab".to_owned(),
        models: Vec::new(),
        display: Some(board.display.clone()),
        button: None,
        led: None,
    };
    let panel = Panel::start_on(Meter::default(), &described, showings, inputs);
    // The first picture is no part of it.
    sleep(Duration::from_secs(1)).await;
    let begun = clock(ClockId::ProcessCPUTime);
    sleep(time).await;
    let took = clock(ClockId::ProcessCPUTime) - begun;
    panel.stop().await;
    took * 1e3 * 3600.0 / time.as_secs_f64()
}

/// A processor's clock, s.
fn clock(of: ClockId) -> f64 {
    let now = clock_gettime(of);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
