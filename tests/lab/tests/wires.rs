//! The panel on simulated wires: the real driver and an emulated display, a button's line, and all that can go wrong there.

/// The package beside the lab draws them in its own tests, too.
#[path = "../../faces.rs"]
mod faces;

use std::time::{Duration, Instant};

use embedded_graphics::{Pixel, prelude::*};
use holdfast::{
    boot::{self, Early, Recovery, Said},
    panel::{
        Credential, Format, Frame, Ink, Panel, Showing, draw,
        glass::{self, PLAIN},
    },
    wires::{
        Button, Description, I2cBus, I2cPort, Input, InputPort, Line, LineName, OutputPort, SpiBus,
        SpiPort, WireError, Wires,
    },
};
use holdfast_core::{
    CauseCode, Command, Event, Face, GenerationId, LastFour, Linked, Now, PairingFace, Part, State,
    face, step,
};
use holdfast_lab::wires::{
    bus::Fault,
    display,
    simulated::{BUSY, RESET, Simulated},
};
use holdfast_medium::Machine;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use self::faces::{QR_FACE, faces, frame, payload, qr};

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

/// Boards with a display of each controller this build drives, on I2C.
fn on_i2c() -> Vec<Description> {
    boards("bus = [\"simulated\"]")
}

/// Boards with a display of each controller this build drives, on I2C and on SPI, the latter with a reset line.
fn on_any_bus() -> Vec<Description> {
    let spi = "spi = [\"simulated\"]\ndata_command = [\"simulated:1\"]\nreset = [\"simulated:2\"]";
    [on_i2c(), boards(spi)].concat()
}

