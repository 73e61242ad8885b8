//! A button made of the space bar, also where the terminal tells of no release.

use std::time::{Duration, Instant};

use super::Input;

/// Longer than keyboards wait before they begin to repeat (660 ms under X11).
const FIRST_GAP: Duration = Duration::from_millis(750);
/// Longer than they wait between two repeats, on a slow line too.
const NEXT_GAP: Duration = Duration::from_millis(300);

/// A state machine from one key of the terminal to the button.
pub(super) struct SpaceBar {
    /// The terminal tells of releases; else silence longer than a repeat's gap is one.
    releases_told: bool,
    held: Option<Held>,
}

/// The bar is down, and when silence will mean that it is not.
#[derive(Clone, Copy)]
struct Held {
    silent_at: Instant,
}

impl SpaceBar {
    pub(super) fn new(releases_told: bool) -> Self {
        Self {
            releases_told,
            held: None,
        }
    }

    /// The terminal sent the key: pressed, or repeated, which some cannot tell apart.
    pub(super) fn down(&mut self, now: Instant) -> Option<Input> {
        let gap = if self.held.is_some() {
            NEXT_GAP
        } else {
            FIRST_GAP
        };
        let silent_at = self.held.map_or(now, |held| held.silent_at).max(now + gap);
        let before = self.held.replace(Held { silent_at });
        before.is_none().then_some(Input::Pressed)
    }

    /// The terminal told of the release.
    pub(super) fn up(&mut self) -> Option<Input> {
        self.held.take().map(|_| Input::Released)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Input> {
        self.deadline()
            .filter(|deadline| *deadline <= now)
            .and_then(|_| self.up())
    }

    /// The moment to tick next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held
            .filter(|_| !self.releases_told)
            .map(|held| held.silent_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Plays key events at these moments and returns what the button did, and when.
    fn play(bar: &mut SpaceBar, keys: &[u64], until: u64) -> Vec<(u64, Input)> {
        let start = Instant::now();
        let mut done = Vec::new();
        for now in 0..=until {
            let at = start + ms(now);
            done.extend(bar.tick(at).map(|input| (now, input)));
            if keys.contains(&now) {
                done.extend(bar.down(at).map(|input| (now, input)));
            }
        }
        done
    }

    #[test]
    fn a_tap_is_a_short_press() {
        let done = play(&mut SpaceBar::new(false), &[10], 3000);
        assert_eq!(done, [(10, Input::Pressed), (760, Input::Released)]);
    }

    #[test]
    fn a_held_bar_stays_down_from_the_first_repeat_to_the_last() {
        let repeats: Vec<u64> = std::iter::once(0).chain((660..=6000).step_by(40)).collect();
        let done = play(&mut SpaceBar::new(false), &repeats, 9000);
        assert_eq!(done, [(0, Input::Pressed), (5980 + 300, Input::Released)]);
    }

    #[test]
    fn a_second_key_event_never_shortens_the_wait_for_the_first_repeat() {
        let done = play(&mut SpaceBar::new(false), &[0, 100], 3000);
        assert_eq!(done, [(0, Input::Pressed), (750, Input::Released)]);
    }

    #[test]
    fn two_taps_apart_are_two_presses() {
        let done = play(&mut SpaceBar::new(false), &[0, 1000], 3000);
        assert_eq!(done.len(), 4);
    }

    #[test]
    fn where_releases_are_told_silence_means_nothing() {
        let mut bar = SpaceBar::new(true);
        assert_eq!(play(&mut bar, &[0], 60_000), [(0, Input::Pressed)]);
        assert_eq!(bar.up(), Some(Input::Released));
        assert_eq!(bar.up(), None);
    }
}
