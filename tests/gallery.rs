//! Pictures of every screen on every glass: one sheet for each glass in English, and one for each other language.

use std::{fs, io::Cursor, path::Path};

use holdfast::panel::{Depth, Figures, Format, Frame, Ground, Language, PLAIN, Scene};
use holdfast_core::{AuditEnd, Cause, CauseCode, Face, GenerationId, LastEnd, Reception};

use super::faces::faces;

/// A glass that pictures are taken of.
pub struct Glass {
    /// The name of its sheet.
    pub name: &'static str,
    pub format: Format,
}

const fn glass(name: &'static str, size: (u32, u32), pitch_um: u32, ground: Ground) -> Glass {
    let (width, height) = size;
    Glass {
        name,
        format: Format {
            width,
            height,
            pitch_um,
            ground,
            ..PLAIN
        },
    }
}

/// The one that most people have.
const SMALL: Glass = glass("128x64", (128, 64), 170, Ground::Dark);

/// One of each size.
pub const GLASSES: [Glass; 7] = [
    glass("128x32", (128, 32), 174, Ground::Dark),
    SMALL,
    glass("128x128", (128, 128), 210, Ground::Dark),
    Glass {
        name: "240x240",
        format: Format {
            width: 240,
            height: 240,
            depth: Depth::Sixteen,
            pitch_um: 98,
            ground: Ground::Dark,
        },
    },
    glass("250x122", (250, 122), 194, Ground::Light),
    glass("296x128", (296, 128), 227, Ground::Light),
    glass("400x300", (400, 300), 212, Ground::Light),
];

/// Pixels around each picture.
const EDGE: u32 = 6;
/// Pictures beside each other.
const COLUMNS: u32 = 7;
/// What stands around the pictures.
const AROUND: [u8; 3] = [128, 128, 140];

/// What is known beside a face, with ordinary values.
pub fn figures(face: &Face) -> Figures {
    Figures {
        cause: cause(face).map(Cause::from),
        since_ms: Some(2 * 3_600_000),
        address: Some("192.168.178.41".into()),
        host: Some("holdfast".into()),
        wifi: Some(Reception { dbm: -61 }),
        unread: Some(3),
        unsent: Some(1),
        message_ms: Some(5 * 60_000),
        last_end: Some(LastEnd::PowerLoss),
        has_key: Some(true),
        slot: Some("A".into()),
        generation: Some(GenerationId(7)),
        audit: AuditEnd::of(14, "3f2a9c01"),
        export_ms: Some(Some(3 * 86_400_000)),
        has_number: false,
    }
}

/// A cause that leads to a face.
fn cause(face: &Face) -> Option<CauseCode> {
    match face {
        Face::WaitingForNetwork { code, .. } | Face::StorageFault { code, .. } => Some(*code),
        Face::WaitingForClock { .. } => Some(CauseCode::ClockBehind),
        Face::Connected { fault, .. } => *fault,
        Face::Stale { .. } => Some(CauseCode::Stale),
        Face::Reconnecting { .. } => Some(CauseCode::ConnectionLost),
        Face::Degraded { .. } => Some(CauseCode::ProxyFailed),
        Face::Replaced { .. } => Some(CauseCode::Replaced),
        Face::LogoutSuspected { .. } => Some(CauseCode::LogoutSuspected),
        Face::Pairing(_) => Some(CauseCode::NotLinked),
        Face::PairingPaused => Some(CauseCode::QrExhausted),
        Face::PasskeyNeeded => Some(CauseCode::PasskeyNeeded),
        Face::Banned { left_ms: Some(_) } => Some(CauseCode::Banned),
        Face::Banned { left_ms: None } => Some(CauseCode::AccountLocked),
        Face::ClientOutdated { .. } => Some(CauseCode::ClientOutdated),
        _ => None,
    }
}

/// Draws every screen for a glass, in a language, with ordinary figures beside it.
pub fn pictures(format: Format, language: Language) -> Vec<(&'static str, Frame)> {
    let pictures = faces().into_iter().map(|(name, face, credential)| {
        let mut frame = Frame::new(format);
        let scene = Scene {
            face: &face,
            credential: credential.as_ref(),
            figures: &figures(&face),
            named: None,
            language,
        };
        let Ok(()) = scene.draw(format, &mut frame);
        (name, frame)
    });
    let mut pictures: Vec<_> = pictures.collect();
    let keyless = Figures {
        has_key: Some(false),
        ..figures(&Face::Connecting)
    };
    let mut frame = Frame::new(format);
    let scene = Scene {
        face: &Face::Network { left_ms: 60_000 },
        credential: None,
        figures: &keyless,
        named: None,
        language,
    };
    let Ok(()) = scene.draw(format, &mut frame);
    pictures.push(("network-without-key", frame));
    pictures
}

