//! Whether WhatsApp is heard. Only its answer to a question of ours shows that: frames may come that nobody here can decrypt,
//! and the library then logs, and reads on.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::CauseCode;
use tokio::time::timeout;
use wacore::iq::keepalive::KeepaliveSpec;
use whatsapp_rust::{Client, IqError};

use super::observer::Observer;

/// Timeout of the answer where there is doubt.
const DOUBT: Duration = Duration::from_secs(10);

/// How long WhatsApp may take to close a connection whose stream it has ended. RFC 6120, 4.9.1.1: a stream error cannot be
/// recovered from, and whoever sends it closes the stream.
const CLOSES: Duration = Duration::from_secs(5);

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// WhatsApp answered, be it with an error.
    Came,
    /// It did not, in time.
    Missing,
    /// The question was not put: there is no connection.
    NotAsked,
}

/// Pings WhatsApp.
pub(super) async fn ask(client: &Arc<Client>, limit: Duration) -> Answer {
    // The library's own timeout begins when the question goes out, and it waits with it until it is logged in.
    let asked = client.execute(KeepaliveSpec::with_timeout(limit));
    match timeout(limit, asked).await {
        Ok(Ok(()) | Err(IqError::ServerError { .. })) => Answer::Came,
        Err(_) | Ok(Err(IqError::Timeout)) => Answer::Missing,
        Ok(Err(_)) => Answer::NotAsked,
    }
}

/// Waits until the run is good for nothing although its socket is open: WhatsApp ended the stream, or is not understood, or never
/// said a thing after the login. Returns why; `None` where WhatsApp itself said why.
pub(super) async fn deaf(client: &Arc<Client>, observer: &Observer) -> Option<CauseCode> {
    // Frames that were no stanza, and behind which WhatsApp was heard all the same.
    let mut passed_over = 0;
    let mut doubt = false;
    loop {
        observer.pace().next(doubt).await;
        if observer.stream_is_over(CLOSES) {
            return None;
        }
        let lost = || {
            let frames = client.stats().frames_received;
            frames.saturating_sub(observer.stanzas())
        };
        passed_over = lost().min(passed_over);
        let garbled = lost() > passed_over;
        let (waits, logged_in) = (observer.waits_for_answer(), client.is_logged_in());
        // A login that comes about brings something; what does not come, an answer or an end, brings nothing.
        doubt = garbled && logged_in || waits || observer.stream_is_over(Duration::ZERO);
        if !logged_in || !garbled && !waits {
            continue;
        }
        match ask(client, DOUBT).await {
            Answer::Came => passed_over = lost(),
            Answer::Missing if garbled => return Some(CauseCode::Garbled),
            Answer::Missing => return Some(CauseCode::LoginTimeout),
            Answer::NotAsked => {}
        }
    }
}
