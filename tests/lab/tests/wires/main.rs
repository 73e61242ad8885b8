//! The panel on simulated wires: the real driver and an emulated display, a button's line, and all that can go wrong there.

/// The package beside the lab draws them in its own tests, too.
#[path = "../../../faces.rs"]
mod faces;

mod boot;
mod button;
mod paper;

use std::time::{Duration, Instant};

use embedded_graphics::{Pixel, prelude::*};
use holdfast::{
    panel::{
        Credential, Format, Frame, Ink, Light, PLAIN, Panel, Picture, Showing, draw,
        glass::{self, Told},
    },
    wires::{
        Button, Description, Driver, I2cBus, I2cPort, Input, InputPort, Line, LineName, OutputPort,
        SpiBus, SpiPort, Wire, WireError, Wires, probe,
    },
};
use holdfast_core::{
    CauseCode, Command, Event, Face, GenerationId, Hand, LastFour, Linked, Now, PairingFace, Part,
    State, face, step,
};
use holdfast_lab::wires::{
    bus::Fault,
    display,
    simulated::{BUSY, RESET, SPI, Simulated},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use self::{
    faces::{QR_FACE, faces, frame, payload, qr},
    paper::is_without_trace,
};

/// Nothing here takes this long; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A panel on simulated wires.
struct Rig {
    wires: Simulated,
    format: Format,
    show: watch::Sender<Showing>,
    inputs: mpsc::UnboundedReceiver<(Instant, Input)>,
    panel: Panel,
}

fn board() -> Description {
    Description::find("/nonexistent".as_ref(), &glass::drivers(), "qemu")
        .unwrap()
        .unwrap()
}

/// The emulated display that a board has.
fn wires(board: &Description) -> Simulated {
    let driver = &board.display.as_ref().unwrap().driver;
    let chip = display(driver).unwrap_or_else(|| panic!("no emulated {driver}"));
    Simulated::new(0x3c, chip)
}

/// Boards with each display that this build drives and that may be on I2C.
fn on_i2c() -> Vec<Description> {
    let may = |driver: &Driver| !driver.needs.contains(&Wire::Spi);
    boards("bus = [\"simulated\"]", may)
}

/// Boards with each display that this build drives, on I2C and on SPI, the latter with every line that there is.
fn on_any_bus() -> Vec<Description> {
    [on_i2c(), boards(SPI, |_| true)].concat()
}

/// Boards with each e-paper.
fn on_paper() -> Vec<Description> {
    boards(SPI, |driver| driver.needs.contains(&Wire::Busy))
}

fn is_paper(board: &Description) -> bool {
    let display = board.display.as_ref().unwrap();
    glass::facts(display).unwrap().keeps
}

fn is_large(board: &Description) -> bool {
    let format = glass::format(board.display.as_ref().unwrap());
    format.width * format.height > 128 * 128
}

fn boards(wires: &str, may: impl Fn(&Driver) -> bool) -> Vec<Description> {
    let drivers = glass::drivers();
    let board = |driver: &Driver| {
        let text = format!("[display]\ndriver = \"{}\"\n{wires}\n", driver.name);
        Description::parse("try", &drivers, "try.toml".as_ref(), &text).unwrap()
    };
    drivers
        .iter()
        .filter(|driver| may(driver))
        .map(board)
        .collect()
}

impl Rig {
    fn start(wires: Simulated, board: &Description) -> Self {
        let (show, showings) = watch::channel(Showing::new(Face::Starting, None));
        let (sender, inputs) = mpsc::unbounded_channel();
        Self {
            panel: Panel::start_on(wires.clone(), board, showings, sender),
            wires,
            format: board.display.as_ref().map_or(PLAIN, glass::format),
            show,
            inputs,
        }
    }

    /// The picture of a face on this board's glass.
    fn frame(&self, face: &Face, credential: Option<&Credential>) -> Frame {
        let mut frame = Frame::new(self.format);
        let Ok(()) = draw(face, credential, &mut frame);
        frame
    }

    /// With everything in order.
    fn new() -> Self {
        Self::on(&board())
    }

    /// With everything in order on this board.
    fn on(board: &Description) -> Self {
        Self::start(wires(board), board)
    }

    async fn shows(&self, face: Face, credential: Option<Credential>) {
        let wanted = self.frame(&face, credential.as_ref());
        self.shows_as(face, credential, wanted).await;
    }

    /// Shown again where a machine that is busy for a second counted down too far.
    async fn shows_as(&self, face: Face, credential: Option<Credential>, wanted: Frame) {
        for _ in 0..DEADLINE.as_secs() {
            self.show
                .send_replace(Showing::new(face.clone(), credential.clone()));
            if self.is_reached(&wanted, Duration::from_secs(1)).await {
                return;
            }
        }
        panic!("{face:?} is not on the glass in time");
    }

    async fn reaches(&self, wanted: Frame) {
        assert!(self.is_reached(&wanted, DEADLINE).await, "in time");
    }

    async fn is_reached(&self, wanted: &Frame, limit: Duration) -> bool {
        let (wires, wanted) = (self.wires.clone(), wanted.clone());
        let wait = move || wires.wait_for_picture(&wanted, limit);
        tokio::task::spawn_blocking(wait).await.unwrap()
    }

    async fn line(&self, open: bool) {
        let wires = self.wires.clone();
        let wait = move || wires.wait_for_line(open, DEADLINE);
        assert!(tokio::task::spawn_blocking(wait).await.unwrap(), "in time");
    }

    async fn input(&mut self) -> (Instant, Input) {
        timeout(DEADLINE, self.inputs.recv())
            .await
            .expect("in time")
            .expect("the panel runs")
    }

    /// The next thing told of this part.
    async fn told(&mut self, of: Part) -> Option<CauseCode> {
        loop {
            if let (_, Input::Health { part, fault }) = self.input().await
                && part == of
            {
                return fault;
            }
        }
    }
}

fn stopped() -> Frame {
    frame(&Face::Stopped { saved: true }, None)
}

#[tokio::test]
async fn each_real_driver_puts_every_screen_on_an_emulated_display_pixel_by_pixel() {
    for board in on_any_bus().iter().filter(|board| !is_large(board)) {
        let rig = Rig::on(board);
        let all = faces();
        // There and back: what is sent is what changed, so that the screen before matters.
        for (_, face, credential) in all.iter().chain(all.iter().rev()) {
            rig.shows(face.clone(), credential.clone()).await;
        }
        assert!(
            rig.wires.unknown().is_empty(),
            "the emulator knows every command"
        );
    }
}

/// Through the whole panel, each at its own pace, that would take minutes.
#[test]
fn each_large_display_shows_every_screen_pixel_by_pixel_and_paper_nothing_of_a_code_afterwards() {
    let mut large = on_any_bus();
    large.retain(is_large);
    std::thread::scope(|scope| {
        for board in &large {
            scope.spawn(|| shows_every_screen(board));
        }
    });
}

fn shows_every_screen(board: &Description) {
    let display = board.display.as_ref().unwrap();
    let wires = wires(board);
    let mut glass = glass::open(&wires, display).unwrap();
    let mut before = false;
    for (name, face, credential) in faces() {
        let mut frame = Frame::new(glass::format(display));
        let Ok(()) = draw(&face, credential.as_ref(), &mut frame);
        let confidential = credential.is_some();
        let picture = Picture {
            frame,
            confidential,
            light: Light::Full,
        };
        glass.show(&picture).unwrap();
        let driver = &display.driver;
        assert!(wires.picture() == picture.frame, "{name} on {driver}");
        if before && !confidential && is_paper(board) {
            is_without_trace(&wires, &picture.frame);
        }
        before = confidential;
    }
    assert!(wires.unknown().is_empty(), "{:?}", wires.unknown());
    assert!(!wires.flashed(), "no noise is lit from behind");
}

#[tokio::test]
async fn a_display_that_tells_what_it_is_is_driven_as_that_and_said_to_be() {
    let controller = |driver: &str| driver.replace("ssd1309", "ssd1306");
    for board in on_i2c() {
        for other in on_i2c() {
            let other = &other.display.unwrap().driver;
            let driver = &board.display.as_ref().unwrap().driver;
            let remark = match (&*controller(driver), &*controller(other)) {
                ("ssd1306", "sh1106") => Some(CauseCode::DisplayIsSh1106),
                ("sh1106", "ssd1306") => Some(CauseCode::DisplayIsSsd1306),
                _ => None,
            };
            let wires = Simulated::new(0x3c, display(other).unwrap());
            let mut rig = Rig::start(wires, &board);
            let told = rig.told(Part::Display).await;
            assert_eq!(told, remark, "{driver} on {other}");
            let right = rig.wires.picture() == rig.frame(&Face::Starting, None);
            // An SH1107 tells what some an SSD1306 do.
            let same = controller(driver) == controller(other);
            assert_eq!(right, same || remark.is_some(), "{driver} on {other}");
        }
    }
}

#[test]
fn a_probe_hears_what_is_there_beside_a_daemon_that_draws() {
    for board in on_i2c() {
        let display = board.display.as_ref().unwrap();
        let wires = wires(&board);
        let mut glass = glass::open(&wires, display).unwrap();
        let frame = Frame::new(glass::format(display));
        let picture = Picture {
            frame,
            confidential: false,
            light: Light::Full,
        };
        let mut beside = wires.clone();
        let wanted = match &*display.driver {
            "sh1106" => Told::Sh1106,
            "sh1107" => Told::Nothing,
            _ => Told::Ssd1306,
        };
        for on in [false, true] {
            let answers = probe::answers(&mut beside);
            let told: Vec<_> = answers
                .iter()
                .map(|(address, status)| (*address, Told::by(*status)))
                .collect();
            assert_eq!(told, [(0x3c, wanted)], "{} on: {on}", display.driver);
            glass.show(&picture).unwrap();
        }
        assert!(wires.picture() == picture.frame);
        wires.set(Fault::Absent);
        assert!(probe::answers(&mut beside).is_empty());
    }
}

#[tokio::test]
async fn a_display_mounted_the_wrong_way_up_shows_the_right_way_up() {
    for mut board in on_any_bus() {
        board.display.as_mut().unwrap().upside_down = true;
        let rig = Rig::on(&board);
        // The emulated glass is not turned, so that the picture on it is.
        let upright = rig.frame(&QR_FACE, Some(&qr(&payload(239))));
        let Format { width, height, .. } = upright.format();
        let mut wanted = Frame::new(upright.format());
        let Ok(()) = wanted.draw_iter(wanted.bounding_box().points().map(|point| {
            let (x, y) = (width - 1 - point.x as u32, height - 1 - point.y as u32);
            let ink = match upright.lit(x, y) {
                true => Ink::White,
                false => Ink::Black,
            };
            Pixel(point, ink)
        }));
        rig.shows_as(QR_FACE, Some(qr(&payload(239))), wanted).await;
    }
}

#[test]
fn lines_of_a_display_are_set_and_read() {
    let wires = wires(&board());
    let line = |number| {
        [LineName {
            chip: "simulated".into(),
            number,
        }]
    };
    let mut busy = wires.input(&line(BUSY)).unwrap();
    for high in [true, false] {
        wires.busy(Some(high));
        assert_eq!(busy.is_high().unwrap(), high);
    }
    let mut reset = wires.output(&line(RESET), true).unwrap();
    reset.set_low().unwrap();
    reset.set_high().unwrap();
    assert_eq!(wires.resets(), 1);
    wires.plug(false);
    assert!(matches!(
        wires.input(&line(BUSY)),
        Err(WireError::NoLine(_))
    ));
}

#[tokio::test]
async fn only_what_changed_is_sent() {
    for board in on_any_bus() {
        let rig = Rig::on(&board);
        let counting = |left_ms| Face::Pairing(PairingFace::Qr { left_ms });
        rig.shows(counting(42_000), Some(qr(&payload(239)))).await;
        let before = rig.wires.written();
        rig.shows(counting(41_000), Some(qr(&payload(239)))).await;
        let sent = rig.wires.written() - before;
        let number = |left_ms| rig.frame(&counting(left_ms), Some(&qr(&payload(239))));
        if number(42_000) == number(41_000) {
            // A square glass has the QR alone.
            assert_eq!(sent, 0);
            continue;
        }
        let Format {
            width,
            height,
            depth,
            ..
        } = rig.format;
        let whole = (width * height * depth as u32 / 8) as usize;
        // On a busy machine further seconds pass until it is seen.
        assert!(
            (1..whole / 2).contains(&sent),
            "{sent} bytes of {whole} for a digit or two"
        );
    }
}

#[tokio::test]
async fn a_credential_is_gone_from_the_glass_with_its_time() {
    let rig = Rig::new();
    let short = Face::Pairing(PairingFace::Qr { left_ms: 3_000 });
    rig.shows(short, Some(qr(&payload(239)))).await;
    let wanted = rig.frame(&Face::Pairing(PairingFace::Preparing), None);
    rig.reaches(wanted).await;
}

#[tokio::test]
async fn a_display_that_is_not_there_is_told_of_once_and_used_when_it_comes() {
    let wires = wires(&board());
    wires.plug(false);
    let mut rig = Rig::start(wires, &board());
    let fault = Some(CauseCode::DisplayAbsent);
    assert_eq!(rig.told(Part::Display).await, fault);
    // Nothing answers on the bus that came.
    rig.wires.set(Fault::Absent);
    rig.wires.plug(true);
    rig.show.send_replace(Showing::new(Face::Connecting, None));
    rig.wires.set(Fault::None);
    assert_eq!(
        rig.told(Part::Display).await,
        None,
        "and not of a fault again"
    );
    rig.reaches(frame(&Face::Connecting, None)).await;
}

#[tokio::test]
async fn a_display_that_lost_its_power_is_set_up_anew_though_its_picture_did_not_change() {
    for board in on_i2c() {
        let mut rig = Rig::on(&board);
        rig.shows(Face::Connecting, None).await;
        assert_eq!(rig.told(Part::Display).await, None);
        rig.wires.lose_power();
        assert!(rig.wires.picture() == Frame::new(rig.format));
        rig.reaches(rig.frame(&Face::Connecting, None)).await;
        while let Ok((_, input)) = rig.inputs.try_recv() {
            let told = matches!(
                input,
                Input::Health {
                    part: Part::Display,
                    ..
                }
            );
            assert!(!told, "a spark is no news");
        }
    }
}

#[tokio::test]
async fn a_bus_that_hangs_holds_up_neither_pictures_nor_the_end() {
    let mut rig = Rig::new();
    rig.shows(Face::Connecting, None).await;
    rig.wires.set(Fault::Wedged);
    let mut pictures = rig.panel.pictures();
    let glass = rig.wires.picture();
    for (_, face, credential) in faces().into_iter().take(5) {
        let wanted = frame(&face, credential.as_ref());
        rig.show.send_replace(Showing::new(face, credential));
        let shown = pictures.wait_for(|picture| picture.frame == wanted);
        timeout(DEADLINE, shown).await.expect("in time").unwrap();
    }
    assert!(rig.wires.picture() == glass, "none of them gets through");
    assert_eq!(rig.told(Part::Display).await, None);
    assert_eq!(
        rig.told(Part::Display).await,
        Some(CauseCode::DisplayAbsent)
    );
    let begun = Instant::now();
    drop(rig.show);
    rig.panel.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "left behind");
}

#[tokio::test]
async fn what_was_shown_last_stays_on_the_glass() {
    let rig = Rig::new();
    rig.shows(Face::Connecting, None).await;
    rig.show
        .send_replace(Showing::new(Face::Stopped { saved: true }, None));
    drop(rig.show);
    rig.panel.stop().await;
    assert!(rig.wires.picture() == stopped());
}

#[tokio::test]
async fn a_board_may_have_a_button_alone_or_nothing() {
    let button: Option<Button> = board().button;
    let alone = Description {
        display: None,
        ..board()
    };
    assert!(alone.button == button);
    let mut rig = Rig::start(wires(&board()), &alone);
    rig.line(true).await;
    assert_eq!(rig.told(Part::Button).await, None);
    assert_eq!(rig.wires.written(), 0);
    drop(rig.show);
    rig.panel.stop().await;
}
