//! The history that a phone sends to a companion it has just linked: none, but said so.
//!
//! Some clients hold back every event after their first login until this notification comes, or 20 s have passed
//! (Baileys' `AwaitingInitialSync`).

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use waproto::whatsapp as wa;

use super::Phone;

impl Phone {
    /// The peer message with an empty first history, to be sent after the app-state key share.
    ///
    /// # Errors
    /// Those of the compressor; none happens in memory.
    pub fn empty_history(&self) -> io::Result<wa::Message> {
        use wa::message::{HistorySyncNotification, HistorySyncType, ProtocolMessage};

        let history = wa::HistorySync {
            sync_type: wa::history_sync::HistorySyncType::INITIAL_BOOTSTRAP,
            chunk_order: Some(1),
            progress: Some(100),
            ..Default::default()
        };
        let mut inline = ZlibEncoder::new(Vec::new(), Compression::default());
        inline.write_all(&waproto::codec::history_sync_to_vec(&history))?;
        Ok(wa::Message {
            protocol_message: ProtocolMessage {
                r#type: Some(wa::message::protocol_message::Type::HISTORY_SYNC_NOTIFICATION),
                history_sync_notification: HistorySyncNotification {
                    sync_type: Some(HistorySyncType::INITIAL_BOOTSTRAP),
                    chunk_order: Some(1),
                    progress: Some(100),
                    initial_hist_bootstrap_inline_payload: Some(inline.finish()?),
                    ..Default::default()
                }
                .into(),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_inline_history_inflates_to_an_empty_bootstrap() {
        let phone = Phone::new("15550000001", "Ann", 1).unwrap();
        let message = phone.empty_history().unwrap();
        let notification = &message.protocol_message.history_sync_notification;
        let inline = notification
            .initial_hist_bootstrap_inline_payload
            .as_deref()
            .unwrap();
        let mut bytes = Vec::new();
        flate2::read::ZlibDecoder::new(inline)
            .read_to_end(&mut bytes)
            .unwrap();
        let history = waproto::codec::history_sync_decode(&bytes).unwrap();
        assert_eq!(
            history.sync_type,
            wa::history_sync::HistorySyncType::INITIAL_BOOTSTRAP
        );
        assert!(history.conversations.is_empty());
    }
}
