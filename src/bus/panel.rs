//! `org.holdfast.Panel1`: the screen to look at, the button to press.

use std::time::Duration;

use zbus::interface;

use super::{Error, Handle, Request, session::texts};
use crate::panel::{Frame, HEIGHT, WIDTH};

/// A press longer than this is a mistake, milliseconds.
const LONGEST_PRESS_MS: u32 = 60_000;

/// The panel object.
pub struct Panel {
    handle: Handle,
}

impl Panel {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

/// A frame on the wire: width, height, and the bits.
fn pixels(frame: &Frame) -> (u32, u32, Vec<u8>) {
    (WIDTH, HEIGHT, frame.bits().to_vec())
}

#[interface(
    name = "org.holdfast.Panel1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Panel {
    /// What the screen shows: row by row from the top, eight pixels a byte with the leftmost highest, 1 lit. Refused while a QR or pairing code is on it.
    #[zbus(out_args("width", "height", "bits"))]
    async fn frame(&self) -> Result<(u32, u32, Vec<u8>), Error> {
        let shown = self.handle.picture.borrow();
        if shown.confidential {
            return Err(Error::CredentialShown(
                "The screen shows a code that links a phone. Only group holdfast-admin may see it over the bus.".into(),
            ));
        }
        Ok(pixels(&shown.frame))
    }

    /// What the screen shows, a QR or pairing code included: row by row from the top, eight pixels a byte with the leftmost highest, 1 lit.
    #[zbus(out_args("width", "height", "bits"))]
    async fn frame_with_credential(&self) -> Result<(u32, u32, Vec<u8>), Error> {
        Ok(pixels(&self.handle.picture.borrow().frame))
    }

    /// What the screen is, such as `SSD1306 at 0x3c (raspberrypi)`, `terminal` or `none`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn glass(&self) -> String {
        self.handle.glass.clone()
    }

    /// Why the screen does not work: stable code, one sentence, one action for a human. Empty strings when it does, or there is none.
    #[zbus(property(emits_changed_signal = "false"))]
    fn glass_fault(&self) -> (String, String, String) {
        texts(self.handle.status.borrow().display.map(Into::into))
    }

    /// Why the button does not work: stable code, one sentence, one action for a human. Empty strings when it does, or there is none.
    #[zbus(property(emits_changed_signal = "false"))]
    fn button_fault(&self) -> (String, String, String) {
        texts(self.handle.status.borrow().button.map(Into::into))
    }

    /// Holds the button down for `ms` milliseconds (at most a minute) and answers when it is up again.
    async fn press(&self, ms: u32) -> Result<(), Error> {
        if ms > LONGEST_PRESS_MS {
            return Err(Error::InvalidArgument(format!(
                "A press lasts at most {LONGEST_PRESS_MS} milliseconds."
            )));
        }
        let requests = self.handle.requests.clone();
        // A task of its own: a caller that goes away must not leave the button down.
        let press = tokio::spawn(async move {
            requests.send(Request::Button { down: true }).await?;
            tokio::time::sleep(Duration::from_millis(ms.into())).await;
            requests.send(Request::Button { down: false }).await
        });
        press
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(Error::stopping)
    }
}
