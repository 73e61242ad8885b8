//! The pace of the looks at a connection: an idle one is left alone, so that nothing wakes up for it.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// How long the library has to make stanzas of what came, and how often it is looked while there is doubt.
const LOOK: Duration = Duration::from_secs(2);

/// The pace of the looks whether each frame was a stanza: an idle connection is not looked at.
#[derive(Default)]
pub(super) struct Pace(Notify);

impl Pace {
    /// Something came in over the socket.
    pub(super) fn comes(&self) {
        self.0.notify_one();
    }

    /// Waits for the next look: a moment after something came, or a moment from now while there is doubt.
    pub(super) async fn next(&self, doubt: bool) {
        if !doubt {
            self.0.notified().await;
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_comes_is_not_looked_at() {
        let pace = Pace::default();
        let day = Duration::from_secs(24 * 60 * 60);
        timeout(day, pace.next(false))
            .await
            .expect_err("nothing came");
        // What comes during a look is looked at by the next one.
        pace.comes();
        pace.comes();
        let begun = Instant::now();
        timeout(day, pace.next(false)).await.expect("it came");
        assert_eq!(begun.elapsed(), LOOK);
        timeout(day, pace.next(false))
            .await
            .expect_err("one look for both");
    }

    #[tokio::test(start_paused = true)]
    async fn while_there_is_doubt_it_is_looked_at_whatever_comes() {
        let (pace, begun) = (Pace::default(), Instant::now());
        for looks in 1..=3 {
            pace.next(true).await;
            assert_eq!(begun.elapsed(), LOOK * looks);
        }
    }
}
