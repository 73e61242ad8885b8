//! `prove panel`: what is drawn is what each display shows, by the bytes on its wires, and nothing that goes wrong there lasts.

mod twisted;

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use holdfast::panel::glass::Glass;
use holdfast::panel::{Frame, Ink, Light, Picture};
use holdfast::wires::{WireError, Wires};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use tokio::task::spawn_blocking;

use self::twisted::{Twist, Twisted};
use super::{Proof, Run};
use crate::wires::bus::Fault;
use crate::wires::displays::{Board, boards};
use crate::wires::simulated::{BUSY, Simulated};

/// No case takes so long but one that hangs.
const WITHIN: Duration = Duration::from_secs(120);
/// What a display may take for a fault beyond its slowest picture: the kernel's timeout of a transfer, and a busy machine.
const MARGIN: Duration = Duration::from_secs(4);
/// The slowest picture of any of them, and the second that is waited beyond it.
const SLOWEST: Duration = Duration::from_secs(6);

/// The proof.
pub struct Displays;

#[async_trait(?Send)]
impl Proof for Displays {
    fn name(&self) -> &'static str {
        "panel"
    }

    fn claim(&self) -> &'static str {
        "the bytes on each display's wires make the picture that was drawn, and no fault there lasts"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/panel", "src/wires"]
    }

    async fn try_on(&self, run: &mut Run) {
        let frames = run.count(12, 400);
        let mut case = 0;
        let mut all = Vec::new();
        for board in boards() {
            for turned in [false, true] {
                let (board, dice) = (board.turned(turned), run.dice(case));
                case += 1;
                let name = format!("{frames} pictures on {board}");
                all.push((
                    name,
                    aside(move || {
                        Trial::from(board).series(dice, frames, &|wires| Box::new(wires))
                    }),
                ));
            }
            for trouble in Trouble::ALL.iter().filter(|trouble| trouble.fits(&board)) {
                let (name, board, dice) = (
                    format!("{trouble} on {board}"),
                    board.clone(),
                    run.dice(case),
                );
                case += 1;
                all.push((
                    name,
                    aside(move || Trial::from(board).recovers(*trouble, dice)),
                ));
            }
        }
        for (name, work) in all {
            run.case(name, WITHIN, work).await;
        }
        for (name, said, work) in controls(run) {
            run.caught(name, said, WITHIN, work).await;
        }
    }
}

/// Work beside others, on a thread that may block.
fn aside(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Work {
    let work = spawn_blocking(work);
    Box::pin(async { work.await.map_err(|error| error.to_string())? })
}

type Work = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// Wrong drivers, and a wrong judge: each has to be caught, and for that reason.
fn controls(run: &Run) -> Vec<(&'static str, &'static str, Work)> {
    let on = |name: &str, spi: bool| {
        let mut boards = boards().into_iter();
        let is_it = |board: &Board| board.display.driver == name && board.spi == spi;
        Trial::from(boards.find(is_it).expect("it is driven"))
    };
    let twisted = |trial: Trial, twist: Twist, dice: StdRng| {
        aside(move || trial.series(dice, 12, &|wires| Box::new(Twisted::new(wires, twist))))
    };
    let judged = |trial: Trial, dice: StdRng| {
        aside(move || trial.series(dice, 12, &|wires| Box::new(wires)))
    };
    let (oled, paper) = (on("sh1106", false), on("epd2in13-v4", true));
    let mut turned = oled.clone();
    turned.judged_turned = true;
    let mut unwiped = paper.clone();
    unwiped.tells = false;
    let (another, traces) = ("another picture", "traces of another");
    let unbounded = paper.board.wires();
    unbounded.busy(Some(true));
    vec![
        (
            "pages in another order",
            another,
            twisted(oled.clone(), Twist::Pages, run.dice(1_000)),
        ),
        (
            "a column too far to the right",
            another,
            twisted(oled, Twist::Columns, run.dice(1_001)),
        ),
        ("the wrong way up", another, judged(turned, run.dice(1_002))),
        (
            "a part refreshed with what was there before",
            another,
            twisted(paper.clone(), Twist::Stale, run.dice(1_003)),
        ),
        (
            "a code that is left in the second memory",
            traces,
            twisted(paper, Twist::Kept, run.dice(1_004)),
        ),
        (
            "a code that is overdrawn in parts",
            traces,
            judged(unwiped, run.dice(1_005)),
        ),
        (
            "a wait for busy without a bound",
            "it took",
            // It ends, so that no thread stays behind, but later than anything may.
            aside(move || {
                in_time(Duration::from_millis(200), || {
                    let begun = Instant::now();
                    while unbounded.is_high(BUSY) && begun.elapsed() < Duration::from_secs(1) {
                        std::thread::yield_now();
                    }
                })
            }),
        ),
    ]
}

/// What goes wrong on a display's wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing acknowledges.
    Absent,
    /// SDA is held low: no transfer ends.
    Wedged,
    /// Each write breaks off.
    Short,
    /// There is no bus.
    NoBus,
    /// The busy line stays high.
    StaysBusy,
    /// The busy line stays low.
    NeverBusy,
}

