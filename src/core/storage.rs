//! The data partition: warned about early, then archives go, then the link; and what to do when it cannot be used.
//!
//! While there is no room for what WhatsApp would deliver, no run of the link is started: WhatsApp keeps the messages.

use crate::ground::MINUTE;
use crate::session::{Session, Then, Wait};
use crate::step::Turn;
use crate::{CauseCode, Effect, Reply};

const MIB: u64 = 1 << 20;

/// How long a partition that cannot be used is shown before the daemon leaves, to be started again.
pub(crate) const FAILED_MS: u64 = MINUTE;
/// So many unread messages are warned about.
const UNREAD: u64 = 10_000;
/// So many key records are warned about: a boot reads every one.
const RECORDS: u64 = 50_000;
/// The newest archive stays: it is what undoes the last re-link.
const KEPT_ARCHIVES: u32 = 1;

/// How full the data partition is, and with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Space {
    /// What may still be written, bytes; the reserve's share is taken off, whether it is held or owed.
    pub free_bytes: u64,
    /// All of the partition, bytes.
    pub total_bytes: u64,
    /// Retired generations in the archive.
    pub archives: u32,
    /// Received messages that the slowest consumer has not acknowledged.
    pub unread: u64,
    /// What they take, bytes.
    pub unread_bytes: u64,
    /// Key records of the live generation.
    pub records: u64,
    /// What the live generation takes, bytes.
    pub records_bytes: u64,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Not enough for a link.
    None,
    /// Enough for now; the operator was told.
    Little,
    #[default]
    Plenty,
}

/// What is known of the data partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    pub(crate) room: Room,
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

    /// Below this archives go.
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