/// Every sheet and its name.
pub fn sheets() -> Vec<(String, Sheet)> {
    let english = GLASSES
        .iter()
        .map(|glass| (glass.name.to_owned(), glass.format, Language::English));
    let others = Language::ALL[1..].iter().map(|language| {
        let name = format!("{}-{}", SMALL.name, language.code());
        (name, SMALL.format, *language)
    });
    let sheets = english.chain(others).map(|(name, format, language)| {
        let pictures = pictures(format, language);
        (name, sheet(&pictures, COLUMNS, 1))
    });
    // What the project's first page shows.
    let front = ["connected", "no-route", "pairing-qr"].map(|wanted| {
        let small = pictures(SMALL.format, Language::English);
        let found = small.into_iter().find(|(name, _)| *name == wanted);
        found.expect("there is such a picture")
    });
    sheets
        .chain([("front".to_owned(), sheet(&front, 3, 2))])
        .collect()
}

/// Lays pictures out in rows, from left to right, each pixel `scale` wide and high.
fn sheet(pictures: &[(&'static str, Frame)], columns: u32, scale: u32) -> Sheet {
    let Format { width, height, .. } = pictures[0].1.format();
    let (width, height) = (width * scale, height * scale);
    let rows = (pictures.len() as u32).div_ceil(columns);
    let (wide, high) = (
        columns * (width + EDGE) + EDGE,
        rows * (height + EDGE) + EDGE,
    );
    let mut pixels = vec![AROUND; (wide * high) as usize];
    for (at, (_, frame)) in (0..).zip(pictures) {
        let (left, top) = (
            at % columns * (width + EDGE) + EDGE,
            at / columns * (height + EDGE) + EDGE,
        );
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let color = color(frame, x / scale, y / scale);
            pixels[((top + y) * wide + left + x) as usize] = color;
        }
    }
    Sheet { wide, high, pixels }
}

/// Pictures beside and below each other, each pixel as red, green and blue.
#[derive(PartialEq, Eq)]
pub struct Sheet {
    wide: u32,
    high: u32,
    pixels: Vec<[u8; 3]>,
}

impl Sheet {
    /// Encodes it with a palette. How well it is packed depends on who else links the compressor, so files are not compared.
    pub fn to_png(&self) -> Vec<u8> {
        let mut colors: Vec<[u8; 3]> = Vec::new();
        let mut index = |color: &[u8; 3]| {
            let known = colors.iter().position(|known| known == color);
            known.unwrap_or_else(|| {
                colors.push(*color);
                colors.len() - 1
            }) as u8
        };
        // Eight colours at most: two pixels in a byte.
        let rows = self.pixels.chunks(self.wide as usize).flat_map(|row| {
            let row: Vec<u8> = row.iter().map(&mut index).collect();
            let bytes = row.chunks(2);
            bytes
                .map(|two| two[0] << 4 | two.get(1).unwrap_or(&0))
                .collect::<Vec<u8>>()
        });
        let bytes: Vec<u8> = rows.collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.wide, self.high);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Four);
        encoder.set_palette(colors.concat());
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&bytes).unwrap();
        drop(writer);
        file
    }

    /// Decodes one that was written; `None` when it is none.
    pub fn of_png(file: &[u8]) -> Option<Self> {
        let mut decoder = png::Decoder::new(Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut bytes).ok()?;
        let (pixels, []) = bytes[..info.buffer_size()].as_chunks() else {
            return None;
        };
        Some(Self {
            wide: info.width,
            high: info.height,
            pixels: pixels.to_vec(),
        })
    }
}

fn color(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let level = frame.level(x, y);
    match frame.format().depth {
        Depth::One | Depth::Two => [(level * 255 / frame.format().depth.lit()) as u8; 3],
        Depth::Sixteen => [
            (level >> 11) << 3,
            (level >> 5 & 63) << 2,
            (level & 31) << 3,
        ]
        .map(|part| (part | part >> 5) as u8),
    }
}

/// Compares the sheets with those in a folder, byte by byte of their pixels, or writes them there.
pub fn compare(folder: &Path) {
    let writes = std::env::var_os("HOLDFAST_WRITE").is_some();
    for (name, sheet) in sheets() {
        let file = folder.join(name).with_extension("png");
        if writes {
            fs::create_dir_all(folder).unwrap();
            fs::write(&file, sheet.to_png()).unwrap();
        }
        let approved = fs::read(&file).ok();
        let approved = approved.and_then(|file| Sheet::of_png(&file));
        assert!(
            approved.is_some_and(|approved| approved == sheet),
            "{} shows other screens; look at them after HOLDFAST_WRITE=1",
            file.display()
        );
    }
}
