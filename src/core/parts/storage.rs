//! The data partition: it is warned about early, then archives go, then the link.

use alloc::vec::Vec;

use crate::ground::{CauseCode, HOUR};

const MIB: u64 = 1 << 20;

/// So many unread messages are warned about.
const UNREAD: u64 = 10_000;
/// A consumer that is away for so long is no longer waited for; half of it is warned about.
const FORGET_AFTER_MS: u64 = 30 * 24 * HOUR;
/// So many key records are warned about: a boot reads every one.
const RECORDS: u64 = 50_000;
/// The newest archive stays: it is what undoes the last re-link.
const KEPT_ARCHIVES: u32 = 1;

/// How full the data partition is, and with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Space {
    /// Free space, bytes; the reserve's share is taken off, whether it is held or owed, and so is what the outbox will still note of
    /// its messages.
    pub free_bytes: u64,
    /// All of the partition, bytes.
    pub total_bytes: u64,
    /// Retired generations in the archive.
    pub archives: u32,
    /// Received messages that the slowest consumer has not acknowledged.
    pub unread: u64,
    /// Their size, bytes.
    pub unread_bytes: u64,
    /// How long the consumer is away for whose sake alone messages are kept, milliseconds; 0 where there is none.
    pub away_ms: u64,
    /// What messages to be sent take, bytes.
    pub outgoing_bytes: u64,
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
    /// No run of the link may be any more.
    pub(crate) fills_up: bool,
    /// Consumers that are away for so long are no longer waited for, milliseconds.
    pub(crate) forgets: Option<u64>,
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
    limits: Limits,
    room: Room,
    /// There is no room, and messages to be sent are what takes it.
    of_outgoing: bool,
    /// There is no room, and a run of the link makes some: it sends what takes it.
    drains: bool,
    /// Received messages were refused since there was room.
    refused: bool,
    /// An archive could not be dropped; not tried again before there is plenty of room.
    stuck: bool,
    /// The operator was told of the unread messages.
    told_unread: bool,
    /// The operator was told of a consumer that is away.
    told_away: bool,
    /// The operator was told of the key records.
    told_records: bool,
}

/// What the operator set of a partition's limits; `None`: what makes sense on a partition of its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// With less than this free the operator is warned, bytes.
    pub little_bytes: Option<u64>,
    /// With less than this free what can be given back goes, bytes.
    pub scarce_bytes: Option<u64>,
    /// With less than this free the link comes down, bytes.
    pub none_bytes: Option<u64>,
    /// The most that messages to be sent may take, bytes.
    pub outgoing_bytes: Option<u64>,
    /// A consumer that is away for so long is no longer waited for, milliseconds.
    pub forget_after_ms: Option<u64>,
    /// So many unread messages are warned about.
    pub unread: Option<u64>,
    /// So many key records are warned about.
    pub records: Option<u64>,
}

/// The limits of one partition, bytes. All but the last are of what is free beyond the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Below this the operator is warned.
    pub little: u64,
    /// Below this what can be given back goes.
    pub scarce: u64,
    /// What messages to be sent leave: the room in which a link comes up.
    pub enough: u64,
    /// Below this the link comes down: what is in flight still fits.
    pub none: u64,
    /// What received messages leave: the store writes beside them, and the reserve is not touched.
    pub floor: u64,
    /// The most that messages to be sent may take.
    pub outgoing: u64,
}

impl Bounds {
    /// How much of what is free a file from outside may take, bytes: no archive goes for it, and nobody has to be warned.
    pub fn for_import(&self, free_bytes: u64) -> u64 {
        free_bytes.saturating_sub(self.little)
    }
}

impl Limits {
    /// The limits on a partition of this size: shares of it, but no more than makes sense on a large one, and no less than WhatsApp's
    /// library hands over at once: 400 messages or 4 MiB.
    pub fn on(&self, total_bytes: u64) -> Bounds {
        let share = |part: u64, most: u64| (total_bytes / part).min(most);
        let least = share(5, 12 * MIB);
        let none = self.none_bytes.unwrap_or(share(32, 32 * MIB).max(least));
        // No more than keeps it from flapping: what a link cannot come back for stays away for good.
        let enough = none.saturating_add(none / 2);
        let scarce = self.scarce_bytes.unwrap_or(share(16, 96 * MIB));
        // What can be given back goes before a send is refused for it.
        let scarce = scarce.max(enough.saturating_add(none / 4));
        let little = self.little_bytes.unwrap_or(share(8, 256 * MIB));
        Bounds {
            little: little.max(scarce),
            scarce,
            enough,
            none,
            floor: none / 2,
            outgoing: self.outgoing_bytes.unwrap_or(share(8, 256 * MIB)),
        }
    }
}

impl Room {
    /// The room of a sample. One once left is entered again only with some to spare, so that nothing flaps.
    fn after(self, space: &Space, bounds: &Bounds) -> Self {
        let least = match self {
            Self::None => bounds.enough,
            Self::Little | Self::Plenty => bounds.none,
        };
        let plenty = match self {
            Self::Plenty => bounds.little,
            Self::None | Self::Little => bounds.little.saturating_add(bounds.little / 4),
        };
        match space.free_bytes {
            free if free < least => Self::None,
            free if free < plenty => Self::Little,
            _ => Self::Plenty,
        }
    }
}

/// By number, or by bytes; what was much once is so until half of it is gone.
fn is_much(was: bool, (number, limit): (u64, u64), (bytes, most): (u64, u64)) -> bool {
    let half = if was { 2 } else { 1 };
    number >= limit / half || number > 0 && bytes >= most / half
}