impl Turn<'_> {
    pub(crate) fn space(&mut self, space: Space) {
        if matches!(
            self.state.session,
            Session::Failed { .. } | Session::Stopping { .. } | Session::Stopped
        ) {
            return;
        }
        let was = self.state.storage.room;
        let room = space.room(was);
        self.state.storage.room = room;

        let storage = &mut self.state.storage;
        for (told, is_much, code) in [
            (
                &mut storage.told_unread,
                Space::is_much_unread as fn(&Space, bool) -> bool,
                CauseCode::Unread,
            ),
            (
                &mut storage.told_records,
                Space::are_many_records,
                CauseCode::ManyRecords,
            ),
        ] {
            let was = core::mem::replace(told, is_much(&space, *told));
            if *told && !was {
                self.effects.push(Effect::Report(code.into()));
            }
        }
        match room {
            Room::Plenty => self.state.storage.stuck = false,
            Room::Little if was == Room::Plenty => self
                .effects
                .push(Effect::Report(CauseCode::LittleSpace.into())),
            Room::None if was != Room::None => {
                self.effects.push(Effect::Report(CauseCode::NoSpace.into()));
                self.take_link_down();
            }
            Room::Little | Room::None => {}
        }
        if space.free_bytes < space.scarce()
            && space.archives > KEPT_ARCHIVES
            && !self.state.storage.stuck
            && !matches!(self.state.session, Session::Retiring { .. })
        {
            self.effects.push(Effect::DropOldestArchive);
        }
        if room != Room::None && self.state.session == Session::AwaitingRoom {
            self.attempt();
        }
    }

    /// The archive is what it was.
    pub(crate) fn drop_failed(&mut self) {
        self.state.storage.stuck = true;
    }

    fn take_link_down(&mut self) {
        match self.state.session {
            Session::Waiting {
                wait: Wait::Reconnect,
                ..
            } => self.await_room(),
            Session::Pairing(_)
            | Session::Connecting { .. }
            | Session::Connected { .. }
            | Session::Stale { .. }
            | Session::PasskeyNeeded
            | Session::Closing {
                then: Then::Retry(_) | Then::Pair,
                ..
            } if self.state.running => {
                self.state.cause = Some(CauseCode::NoSpace.into());
                self.close(Then::AwaitRoom);
            }
            // There is no run, or a human gives the link up anyway; the next run finds no room.
            _ => {}
        }
    }

    /// No run of the link until there is room again.
    pub(crate) fn await_room(&mut self) {
        self.state.session = Session::AwaitingRoom;
        self.state.cause = Some(CauseCode::NoSpace.into());
    }

    /// The data partition cannot be used: shown for a while, so that a human can read it, then we leave.
    pub(crate) fn storage_failed(&mut self, code: CauseCode) {
        if matches!(
            self.state.session,
            Session::Failed { .. } | Session::Stopping { .. } | Session::Stopped
        ) {
            return;
        }
        let closing = matches!(self.state.session, Session::Closing { .. });
        if self.state.running && !closing {
            self.effects.push(Effect::Disconnect);
        }
        self.state.gesture.drop_question();
        self.state.token = None;
        self.state.session = Session::Failed {
            code,
            until: Some(self.after(FAILED_MS)),
        };
        self.blame(code);
    }

    /// Leaves as failed, once; the screen goes on saying why.
    pub(crate) fn leave_failed(&mut self) -> Reply {
        if let Session::Failed { until, .. } = &mut self.state.session
            && until.take().is_some()
        {
            self.tell_undecrypted();
            self.effects.push(Effect::ExitFailed);
        }
        Reply::Accepted
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Command, Deed, Ending, Event, Face, GenerationId, Linked, Now, Refusal, State, Way, step,
    };

    const TOTAL: u64 = 4096 * MIB;

    fn free(mib: u64) -> Space {
        Space {
            free_bytes: mib * MIB,
            total_bytes: TOTAL,
            ..Space::default()
        }
    }

    fn sampled(story: &mut Story, mib: u64) -> Vec<Effect> {
        story.on(Event::Space(free(mib)))
    }

    fn full() -> Face {
        Face::StorageFault {
            code: CauseCode::NoSpace,
            next_ms: None,
        }
    }

    #[test]
    fn the_link_comes_down_before_the_reserve_is_touched_and_back_with_room_to_spare() {
        let mut story = Story::connected();
        assert_eq!(sampled(&mut story, 300), []);
        assert_eq!(story.reports, [""; 0]);
        assert_eq!(sampled(&mut story, 255), []);
        assert_eq!(sampled(&mut story, 257), []);
        assert_eq!(sampled(&mut story, 254), []);
        assert_eq!(story.reports, ["storage.little-space"], "told once");
        assert_eq!(story.state.name(), "Connected");

        assert_eq!(sampled(&mut story, 31), [Effect::Disconnect]);
        assert_eq!(story.reports[1..], ["storage.no-space"]);
        assert_eq!(
            (story.face(), story.cause()),
            (full(), Some("storage.no-space"))
        );
        assert_eq!(story.ended(Ending::Asked), []);
        assert_eq!(story.face(), full());
        assert_eq!(story.wait(24 * 60 * MINUTE), []);
        assert_eq!(sampled(&mut story, 63), [], "not yet: it would flap");
        assert_eq!(sampled(&mut story, 64), [Effect::Connect]);
        assert_eq!(story.on(Event::LinkUp), [Effect::Pulse], "a day has passed");
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
        assert_eq!(story.reports[2..], [""; 0]);

        sampled(&mut story, 321);
        sampled(&mut story, 255);
        assert_eq!(story.reports[2..], ["storage.little-space"], "told again");
    }

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

    #[test]
    fn no_run_is_started_without_room_and_a_human_is_told_why() {
        let mut story = Story::connected();
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert_eq!(sampled(&mut story, 1), []);
        assert_eq!(story.face(), full());
        assert_eq!(
            story.command(Command::Link),
            (Reply::Refused(Refusal::NoRoom), [].into())
        );
        assert_eq!(story.press(100), []);
        assert_eq!(sampled(&mut story, 100), [Effect::Connect]);

        let mut story = Story::new();
        assert_eq!(sampled(&mut story, 1), []);
        assert_eq!(story.state.name(), "Starting");
        let linked = Linked {
            generation: GenerationId(1),
            account: None,
        };
        assert_eq!(story.on(Event::Booted(linked)), []);
        assert_eq!(story.face(), full());
        assert_eq!(sampled(&mut story, 100), [Effect::Pair]);
    }

    #[test]
    fn what_whatsapp_says_while_the_link_comes_down_still_counts() {
        let mut story = Story::connected();
        sampled(&mut story, 1);
        assert_eq!(story.ended(Ending::LoggedOut), []);
        assert_eq!(story.state.name(), "LogoutSuspected");
        assert_eq!(story.wait(MINUTE), []);
        assert_eq!(story.face(), full(), "the confirming attempt finds no room");
        assert_eq!(sampled(&mut story, 100), [Effect::Connect]);
        assert_eq!(story.state.name(), "LogoutSuspected");

        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(60 * MINUTE),
        });
        sampled(&mut story, 1);
        assert_eq!(sampled(&mut story, 100), [], "the ban is not over");
        assert_eq!(story.state.name(), "Banned");
    }

    #[test]
    fn archives_go_one_by_one_but_never_the_newest() {
        let mut story = Story::connected();
        let sample = |mib, archives| {
            Event::Space(Space {
                archives,
                ..free(mib)
            })
        };
        assert_eq!(story.on(sample(96, 3)), []);
        assert_eq!(story.on(sample(95, 3)), [Effect::DropOldestArchive]);
        assert_eq!(story.on(sample(95, 2)), [Effect::DropOldestArchive]);
        assert_eq!(story.on(sample(95, 1)), []);
        assert_eq!(
            story.on(sample(20, 2)),
            [Effect::Disconnect, Effect::DropOldestArchive]
        );
        assert_eq!(story.on(Event::DropFailed), []);
        assert_eq!(story.on(sample(20, 2)), [], "no use in asking again");
        story.on(sample(500, 2));
        assert_eq!(story.on(sample(95, 2)), [Effect::DropOldestArchive]);
    }

    #[test]
    fn unread_messages_are_told_of_once_until_half_are_read() {
        let mut story = Story::connected();
        let mut unread = |unread, unread_bytes| {
            let space = Space {
                unread,
                unread_bytes,
                ..free(2000)
            };
            assert_eq!(story.on(Event::Space(space)), []);
            story.reports.len()
        };
        assert_eq!(unread(9_999, 255 * MIB), 0);
        assert_eq!(unread(10_000, 0), 1);
        assert_eq!(unread(20_000, 0), 1);
        assert_eq!(unread(5_000, 0), 1);
        assert_eq!(unread(4_999, 0), 1);
        assert_eq!(unread(3, 256 * MIB), 2);
        assert_eq!(story.reports, ["storage.unread"; 2]);
    }

    #[test]
    fn records_are_told_of_once_by_number_and_by_bytes() {
        let mut story = Story::connected();
        let mut records = |records, records_bytes| {
            let space = Space {
                records,
                records_bytes,
                ..free(2000)
            };
            assert_eq!(story.on(Event::Space(space)), []);
            story.reports.len()
        };
        assert_eq!(records(49_999, 255 * MIB), 0);
        assert_eq!(records(50_000, 0), 1);
        assert_eq!(records(25_000, 0), 1);
        assert_eq!(records(24_999, 0), 1);
        assert_eq!(records(3, 256 * MIB), 2);
        assert_eq!(records(0, 0), 2);
        assert_eq!(story.reports, ["storage.many-records"; 2]);
    }

    /// A story in each state that a failure may meet.
    fn everywhere() -> Vec<Story> {
        let after = |ending| {
            let mut story = Story::connected();
            story.ended(ending);
            story
        };
        let mut full = Story::connected();
        sampled(&mut full, 1);
        let mut asked = Story::connected();
        asked.press(5_000);
        let mut retiring = after(Ending::LoggedOut);
        retiring.wait(MINUTE);
        retiring.ended(Ending::LoggedOut);
        let mut passkey = Story::booted(None);
        passkey.on(Event::PasskeyAsked);
        Vec::from([
            Story::new(),
            Story::booted(None),
            Story::booted(Some(ACCOUNT)),
            Story::connected(),
            after(Ending::Replaced),
            full,
            asked,
            retiring,
            passkey,
        ])
    }

    #[test]
    fn a_partition_that_cannot_be_used_is_shown_and_then_left() {
        for mut story in everywhere() {
            let before = story.state.name();
            story.on(Event::StorageFailed(CauseCode::MediumFailed));
            let shown = |next_ms| Face::StorageFault {
                code: CauseCode::MediumFailed,
                next_ms,
            };
            assert_eq!(story.face(), shown(Some(60_000)), "{before}");
            assert_eq!(story.cause(), Some("storage.medium-failed"));
            for nothing in [
                Event::StorageFailed(CauseCode::OpenFailed),
                Event::LinkEnded(Ending::Asked),
                Event::Space(free(1)),
                Event::Space(free(4000)),
                Event::Network(Way::Open),
                Event::LinkUp,
                Event::RetireFailed,
                Event::Booted(story.state.linked()),
            ] {
                assert_eq!(story.on(nothing), [], "{before}");
            }
            assert_eq!(story.wait(59_999), [], "{before}");
            assert_eq!(story.wait(1), [Effect::ExitFailed], "{before}");
            assert_eq!(story.face(), shown(None), "never called saved");
            assert_eq!(story.wait(60 * MINUTE), []);
        }
    }

    #[test]
    fn a_human_need_not_wait() {
        for mut story in everywhere() {
            story.on(Event::StorageFailed(CauseCode::OpenFailed));
            story.on(Event::Released);
            assert_eq!(story.press(100), [Effect::ExitFailed]);
            assert_eq!(story.press(100), [], "once");
        }
        for command in [Command::Link, Command::Stop] {
            let mut story = Story::new();
            story.on(Event::StorageFailed(CauseCode::OpenFailed));
            assert_eq!(
                story.command(command),
                (Reply::Accepted, [Effect::ExitFailed].into())
            );
        }
        let mut story = Story::new();
        story.on(Event::StorageFailed(CauseCode::OpenFailed));
        let (reply, _) = story.command(Command::Ask {
            deed: Deed::Relink,
            nonce: 1,
        });
        assert_eq!(reply, Reply::Refused(Refusal::NothingToDo));
    }

    #[test]
    fn a_stop_under_way_is_not_held_up() {
        let mut story = Story::connected();
        story.command(Command::Stop);
        assert_eq!(story.on(Event::StorageFailed(CauseCode::MediumFailed)), []);
        assert_eq!(story.ended(Ending::Asked), [Effect::Exit]);
        let mut stopped = State::new(1);
        stopped.session = Session::Stopped;
        let failed = Event::StorageFailed(CauseCode::MediumFailed);
        assert!(step(&mut stopped, failed, Now { mono_ms: 1 }).ignored);
    }
}
