//! The panel: what an owner sees for each face, whether a phone can read it, and that it is gone in time.

mod faces;
mod gallery;

use std::{convert::Infallible, path::Path, time::Duration};

use embedded_graphics::{Pixel, prelude::*};
use holdfast::{
    panel::{
        Credential, Depth, Figures, Format, Frame, Ink, Language, PLAIN, Panel, Scene, Showing,
        glass::text,
    },
    wires::Board,
};
use holdfast_core::{CauseCode, Face, GenerationId, LastFour, PairingFace};
use holdfast_medium::Secret;
use proptest::prelude::*;
use rxing::{BarcodeFormat, helpers::detect_in_luma};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use self::{
    faces::{CODE_FACE, QR_FACE, code, faces, frame, payload, qr},
    gallery::{GLASSES, figures},
};

/// Pixels of the usual glass.
const WIDTH: u32 = PLAIN.width;
/// See [`WIDTH`].
const HEIGHT: u32 = PLAIN.height;

const PREFIX: &str = "https://wa.me/settings/linked_devices#";

/// What a phone reads from the pixels, each of them four by four of its own.
fn read(Format { width, height, .. }: Format, lit: impl Fn(u32, u32) -> bool) -> Option<String> {
    let (width, height) = (width * 4, height * 4);
    let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let grey = points.map(|(x, y)| if lit(x / 4, y / 4) { 255 } else { 0 });
    let found = detect_in_luma(grey.collect(), width, height, Some(BarcodeFormat::QR_CODE));
    Some(found.ok()?.getText().to_owned())
}

/// A scene without anything known beside it.
fn scene<'a>(
    face: &'a Face,
    credential: Option<&'a Credential>,
    figures: &'a Figures,
) -> Scene<'a> {
    Scene {
        face,
        credential,
        figures,
        named: None,
        language: Language::English,
    }
}

/// Every screen on every glass; `HOLDFAST_WRITE=1` writes the pictures anew: look at them.
#[test]
fn every_face_looks_as_it_was_approved() {
    gallery::compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens"));
}

#[test]
fn a_phone_reads_the_qr_from_the_pixels() {
    for length in [239, 271, 277, 300, 321] {
        let text = payload(length);
        assert_eq!(text.len(), length);
        let shown = frame(&QR_FACE, Some(&qr(&text)));
        assert_eq!(
            read(PLAIN, |x, y| shown.lit(x, y)),
            Some(text.clone()),
            "{length} bytes"
        );
        let prefixed = frame(&QR_FACE, Some(&qr(&format!("{PREFIX}{text}"))));
        assert!(
            prefixed == shown,
            "the prefix is dropped for the sake of the quiet zone"
        );
        assert_eq!(
            read(PLAIN, |x, y| !shown.lit(x, y)),
            None,
            "the control: light on dark must not read"
        );
    }
}

#[test]
fn the_qr_stands_on_lit_ground() {
    let shown = frame(&QR_FACE, Some(&qr(&payload(239))));
    // Version 10 is 57 modules wide: 3 rows remain above, 4 below; 4 columns at either side.
    let ground = |x: u32, y: u32| x < 4 || (61..65).contains(&x) || !(3..60).contains(&y);
    for (x, y) in (0..65).flat_map(|x| (0..HEIGHT).map(move |y| (x, y))) {
        assert!(!ground(x, y) || shown.lit(x, y), "dark at {x},{y}");
    }
    assert!(!shown.lit(4, 3), "the finder's corner is dark");
}

#[test]
fn a_qr_that_has_no_room_is_not_drawn() {
    let shown = frame(&QR_FACE, Some(&qr(&payload(322))));
    assert_eq!(read(PLAIN, |x, y| shown.lit(x, y)), None);
}

#[test]
fn a_phone_reads_the_qr_from_every_glass_that_has_room_for_it() {
    let credential = qr(&format!("{PREFIX}{}", payload(239)));
    for glass in &GLASSES {
        let mut frame = Frame::new(glass.format);
        let nothing = Figures::default();
        let scene = scene(&QR_FACE, Some(&credential), &nothing);
        let Ok(()) = scene.draw(glass.format, &mut frame);
        let wanted = (glass.format.height > 32).then(|| payload(239));
        let read = read(glass.format, |x, y| frame.lit(x, y));
        assert_eq!(read, wanted, "{}", glass.name);
    }
}

