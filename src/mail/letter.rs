//! A message on its way out: its states, and what the log keeps of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_medium::{Secret, barrier::Durability};
use minicbor::{Decode, Encode};
use tokio::time::Instant;

/// A text to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    /// The id of every attempt to send it.
    pub id: String,
    /// The JID it goes to.
    pub to: Secret<String>,
    /// Its text.
    pub text: Secret<String>,
}

/// Makes a new id, in the form of WhatsApp's web client.
///
/// # Errors
/// The system has no random numbers.
pub fn fresh_id() -> Result<String, getrandom::Error> {
    let mut random = [0; 9];
    getrandom::fill(&mut random)?;
    Ok(random
        .iter()
        .fold(String::from("3EB0"), |id, byte| id + &format!("{byte:02X}")))
}

/// The state of an outgoing message. It only ever moves on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutState {
    /// In the outbox.
    Accepted,
    /// Handed to WhatsApp at least once, not yet confirmed.
    Sent,
    /// WhatsApp has it. Final.
    Acked,
    /// WhatsApp refused it. Final.
    Failed {
        /// The server's code, or a word of ours; never an address or a text.
        code: String,
    },
}

impl OutState {
    /// Tells whether the state is final.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Acked | Self::Failed { .. })
    }

    /// A failure must never be taken back; what is lost of the rest costs a repetition under the same id.
    pub(super) fn durability(&self) -> Durability {
        match self {
            Self::Failed { .. } => Durability::Awaited,
            Self::Acked => Durability::Ordered,
            Self::Accepted | Self::Sent => Durability::Lazy,
        }
    }

    pub(super) fn follows(&self, earlier: &Self) -> bool {
        !earlier.is_final()
            && (self.is_final() || (*self == Self::Sent && *earlier == Self::Accepted))
    }
}

/// The answer to [`super::Outbox::accept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in the order of sending.
    pub seq: u64,
    /// The same message was accepted before; this is its first acceptance.
    pub duplicate: bool,
}

/// A message whose turn it is.
#[derive(Debug)]
pub struct Due {
    /// The message.
    pub message: OutMessage,
    /// How often it was tried, with this time.
    pub tries: u32,
    /// How long ago it was accepted by the wall clock.
    pub age: Duration,
}

/// A message that is not final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place in the order of sending.
    pub seq: u64,
    /// The message.
    pub message: OutMessage,
    /// [`OutState::Accepted`] or [`OutState::Sent`].
    pub state: OutState,
    /// When it was accepted by the wall clock, seconds since 1970.
    pub since_s: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not sent the last time; `None` when nothing went wrong yet.
    pub why: Option<Arc<str>>,
}

/// The encoding of an acceptance or a change of state on the disk.
#[derive(Encode, Decode)]
pub(super) enum Stored<'a> {
    #[n(0)]
    Accepted {
        #[b(0)]
        id: &'a str,
        #[b(1)]
        to: &'a str,
        #[b(2)]
        text: &'a str,
        /// Since 0.1.0 had no time, one without is as old as the process.
        #[n(3)]
        since_s: Option<u64>,
        /// Without it, it is for whichever account is linked.
        #[b(4)]
        account: Option<&'a str>,
    },
    #[n(1)]
    Sent {
        #[n(0)]
        seq: u64,
    },
    #[n(2)]
    Acked {
        #[n(0)]
        seq: u64,
    },
    #[n(3)]
    Failed {
        #[n(0)]
        seq: u64,
        #[b(1)]
        code: &'a str,
    },
    /// Several changes in one frame.
    #[n(4)]
    Together {
        #[b(0)]
        changes: Vec<Stored<'a>>,
    },
    /// It was tried so often, and is not again for a while.
    #[n(5)]
    PutOff {
        #[n(0)]
        seq: u64,
        #[n(1)]
        tries: u32,
        #[b(2)]
        why: &'a str,
    },
}

impl<'a> Stored<'a> {
    /// The encoding of a change; none for an acceptance.
    pub fn change(seq: u64, to: &'a OutState) -> Option<Self> {
        match to {
            OutState::Accepted => None,
            OutState::Sent => Some(Self::Sent { seq }),
            OutState::Acked => Some(Self::Acked { seq }),
            OutState::Failed { code } => Some(Self::Failed { seq, code }),
        }
    }
}

/// When the log was opened, and how long what was put off has to wait from then on.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    pub at: Instant,
    pub at_s: u64,
    pub waits: fn(u32) -> Duration,
}

impl Opened {
    pub fn again(self, tries: u32) -> Instant {
        self.at + (self.waits)(tries)
    }
}

/// The message of a frame that accepts one.
pub(super) fn accepted(body: &[u8]) -> Option<OutMessage> {
    match minicbor::decode(body) {
        Ok(Stored::Accepted { id, to, text, .. }) => Some(OutMessage {
            id: id.to_owned(),
            to: Secret::new(to.to_owned()),
            text: Secret::new(text.to_owned()),
        }),
        _ => None,
    }
}

/// The wall clock, seconds since 1970.
pub(super) fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// How long ago that is by the wall clock; nothing where the clock has gone back.
pub(super) fn age(since_s: u64) -> Duration {
    Duration::from_secs(now_s().saturating_sub(since_s))
}