impl Trouble {
    const ALL: &[Self] = &[
        Self::Absent,
        Self::Wedged,
        Self::Short,
        Self::NoBus,
        Self::StaysBusy,
        Self::NeverBusy,
    ];

    /// Whether a board can have it. On SPI nobody acknowledges anything, so that an absent display is not noticed there but by its busy
    /// line.
    fn fits(self, board: &Board) -> bool {
        match self {
            Self::Absent | Self::Wedged => !board.spi,
            Self::StaysBusy | Self::NeverBusy => board.is_paper(),
            Self::Short | Self::NoBus => true,
        }
    }

    fn set(self, wires: &Simulated, is: bool) {
        let fault = |fault| wires.set(if is { fault } else { Fault::None });
        match self {
            Self::Absent => fault(Fault::Absent),
            Self::Wedged => fault(Fault::Wedged),
            Self::Short => fault(Fault::Short),
            Self::NoBus => wires.plug(!is),
            Self::StaysBusy => wires.busy(is.then_some(true)),
            Self::NeverBusy => wires.busy(is.then_some(false)),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "nothing acknowledges",
            Self::Wedged => "SDA held low",
            Self::Short => "writes that break off",
            Self::NoBus => "the bus gone and back",
            Self::StaysBusy => "busy for ever",
            Self::NeverBusy => "never busy",
        })
    }
}

/// A display that is tried, and the judge's and the driver's part in a control.
#[derive(Clone)]
struct Trial {
    board: Board,
    /// Its pictures are taken for turned, which they are not.
    judged_turned: bool,
    /// The driver is told which pictures are confidential.
    tells: bool,
}

impl From<Board> for Trial {
    fn from(board: Board) -> Self {
        Self {
            board,
            judged_turned: false,
            tells: true,
        }
    }
}

impl Trial {
    /// Shows pictures one after the other, and compares what the display then shows with what was drawn.
    fn series(
        &self,
        mut dice: StdRng,
        count: u64,
        through: &dyn Fn(Simulated) -> Box<dyn Wires>,
    ) -> Result<(), String> {
        let wires = self.board.wires();
        let mut glass = self.board.open(&*through(wires.clone()))?;
        let mut frame = Frame::new(self.board.format);
        let mut code = false;
        for at in 0..count {
            change(&mut frame, &mut dice, at);
            let confidential = at % 4 == 2 || dice.random_bool(0.2);
            self.show(&mut *glass, &frame, confidential)
                .map_err(|error| format!("picture {at}: {error}"))?;
            self.judge(&wires, &frame)
                .map_err(|what| format!("picture {at}: {what}"))?;
            // From the first picture on, and after the last code, nothing of what was there before may be left.
            if code && !confidential || at == 0 {
                self.judge_traces(&wires, &frame)
                    .map_err(|what| format!("picture {at}: {what}"))?;
            }
            code = confidential;
            // Deeply asleep, which its busy line tells.
            if self.board.is_paper() && !wires.is_high(BUSY) {
                return Err(format!("picture {at}: it does not sleep"));
            }
        }
        match &wires.unknown()[..] {
            [] => Ok(()),
            unknown => Err(format!("the display did not understand {unknown:02x?}")),
        }
    }

