//! The ways to leave: told to stop, or with a data partition that cannot be used.

use crate::effect::{Effect, Reply};
use crate::ground::CauseCode;
use crate::parts::Phase;
use crate::turn::Turn;

impl Turn<'_> {
    /// The daemon is told to leave: what is under way ends first.
    pub(crate) fn stop(&mut self) -> Reply {
        let session = &self.state.session;
        match session.phase() {
            Phase::Failed(_) => self.leave_failed(),
            Phase::Stopping | Phase::Stopped => {}
            // The machine restarts, which is an end, too.
            Phase::Resetting { .. } => self.state.session.stop(self.now),
            phase => {
                let busy = matches!(phase, Phase::Retiring(_) | Phase::Repairing);
                if session.is_running() && !matches!(phase, Phase::Closing(_)) {
                    self.effects.push(Effect::Disconnect);
                }
                let waits = session.is_running() || busy;
                self.state.gesture.spend();
                self.state.token.void();
                if !self.state.update.restarts() {
                    self.state.session.blame(CauseCode::Stopped.into());
                }
                if waits {
                    self.state.session.stop(self.now);
                } else {
                    self.exit();
                }
            }
        }
        Reply::Accepted
    }

    /// The vault has finished what it was at: nothing else is waited for.
    pub(crate) fn finished(&mut self) {
        let session = &self.state.session;
        if session.phase() != Phase::Stopping || session.is_running() {
            return;
        }
        if session.resets() {
            self.begin_reset();
        } else {
            self.exit();
        }
    }

    /// Leaves in order.
    pub(crate) fn exit(&mut self) {
        self.state.session.exit();
        self.tell_undecrypted();
        let state = &*self.state;
        let restarts = state.session.resets() || state.update.restarts() || state.radio.restarts();
        self.effects.push(match restarts {
            true => Effect::Restart,
            false => Effect::Exit,
        });
    }

    /// The data partition cannot be used: shown for a while, so that a human can read it, then we leave.
    pub(crate) fn storage_failed(&mut self, code: CauseCode) {
        let session = &self.state.session;
        if session.is_leaving() {
            return;
        }
        if session.is_running() && !matches!(session.phase(), Phase::Closing(_)) {
            self.effects.push(Effect::Disconnect);
        }
        self.state.gesture.drop_question();
        self.state.token.void();
        self.state.session.fail(code, self.now);
        self.blame(code);
    }

    /// Leaves as failed, once; the screen goes on saying why.
    pub(crate) fn leave_failed(&mut self) {
        if self.state.session.leave_failed() {
            self.tell_undecrypted();
            self.effects.push(Effect::ExitFailed);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::limits::STOP_MS;
    use crate::ground::{HOUR, MINUTE};
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Command, Deed, Ending, Event, Face, GenerationId, Hand, Linked, Now, Refusal, Space, State,
        Way, step,
    };

    /// A partition with no room left.
    const FULL: Space = Space {
        free_bytes: 1 << 20,
        total_bytes: 4096 << 20,
        archives: 0,
        unread: 0,
        unread_bytes: 0,
        away_ms: 0,
        outgoing_bytes: 0,
        spare_bytes: 0,
        records: 0,
        records_bytes: 0,
    };

    /// A story in each state that a failure may meet.
    fn everywhere() -> Vec<Story> {
        let after = |ending| {
            let mut story = Story::connected();
            story.ended(ending);
            story
        };
        let mut full = Story::connected();
        full.on(Event::Space(FULL));
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
    fn stops_in_order() {
        let mut story = Story::connected();
        assert_eq!(
            story.command(Command::Stop),
            (Reply::Accepted, [Effect::Disconnect].into())
        );
        assert_eq!(story.face(), Face::Stopped { saved: false });
        assert_eq!(
            story.command(Command::Link).0,
            Reply::Refused(Refusal::Stopping)
        );
        assert_eq!(story.command(Command::Stop), (Reply::Accepted, [].into()));
        assert_eq!(story.ended(Ending::Asked), [Effect::Exit]);
        assert_eq!(story.press(6_000), []);
        assert_eq!(story.wait(HOUR), []);
    }

    #[test]
    fn a_stop_does_not_wait_for_a_link_that_hangs() {
        let mut story = Story::connected();
        story.command(Command::Stop);
        assert_eq!(story.wait(STOP_MS - 1), []);
        assert_eq!(story.wait(1), [Effect::Exit]);
    }

    #[test]
    fn a_stop_lets_a_retirement_finish() {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(100);
        story.ended(Ending::Asked);
        assert_eq!(story.command(Command::Stop), (Reply::Accepted, [].into()));
        let fresh = Linked {
            generation: GenerationId(2),
            account: None,
        };
        assert_eq!(story.on(Event::Retired(fresh)), [Effect::Exit]);
    }

    #[test]
    fn a_stop_with_nothing_running_is_immediate_and_answered_first() {
        let reply = Effect::Reply {
            request: 1,
            reply: Reply::Accepted,
        };
        let stop = Event::Command {
            request: 1,
            command: Command::Stop,
        };
        let mut story = Story::connected();
        story.ended(Ending::Replaced);
        assert_eq!(story.on(stop.clone()), [reply.clone(), Effect::Exit]);

        let mut starting = State::new(1);
        assert_eq!(
            step(&mut starting, stop, Now { mono_ms: 0 }).effects,
            [reply, Effect::Exit]
        );
        let late = Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        });
        assert!(step(&mut starting, late, Now { mono_ms: 1 }).ignored);
    }

    #[test]
    fn a_stop_cuts_every_wait_short() {
        let lost = || Ending::Network(CauseCode::ConnectionLost.into());
        let banned = Ending::Banned { expires_ms: None };
        for ending in [
            lost(),
            Ending::Throttled,
            Ending::Replaced,
            Ending::LoggedOut,
            Ending::AccountLocked,
            banned,
            Ending::Refused { code: 503 },
        ] {
            let mut story = Story::connected();
            story.ended(ending.clone());
            assert!(story.state.next_attempt().is_some(), "{ending:?}");
            let gone = (Reply::Accepted, [Effect::Exit].into());
            assert_eq!(story.command(Command::Stop), gone, "{ending:?}");
            assert_eq!(story.wait(HOUR), [], "{ending:?}");
        }
        let mut story = Story::booted(Some(ACCOUNT));
        for _ in 0..20 {
            story.ended(lost());
            story.wait_for(Effect::Connect);
        }
        story.ended(lost());
        assert!(matches!(story.face(), Face::Degraded { .. }));
        assert_eq!(story.command(Command::Stop).1, [Effect::Exit]);
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
                Event::Space(FULL),
                Event::Space(Space::default()),
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
            story.on(Event::Released(Hand::Device));
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
        stopped.session.exit();
        let failed = Event::StorageFailed(CauseCode::MediumFailed);
        assert!(step(&mut stopped, failed, Now { mono_ms: 1 }).ignored);
    }
}
