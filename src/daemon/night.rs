//! Says when hours of the owner's begin and when they are over, by the wall clock: the night of the glass, and the hours of updates.

use std::time::{Duration, SystemTime};

use holdfast_core::Event;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::config::Night;

/// How often it is looked: the network may set the clock meanwhile.
const LOOK: Duration = Duration::from_secs(600);

/// Tells whether it is then now, in this kind of event, and each change from then on, as long as somebody listens.
pub(super) async fn watch(
    night: Night,
    of: fn(bool) -> Event,
    events: mpsc::UnboundedSender<Event>,
) {
    tell(night, of, events, SystemTime::now).await;
}

async fn tell(
    night: Night,
    of: fn(bool) -> Event,
    events: mpsc::UnboundedSender<Event>,
    clock: impl Fn() -> SystemTime,
) {
    let mut told = false;
    loop {
        let (is_night, lasts) = night.at(clock());
        if is_night != told {
            if events.send(of(is_night)).is_err() {
                return;
            }
            told = is_night;
        }
        sleep(lasts.min(LOOK)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn dusk_and_dawn_are_told_once_each_also_by_a_clock_that_is_set() {
        let night: Night = "22:00-07:00".parse().unwrap();
        let (events, mut told) = mpsc::unbounded_channel();
        let begun = Instant::now();
        let hour = Duration::from_secs(3600);
        // At noon it turns out to be midnight.
        let clock = move || match begun.elapsed() {
            early if early < hour => UNIX_EPOCH + hour * 11 + early,
            later => UNIX_EPOCH + hour * 24 + (later - hour),
        };
        let watched = tokio::spawn(tell(night, Event::Night, events, clock));
        let mut heard = Vec::new();
        let hears = async {
            while heard.len() < 3 {
                let event = told.recv().await.unwrap();
                heard.push((event, begun.elapsed().as_secs() / 3600));
            }
        };
        timeout(hour * 100, hears).await.unwrap();
        let wanted = [(true, 1), (false, 8), (true, 23)];
        assert_eq!(heard, wanted.map(|(night, at)| (Event::Night(night), at)));
        watched.abort();
    }
}
