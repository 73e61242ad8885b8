//! The radio that may be the only way out.

use super::Around;

/// Since when a radio is the only way out.
#[derive(Debug, Default)]
pub struct Radio(Option<u64>);

impl Radio {
    pub fn alone(&mut self, alone: bool, now: u64) {
        self.0 = alone.then(|| self.0.unwrap_or(now));
    }
}

impl Around {
    /// For how long nothing comes of it, with nothing under way.
    pub(super) fn without_radio_for(&self) -> u64 {
        assert_eq!((self.run, self.retiring), (None, None), "under something");
        let since = self.radio.0.expect("a cable leads out");
        self.now - since.max(self.heard)
    }
}
