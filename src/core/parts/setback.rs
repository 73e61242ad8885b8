//! What becomes of a message that could not be sent, or that WhatsApp refused: the table of ends, and the back-off until then.
//!
//! The codes are those of `<ack class="message" error=CODE>`, and of the error answers about a group. WhatsApp documents none of
//! them. Where they were learned: the list of its web client (`NACK_REASONS` in Baileys, `src/Utils/decode-wa-message.ts`), and
//! what other clients met: 463 in WhiskeySockets/Baileys#2441 and tulir/whatsmeow#1074, 479 in tulir/whatsmeow#690 and #922, 403
//! in tulir/whatsmeow#679, 400 in tulir/whatsmeow#1149, 420 in tulir/whatsmeow#380.

use core::fmt;

use crate::ground::{Backoff, DAY, HOUR, Jitter, MINUTE, SECOND};

/// The first wait of a message that could not be sent.
const FIRST_MS: u64 = 10 * SECOND;
/// The longest wait between two attempts.
const LONGEST_MS: u64 = HOUR;
/// How long a message is tried; a message that waits for a link is not tried meanwhile.
const LIFE_MS: u64 = 3 * DAY;
/// Attempts that each message has, whatever the clock says of its age.
const ATTEMPTS: u32 = 8;

/// How long WhatsApp may take to ack a message, milliseconds. Without an ack it goes out again under the same id.
pub const ACK_MS: u64 = 5 * MINUTE;
/// How long nothing is sent after WhatsApp said that it is too much, milliseconds.
pub const EASE_MS: u64 = MINUTE;

/// For how long it is taken for granted that a number is on WhatsApp, milliseconds.
pub const FOUND_MS: u64 = 30 * DAY;
/// And that it is not.
pub const ABSENT_MS: u64 = HOUR;
/// For how long nobody new is written to after WhatsApp refused that and did not say for how long, milliseconds.
pub const NO_NEW_CHATS_MS: u64 = DAY;

/// Why a message is not where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setback {
    /// It could not be sent, for no reason that WhatsApp gave.
    Unsent,
    /// WhatsApp did not ack it.
    NoAnswer,
    /// No device of the recipient has keys to encrypt for.
    NoKeys,
    /// WhatsApp answered a question that sending needs with this error.
    Query(u16),
    /// WhatsApp answered the question about the group it goes to with this error.
    Group(u16),
    /// WhatsApp refused the message with this error.
    Refused(u16),
}

impl fmt::Display for Setback {
    /// The stable name for machines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent => f.write_str("unsent"),
            Self::NoAnswer => f.write_str("no-answer"),
            Self::NoKeys => f.write_str("no-keys"),
            Self::Query(code) | Self::Group(code) | Self::Refused(code) => write!(f, "{code}"),
        }
    }
}

/// What is done about a message that had a setback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// It is tried again.
    Again {
        /// After how long, milliseconds.
        after_ms: u64,
    },
    /// It fails, with the setback's name for a code: WhatsApp's word is final.
    Fails,
    /// It fails with the code `expired`: it was tried long enough.
    Expires,
}

impl Setback {
    /// What is done about a message that was tried `tries` times with this attempt, and was accepted `age_ms` ago by the wall clock.
    /// `random` spreads the attempts of many.
    pub fn next(self, tries: u32, age_ms: u64, random: u64) -> Next {
        if self.is_final() {
            return Next::Fails;
        }
        if tries >= ATTEMPTS && age_ms >= LIFE_MS {
            return Next::Expires;
        }
        Next::Again {
            after_ms: wait_ms(tries, random),
        }
    }

    /// Whether nothing at all is sent for [`EASE_MS`].
    pub fn eases(self) -> bool {
        matches!(
            self,
            Self::Query(429) | Self::Group(429) | Self::Refused(429)
        )
    }

    fn is_final(self) -> bool {
        match self {
            Self::Unsent | Self::NoAnswer | Self::NoKeys | Self::Query(_) => false,
            // As the groups of whatsmeow and Baileys are refused: not a member, no such group, not allowed, gone.
            Self::Group(code) => matches!(code, 400 | 401 | 403..=406 | 410),
            // A client's fault stays one. What the server cannot do now it may do later.
            Self::Refused(code) => !matches!(code, 408 | 429 | 500 | 503 | 504),
        }
    }
}

/// The wait after so many attempts, milliseconds; also what is left to wait of a message that a start finds in the outbox.
pub fn wait_ms(tries: u32, random: u64) -> u64 {
    let mut backoff = Backoff::new(FIRST_MS, LONGEST_MS);
    backoff.resume(tries.saturating_sub(1));
    backoff.fail(&mut Jitter(random))
}

