//! The readers of QR codes that phones and desks have, as others keep them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use rxing::BarcodeFormat;
use rxing::helpers::detect_in_luma_slice;

use super::Photo;

/// Whose reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// ZXing's, of which most Android apps have theirs; by its port `rxing`.
    Zxing,
    /// zbar's, by its program `zbarimg`.
    Zbar,
}

/// What keeps zbar from reading here, and what to do about it.
pub fn missing() -> Option<&'static str> {
    let asked = Command::new("zbarimg")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_there = asked.is_ok_and(|status| status.success());
    (!is_there).then_some("no zbarimg here: apt-get install zbar-tools")
}

impl Reader {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Zxing, Self::Zbar];

    /// Reads the code on a photograph; `None` where it finds none.
    ///
    /// # Errors
    /// The reader cannot be run.
    pub fn read(self, photo: &Photo) -> anyhow::Result<Option<String>> {
        match self {
            Self::Zxing => {
                let format = Some(BarcodeFormat::QR_CODE);
                let found = detect_in_luma_slice(&photo.grey, photo.width, photo.height, format);
                Ok(found.ok().map(|found| found.getText().to_owned()))
            }
            Self::Zbar => zbar(photo),
        }
    }
}

fn zbar(photo: &Photo) -> anyhow::Result<Option<String>> {
    let mut program = Command::new("zbarimg")
        .args([
            "--quiet",
            "--raw",
            "--nodbus",
            "-Sdisable",
            "-Sqrcode.enable",
            "PGM:-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("zbarimg cannot be run")?;
    let mut input = program.stdin.take().context("zbarimg takes no input")?;
    write!(input, "P5\n{} {}\n255\n", photo.width, photo.height)?;
    input.write_all(&photo.grey)?;
    drop(input);
    let output = program.wait_with_output()?;
    // 4 is its word for no code (zbarimg(1)).
    anyhow::ensure!(
        matches!(output.status.code(), Some(0 | 4)),
        "zbarimg failed with {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.trim_end_matches('\n');
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
