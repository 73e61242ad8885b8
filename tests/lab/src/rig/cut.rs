//! What a power cut leaves: everything up to the last flush, and of the writes after it whatever the dice say.

use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::log::{Act, Entry, SECTOR};

/// What becomes of the writes that no flush has covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// All are lost: exactly what the last flush promised.
    Flush,
    /// All are kept: a card without a volatile cache.
    Prefix,
    /// Each is kept or lost: lost and reordered.
    Subset,
    /// Each is kept, lost, or torn between two sectors anywhere.
    Torn,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Flush, Kind::Prefix, Kind::Subset, Kind::Torn];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Flush => "flush",
            Kind::Prefix => "prefix",
            Kind::Subset => "subset",
            Kind::Torn => "torn",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What the card lost.
    pub kind: Kind,
    /// How many entries of the log had happened.
    pub after: usize,
    /// What the dice of this cut are thrown from.
    pub dice: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} writes and flushes", self.kind, self.after)
    }
}

/// What became of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on the medium.
    Kept,
    /// It is not.
    Lost,
    /// Of its sectors, those marked are.
    Torn(Vec<bool>),
}

impl Cut {
    /// When it was: the size of the log then, bytes.
    pub fn moment(&self, entries: &[Entry]) -> u64 {
        match self.after.checked_sub(1) {
            Some(last) => entries[last].end,
            None => 0,
        }
    }

    /// How many entries the last flush covers, itself included.
    pub fn flushed(&self, entries: &[Entry]) -> usize {
        entries[..self.after]
            .iter()
            .rposition(|entry| entry.act == Act::Flush)
            .map_or(0, |flush| flush + 1)
    }

    /// The fates of the writes behind the last flush, in their order.
    pub fn fates<'a>(&self, entries: &'a [Entry]) -> impl Iterator<Item = (&'a Entry, Fate)> {
        let mut dice = StdRng::seed_from_u64(self.dice);
        let kind = self.kind;
        entries[self.flushed(entries)..self.after]
            .iter()
            .map(move |entry| {
                let fate = match entry.act {
                    Act::Write { forced: true, .. } | Act::Flush => Fate::Kept,
                    Act::Write { len, .. } => fate(kind, len / SECTOR, &mut dice),
                };
                (entry, fate)
            })
    }
}

fn fate(kind: Kind, sectors: usize, dice: &mut StdRng) -> Fate {
    match kind {
        Kind::Flush => Fate::Lost,
        Kind::Prefix => Fate::Kept,
        Kind::Subset if dice.random() => Fate::Kept,
        Kind::Subset => Fate::Lost,
        Kind::Torn => match dice.random_range(0..3) {
            0 => Fate::Kept,
            1 => Fate::Lost,
            _ => Fate::Torn((0..sectors).map(|_| dice.random()).collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two writes, a flush, then `open` writes of two sectors, the last one forced.
    fn entries(open: u64) -> Vec<Entry> {
        let write = |at: u64, forced| Entry {
            end: 1000 + at,
            act: Act::Write {
                to: at * 1024,
                from: 0,
                len: 1024,
                forced,
            },
        };
        let mut entries = vec![write(0, false), write(1, false)];
        entries.push(Entry {
            end: 1002,
            act: Act::Flush,
        });
        entries.extend((3..3 + open).map(|at| write(at, at == 2 + open)));
        entries
    }

    fn fates(kind: Kind, dice: u64) -> Vec<Fate> {
        let entries = entries(64);
        let after = entries.len();
        let cut = Cut { kind, after, dice };
        assert_eq!(cut.flushed(&entries), 3);
        assert_eq!(cut.moment(&entries), 1066);
        cut.fates(&entries).map(|(_, fate)| fate).collect()
    }

    #[test]
    fn what_was_flushed_or_forced_is_never_touched() {
        for kind in Kind::ALL {
            let fates = fates(kind, 1);
            assert_eq!(fates.len(), 64);
            assert_eq!(fates[63], Fate::Kept, "{kind}");
        }
        let first = Cut {
            kind: Kind::Flush,
            after: 2,
            dice: 0,
        };
        assert_eq!(first.flushed(&entries(0)), 0);
        let nothing = Cut { after: 0, ..first };
        assert_eq!(nothing.moment(&entries(0)), 0);
    }

    #[test]
    fn each_kind_is_what_it_says() {
        let all = |kind, fate: Fate| fates(kind, 1)[..63].iter().all(|it| *it == fate);
        assert!(all(Kind::Flush, Fate::Lost));
        assert!(all(Kind::Prefix, Fate::Kept));
        let has = |kind, wanted: fn(&Fate) -> bool| fates(kind, 1).iter().any(wanted);
        assert!(has(Kind::Subset, |fate| *fate == Fate::Lost));
        assert!(!has(Kind::Subset, |fate| matches!(fate, Fate::Torn(_))));
        assert!(has(Kind::Torn, |fate| *fate == Fate::Torn(vec![true, false])));
        assert!(has(Kind::Torn, |fate| *fate == Fate::Lost));
    }

    #[test]
    fn the_same_dice_fall_the_same_way() {
        assert_eq!(fates(Kind::Torn, 5), fates(Kind::Torn, 5));
        assert_ne!(fates(Kind::Torn, 5), fates(Kind::Torn, 6));
    }
}
