//! Logs an archived link out with its own keys, after it has drained what WhatsApp kept for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_core::Ending;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use wacore::iq::devices::RemoveCompanionDeviceSpec;
use wacore::store::traits::Backend;
use whatsapp_rust::Client;

use super::Parts;
use super::observer::{Notice, Observer};
use super::run::{build, end, load};

/// Logs out links that were given up, beside the one that is live.
#[derive(Clone)]
pub struct Farewell(pub(super) Arc<Parts>);

impl Farewell {
    /// Runs the link on this backend until it is logged out, for so long at most; returns whether it is.
    pub async fn say(&self, backend: Arc<dyn Backend>, limit: Duration) -> bool {
        let parts = &*self.0;
        // Nothing of it concerns the core or the panel.
        let (events, _) = mpsc::unbounded_channel();
        let (notices_tx, notices) = mpsc::unbounded_channel();
        let (intake_tx, intake) = mpsc::unbounded_channel();
        let observer = Observer::new(
            events,
            notices_tx,
            intake_tx,
            watch::Sender::default(),
            parts.last_words.clone(),
            (Arc::clone(&parts.peers), parts.clock.clone()),
        );
        let Some(device) = load(&backend).await else {
            return false;
        };
        let version = parts.ahead.versions.choose(&device).await;
        let Some(bot) = build(parts, backend, &device, version, &observer).await else {
            return false;
        };
        let client = bot.client();
        observer.steer(&client);
        let mut running = bot.spawn();
        let asked = AtomicBool::new(false);
        let to_inbox = parts.to_inbox();
        let said = tokio::select! {
            () = &mut running => false,
            () = to_inbox.take_in(intake) => false,
            said = timeout(limit, log_out(&client, notices, &asked)) => said.unwrap_or(false),
        };
        end(&client, running).await;
        observer.close();
        // WhatsApp answers, or ends the connection as one of a device that is gone, whichever comes first.
        said || (asked.load(Ordering::Relaxed) && observer.ending() == Some(Ending::LoggedOut))
    }
}

/// Waits until the offline queue is drained, then asks WhatsApp to remove the device.
async fn log_out(
    client: &Arc<Client>,
    mut notices: mpsc::UnboundedReceiver<Notice>,
    asked: &AtomicBool,
) -> bool {
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Drained => {
                let Some(own) = client.pn() else { return false };
                asked.store(true, Ordering::Relaxed);
                let gone = client.execute(RemoveCompanionDeviceSpec::new(&own));
                return gone.await.is_ok();
            }
            Notice::Up | Notice::Named | Notice::Acked(_) | Notice::AskedAgain(_) => {}
        }
    }
    false
}
