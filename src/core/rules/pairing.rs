//! Linking a device that is not linked: codes come and go until a phone takes one.

use crate::ground::{CauseCode, LastFour};
use crate::parts::{Aim, Code, Phase, Then};
use crate::turn::Turn;

impl Turn<'_> {
    /// Goes on linking without a human asking, within the allowance of codes.
    pub(crate) fn pair_by_itself(&mut self) {
        let allowances = &self.state.allowances;
        let blocked = [
            allowances.pairings.blocked_until(self.now),
            allowances.pairings_a_day.blocked_until(self.now),
        ];
        if blocked.iter().any(Option::is_some) {
            self.state.session.pause_pairing();
            self.blame(CauseCode::PairingBudget);
        } else {
            self.pair();
        }
    }

    /// A human wants a new code.
    pub(crate) fn pair_anew(&mut self) {
        if self.state.session.is_running() {
            self.close(Then::Pair);
        } else {
            self.state.session.clear_cause();
            self.pair();
        }
    }

    fn pair(&mut self) {
        if self.within_allowance() {
            self.start(Aim::Link);
            if self.state.cause().is_none() {
                self.blame(self.state.keys.unlinked());
            }
        }
    }

    /// The link shows a code.
    pub(crate) fn code_shown(&mut self, code: Code, valid_ms: u64) {
        let Some(is_first) = self.state.session.show(code, valid_ms, self.now) else {
            return;
        };
        if is_first {
            self.state.allowances.pairings.take(self.now);
            self.state.allowances.pairings_a_day.take(self.now);
        }
        self.blame(self.state.keys.unlinked());
    }

    /// A code is no longer valid, or none came.
    pub(crate) fn codes_due(&mut self) {
        if self.state.session.expire_codes(self.now) {
            self.close(Then::Retry(CauseCode::LoginTimeout));
        }
    }

    /// WhatsApp asks for a passkey.
    pub(crate) fn passkey_asked(&mut self) {
        if matches!(self.state.session.phase(), Phase::Pairing(_)) {
            self.state.session.need_passkey();
            self.blame(CauseCode::PasskeyNeeded);
        }
    }

    /// The phone's answer did not check out.
    pub(crate) fn pair_failed(&mut self) {
        if self.state.session.withdraw_codes() {
            self.blame(CauseCode::PairFailed);
        }
    }

    /// What WhatsApp gave fits into no code, so that there is nothing to scan until the next.
    pub(crate) fn code_unusable(&mut self) {
        if self.state.session.withdraw_codes() {
            self.blame(CauseCode::CodeTooLong);
        }
    }

    /// The keys are saved, whatever else goes on; a run that still may logs in by itself.
    pub(crate) fn paired(&mut self, account: LastFour) {
        if !self.state.session.is_running() || self.state.keys.are_linked() {
            return;
        }
        self.state.keys.pair(account);
        self.state.update.linked(self.now);
        self.state.backoffs.reconnect.clear();
        let phase = self.state.session.phase();
        if matches!(phase, Phase::Pairing(_) | Phase::PasskeyNeeded) {
            self.state.session.log_in(self.now);
            self.state.session.clear_cause();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::limits::CODE_MS;
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Effect, Ending, Event, Face, PairingFace, Reply, Way};

    fn qr(valid_s: u64) -> Event {
        Event::QrShown {
            valid_ms: valid_s * 1_000,
        }
    }

    #[test]
    fn codes_come_and_go_until_a_phone_takes_one() {
        let mut story = Story::booted(None);
        assert_eq!(story.face(), Face::Pairing(PairingFace::Preparing));
        story.on(qr(60));
        story.wait(59_000);
        assert_eq!(
            story.face(),
            Face::Pairing(PairingFace::Qr { left_ms: 1_000 })
        );
        story.wait(1_000);
        assert_eq!(
            story.face(),
            Face::Pairing(PairingFace::Preparing),
            "no longer valid, no longer shown"
        );
        story.on(qr(20));
        assert_eq!(story.on(Event::Paired(ACCOUNT)), []);
        assert_eq!((story.state.name(), story.cause()), ("Connecting", None));
        assert_eq!(story.on(Event::LinkUp), []);
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                fault: None
            }
        );
    }

    #[test]
    fn a_pairing_code_goes_before_a_qr_while_it_is_valid() {
        let mut story = Story::booted(None);
        story.on(qr(20));
        story.on(Event::CodeShown { valid_ms: 30_000 });
        story.wait(10_000);
        assert_eq!(
            story.face(),
            Face::Pairing(PairingFace::Code { left_ms: 20_000 })
        );
        story.on(qr(40));
        story.wait(20_000);
        assert_eq!(
            story.face(),
            Face::Pairing(PairingFace::Qr { left_ms: 20_000 })
        );
    }

    #[test]
    fn nobody_scans_so_nothing_goes_on_until_a_human_wants_it() {
        let mut story = Story::booted(None);
        story.on(qr(60));
        assert_eq!(story.ended(Ending::QrExhausted), []);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("PairingPaused", Some("session.qr-exhausted"))
        );
        assert_eq!(story.wait(1_000_000_000), []);
        assert_eq!(story.on(Event::Network(Way::Open)), []);
        assert_eq!(story.press(100), [Effect::Pair]);
        assert_eq!(story.cause(), Some("session.not-linked"));
        story.ended(Ending::QrExhausted);
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [Effect::Pair].into())
        );
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [].into()),
            "it is being done"
        );
    }

    #[test]
    fn without_a_network_the_screen_says_so_and_the_schedule_runs() {
        let mut story = Story::booted(None);
        for attempt in 1..30 {
            story.ended(Ending::Network(CauseCode::DnsFailed.into()));
            assert!(
                matches!(story.face(), Face::WaitingForNetwork { attempt: a, .. } if a == attempt)
            );
            story.wait_for(Effect::Pair);
            assert_eq!(
                story.face(),
                Face::WaitingForNetwork {
                    code: CauseCode::DnsFailed,
                    attempt,
                    next_ms: 0
                }
            );
        }
        story.on(qr(60));
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Pairing", Some("session.not-linked"))
        );
    }

    #[test]
    fn codes_that_break_off_are_budgeted_but_not_for_a_human() {
        let mut story = Story::booted(None);
        for _ in 0..5 {
            story.on(qr(60));
            story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
            story.wait_for(Effect::Pair);
        }
        story.on(qr(60));
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert_eq!(story.wait(300_000), []);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("PairingPaused", Some("session.pairing-budget"))
        );
        assert_eq!(story.press(100), [Effect::Pair]);
    }

    #[test]
    fn a_server_that_gives_no_code_is_left_and_tried_again() {
        let mut story = Story::booted(None);
        assert_eq!(story.wait(CODE_MS), [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::Asked), []);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Reconnecting", Some("network.login-timeout"))
        );
        story.wait_for(Effect::Pair);
    }

    #[test]
    fn an_answer_that_does_not_check_out_takes_the_code_off_the_glass() {
        let mut story = Story::booted(None);
        story.on(qr(60));
        story.on(Event::CodeUnusable);
        assert_eq!(story.face(), Face::Pairing(PairingFace::Preparing));
        assert_eq!(story.cause(), Some("session.code-too-long"));
        story.on(qr(20));
        assert_eq!(story.cause(), Some("session.not-linked"));
        story.on(Event::PairFailed);
        assert_eq!(story.face(), Face::Pairing(PairingFace::Preparing));
        assert_eq!(story.cause(), Some("session.pair-failed"));
        story.on(qr(20));
        assert_eq!(story.cause(), Some("session.not-linked"));
    }

    #[test]
    fn a_passkey_stops_the_codes_until_a_human_tries_again() {
        let mut story = Story::booted(None);
        story.on(qr(60));
        story.on(Event::PasskeyAsked);
        story.on(qr(20));
        assert_eq!(
            (story.state.name(), story.cause()),
            ("PasskeyNeeded", Some("session.passkey-needed"))
        );
        assert_eq!(story.press(100), [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::Asked), [Effect::Pair]);
        story.on(Event::PasskeyAsked);
        assert_eq!(story.ended(Ending::QrExhausted), []);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("PasskeyNeeded", Some("session.passkey-unanswered"))
        );
        assert_eq!(story.press(100), [Effect::Pair]);
        story.on(Event::PasskeyAsked);
        story.on(Event::Paired(ACCOUNT));
        assert_eq!(story.state.name(), "Connecting", "somebody had the passkey");
    }

    #[test]
    fn a_hold_asks_for_a_new_code() {
        let mut story = Story::booted(None);
        story.on(qr(60));
        assert_eq!(story.press(6_000), [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::Asked), [Effect::Pair]);
        story.ended(Ending::QrExhausted);
        assert_eq!(story.press(6_000), [Effect::Pair]);
    }

    #[test]
    fn keys_saved_while_the_run_was_told_to_end_are_used() {
        let mut story = Story::booted(None);
        story.on(qr(60));
        assert_eq!(story.press(6_000), [Effect::Disconnect]);
        story.on(Event::Paired(ACCOUNT));
        assert_eq!(story.ended(Ending::Asked), [Effect::Connect]);
    }

    #[test]
    fn a_run_that_breaks_off_after_pairing_logs_in_by_the_schedule() {
        let mut story = Story::booted(None);
        story.on(qr(60));
        story.on(Event::Paired(ACCOUNT));
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
    }
}
