//! The data partition: it is warned about early, then archives go, then the link.

use alloc::vec::Vec;

use crate::ground::CauseCode;

const MIB: u64 = 1 << 20;

/// So many unread messages are warned about.
const UNREAD: u64 = 10_000;
/// So many key records are warned about: a boot reads every one.
const RECORDS: u64 = 50_000;
/// The newest archive stays: it is what undoes the last re-link.
const KEPT_ARCHIVES: u32 = 1;

/// How full the data partition is, and with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Space {
    /// Free space, bytes; the reserve's share is taken off, whether it is held or owed.
    pub free_bytes: u64,
    /// All of the partition, bytes.
    pub total_bytes: u64,
    /// Retired generations in the archive.
    pub archives: u32,
    /// Received messages that the slowest consumer has not acknowledged.
    pub unread: u64,
    /// Their size, bytes.
    pub unread_bytes: u64,
    /// What the mail keeps only to recognise duplicates, bytes.
    pub spare_bytes: u64,
    /// Key records of the live generation.
    pub records: u64,
    /// The size of the live generation, bytes.
    pub records_bytes: u64,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Room {
    /// Not enough for a link.
    None,
    /// Enough for now; the operator was told.
    Little,
    #[default]
    Plenty,
}

/// The meaning of a sample of the data partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The causes to report to the operator.
    pub(crate) news: Vec<CauseCode>,
    /// There is no room for a link any more.
    pub(crate) fills_up: bool,
    /// What can be given back at no cost should go: the mail's window for duplicates, then the oldest archive.
    pub(crate) gives: Option<Gives>,
}

/// What is given back for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// What the mail keeps only to recognise duplicates.
    Mail,
    /// The oldest archive.
    Archive,
}

/// The data partition as the last samples showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    room: Room,
    /// An archive could not be dropped; not tried again before there is plenty of room.
    stuck: bool,
    /// The operator was told of the unread messages.
    told_unread: bool,
    /// The operator was told of the key records.
    told_records: bool,
}

impl Space {
    /// A share of the partition, but no more than makes sense on a large one.
    fn share(&self, part: u64, most: u64) -> u64 {
        (self.total_bytes / part).min(most)
    }

    /// Below this the operator is warned.
    fn little(&self) -> u64 {
        self.share(8, 256 * MIB)
    }

    /// Below this what can be given back goes.
    fn scarce(&self) -> u64 {
        self.share(16, 96 * MIB)
    }

    /// Below this the link comes down: what is in flight still fits, and the reserve is not touched.
    fn none(&self) -> u64 {
        self.share(32, 32 * MIB)
    }

    /// A room once left is entered again only with some to spare, so that nothing flaps.
    fn room(&self, was: Room) -> Room {
        let (none, little) = (self.none(), self.little());
        if self.free_bytes < if was == Room::None { 2 * none } else { none } {
            Room::None
        } else if self.free_bytes
            < if was == Room::Plenty {
                little
            } else {
                little / 4 * 5
            }
        {
            Room::Little
        } else {
            Room::Plenty
        }
    }

    fn is_much_unread(&self, was: bool) -> bool {
        self.is_much(was, (self.unread, UNREAD), self.unread_bytes)
    }

    fn are_many_records(&self, was: bool) -> bool {
        self.is_much(was, (self.records, RECORDS), self.records_bytes)
    }

    /// By number, or by bytes; what was much once is so until half of it is gone.
    fn is_much(&self, was: bool, (number, limit): (u64, u64), bytes: u64) -> bool {
        let half = if was { 2 } else { 1 };
        number >= limit / half || number > 0 && bytes >= self.little() / half
    }
}

impl Storage {
    /// Whether there is room for what a run of the link brings.
    pub(crate) fn has_room(&self) -> bool {
        self.room != Room::None
    }

    /// An archive could not be dropped.
    pub(crate) fn drop_failed(&mut self) {
        self.stuck = true;
    }

    /// Takes a sample.
    pub(crate) fn sample(&mut self, space: &Space) -> Sample {
        let mut sample = Sample::default();
        let unread = space.is_much_unread(self.told_unread);
        if unread && !self.told_unread {
            sample.news.push(CauseCode::Unread);
        }
        let records = space.are_many_records(self.told_records);
        if records && !self.told_records {
            sample.news.push(CauseCode::ManyRecords);
        }
        (self.told_unread, self.told_records) = (unread, records);

        let room = space.room(self.room);
        match (core::mem::replace(&mut self.room, room), room) {
            (_, Room::Plenty) => self.stuck = false,
            (Room::Plenty, Room::Little) => sample.news.push(CauseCode::LittleSpace),
            (Room::Little | Room::Plenty, Room::None) => {
                sample.news.push(CauseCode::NoSpace);
                sample.fills_up = true;
            }
            (Room::None | Room::Little, Room::Little) | (Room::None, Room::None) => {}
        }
        if space.free_bytes < space.scarce() {
            sample.gives = if space.spare_bytes > 0 {
                Some(Gives::Mail)
            } else if space.archives > KEPT_ARCHIVES && !self.stuck {
                Some(Gives::Archive)
            } else {
                None
            };
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_partitions_have_small_limits() {
        let small = |free_bytes| Space {
            free_bytes,
            total_bytes: 64 * MIB,
            ..Space::default()
        };
        let room = |free_bytes| small(free_bytes).room(Room::Plenty);
        assert_eq!(room(8 * MIB), Room::Plenty);
        assert_eq!(room(8 * MIB - 1), Room::Little);
        assert_eq!(room(2 * MIB - 1), Room::None);
        let nothing_known = Space::default();
        assert_eq!(nothing_known.room(Room::Plenty), Room::Plenty);
    }
}
