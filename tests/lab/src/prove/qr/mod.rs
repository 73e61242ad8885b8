//! `prove qr`: phones read a linking QR of ordinary length from each panel, by the bytes on its wires, as far away as is recorded.

mod margin;
mod wrong;

use std::future::ready;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use holdfast::panel::{Credential, Figures, Frame, Language, Light, Picture, Scene};
use holdfast_core::{Face, PairingFace};
use holdfast_medium::Secret;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt, SeedableRng as _};
use tokio::task::spawn_blocking;

use self::margin::{Margin, photographed};
use self::wrong::{Wrong, code};
use super::{Proof, Run};
use crate::camera;
use crate::wires::displays::{Board, boards};

/// The deep link that WhatsApp Web puts before the payload, for the phone's own camera.
const DEEP_LINK: &str = "https://wa.me/settings/linked_devices#";

/// Photographs of one QR from one distance.
const PHOTOS: u32 = 8;
/// How many controls of each kind: a decoder that guesses would be lucky once.
const CONTROLS: u64 = 3;
/// The displays of the photographed controls: one that shines, and one of paper, both large enough for a code of level H.
const CONTROLLED: [&str; 2] = ["sh1107", "epd2in13-v4"];
/// From where a full run photographs, millimetres.
const LADDER: [u32; 11] = [60, 80, 90, 100, 120, 150, 200, 250, 300, 400, 500];
/// Photographs of one QR from one place of the ladder.
const LADDER_PHOTOS: u32 = 24;

const WITHIN: Duration = Duration::from_secs(300);

/// The proof.
pub struct Reading;

#[async_trait(?Send)]
impl Proof for Reading {
    fn name(&self) -> &'static str {
        "qr"
    }

    fn claim(&self) -> &'static str {
        "phones read linking QRs of ordinary length from the bytes on each panel's wires, as far away as is recorded"
    }

    fn minutes(&self) -> u64 {
        2
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/panel"]
    }

    async fn try_on(&self, run: &mut Run) {
        let many = run.count(16, 1_000);
        let mut dice = run.dice(0);
        for board in boards() {
            for at in 0..many {
                let read = shown(&board, &mut dice)
                    .and_then(|(payload, glass)| same(&payload, camera::read(&glass)));
                run.drawn(format!("QR {at} on {board}"), read);
            }
        }
        sharp_controls(run, &mut dice).await;
        match camera::missing() {
            None => photographs(run, &mut dice).await,
            Some(why) => run.not_run(1, why),
        }
    }
}

/// What is not read however near and sharp it is.
async fn sharp_controls(run: &mut Run, dice: &mut StdRng) {
    let board = &boards()[0];
    for _ in 0..CONTROLS {
        let payload = payload(dice);
        let expired = screen(board, &payload, 0, Language::English);
        let whole = screen(board, &payload, 60_000, Language::English);
        let part = Frame::of_levels(
            board.format,
            |x, y| if x < 40 { whole.level(x, y) } else { 0 },
        );
        for (name, glass) in [("an expired QR", expired), ("part of the QR", part)] {
            let read = same(&payload, camera::read(&glass));
            run.control(name, WITHIN, ready(read)).await;
        }
    }
}

/// What phones see: with a hand that holds them, a lens and a sensor, from a distance.
async fn photographs(run: &mut Run, dice: &mut StdRng) {
    // What a display shows does not depend on its bus, as was seen sharply: one of them is enough.
    let mut boards = boards();
    boards.dedup_by(|next, one| next.display.driver == one.display.driver);
    for board in boards {
        let Some(margin) = Margin::of(&board) else {
            let none = ready(Err::<(), _>("no margin is recorded"));
            run.case(board, WITHIN, none).await;
            continue;
        };
        for at in 0..run.count(1, 20) {
            let (name, of, mut own) = (
                format!("QR {at} on {board}, {margin}"),
                board.clone(),
                StdRng::from_rng(dice),
            );
            let work = move || {
                let (payload, glass) = shown(&of, &mut own)?;
                margin.holds(bare(&payload), &glass, PHOTOS, &mut own)
            };
            run.case(name, WITHIN, aside(work)).await;
        }
        if run.is_full() {
            ladder(run, &board, margin, dice).await;
        }
        if CONTROLLED.contains(&&*board.display.driver) {
            controls(run, &board, margin, dice).await;
        }
    }
}

