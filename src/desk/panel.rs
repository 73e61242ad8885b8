//! The panel: the screen to look at, the button to press.

use std::time::Duration;

use super::{Ask, Desk, Refusal, Request};
use crate::panel::Frame;

/// A press longer than this is a mistake. It is far from the hold that asks whether to forget everything, which a program may not.
const LONGEST_PRESS: Duration = Duration::from_secs(10);

impl Desk {
    /// The picture on the screen.
    ///
    /// # Errors
    /// [`Refusal::CredentialShown`] while a QR or pairing code is on it.
    pub fn frame(&self) -> Result<Frame, Refusal> {
        self.check(Ask::Frame)?;
        let shown = self.lines.picture.borrow();
        if shown.confidential {
            return Err(Refusal::CredentialShown);
        }
        Ok(shown.frame.clone())
    }

    /// The picture on the screen, a QR or pairing code included.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`].
    pub fn frame_with_credential(&self) -> Result<Frame, Refusal> {
        self.check(Ask::FrameWithCredential)?;
        Ok(self.lines.picture.borrow().frame.clone())
    }

    /// The type and place of the screen, such as `SSD1306 at 0x3c (raspberrypi)`, `terminal` or `none`.
    pub fn glass(&self) -> &str {
        &self.lines.glass
    }

    /// Holds the button down, at most for ten seconds, and returns when it is up again.
    ///
    /// # Errors
    /// [`Refusal::InvalidArgument`] for a longer press.
    pub async fn press(&self, how_long: Duration) -> Result<(), Refusal> {
        self.check(Ask::Press)?;
        if how_long > LONGEST_PRESS {
            return Err(Refusal::InvalidArgument(format!(
                "A press lasts at most {} milliseconds.",
                LONGEST_PRESS.as_millis()
            )));
        }
        let requests = self.lines.requests.clone();
        // A task of its own: a caller that goes away must not leave the button down.
        let press = tokio::spawn(async move {
            requests.send(Request::Button { down: true }).await?;
            tokio::time::sleep(how_long).await;
            requests.send(Request::Button { down: false }).await
        });
        press
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(Refusal::Stopping)
    }
}
