//! The table of allowances: how often something may happen within a window of time, one row each. All else follows from the rows:
//! what a state holds, what outlives a restart, and whether that has to be written down anew.

use alloc::vec::Vec;

use crate::ground::Kept::{As, Not};
use crate::ground::{Budget, DAY, HOUR, MINUTE, Moments};

macro_rules! allowances {
    ($($(#[doc = $about:literal])* $name:ident: $times:literal in $window:expr, $kept:expr;)*) => {
        /// The allowances, and what of them is used up.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct Allowances {
            $($(#[doc = $about])* pub(crate) $name: Budget<$times>,)*
        }

        /// The used up part of each allowance, as it is written down: for how long each use still counts, milliseconds, the
        /// oldest first.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub(crate) struct UsedUp {
            $(pub(crate) $name: Vec<u64>,)*
        }

        impl Allowances {
            /// Nothing is used up.
            pub(crate) fn new() -> Self {
                Self { $($name: Budget::new($window),)* }
            }

            pub(crate) fn rebase(&mut self, moments: Moments) {
                $(self.$name.rebase(moments);)*
            }

            /// The part that the next start has to know.
            pub(crate) fn left(&self, now: u64) -> UsedUp {
                UsedUp {
                    $($name: if $kept == Not { Vec::new() } else { self.$name.left(now) },)*
                }
            }

            /// Goes on from what [`Allowances::left`] said.
            pub(crate) fn resume(&mut self, used_up: &UsedUp, now: u64) {
                $(self.$name.resume(&used_up.$name, now);)*
            }
        }

        impl UsedUp {
            /// The rows, each with its key.
            pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &Vec<u64>)> {
                let rows = [$(($kept, &self.$name)),*].into_iter();
                rows.filter_map(|(kept, left)| Some((kept.key()?, left)))
            }

            /// The rows, each with its key, to be changed.
            pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Vec<u64>)> {
                let rows = [$(($kept, &mut self.$name)),*].into_iter();
                rows.filter_map(|(kept, left)| Some((kept.key()?, left)))
            }
        }
    };
}

allowances! {
    /// Attempts of every kind. The schedule alone stays below it; faults that cut waits short, and impatience, may not.
    attempts: 20 in 10 * MINUTE, As("attempts");
    /// Runs that showed a code without a human asking for it.
    pairings: 6 in HOUR, As("pairings");
    /// The same, over a day.
    pairings_a_day: 24 in DAY, As("pairings-a-day");
    /// Versions that were refused, and answered by another attempt.
    outdated: 1 in DAY, As("outdated");
    /// Repairs of the session keys in the middle of a life.
    rebuilds: 1 in DAY, As("rebuilds");
    /// Causes the owner was told of.
    notified: 12 in DAY, As("notified");
    /// Times that a radio was made to join its network anew.
    rejoins: 4 in HOUR, As("rejoins");
    /// Restarts of the machine for the radio's sake.
    radio_restarts: 1 in DAY, As("radio-restarts");
    /// Looks for a new version.
    looks: 6 in DAY, As("looks");
    /// Takeovers by another copy, whatever came between.
    takeovers: 8 in DAY, As("takeovers");
    /// Restarts at WhatsApp's word: the third within a minute is a failure.
    restarts: 3 in MINUTE, Not;
}

impl UsedUp {
    /// So many milliseconds pass.
    pub(crate) fn pass(&mut self, ms: u64) {
        for (_, left) in self.rows_mut() {
            left.retain_mut(|left| {
                *left = left.saturating_sub(ms);
                *left > 0
            });
        }
    }
}