fn boards(wires: &str) -> Vec<Description> {
    let drivers = glass::drivers();
    let board = |driver: &&str| {
        let text = format!("[display]\ndriver = \"{driver}\"\n{wires}\n");
        Description::parse("try", &drivers, "try.toml".as_ref(), &text).unwrap()
    };
    drivers.iter().map(board).collect()
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
    for board in on_any_bus() {
        let rig = Rig::on(&board);
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

#[tokio::test]
async fn a_display_of_another_controller_shows_another_picture() {
    for board in on_i2c() {
        for other in glass::drivers() {
            let wires = Simulated::new(0x3c, display(other).unwrap());
            let mut rig = Rig::start(wires, &board);
            assert_eq!(rig.told(Part::Display).await, None, "it acknowledges");
            let right = rig.wires.picture() == rig.frame(&Face::Starting, None);
            let driver = &board.display.as_ref().unwrap().driver;
            assert_eq!(right, driver == other, "{driver} on {other}");
        }
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

#[tokio::test]
async fn a_display_is_reset_by_its_line_unless_it_says_that_it_shows_a_picture() {
    for mut board in on_i2c() {
        let line = LineName {
            chip: "simulated".into(),
            number: RESET,
        };
        board.display.as_mut().unwrap().reset = vec![line];
        let wires = wires(&board);
        let first = FirstPicture::of(&board, wires.clone());
        first.evidence(true);
        assert!(matches!(first.ends(), Ok(true)));
        assert_eq!(wires.resets(), 1);
        let mut rig = Rig::start(wires, &board);
        assert_eq!(rig.told(Part::Display).await, None);
        rig.reaches(rig.frame(&Face::Starting, None)).await;
        assert_eq!(rig.wires.resets(), 1, "it was on");
        assert!(!rig.wires.blinked());
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
        wires.busy(high);
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
        // On a busy machine further seconds pass until it is seen; a whole picture is twice as much.
        assert!((1..512).contains(&sent), "{sent} bytes for a digit or two");
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

/// The first picture of a boot on these wires, in a thread of its own, and who tells it of changes.
struct FirstPicture {
    machine: tempfile::TempDir,
    tell: std::sync::mpsc::Sender<()>,
    ended: std::thread::JoinHandle<Result<bool, WireError>>,
}

impl FirstPicture {
    fn on(wires: impl Wires) -> Self {
        Self::of(&board(), wires)
    }

    fn of(board: &Description, wires: impl Wires) -> Self {
        let root = tempfile::tempdir().unwrap();
        let id = root.path().join("proc/sys/kernel/random/boot_id");
        std::fs::create_dir_all(id.parent().unwrap()).unwrap();
        std::fs::write(id, "this one\n").unwrap();
        let (tell, changes) = std::sync::mpsc::channel();
        let machine = Machine::at(root.path());
        let display = board.display.clone().unwrap();
        let accompany = move || boot::accompany(&wires, &display, &machine, &changes);
        Self {
            machine: root,
            tell,
            ended: std::thread::spawn(accompany),
        }
    }

    /// The step before the data partition's check has looked at it.
    fn evidence(&self, cut: bool) {
        let recovery = Recovery {
            device: "vda5".into(),
            lines: Vec::new(),
        };
        let early = Early {
            boot: Some("this one".into()),
            dumps: Said::Absent,
            watchdogs: Said::Absent,
            reset: Said::Absent,
            recovery: if cut {
                Said::Present(recovery)
            } else {
                Said::Absent
            },
            errors: Said::Absent,
        };
        let notes = self.machine.path().join("run/holdfast");
        std::fs::create_dir_all(&notes).unwrap();
        let early = serde_json::to_vec(&early).unwrap();
        std::fs::write(notes.join("evidence.json"), early).unwrap();
        self.tell.send(()).unwrap();
    }

    fn ends(self) -> Result<bool, WireError> {
        self.ended.join().unwrap()
    }
}

#[test]
fn the_first_picture_comes_with_the_bus_and_tells_of_a_repair() {
    let wires = wires(&board());
    wires.plug(false);
    let first = FirstPicture::on(wires.clone());
    wires.plug(true);
    first.tell.send(()).unwrap();
    assert!(wires.wait_for_picture(&frame(&Face::Starting, None), DEADLINE));
    first.evidence(true);
    assert!(wires.wait_for_picture(&frame(&Face::Repairing, None), DEADLINE));
    assert!(matches!(first.ends(), Ok(true)));

    let first = FirstPicture::on(wires.clone());
    first.evidence(false);
    assert!(matches!(first.ends(), Ok(true)));
    assert!(wires.picture() == frame(&Face::Starting, None));
}

#[test]
fn the_first_picture_is_given_up_where_the_display_is_silent_or_the_daemon_s() {
    let wires = wires(&board());
    wires.set(Fault::Absent);
    assert!(matches!(
        FirstPicture::on(wires).ends(),
        Err(WireError::Transfer(_))
    ));

    struct Taken;
    impl Wires for Taken {
        fn i2c(&self, _: &I2cBus) -> Result<I2cPort, WireError> {
            Err(WireError::Taken("/dev/i2c-1".into()))
        }
        fn spi(&self, _: &SpiBus) -> Result<SpiPort, WireError> {
            unreachable!("the display is on I2C")
        }
        fn output(&self, _: &[LineName], _: bool) -> Result<OutputPort, WireError> {
            unreachable!("the display has no lines")
        }
        fn input(&self, _: &[LineName]) -> Result<InputPort, WireError> {
            unreachable!("the display has no lines")
        }
        fn button(&self, _: &Button) -> Result<Box<dyn Line>, WireError> {
            unreachable!("it has no business with the button")
        }
    }
    assert!(matches!(FirstPicture::on(Taken).ends(), Ok(false)));
}

#[tokio::test]
async fn the_daemon_takes_the_first_picture_over_without_a_blink() {
    for mut board in on_any_bus() {
        if let Some(display) = &mut board.display {
            display.reset.clear();
        }
        let wires = wires(&board);
        let first = FirstPicture::of(&board, wires.clone());
        first.evidence(true);
        assert!(matches!(first.ends(), Ok(true)));
        let mut rig = Rig::start(wires, &board);
        assert_eq!(rig.told(Part::Display).await, None);
        rig.reaches(rig.frame(&Face::Starting, None)).await;
        assert!(!rig.wires.blinked());
    }
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
async fn the_button_is_told_of_with_the_moment_it_moved() {
    let mut rig = Rig::new();
    rig.line(true).await;
    let now = Instant::now();
    let down = now.checked_sub(Duration::from_millis(5_100)).unwrap_or(now);
    let up = down + Duration::from_millis(100);
    // Both are read late, as on a machine that was busy meanwhile.
    rig.wires.press(true, down);
    rig.wires.press(false, up);
    let mut moves = Vec::new();
    while moves.len() < 2 {
        match rig.input().await {
            (_, Input::Health { .. }) => {}
            input => moves.push(input),
        }
    }
    assert_eq!(moves, [(down, Input::Pressed), (up, Input::Released)]);
}

#[tokio::test]
async fn a_press_read_late_is_as_long_as_it_was_and_a_hold_asks_for_a_second_press() {
    let mut rig = Rig::new();
    rig.line(true).await;
    let start = Instant::now();
    let mut core = State::new(1);
    let account = Some(LastFour(*b"1234"));
    let linked = Linked {
        generation: GenerationId(1),
        account,
    };
    step(&mut core, Event::Booted(linked), Now { mono_ms: 0 });
    step(&mut core, Event::LinkUp, Now { mono_ms: 0 });
    // What the finger does, in milliseconds, and what the screen then asks.
    let finger = [
        (1_000, true, false),
        (1_100, false, false),
        (9_000, true, false),
        (14_001, false, true),
        (15_000, true, true),
        (15_100, false, false),
    ];
    for (ms, down, asks) in finger {
        rig.wires.press(down, start + Duration::from_millis(ms));
        let (at, input) = loop {
            match rig.input().await {
                (_, Input::Health { .. }) => {}
                input => break input,
            }
        };
        let event = match input {
            Input::Pressed => Event::Pressed,
            Input::Released => Event::Released,
            other => panic!("{other:?}"),
        };
        let mono_ms = at.duration_since(start).as_millis() as u64;
        let effects = step(&mut core, event, Now { mono_ms }).effects;
        let asking = matches!(face(&core, Now { mono_ms }), Face::ConfirmRelink { .. });
        assert_eq!(asking, asks, "at {ms} ms");
        assert_eq!(effects.is_empty(), ms != 15_100, "at {ms} ms: {effects:?}");
    }
    let stop = Event::Command {
        request: 1,
        command: Command::Stop,
    };
    assert!(!step(&mut core, stop, Now { mono_ms: 16_000 }).ignored);
}

#[tokio::test]
async fn a_line_that_goes_away_is_told_of_and_watched_again_when_it_is_back() {
    let mut rig = Rig::new();
    rig.line(true).await;
    rig.wires.plug(false);
    assert_eq!(rig.told(Part::Button).await, None, "it worked");
    assert_eq!(rig.told(Part::Button).await, Some(CauseCode::ButtonAbsent));
    rig.wires.plug(true);
    assert_eq!(rig.told(Part::Button).await, None);
    rig.wires.press(true, Instant::now());
    loop {
        match rig.input().await.1 {
            Input::Pressed => break,
            Input::Health { .. } => {}
            other => panic!("{other:?}"),
        }
    }
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
