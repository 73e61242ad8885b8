//! The table of back-offs: how long to wait after failures in a row, one row each, and the run after which they are over. Persistence across restarts follows from the rows.

use crate::ground::Kept::{As, Not};
use crate::ground::limits::STABLE_MS;
use crate::ground::{Backoff, DAY, HOUR, MINUTE, SECOND};

macro_rules! backoffs {
    ($($(#[doc = $about:literal])* $name:ident: $base:expr, up to $cap:expr, over after $calm:expr, $kept:expr;)*) => {
        /// The back-offs, and the failures in a row.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct Backoffs {
            $($(#[doc = $about])* pub(crate) $name: Backoff,)*
        }

        /// The failures of each back-off, as they are written down.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub(crate) struct Failures {
            $($name: u32,)*
        }

        impl Backoffs {
            /// Nothing failed yet.
            pub(crate) fn new() -> Self {
                Self { $($name: Backoff::new($base, $cap),)* }
            }

            /// Clears the failures that a run of so many milliseconds makes good.
            pub(crate) fn ran_well(&mut self, ms: u64) {
                $(if ms >= $calm { self.$name.clear(); })*
            }

            /// Takes failures beyond so many for no more than that.
            pub(crate) fn forget_beyond(&mut self, failures: u32) {
                $(self.$name.forget_beyond(failures);)*
            }

            /// The failures that the next start has to know.
            pub(crate) fn failures(&self) -> Failures {
                Failures {
                    $($name: if $kept == Not { 0 } else { self.$name.failures() },)*
                }
            }

            /// Goes on from what [`Backoffs::failures`] said.
            pub(crate) fn resume(&mut self, failures: &Failures) {
                $(self.$name.resume(failures.$name);)*
            }
        }

        impl Failures {
            /// The rows, each with its key.
            pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, u32)> {
                let rows = [$(($kept, self.$name)),*].into_iter();
                rows.filter_map(|(kept, failures)| Some((kept.key()?, failures)))
            }

            /// The rows, each with its key, to be changed.
            pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut u32)> {
                let rows = [$(($kept, &mut self.$name)),*].into_iter();
                rows.filter_map(|(kept, failures)| Some((kept.key()?, failures)))
            }
        }
    };
}

backoffs! {
    /// Failed attempts to be linked.
    reconnect: 3 * SECOND, up to 300 * SECOND, over after STABLE_MS, Not;
    /// Takeovers by another copy.
    replaced: 5 * MINUTE, up to DAY, over after HOUR, As("replaced");
    /// Failed attempts to retire revoked keys, which no run makes good.
    retire: MINUTE, up to HOUR, over after u64::MAX, Not;
}
