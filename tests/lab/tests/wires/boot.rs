//! The first picture of a boot, which the daemon takes over.

use holdfast::boot::{self, Early, Recovery, Said};
use holdfast_medium::Machine;

use super::*;

/// The first picture of a boot on these wires, in a thread of its own, and who tells it of changes.
pub(super) struct FirstPicture {
    machine: tempfile::TempDir,
    tell: std::sync::mpsc::Sender<()>,
    ended: std::thread::JoinHandle<Result<bool, WireError>>,
}

impl FirstPicture {
    fn on(wires: impl Wires) -> Self {
        Self::of(&board(), wires)
    }

    pub(super) fn of(board: &Description, wires: impl Wires) -> Self {
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
    pub(super) fn evidence(&self, cut: bool) {
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

    pub(super) fn ends(self) -> Result<bool, WireError> {
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
    // Who has to be reset to be heard blinks.
    let unreset = |driver: &Driver| !driver.needs.contains(&Wire::Reset);
    for mut board in [on_i2c(), boards(SPI, unreset)].concat() {
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
