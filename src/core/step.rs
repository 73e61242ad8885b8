//! The step of the state machine, as a table: each event has one line, and what is due by itself comes in one order.

use crate::effect::{Effect, Outcome, Refusal, Reply};
use crate::event::{Command, Event};
use crate::ground::Now;
use crate::parts::Code;
use crate::state::State;
use crate::turn::Turn;

/// Goes on by one event. Total: every event is legal in every state.
///
/// Ticks may be late: what the event says goes before a deadline that has passed, for a run that is started only now
/// has nothing to do with it. But a hold that has lasted long enough was one before the finger moved.
pub fn step(state: &mut State, event: Event, now: Now) -> Outcome {
    let before = state.clone();
    let mut turn = Turn::new(state, now);
    if matches!(event, Event::Pressed(_) | Event::Released(_)) {
        turn.button_due();
    }
    turn.take(event);
    turn.button_due();
    turn.session_due();
    turn.storm_due();
    turn.phone_due();
    turn.pulse_due();
    turn.new_chats_due();
    turn.test_due();
    turn.farewell_due();
    turn.grace_due();
    turn.supply_due();
    turn.radio_due();
    turn.update_due();
    turn.notify();
    turn.remember(&before);
    turn.notice_due();
    let effects = turn.effects;
    Outcome {
        ignored: effects.is_empty() && *state == before,
        effects,
    }
}

impl Turn<'_> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Woke(facts) => self.woke(*facts),
            Event::Found(findings) => self.found(&findings),
            Event::Booted(linked) => self.booted(linked),
            Event::Tick => {}
            Event::Network(way) => self.network(way),
            Event::Radio { alone } => self.state.radio.alone(alone),
            Event::Clock { behind } => self.clock(behind),
            Event::QrShown { valid_ms } => self.code_shown(Code::Qr, valid_ms),
            Event::CodeShown { valid_ms } => self.code_shown(Code::Typed, valid_ms),
            Event::PasskeyAsked => self.passkey_asked(),
            Event::Paired(account) => self.paired(account),
            Event::PairFailed => self.pair_failed(),
            Event::CodeUnusable => self.code_unusable(),
            Event::Said { number } => self.state.session.say(number),
            Event::LinkUp => self.link_up(),
            Event::CaughtUp => self.caught_up(),
            Event::PhoneSeen => self.phone_seen(),
            Event::Undecrypted { peer, worked } => self.undecrypted(peer, worked),
            Event::Decrypted { peer } => self.state.storm.decrypted(peer, self.now),
            Event::NoNewChats { for_ms } => self.no_new_chats(for_ms),
            Event::Heard => self.heard(),
            Event::SelfTested(tested) => self.tested(tested),
            Event::LinkEnded(ending) => self.link_ended(ending),
            Event::Pressed(hand) => self.pressed(hand),
            Event::Released(hand) => self.released(hand),
            Event::Night(night) => self.state.lamp.night(night),
            Event::Command { request, command } => self.command(request, command),
            Event::Retired(linked) => self.retired(linked),
            Event::FarewellSaid => self.state.keys.end_farewell(),
            Event::RetireFailed => self.retire_failed(),
            Event::ResetNoted => self.reset_noted(),
            Event::ResetFailed => self.reset_failed(),
            Event::Space(space) => self.space(&space),
            Event::InboxFull => self.inbox_full(),
            Event::DropFailed => self.drop_failed(),
            Event::StorageFailed(code) => self.storage_failed(code),
            Event::Audited(end) => self.state.audit = Some(end),
            Event::Voltage { low } => self.state.supply.voltage(low, self.now),
            Event::Update(step) => self.update_step(step),
            Event::UpdateHour(is_hour) => self.state.update.hour(is_hour),
            Event::Saving(saving) => self.state.update.save(saving),
            Event::Panel { part, fault } => self.panel(part, fault),
        }
    }

    /// Answers a command. The answer goes before what it sets in motion: `Exit` ends the loop.
    fn command(&mut self, request: u64, command: Command) {
        let at = self.effects.len();
        let reply = match command {
            Command::Stop => self.stop(),
            _ if self.state.session.is_stopping() => Reply::Refused(Refusal::Stopping),
            Command::Link => self.hurry(),
            Command::SelfTest => self.test(),
            Command::Install => self.install_asked(),
            Command::LookForUpdate => self.look_asked(),
            Command::Ask { deed, nonce } => self.asked(deed, nonce),
            Command::Confirm { deed, token } => self.confirmed(deed, token),
        };
        self.effects.insert(at, Effect::Reply { request, reply });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{Ending, Hand};

    #[test]
    fn ignored_says_so() {
        let mut story = Story::connected();
        let now = Now { mono_ms: story.now };
        for event in [
            Event::Tick,
            Event::LinkUp,
            Event::Released(Hand::Device),
            Event::PairFailed,
            Event::CodeUnusable,
            Event::QrShown { valid_ms: 1 },
        ] {
            assert!(
                step(&mut story.state, event.clone(), now).ignored,
                "{event:?}"
            );
        }
        assert!(!step(&mut story.state, Event::Pressed(Hand::Device), now).ignored);
    }

    #[test]
    fn what_a_finished_run_still_says_is_ignored() {
        let mut story = Story::connected();
        story.ended(Ending::RestartRequired);
        story.ended(Ending::Replaced);
        let before = story.state.clone();
        story.on(Event::LinkUp);
        story.on(Event::Paired(ACCOUNT));
        story.ended(Ending::LoggedOut);
        assert_eq!(story.state, before);
    }
}