#[test]
fn the_edge_of_every_glass_stays_as_its_ground() {
    const MARGIN: u32 = 2;
    for glass in &GLASSES {
        let Format { width, height, .. } = glass.format;
        let is_edge =
            |x: u32, y: u32| x.min(y) < MARGIN || x + MARGIN >= width || y + MARGIN >= height;
        for language in Language::ALL {
            for (name, frame) in gallery::pictures(glass.format, language) {
                if name.starts_with("pairing-qr") && glass.name != "128x32" {
                    continue;
                }
                let ground = frame.level(0, 0);
                let mut pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
                let drawn = pixels.find(|(x, y)| is_edge(*x, *y) && frame.level(*x, *y) != ground);
                assert_eq!(
                    drawn,
                    None,
                    "{name} on {} in {}",
                    glass.name,
                    language.code()
                );
            }
        }
    }
}

#[test]
fn a_screen_is_the_same_whatever_is_known_where_there_is_no_room_for_it() {
    let strip = GLASSES[0].format;
    for (name, face, credential) in faces() {
        if matches!(face, Face::Network { .. } | Face::About { .. }) {
            continue;
        }
        let (nothing, all) = (Figures::default(), figures(&face));
        let picture = |figures: &Figures| {
            let mut frame = Frame::new(strip);
            let Ok(()) = scene(&face, credential.as_ref(), figures).draw(strip, &mut frame);
            frame
        };
        assert!(picture(&nothing) == picture(&all), "{name}");
    }
}