/// How a message can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The code that a consumer sees: WhatsApp's number, or a word of ours.
    pub code: &'static str,
    /// What happened, in one sentence.
    pub sentence: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// One row an end: its code, what happened, what to do.
macro_rules! ends {
    ($($code:literal: $sentence:literal, $action:literal;)*) => {
        impl End {
            /// Every end that has a sentence.
            pub const ALL: &[End] = &[$(End { code: $code, sentence: $sentence, action: $action }),*];
        }
    };
}

ends! {
    "400": "WhatsApp takes the message for malformed.", "Send it again later, to the number instead of the LID, or the other way round.";
    "401": "The account is not a member of the group.", "Have it added to the group, then send it again.";
    "403": "WhatsApp does not let the account write there.", "Check on the phone that the account may write to this chat, then send it again.";
    "404": "There is no such group or person on WhatsApp, or the account is not a member of the group.", "Check the address.";
    "405": "WhatsApp does not allow this kind of message there.", "Check the address.";
    "406": "WhatsApp does not accept the address.", "Check the address.";
    "410": "The group is gone.", "Remove it from where its address came from.";
    "420": "WhatsApp limits what the account may send.", "Send less; read in WhatsApp on the phone whether the account is limited.";
    "463": "WhatsApp does not let the account write to people with whom it has no conversation, for days.", "Wait until they write first, or until the end that `holdfastctl status` tells; do not go on writing to strangers.";
    "479": "WhatsApp takes the message for invalid.", "Send it again; if this stays, update Holdfast.";
    "banned": "The account was banned or locked while the message waited.", "Read on the phone why; send it again when the account is free.";
    "dropped": "Somebody dropped it from the outbox.", "Send it again if it is wanted.";
    "expired": "It could not be sent in three days of attempts.", "Check the address; send it again if it is wanted.";
    "invalid-recipient": "Nobody can be reached by this address.", "Check the address.";
    "not-on-whatsapp": "The number is not on WhatsApp.", "Check the number.";
    "unreadable": "It can no longer be read from the data partition.", "Send it again if it is wanted; check the card.";
    "other-account": "It was accepted for another account than the one that is linked now.", "Send it again if this account is to send it.";
}

impl End {
    /// The end with this code.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|end| end.code == code)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_whatsapp_refused_for_good_ends_at_once_and_nothing_else_does() {
        for code in [400, 401, 403, 404, 405, 406, 410] {
            assert_eq!(Setback::Group(code).next(1, 0, 0), Next::Fails, "{code}");
        }
        for code in [403, 404, 463, 479, 491, 550] {
            assert_eq!(Setback::Refused(code).next(1, 0, 0), Next::Fails, "{code}");
        }
        let passing = [
            Setback::Unsent,
            Setback::NoAnswer,
            Setback::NoKeys,
            Setback::Query(404),
            Setback::Group(429),
            Setback::Group(500),
            Setback::Refused(429),
            Setback::Refused(500),
            Setback::Refused(503),
        ];
        for setback in passing {
            let next = setback.next(1, 0, 0);
            assert!(matches!(next, Next::Again { .. }), "{setback:?}: {next:?}");
        }
    }

    #[test]
    fn a_message_is_tried_for_days_ever_less_often() {
        let (mut age_ms, mut tries) = (0, 0);
        loop {
            tries += 1;
            match Setback::NoKeys.next(tries, age_ms, u64::from(tries)) {
                Next::Again { after_ms } => age_ms += after_ms,
                next => break assert_eq!(next, Next::Expires),
            }
        }
        assert!((LIFE_MS..LIFE_MS + 2 * HOUR).contains(&age_ms), "{age_ms}");
        assert!((75..100).contains(&tries), "{tries}");
    }

    #[test]
    fn a_clock_that_jumps_costs_no_message_its_attempts() {
        for tries in 1..ATTEMPTS {
            let next = Setback::Unsent.next(tries, u64::MAX, 0);
            assert!(matches!(next, Next::Again { .. }), "{tries}");
        }
        assert_eq!(Setback::Unsent.next(ATTEMPTS, u64::MAX, 0), Next::Expires);
    }

    #[test]
    fn each_end_has_a_code_of_its_own_and_speaks_in_sentences() {
        for (at, end) in End::ALL.iter().enumerate() {
            assert!(End::ALL[..at].iter().all(|other| other.code != end.code));
            assert!(end.sentence.ends_with('.') && end.action.ends_with('.'));
            assert_eq!(End::of(end.code), Some(*end));
        }
        assert_eq!(
            End::of(&Setback::Refused(463).to_string()).map(|end| end.code),
            Some("463")
        );
        assert_eq!(End::of("999"), None);
    }
}
