//! The codes that a phone can link us by: each is shown while it is valid, and the run is given up when none comes.

use crate::ground::limits::CODE_MS;
use crate::ground::{MINUTE, Moments, Now};

/// How long a code can be valid at most: a pairing code is for three minutes, a QR for one.
const VALID_MS: u64 = 3 * MINUTE;

/// The two kinds of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// To be scanned.
    Qr,
    /// To be typed in on the phone. There is one only where the owner configured a number for it.
    #[default]
    Typed,
}

/// The code by which a phone can link this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairingFace {
    /// Asking WhatsApp for a code.
    Preparing,
    /// A QR is on the glass.
    Qr {
        /// Until it is no longer valid.
        left_ms: u64,
    },
    /// A pairing code is on the glass.
    Code {
        /// Until it is no longer valid.
        left_ms: u64,
    },
}

/// The codes of one run, and when it has shown nothing for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Codes {
    qr_until: Option<u64>,
    typed_until: Option<u64>,
    /// Which goes first while both are valid.
    first: Code,
    give_up_at: u64,
}

impl Codes {
    /// No code came yet.
    pub(crate) fn asked_for(first: Code, now: u64) -> Self {
        Self {
            qr_until: None,
            typed_until: None,
            first,
            give_up_at: now.saturating_add(CODE_MS),
        }
    }

    /// A code came.
    pub(crate) fn show(&mut self, code: Code, valid_ms: u64, now: u64) {
        let until = now.saturating_add(valid_ms.min(VALID_MS));
        match code {
            Code::Qr => self.qr_until = Some(until),
            Code::Typed => self.typed_until = Some(until),
        }
        self.give_up_at = self.give_up_at.max(until.saturating_add(CODE_MS));
    }

    /// A human wants the other code, if there is one.
    pub(crate) fn turn(&mut self) {
        if self.qr_until.is_some() && self.typed_until.is_some() {
            self.first = match self.first {
                Code::Qr => Code::Typed,
                Code::Typed => Code::Qr,
            };
        }
    }

    /// No code is valid any more.
    pub(crate) fn withdraw(&mut self) {
        (self.qr_until, self.typed_until) = (None, None);
    }

    /// Withdraws the codes whose time is over. Whether it is time to give up.
    pub(crate) fn expire(&mut self, now: u64) -> bool {
        if self.give_up_at <= now {
            return true;
        }
        self.qr_until = self.qr_until.filter(|at| *at > now);
        self.typed_until = self.typed_until.filter(|at| *at > now);
        false
    }

    /// When the next code expires, or the run is given up.
    pub(crate) fn deadline(&self) -> u64 {
        let codes = self.qr_until.into_iter().chain(self.typed_until);
        codes.fold(self.give_up_at, u64::min)
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        moments.counts(&mut self.qr_until);
        moments.counts(&mut self.typed_until);
        moments.due(&mut self.give_up_at);
    }

    /// The code to be shown.
    pub(crate) fn face(&self, now: Now) -> PairingFace {
        let valid = |until: Option<u64>| until.map(|at| now.until(at)).filter(|left| *left > 0);
        match (valid(self.typed_until), valid(self.qr_until), self.first) {
            (Some(left_ms), None, _) | (Some(left_ms), _, Code::Typed) => {
                PairingFace::Code { left_ms }
            }
            (_, Some(left_ms), _) => PairingFace::Qr { left_ms },
            (None, None, _) => PairingFace::Preparing,
        }
    }
}
