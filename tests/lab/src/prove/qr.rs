//! `prove qr`: whatever the linking payload, a phone reads it from the pixels of the panel.

use std::future::ready;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use holdfast::panel::glass::PLAIN;
use holdfast::panel::{Credential, Frame, draw};
use holdfast_core::{Face, PairingFace};
use holdfast_medium::Secret;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use super::{Proof, Run};
use crate::camera;

/// The deep link that WhatsApp Web puts before the payload, for the phone's own camera.
const DEEP_LINK: &str = "https://wa.me/settings/linked_devices#";

/// How many controls of each kind: a decoder that guesses would be lucky once.
const CONTROLS: u64 = 3;

/// Pixels of the panel on which codes are read.
const WIDTH: u32 = PLAIN.width;
/// See [`WIDTH`].
const HEIGHT: u32 = PLAIN.height;

const WITHIN: Duration = Duration::from_secs(10);

/// The proof.
pub struct Reading;

#[async_trait(?Send)]
impl Proof for Reading {
    fn name(&self) -> &'static str {
        "qr"
    }

    fn claim(&self) -> &'static str {
        "a phone reads every linking QR from the pixels of the panel"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/panel"]
    }

    async fn try_on(&self, run: &mut Run) {
        for case in 0..run.count(200, 20_000) {
            let payload = payload(&mut run.dice(case));
            let seen = scan(&frame(&payload, 60_000));
            run.drawn(
                format!("case {case}, {} characters", payload.len()),
                same(&payload, seen),
            );
        }
        for case in 0..CONTROLS {
            let payload = payload(&mut run.dice(case));
            let shown = frame(&payload, 60_000);
            let inverted: Vec<u8> = shown.bits().iter().map(|byte| !byte).collect();
            let left: Vec<u8> = shown
                .bits()
                .chunks(WIDTH as usize / 8)
                .flat_map(|row| row.iter().enumerate())
                .map(|(at, byte)| if at < 5 { *byte } else { 0 })
                .collect();
            let expired = scan(&frame(&payload, 0));
            let inverted = camera::read(WIDTH, HEIGHT, &inverted);
            let cropped = camera::read(WIDTH, HEIGHT, &left);
            let small = camera::read(WIDTH / 2, HEIGHT / 2, &halved(&shown));
            for (name, seen) in [
                ("an expired QR", expired),
                ("light on dark", inverted),
                ("half the pixels", small),
                ("part of the QR", cropped),
            ] {
                run.control(name, WITHIN, ready(same(&payload, seen))).await;
            }
        }
    }
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

fn frame(payload: &str, left_ms: u64) -> Frame {
    let face = Face::Pairing(PairingFace::Qr { left_ms });
    let credential = Credential::Qr(Secret::new(payload.to_owned()));
    let mut frame = Frame::new(PLAIN);
    let Ok(()) = draw(&face, Some(&credential), &mut frame);
    frame
}

fn scan(frame: &Frame) -> Option<String> {
    camera::read(WIDTH, HEIGHT, &frame.bits())
}

/// Every second pixel of every second row, as a glass half the size would show it.
fn halved(frame: &Frame) -> Vec<u8> {
    (0..HEIGHT / 2)
        .flat_map(|y| (0..WIDTH / 16).map(move |byte| (byte, y)))
        .map(|(byte, y)| {
            (0..8).fold(0, |bits, x| {
                bits << 1 | u8::from(frame.lit((byte * 8 + x) * 2, y * 2))
            })
        })
        .collect()
}

/// The panel may leave out the deep link; nothing else.
fn same(payload: &str, seen: Option<String>) -> Result<(), String> {
    let bare = payload.strip_prefix(DEEP_LINK).unwrap_or(payload);
    match seen {
        Some(seen) if seen == payload || seen == bare => Ok(()),
        Some(_) => Err("another text was read".to_owned()),
        None => Err("no code was found".to_owned()),
    }
}
