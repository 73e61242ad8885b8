//! How long anything may take before something is done about it, milliseconds; and how often it may fail.

use super::units::{DAY, HOUR, MINUTE, SECOND};

/// The timeout of logging in. The library's own watchdog for the first sync after linking ends at 180 s.
pub const LOGIN_MS: u64 = 4 * MINUTE;
/// How long a repair, a retirement, and the end of a run may take before a human is told.
pub const PATIENCE_MS: u64 = MINUTE;
/// The timeout of an orderly stop.
pub const STOP_MS: u64 = 10 * SECOND;
/// How long the link need not be heard. The library's own pings make traffic twice as often.
pub const SILENCE_MS: u64 = MINUTE;
/// The timeout of a probe.
pub const ANSWER_MS: u64 = 30 * SECOND;
/// How long the network is waited for to set the clock. NTP takes seconds; where it is blocked, the time of the last run has
/// to do.
pub const CLOCK_MS: u64 = 3 * MINUTE;
/// How long WhatsApp may take for a code.
pub const CODE_MS: u64 = MINUTE;
/// How long a message that could not be decrypted is waited for. Its sender's phone, or one's own, sends it again as soon as it is
/// back; a phone that was away for longer is taken for gone by WhatsApp, too.
pub const LOST_MS: u64 = 14 * DAY;
/// How long a message that was sent stays while there is room, for peers who could not read it and ask again: as long as whatsapp-rust
/// would have a copy of it kept (`sent_message_ttl_secs`).
pub const SENT_MS: u64 = 2 * HOUR;
/// How long a partition that cannot be used is shown before the daemon leaves, to be started again.
pub const FAILED_MS: u64 = MINUTE;
/// A run that was of use for so long was no failure.
pub const STABLE_MS: u64 = 30 * SECOND;
/// How often it is written down how much of a wait is over: a board that was without power and has no clock goes on from there.
pub const NOTED_MS: u64 = 10 * MINUTE;
/// Failures in a row after which the state is called Degraded. The attempts go on.
pub const DEGRADED_AFTER: u32 = 10;