#[test]
fn a_credential_is_on_the_glass_only_while_it_is_valid() {
    let preparing = frame(&Face::Pairing(PairingFace::Preparing), None);
    let expired =
        |left_ms| [PairingFace::Qr { left_ms }, PairingFace::Code { left_ms }].map(Face::Pairing);
    for credential in [qr(&payload(239)), code()] {
        for face in expired(0) {
            assert!(frame(&face, Some(&credential)) == preparing, "expired");
        }
    }
    assert!(
        frame(&QR_FACE, Some(&code())) == preparing,
        "a code on the QR's face"
    );
    assert!(
        frame(&CODE_FACE, Some(&qr(&payload(239)))) == preparing,
        "a QR on the code's face"
    );
    for (name, face, shown) in faces().into_iter().filter(|(_, _, shown)| shown.is_none()) {
        for credential in [qr(&payload(239)), code()] {
            assert!(
                frame(&face, Some(&credential)) == frame(&face, shown.as_ref()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_showing_counts_down_second_by_second_and_ends_with_its_credential() {
    let start = Instant::now();
    let showing = Showing::new(
        Face::Pairing(PairingFace::Qr { left_ms: 2_500 }),
        Some(qr(&payload(239))),
    );
    let at = |ms| start + Duration::from_millis(ms);
    // `Showing::new` is a little later than `start`: leave it 300 ms.
    let changes: Vec<bool> = [0, 1_000, 2_000, 2_499, 2_800]
        .map(|ms| showing.picture(PLAIN, at(ms)).confidential)
        .into();
    assert_eq!(changes, [true, true, true, true, false]);
    let first = showing.next_change(at(0)).unwrap() - at(0);
    assert!(
        first >= Duration::from_millis(500) && first < Duration::from_millis(800),
        "{first:?}"
    );
    assert_eq!(showing.next_change(at(2_800)), None);
    assert!(
        Showing::new(Face::Connecting, None)
            .next_change(start)
            .is_none()
    );
}

#[tokio::test]
async fn the_panel_takes_an_expired_credential_off_the_glass_by_itself() {
    let showing = Showing::new(
        Face::Pairing(PairingFace::Qr { left_ms: 60_000 }),
        Some(qr(&payload(239))),
    );
    let (show, showings) = watch::channel(showing);
    let (inputs, _owner) = mpsc::unbounded_channel();
    let panel = Panel::start(&Board::Headless, Vec::new(), showings, inputs);
    let mut pictures = panel.pictures();
    assert!(pictures.borrow_and_update().confidential);

    show.send_replace(Showing::new(
        Face::Pairing(PairingFace::Code { left_ms: 30 }),
        Some(code()),
    ));
    let blank = frame(&Face::Pairing(PairingFace::Preparing), None);
    let gone = pictures.wait_for(|picture| !picture.confidential && picture.frame == blank);
    timeout(Duration::from_secs(10), gone)
        .await
        .expect("in time")
        .expect("the panel runs");

    show.send_replace(Showing::new(Face::Stopped { saved: true }, None));
    let stopped = frame(&Face::Stopped { saved: true }, None);
    let shown = pictures.wait_for(|picture| picture.frame == stopped);
    timeout(Duration::from_secs(10), shown)
        .await
        .expect("in time")
        .expect("the panel runs");
    panel.stop().await;
    assert!(
        pictures.changed().await.is_err(),
        "nothing paints after the end"
    );
}

#[test]
fn nothing_that_links_a_phone_prints() {
    let face = Face::Pairing(PairingFace::Qr { left_ms: 1_000 });
    for credential in [qr(&payload(239)), code()] {
        let showing = Showing::new(face.clone(), Some(credential));
        let printed = format!("{showing:?} {:?}", showing.picture(PLAIN, Instant::now()));
        assert!(
            !printed.contains("2@") && !printed.contains("ABCD"),
            "{printed}"
        );
    }
}

#[test]
fn a_png_holds_the_frame_s_pixels() {
    for (name, face, credential) in faces() {
        let frame = frame(&face, credential.as_ref());
        for scale in [0, 1, 3] {
            let side = u32::from(scale.max(1));
            let pixels = pixels(&frame.to_png(scale));
            assert_eq!(pixels.len() as u32, WIDTH * HEIGHT * side * side);
            for (at, pixel) in (0..).zip(&pixels) {
                let (x, y) = (at % (WIDTH * side) / side, at / (WIDTH * side) / side);
                assert_eq!(*pixel == 255, frame.lit(x, y), "{name} at {x},{y}");
            }
        }
    }
}

#[test]
fn a_frame_s_bits_make_the_same_frame_again() {
    let shown = frame(&Face::Connecting, None);
    let again = |bits: &[u8]| Frame::from_bits(WIDTH, HEIGHT, bits);
    assert!(again(&shown.bits()).unwrap() == shown);
    assert!(again(&shown.bits()[1..]).is_none());
    assert!(Frame::from_bits(u32::MAX, u32::MAX, &[]).is_none());
    let mut corner = [0; 1024];
    corner[0] = 0x80;
    corner[1023] = 0x01;
    let corner = again(&corner).unwrap();
    assert!(corner.lit(0, 0) && corner.lit(127, 63) && !corner.lit(1, 0) && !corner.lit(128, 63));
}

#[test]
fn a_frame_has_the_size_and_the_depth_of_its_glass() {
    for (width, height) in [(128, 32), (122, 250), (400, 300), (800, 480), (1, 1)] {
        let of = |depth| {
            let format = Format {
                width,
                height,
                depth,
                ..PLAIN
            };
            let mut frame = Frame::new(format);
            let last = Point::new(width as i32 - 1, height as i32 - 1);
            let beside = last + Point::new(1, 0);
            let Ok(()) = frame.draw_iter([last, beside].map(|point| Pixel(point, Ink::Text)));
            assert_eq!(frame.level(width - 1, height - 1), depth.lit());
            frame
        };
        let (plain, grey) = (of(Depth::One), of(Depth::Two));
        assert_eq!(plain.bits(), grey.bits(), "{width}x{height}");
        assert_eq!(plain.bits(), of(Depth::Sixteen).bits());
        assert_eq!(plain.bits().len() as u32, width.div_ceil(8) * height);
        assert!(Frame::from_bits(width, height, &grey.bits()).unwrap() == plain);
        assert_eq!(pixels(&plain.to_png(1)), pixels(&grey.to_png(1)));
    }
}

/// The grey levels of a PNG, 0 to 255 each.
fn pixels(png: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels
}

#[test]
fn a_terminal_gets_the_finest_picture_it_has_room_for() {
    let mut corner = Frame::new(PLAIN);
    let Ok(()) = corner.draw_iter([Pixel(Point::new(1, 3), Ink::Text)]);
    for (columns, rows, wide, high, mark) in [
        (200, 50, 128, 32, ' '),
        (128, 32, 128, 32, ' '),
        (127, 32, 64, 16, '⢀'),
        (80, 24, 64, 16, '⢀'),
        (64, 16, 64, 16, '⢀'),
    ] {
        let drawn = text(&corner, columns, rows);
        assert_eq!(drawn.len(), high, "{columns}x{rows}");
        assert!(
            drawn.iter().all(|row| row.chars().count() == wide),
            "{columns}x{rows}"
        );
        assert!(drawn[0].starts_with(mark), "{columns}x{rows}");
    }
    assert_eq!(text(&corner, 128, 32)[1].chars().nth(1), Some('▄'));
    for (columns, rows) in [(63, 16), (64, 15), (0, 0)] {
        assert!(
            text(&corner, columns, rows)
                .concat()
                .contains("64x16 at least")
        );
    }
}

/// A glass of any size that counts what is drawn beside it.
struct Canvas {
    size: Size,
    lit: Vec<bool>,
    outside: usize,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self {
            size: Size::new(width, height),
            lit: vec![false; (width * height) as usize],
            outside: 0,
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Ink;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Ink>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            if self.bounding_box().contains(point) {
                self.lit[(point.y as u32 * self.size.width + point.x as u32) as usize] =
                    matches!(color, Ink::Text | Ink::White);
            } else {
                self.outside += 1;
            }
        }
        Ok(())
    }
}

fn any_face() -> impl Strategy<Value = Face> {
    let account = || {
        prop::option::of([b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'].prop_map(LastFour))
    };
    let left = || prop_oneof![any::<u64>(), 0..200_000_u64, 0..200_000_000_u64];
    prop_oneof![
        (0..faces().len()).prop_map(|at| faces().swap_remove(at).1),
        (any::<u32>(), left()).prop_map(|(attempt, next_ms)| Face::WaitingForNetwork {
            code: CauseCode::NoLink,
            attempt,
            next_ms
        }),
        (any::<u32>(), left())
            .prop_map(|(attempt, next_ms)| Face::Reconnecting { attempt, next_ms }),
        (any::<u32>(), left()).prop_map(|(attempt, next_ms)| Face::Degraded { attempt, next_ms }),
        left().prop_map(|left_ms| Face::Stale { left_ms }),
        left().prop_map(|next_ms| Face::Replaced { next_ms }),
        left().prop_map(|next_ms| Face::LogoutSuspected { next_ms }),
        left().prop_map(|next_ms| Face::ClientOutdated { next_ms }),
        left().prop_map(|left_ms| Face::Banned {
            left_ms: Some(left_ms)
        }),
        left().prop_map(|left_ms| Face::Pairing(PairingFace::Qr { left_ms })),
        left().prop_map(|left_ms| Face::Pairing(PairingFace::Code { left_ms })),
        (account(), prop::option::of(any::<bool>())).prop_map(|(account, weak)| Face::Connected {
            account,
            fault: weak.map(|weak| match weak {
                true => CauseCode::UnderVoltage,
                false => CauseCode::PhoneAway,
            }),
        }),
        (left(), account(), 1..10_000_u32).prop_map(|(left_ms, account, id)| Face::ConfirmRelink {
            left_ms,
            account,
            generation: GenerationId(id)
        }),
    ]
}

proptest! {
    #[test]
    fn every_face_fits_the_glass_whatever_its_numbers(face in any_face(), qr_face in any::<bool>()) {
        let credential = if qr_face { qr(&payload(239)) } else { code() };
        let mut canvas = Canvas::new(WIDTH, HEIGHT);
        let nothing = Figures::default();
        let Ok(()) = scene(&face, Some(&credential), &nothing).draw(PLAIN, &mut canvas);
        prop_assert_eq!(canvas.outside, 0);
        prop_assert!(canvas.lit.contains(&true));
    }

    #[test]
    fn no_credential_and_no_glass_is_too_strange(
        face in any_face(), words in any::<String>(), is_qr in any::<bool>(), width in 0..300_u32, height in 0..300_u32
    ) {
        let credential = if is_qr { qr(&words) } else { Credential::Code(Secret::new(words)) };
        let nothing = Figures::default();
        let scene = scene(&face, Some(&credential), &nothing);
        let Ok(()) = scene.draw(Format { width, height, ..PLAIN }, &mut Canvas::new(width, height));
    }

    #[test]
    fn a_showing_never_panics_whatever_its_numbers(face in any_face(), later_ms in any::<u32>()) {
        let showing = Showing::new(face, Some(code()));
        let now = Instant::now() + Duration::from_millis(later_ms.into());
        showing.picture(PLAIN, now);
        prop_assert!(showing.next_change(now).is_none_or(|next| next > now && next <= now + Duration::from_secs(1)));
    }
}
