//! The past: the text that one run of the daemon leaves to the next.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::ground::{DAY, GenerationId, Wait};
use crate::parts::{Failures, Returns, UsedUp};

/// No wait is longer, whatever was written down.
pub(crate) const LONGEST_MS: u64 = 30 * DAY;

/// All that the next start has to know: a few lines of text. Its times are milliseconds that were left when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past {
    pub(crate) used_up: UsedUp,
    pub(crate) failures: Failures,
    /// For how long the phone may still be away.
    pub(crate) phone: Option<u64>,
    /// When a sign of life is due.
    pub(crate) pulse: Option<u64>,
    /// The links that are still to be logged out, the oldest first.
    pub(crate) farewells: Vec<GenerationId>,
    /// The one of them that is coming back.
    pub(crate) returns: Option<Returns>,
    /// The link that WhatsApp revoked, and that may not be retired yet.
    pub(crate) revoked: Option<GenerationId>,
    /// The wait, and for how long still.
    pub(crate) wait: Option<(Wait, u64)>,
}

/// The text is not what a [`Past`] was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotAPast;

impl Past {
    /// Joins the past with what was written down elsewhere while the data partition was closed, or had failed. Of that it counts what is
    /// used up of each allowance, and instead of the past's: it is newer, for it goes when a past is written. Of what is done once in a
    /// while the later counts: the medium may have failed with the note of it. With each comes how long ago it was written, milliseconds.
    pub fn joined(past: Option<(Past, u64)>, closed: Option<(Past, u64)>) -> Option<(Past, u64)> {
        let Some((closed, closed_ms)) = closed else {
            return past;
        };
        let (past, elapsed_ms) = past.unwrap_or_default();
        let mut past = past.after(elapsed_ms);
        let closed = closed.after(closed_ms);
        past.used_up = closed.used_up;
        past.phone = past.phone.max(closed.phone);
        past.pulse = past.pulse.max(closed.pulse);
        Some((past, 0))
    }

    /// The past without what goes on beside the session, as [`crate::State::without_chores`].
    pub fn without_chores(mut self) -> Self {
        (self.phone, self.pulse) = (None, None);
        self.used_up.notified.clear();
        self
    }

    /// The past so many milliseconds later.
    pub fn after(mut self, ms: u64) -> Self {
        self.used_up.pass(ms);
        for left in [&mut self.phone, &mut self.pulse].into_iter().flatten() {
            *left = left.saturating_sub(ms);
        }
        self.wait = self
            .wait
            .map(|(wait, left)| (wait, left.min(LONGEST_MS).saturating_sub(ms)))
            .filter(|(_, left)| *left > 0);
        self
    }
}

impl fmt::Display for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, times) in self.used_up.rows() {
            f.write_str(key)?;
            times.iter().try_for_each(|left| write!(f, " {left}"))?;
            writeln!(f)?;
        }
        if let Some(left) = self.phone {
            writeln!(f, "phone {left}")?;
        }
        if let Some(left) = self.pulse {
            writeln!(f, "pulse {left}")?;
        }
        if !self.farewells.is_empty() {
            f.write_str("farewell")?;
            let mut owed = self.farewells.iter();
            owed.try_for_each(|old| write!(f, " {old}"))?;
            writeln!(f)?;
        }
        if let Some(Returns { link, instead_of }) = self.returns {
            writeln!(f, "returns {link} {instead_of}")?;
        }
        if let Some(revoked) = self.revoked {
            writeln!(f, "revoked {revoked}")?;
        }
        for (key, failures) in self.failures.rows() {
            writeln!(f, "{key} {failures}")?;
        }
        match self
            .wait
            .and_then(|(wait, left)| Some((wait.lasting()?.0, left)))
        {
            Some((name, left)) => writeln!(f, "wait {name} {left}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Past {
    type Err = NotAPast;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NotAPast> {
        let mut past = Self::default();
        let number = |word: &str| word.parse().map_err(|_| NotAPast);
        for line in text.lines() {
            let mut words = line.split(' ');
            let key = words.next().unwrap_or_default();
            let words: Vec<&str> = words.collect();
            if let Some((_, times)) = past.used_up.rows_mut().find(|(known, _)| *known == key) {
                *times = words.into_iter().map(number).collect::<Result<_, _>>()?;
                continue;
            }
            if let Some((_, failures)) = past.failures.rows_mut().find(|(known, _)| *known == key) {
                *failures = match words.as_slice() {
                    [count] => count.parse().map_err(|_| NotAPast)?,
                    _ => return Err(NotAPast),
                };
                continue;
            }
            match (key, words.as_slice()) {
                ("phone", [left]) => past.phone = Some(number(left)?),
                ("pulse", [left]) => past.pulse = Some(number(left)?),
                ("farewell", [_, ..]) => {
                    let owed = words.iter().map(|old| old.parse().map_err(|_| NotAPast));
                    past.farewells = owed.collect::<Result<_, _>>()?;
                }
                ("returns", [link, instead_of]) => {
                    past.returns = Some(Returns {
                        link: link.parse().map_err(|_| NotAPast)?,
                        instead_of: instead_of.parse().map_err(|_| NotAPast)?,
                    });
                }
                ("revoked", [old]) => past.revoked = Some(old.parse().map_err(|_| NotAPast)?),
                ("wait", [name, left]) => {
                    let wait = Wait::named(name).ok_or(NotAPast)?;
                    past.wait = Some((wait, number(left)?));
                }
                _ => return Err(NotAPast),
            }
        }
        Ok(past)
    }
}