/// Prints how many photographs are read from where, and holds the margin against that.
async fn ladder(run: &mut Run, board: &Board, margin: Margin, dice: &mut StdRng) {
    for distance_mm in LADDER {
        let (name, of, mut own) = (
            format!("{board} at {distance_mm} mm"),
            board.clone(),
            StdRng::from_rng(dice),
        );
        let work = move || {
            let (payload, glass) = shown(&of, &mut own)?;
            let rates = photographed(bare(&payload), &glass, distance_mm, LADDER_PHOTOS, &mut own)?;
            println!("          {distance_mm} mm: {rates}");
            match margin.covers(distance_mm) && !rates.reach(4, 5) {
                true => Err(format!("too few to be within {margin}")),
                false => Ok(()),
            }
        };
        run.case(name, WITHIN, aside(work)).await;
    }
}

/// What is not read from where a good code is.
async fn controls(run: &mut Run, board: &Board, margin: Margin, dice: &mut StdRng) {
    let mut held = |wrong: Wrong| {
        let (format, mut own) = (board.format, StdRng::from_rng(dice));
        aside(move || {
            let payload = payload(&mut own);
            let glass = code(bare(&payload), format, wrong);
            margin.holds(bare(&payload), &glass, PHOTOS, &mut own)
        })
    };
    // That this one is read shows that the others are not for what is wrong with them.
    let name = format!("a code of the controls on {board}");
    run.case(name, WITHIN, held(Wrong::Nothing)).await;
    for (name, wrong) in [
        ("light on dark", Wrong::Inverted),
        ("no quiet zone", Wrong::NoQuiet),
        ("level H", Wrong::LevelH),
    ] {
        let name = format!("{name} on {board}");
        run.caught(name, "photographs", WITHIN, held(wrong)).await;
    }
}

/// Work on a thread that may block.
async fn aside(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())?
}

/// A payload as a server and a client make it: 118 characters of reference in the field, here 90 to 120.
fn payload(dice: &mut StdRng) -> String {
    let mut bytes = [0; 96];
    dice.fill_bytes(&mut bytes);
    let reference = URL_SAFE_NO_PAD.encode(bytes);
    let reference = &reference[..dice.random_range(88..=118)];
    let keys: Vec<String> = (0..3)
        .map(|_| {
            let mut key = [0; 32];
            dice.fill_bytes(&mut key);
            STANDARD.encode(key)
        })
        .collect();
    let prefix = if dice.random_bool(0.5) { DEEP_LINK } else { "" };
    let kind = dice.random_range(1..=9);
    format!("{prefix}2@{reference},{},{kind}", keys.join(","))
}

/// Draws a payload, and has the display show a QR: what it then holds, by the bytes on its wires.
fn shown(board: &Board, dice: &mut StdRng) -> Result<(String, Frame), String> {
    let board = board.turned(dice.random_bool(0.5));
    let payload = payload(dice);
    let language = *Language::ALL.choose(dice).expect("there is one");
    let frame = screen(&board, &payload, dice.random_range(1..=60_000), language);
    let wires = board.wires();
    let picture = Picture {
        frame,
        confidential: true,
        light: Light::Full,
    };
    let mut glass = board.open(&wires)?;
    glass.show(&picture).map_err(|error| error.to_string())?;
    let seen = wires.picture();
    // Its emulator does not know how large its pixels are.
    let glass = Frame::of_levels(board.format, |x, y| seen.level(x, y));
    Ok((payload, glass))
}

/// The screen with a QR that is valid for so long.
fn screen(board: &Board, payload: &str, left_ms: u64, language: Language) -> Frame {
    let face = Face::Pairing(PairingFace::Qr { left_ms });
    let credential = Credential::Qr(Secret::new(payload.to_owned()));
    let scene = Scene {
        face: &face,
        credential: Some(&credential),
        figures: &Figures::default(),
        named: None,
        language,
    };
    let mut frame = Frame::new(board.format);
    let Ok(()) = scene.draw(board.format, &mut frame);
    frame
}

/// The panel may leave out the deep link; nothing else.
fn same(payload: &str, seen: Option<String>) -> Result<(), String> {
    match seen {
        Some(seen) if seen == payload || seen == bare(payload) => Ok(()),
        Some(_) => Err("another text was read".to_owned()),
        None => Err("no code was found".to_owned()),
    }
}

fn bare(payload: &str) -> &str {
    payload.strip_prefix(DEEP_LINK).unwrap_or(payload)
}
