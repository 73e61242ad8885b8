//! The room on the data partition: while there is none for what WhatsApp would deliver, no run of the link is started, and
//! WhatsApp keeps the messages. A run that makes room, because messages to be sent take it, is.

use crate::effect::Effect;
use crate::ground::Wait;
use crate::parts::{Gives, Phase, Space, Then};
use crate::turn::Turn;

impl Turn<'_> {
    /// A sample of the data partition.
    pub(crate) fn space(&mut self, space: &Space) {
        if self.state.session.is_leaving() {
            return;
        }
        let sample = self.state.storage.sample(space);
        for code in sample.news {
            self.report(code);
        }
        if let Some(away_ms) = sample.forgets {
            self.effects.push(Effect::StopWaiting { away_ms });
        }
        if sample.fills_up {
            self.take_link_down();
        }
        let phase = self.state.session.phase();
        match sample.gives {
            Some(Gives::Mail) => self.effects.push(Effect::TrimMail),
            Some(Gives::Archive) if !matches!(phase, Phase::Retiring(_)) => {
                self.effects.push(Effect::DropOldestArchive);
            }
            Some(Gives::Archive) | None => {}
        }
        if phase == Phase::AwaitingRoom {
            if self.state.storage.admits_a_run() {
                self.attempt();
            } else {
                self.blame(self.state.storage.full());
            }
        }
    }

    /// What WhatsApp delivered was refused for want of room, and it delivers nothing else before the next run.
    pub(crate) fn inbox_full(&mut self) {
        if self.state.session.is_leaving() {
            return;
        }
        if let Some(code) = self.state.storage.refused() {
            self.report(code);
        }
        self.take_link_down();
    }

    /// The archive is what it was.
    pub(crate) fn drop_failed(&mut self) {
        self.state.storage.drop_failed();
    }

    fn take_link_down(&mut self) {
        match self.state.session.phase() {
            Phase::Waiting(Wait::Reconnect) => self.await_room(),
            // It ends anyway; the next run finds no room.
            Phase::Closing(Then::Retire(_) | Then::Reset | Then::Rebuild | Then::AwaitRoom) => {}
            phase if phase.row().has_run && self.state.session.is_running() => {
                self.state.session.blame(self.state.storage.full().into());
                self.close(Then::AwaitRoom);
            }
            _ => {}
        }
    }

    /// No run of the link until there is room again.
    pub(crate) fn await_room(&mut self) {
        self.state.session.await_room();
        self.state.session.blame(self.state.storage.full().into());
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::{CauseCode, MINUTE};
    use crate::story::Story;
    use crate::{
        Command, Ending, Event, Face, Facts, GenerationId, Limits, Linked, Refusal, Reply,
    };

    const MIB: u64 = 1 << 20;
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
        assert_eq!(sampled(&mut story, 47), [], "not yet: it would flap");
        assert_eq!(sampled(&mut story, 48), [Effect::Connect]);
        assert_eq!(story.on(Event::LinkUp), [Effect::Pulse], "a day has passed");
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
        assert_eq!(story.reports[2..], [""; 0]);

        sampled(&mut story, 321);
        sampled(&mut story, 255);
        assert_eq!(story.reports[2..], ["storage.little-space"], "told again");
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
    fn what_is_refused_for_want_of_room_takes_the_link_down_at_once() {
        let mut story = Story::connected();
        sampled(&mut story, 4000);
        assert_eq!(story.on(Event::InboxFull), [Effect::Disconnect]);
        assert_eq!(story.reports, ["storage.no-space"]);
        assert_eq!(story.on(Event::InboxFull), [], "once");
        assert_eq!(story.ended(Ending::Asked), []);
        assert_eq!(story.face(), full());
        assert_eq!(sampled(&mut story, 47), []);
        assert_eq!(sampled(&mut story, 48), [Effect::Connect]);
    }

    fn outgoing(story: &mut Story, mib: u64, outgoing_mib: u64) -> Vec<Effect> {
        story.on(Event::Space(Space {
            outgoing_bytes: outgoing_mib * MIB,
            ..free(mib)
        }))
    }

    #[test]
    fn a_card_full_of_what_is_to_be_sent_is_drained() {
        let mut story = Story::connected();
        assert_eq!(outgoing(&mut story, 24, 100), [], "it goes on sending");
        assert_eq!(story.reports, ["storage.outbox-full"]);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert_eq!(story.wait(5_000), [Effect::Connect], "and comes up for it");
        story.on(Event::LinkUp);
        assert_eq!(outgoing(&mut story, 16, 100), []);
        assert_eq!(outgoing(&mut story, 15, 100), [Effect::Disconnect]);
        story.ended(Ending::Asked);
        let code = CauseCode::OutboxFull;
        assert_eq!(
            story.face(),
            Face::StorageFault {
                code,
                next_ms: None
            }
        );
        assert_eq!(story.cause(), Some("storage.outbox-full"));
        assert_eq!(outgoing(&mut story, 23, 100), []);
        assert_eq!(outgoing(&mut story, 24, 100), [Effect::Connect]);
        story.on(Event::LinkUp);

        assert_eq!(story.on(Event::InboxFull), [Effect::Disconnect]);
        story.ended(Ending::Asked);
        assert_eq!(
            outgoing(&mut story, 31, 100),
            [],
            "that would be refused again"
        );
        assert_eq!(outgoing(&mut story, 32, 100), [Effect::Connect]);
    }

    #[test]
    fn what_is_to_be_sent_is_no_reason_where_something_else_takes_the_room() {
        let mut story = Story::connected();
        assert_eq!(outgoing(&mut story, 30, 17), [Effect::Disconnect]);
        assert_eq!(story.reports, ["storage.no-space"]);
        story.ended(Ending::Asked);
        assert_eq!(outgoing(&mut story, 24, 40), [Effect::Connect]);

        let mut story = Story::connected();
        sampled(&mut story, 1);
        story.ended(Ending::Asked);
        assert_eq!(outgoing(&mut story, 1, 100), []);
        assert_eq!(
            story.cause(),
            Some("storage.outbox-full"),
            "the cause is told anew"
        );
    }

    #[test]
    fn an_operator_sets_the_limits() {
        let limits = Limits {
            little_bytes: Some(1000 * MIB),
            none_bytes: Some(100 * MIB),
            unread: Some(5),
            records: Some(7),
            ..Limits::default()
        };
        let mut story = Story::woken(Facts {
            limits,
            ..Facts::default()
        });
        let sample = |mib, unread, records| {
            Event::Space(Space {
                unread,
                records,
                ..free(mib)
            })
        };
        story.on(sample(1000, 4, 6));
        assert_eq!(story.reports, [""; 0]);
        story.on(sample(999, 5, 7));
        story.on(sample(99, 5, 7));
        let told = ["unread", "many-records", "little-space", "no-space"];
        let told = told.map(|tail| alloc::format!("storage.{tail}"));
        assert_eq!(story.reports, told);
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
    fn what_only_recognises_duplicates_goes_before_any_archive() {
        let mut story = Story::connected();
        let sample = |mib, spare_bytes| {
            Event::Space(Space {
                archives: 2,
                spare_bytes,
                ..free(mib)
            })
        };
        assert_eq!(story.on(sample(96, MIB)), []);
        assert_eq!(story.on(sample(95, MIB)), [Effect::TrimMail]);
        assert_eq!(story.on(sample(95, 0)), [Effect::DropOldestArchive]);
        assert_eq!(
            story.on(sample(1, MIB)),
            [Effect::Disconnect, Effect::TrimMail]
        );
        assert_eq!(
            story.ended(Ending::Asked),
            [],
            "the room that it brings is not there yet"
        );
        assert_eq!(story.on(sample(100, 0)), [Effect::Connect]);
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
    fn a_consumer_that_is_away_is_told_of_and_then_no_longer_waited_for() {
        const DAY: u64 = 24 * 60 * MINUTE;
        let away = |days| {
            Event::Space(Space {
                away_ms: days * DAY,
                ..free(2000)
            })
        };
        let mut story = Story::connected();
        assert_eq!(story.on(away(14)), []);
        assert_eq!(story.reports, [""; 0]);
        assert_eq!(story.on(away(15)), []);
        assert_eq!(story.on(away(29)), []);
        assert_eq!(story.reports, ["storage.consumer-away"], "once");
        let away_ms = 30 * DAY;
        assert_eq!(story.on(away(30)), [Effect::StopWaiting { away_ms }]);
        assert_eq!(story.reports[1..], ["storage.consumer-forgotten"]);
        assert_eq!(story.on(away(0)), []);

        let mut story = Story::woken(Facts {
            limits: Limits {
                forget_after_ms: Some(DAY),
                ..Limits::default()
            },
            ..Facts::default()
        });
        assert_eq!(story.on(away(1)), [Effect::StopWaiting { away_ms: DAY }]);
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
}
