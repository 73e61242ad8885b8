//! `org.holdfast.Panel1`: the screen to look at, the button to press.

use std::time::Duration;

use zbus::interface;

use super::{Error, session::texts};
use crate::desk::Desk;
use crate::panel::Frame;

/// The panel object.
pub struct Panel1 {
    desk: Desk,
}

impl Panel1 {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

/// A frame on the wire: width, height, and the bits.
fn pixels(frame: &Frame) -> (u32, u32, Vec<u8>) {
    let format = frame.format();
    (format.width, format.height, frame.bits())
}

#[interface(
    name = "org.holdfast.Panel1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Panel1 {
    /// Returns the picture on the screen: row by row from the top, eight pixels a byte with the leftmost highest, 1 lit. Refused while a QR or pairing code is on it.
    #[zbus(out_args("width", "height", "bits"))]
    async fn frame(&self) -> Result<(u32, u32, Vec<u8>), Error> {
        Ok(pixels(&self.desk.frame()?))
    }

    /// Returns the picture on the screen, a QR or pairing code included: row by row from the top, eight pixels a byte with the leftmost highest, 1 lit.
    #[zbus(out_args("width", "height", "bits"))]
    async fn frame_with_credential(&self) -> Result<(u32, u32, Vec<u8>), Error> {
        Ok(pixels(&self.desk.frame_with_credential()?))
    }

    /// The kind of screen, such as `SSD1306 at 0x3c (raspberrypi)`, `terminal` or `none`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn glass(&self) -> String {
        self.desk.glass().to_owned()
    }

    /// Why the screen does not work: stable code, one sentence, one action for a human. Empty strings when it does, or there is none.
    #[zbus(property(emits_changed_signal = "false"))]
    fn glass_fault(&self) -> (String, String, String) {
        texts(self.desk.status().borrow().display.map(Into::into))
    }

    /// Why the button does not work: stable code, one sentence, one action for a human. Empty strings when it does, or there is none.
    #[zbus(property(emits_changed_signal = "false"))]
    fn button_fault(&self) -> (String, String, String) {
        texts(self.desk.status().borrow().button.map(Into::into))
    }

    /// Holds the button down for `ms` milliseconds (at most ten seconds) and answers when it is up again.
    async fn press(&self, ms: u32) -> Result<(), Error> {
        Ok(self.desk.press(Duration::from_millis(ms.into())).await?)
    }
}