impl Space {
    /// Whether what is to be sent is what fills the partition: without it there would be room.
    fn is_full_of_outgoing(&self, bounds: &Bounds) -> bool {
        self.outgoing_bytes > 0
            && self.free_bytes.saturating_add(self.outgoing_bytes) >= bounds.enough
    }
}

impl Storage {
    /// Takes over what the operator set.
    pub(crate) fn limited(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a run of the link may be: there is room for what it brings, or it makes some.
    pub(crate) fn admits_a_run(&self) -> bool {
        self.room != Room::None || self.drains
    }

    /// Why there is no room.
    pub(crate) fn full(&self) -> CauseCode {
        if self.of_outgoing {
            CauseCode::OutboxFull
        } else {
            CauseCode::NoSpace
        }
    }

    /// An archive could not be dropped.
    pub(crate) fn drop_failed(&mut self) {
        self.stuck = true;
    }

    /// Received messages were refused for want of room; the cause, when it is news.
    pub(crate) fn refused(&mut self) -> Option<CauseCode> {
        (self.refused, self.drains) = (true, false);
        let was = core::mem::replace(&mut self.room, Room::None);
        (was != Room::None).then(|| self.full())
    }

    /// Takes a sample.
    pub(crate) fn sample(&mut self, space: &Space) -> Sample {
        let mut sample = Sample::default();
        let bounds = self.limits.on(space.total_bytes);
        let unread = (space.unread, self.limits.unread.unwrap_or(UNREAD));
        let bytes = (space.unread_bytes, bounds.little);
        let unread = is_much(self.told_unread, unread, bytes);
        if unread && !self.told_unread {
            sample.news.push(CauseCode::Unread);
        }
        let records = (space.records, self.limits.records.unwrap_or(RECORDS));
        let bytes = (space.records_bytes, bounds.little);
        let records = is_much(self.told_records, records, bytes);
        if records && !self.told_records {
            sample.news.push(CauseCode::ManyRecords);
        }
        (self.told_unread, self.told_records) = (unread, records);

        let forget_after_ms = self.limits.forget_after_ms.unwrap_or(FORGET_AFTER_MS);
        let away = space.away_ms >= forget_after_ms / 2;
        if away && !self.told_away {
            sample.news.push(CauseCode::ConsumerAway);
        }
        self.told_away = away;
        if space.away_ms >= forget_after_ms {
            sample.news.push(CauseCode::ConsumerForgotten);
            sample.forgets = Some(forget_after_ms);
        }

        let admitted = self.admits_a_run();
        let room = self.room.after(space, &bounds);
        let was = core::mem::replace(&mut self.room, room);
        self.refused &= room == Room::None;
        self.of_outgoing = room == Room::None && space.is_full_of_outgoing(&bounds);
        self.drains = self.of_outgoing && space.free_bytes >= self.to_drain(&bounds);
        match (was, room) {
            (_, Room::Plenty) => self.stuck = false,
            (Room::Plenty, Room::Little) => sample.news.push(CauseCode::LittleSpace),
            (Room::Little | Room::Plenty, Room::None) => sample.news.push(self.full()),
            (Room::None | Room::Little, Room::Little) | (Room::None, Room::None) => {}
        }
        sample.fills_up = admitted && !self.admits_a_run();
        if space.free_bytes < bounds.scarce {
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

    /// What must be free for a run that drains the outbox: a little of what comes in meanwhile fits. Once that was refused, more.
    fn to_drain(&self, bounds: &Bounds) -> u64 {
        match (self.refused, self.drains) {
            (true, _) => bounds.none,
            (false, true) => bounds.floor,
            (false, false) => bounds.floor.saturating_add(bounds.floor / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(total_mib: u64) -> Bounds {
        Limits::default().on(total_mib * MIB)
    }

    #[test]
    fn a_small_partition_has_small_limits_but_room_for_what_comes_at_once() {
        let in_mib = |bounds: Bounds| {
            let Bounds {
                little,
                scarce,
                enough,
                none,
                floor,
                outgoing,
            } = bounds;
            [little, scarce, enough, none, floor, outgoing].map(|bytes| bytes / MIB)
        };
        assert_eq!(in_mib(bounds(8192)), [256, 96, 48, 32, 16, 256]);
        assert_eq!(in_mib(bounds(512)), [64, 32, 24, 16, 8, 64]);
        assert_eq!(in_mib(bounds(64)), [21, 21, 18, 12, 6, 8]);
    }

    #[test]
    fn of_a_partition_that_nobody_measured_nothing_is_said() {
        let nothing_known = Space::default();
        assert_eq!(Room::Plenty.after(&nothing_known, &bounds(0)), Room::Plenty);
    }

    #[test]
    fn an_import_leaves_what_warns() {
        let bounds = bounds(64);
        assert_eq!(bounds.for_import(bounds.little + MIB), MIB);
        assert_eq!(bounds.for_import(bounds.little - MIB), 0);
    }

    #[test]
    fn what_an_operator_sets_keeps_its_order() {
        let set = Limits {
            none_bytes: Some(400 * MIB),
            ..Limits::default()
        };
        let bounds = set.on(8192 * MIB);
        assert_eq!(
            (bounds.none, bounds.scarce, bounds.little),
            (400 * MIB, 700 * MIB, 700 * MIB)
        );
        let huge = Limits {
            none_bytes: Some(u64::MAX),
            ..Limits::default()
        };
        assert_eq!(huge.on(MIB).little, u64::MAX);
    }
}
