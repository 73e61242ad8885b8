//! What an owner sees.

use holdfast_core::{Cause, CauseClass, CauseCode, Face, PairingFace, STAYS, State};

use super::{Around, SECOND};

/// Whether a cause says why the session is not Connected, and not something about disk, supply, panel, phone or echo alone.
pub(super) fn is_of_the_session(cause: Cause) -> bool {
    use CauseClass::{Panel, Power, Storage, System};
    let is_beside = matches!(cause.class(), Storage | System | Power | Panel);
    let of_account = [
        CauseCode::PhoneAway,
        CauseCode::EchoMissing,
        CauseCode::NoNewChats,
        CauseCode::UpdateFellBack,
        CauseCode::UpdateRefused,
    ];
    !is_beside && !of_account.contains(&cause.code)
}

impl Around {
    /// Checks that the face an owner sees is true, bounded and explained.
    pub(super) fn look(&mut self, state: &State, face: Face) {
        match face {
            Face::Pairing(PairingFace::Qr { left_ms }) => {
                assert_eq!(left_ms, self.qr_until.saturating_sub(self.now))
            }
            Face::Pairing(PairingFace::Code { left_ms }) => {
                assert_eq!(left_ms, self.code_until.saturating_sub(self.now))
            }
            Face::ConfirmRelink {
                account,
                generation,
                ..
            } => {
                assert_eq!(
                    (Some(generation), account),
                    (Some(self.linked.generation), self.linked.account)
                );
            }
            _ => {}
        }
        if let Face::Pairing(PairingFace::Qr { left_ms } | PairingFace::Code { left_ms }) = face {
            assert!(left_ms > 0, "a code that is not valid is on the glass");
            if !std::mem::replace(&mut self.showing, true) {
                self.shown.push(self.now);
            }
        }
        if state.name() == "Connected" {
            assert!(self.run.is_some() && state.cause().is_none());
            assert!(
                self.now <= self.heard + 90 * SECOND + self.late,
                "called connected, and neither heard nor asked"
            );
        }
        let stay = STAYS.iter().find(|stay| stay.state == state.name());
        match (state.name(), stay.expect("in the table").longest_ms) {
            ("Starting" | "Connected" | "Stopped", _) => {}
            // The restart has been asked for.
            ("Resetting" | "Updating", _) if self.exited => {}
            (_, None) => {
                let cause = state.cause().expect("a cause");
                assert!(
                    !cause.action().starts_with("none"),
                    "only a human can go on, and is not told"
                );
            }
            (name, Some(limit)) => {
                let left = state.deadline().expect(name).saturating_sub(self.now);
                assert!(left <= limit, "{name} for {left}");
                assert!(
                    state.cause().is_some() || name == "Connecting" || self.attempts.len() <= 1,
                    "{name} without a cause"
                );
            }
        }
        if let Some(at) = self.stopped_at {
            assert!(matches!(state.name(), "Stopped" | "Resetting" | "Updating"));
            assert!(self.exited || state.deadline().expect("a limit") <= at + 10 * SECOND);
        }
    }
}