    /// With trouble a picture fails in time, and once it is over the next one is shown.
    fn recovers(&self, trouble: Trouble, mut dice: StdRng) -> Result<(), String> {
        let wires = self.board.wires();
        let mut frame = Frame::new(self.board.format);
        // A code is on the glass when it happens, and has to be gone afterwards.
        change(&mut frame, &mut dice, 0);
        let mut glass = self.board.open(&wires)?;
        self.show(&mut *glass, &frame, true)?;
        trouble.set(&wires, true);
        change(&mut frame, &mut dice, 0);
        let limit = SLOWEST + MARGIN;
        let failed = in_time(limit, || self.show(&mut *glass, &frame, false).is_err())?;
        // Without a bus what was opened before goes on on its own, but cannot be opened again.
        if !failed && trouble != Trouble::NoBus {
            return Err("no word of it".to_owned());
        }
        drop(glass);
        let again = in_time(limit, || {
            let mut glass = self.board.open(&wires)?;
            self.show(&mut *glass, &frame, false)
        })?;
        if again.is_ok() {
            return Err("no word of it when it was opened again".to_owned());
        }
        trouble.set(&wires, false);
        let mut glass = self.board.open(&wires)?;
        self.show(&mut *glass, &frame, false)?;
        self.judge(&wires, &frame)?;
        self.judge_traces(&wires, &frame)
    }

    fn show(
        &self,
        glass: &mut dyn Glass<Error = WireError>,
        frame: &Frame,
        confidential: bool,
    ) -> Result<(), String> {
        let picture = Picture {
            frame: frame.clone(),
            confidential: confidential && self.tells,
            light: Light::Full,
        };
        glass.show(&picture).map_err(|error| error.to_string())
    }

    /// What the glass shows is what was drawn.
    fn judge(&self, wires: &Simulated, drawn: &Frame) -> Result<(), String> {
        if wires.picture() == self.wanted(drawn) {
            Ok(())
        } else {
            Err("the glass shows another picture".to_owned())
        }
    }

    /// No memory of the display has another picture, and its paper shows nothing of one.
    fn judge_traces(&self, wires: &Simulated, drawn: &Frame) -> Result<(), String> {
        let wanted = self.wanted(drawn);
        if wires.held().iter().all(|held| *held == wanted) && wires.is_clean() {
            Ok(())
        } else {
            Err("there are traces of another picture".to_owned())
        }
    }

    fn wanted(&self, drawn: &Frame) -> Frame {
        let turned = self.board.display.upside_down != self.judged_turned;
        self.board.turned(turned).wanted(drawn)
    }
}

/// Does something that must not take longer than this.
fn in_time<T>(limit: Duration, work: impl FnOnce() -> T) -> Result<T, String> {
    let begun = Instant::now();
    let done = work();
    let took = begun.elapsed();
    if took > limit {
        return Err(format!("it took {took:?}"));
    }
    Ok(done)
}

/// Changes a picture: all of it now and then, else a part as large as a digit, or a dot.
fn change(frame: &mut Frame, dice: &mut StdRng, at: u64) {
    let format = frame.format();
    if at.is_multiple_of(5) {
        let seed = dice.next_u32();
        *frame = Frame::of_levels(format, |x, y| {
            let noise = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B) ^ seed)
                .wrapping_mul(0xC2B2_AE35);
            (noise >> 16) as u16 & format.depth.lit()
        });
        return;
    }
    let place = |most: u32, dice: &mut StdRng| dice.random_range(0..most as i32);
    let corner = Point::new(place(format.width, dice), place(format.height, dice));
    let size = Size::new(dice.random_range(1..=24), dice.random_range(1..=24));
    let colour = if dice.random_bool(0.5) {
        Ink::White
    } else {
        Ink::Black
    };
    let Ok(()) = Rectangle::new(corner, size)
        .into_styled(PrimitiveStyle::with_fill(colour))
        .draw(frame);
}
