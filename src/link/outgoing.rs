//! Sends the outbox to WhatsApp, each message under the one id it was accepted with: a retry is idempotent.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use holdfast_core::setback::{ACK_MS, EASE_MS, Next, Setback, wait_ms};
use holdfast_medium::Secret;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use wacore_binary::JidExt as _;
use whatsapp_rust::proto_helpers::MessageBuilderExt;
use whatsapp_rust::request::IqError;
use whatsapp_rust::send::{SendError, SendOptions};
use whatsapp_rust::types::events::ServerAck;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Client, Jid};

use crate::mail::{Due, MailError, OutMessage, OutState, Outbox};

/// How long the others wait for one message: it may stand at a question that WhatsApp does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many messages may be under way at the same time.
const BESIDE: usize = 16;
/// How long nothing is tried on a connection that turns out to be gone.
const GONE: Duration = Duration::from_secs(1);

/// Sends the outbox's messages for as long as one connection lasts.
///
/// A message handed to a socket that died before the server's ack is sent again on the next connection, under the
/// same id, which is how WhatsApp and its recipient recognise it.
pub(super) struct Outgoing {
    outbox: Outbox,
    client: Arc<Client>,
    /// Nothing is sent before.
    eased: Mutex<Option<Instant>>,
    dice: RandomState,
}

/// Why a message did not go out.
enum Unsent {
    /// It never will.
    Never(&'static str),
    /// It may later.
    Setback(Setback),
    /// The connection is gone or going.
    Gone,
}

impl Outgoing {
    pub(super) fn new(outbox: Outbox, client: Arc<Client>) -> Self {
        Self {
            outbox,
            client,
            eased: Mutex::new(None),
            dice: RandomState::new(),
        }
    }

    /// Begins a connection: what an earlier one may have lost is due again.
    pub(super) async fn begin(&self) -> Result<(), MailError> {
        let own = self.client.pn();
        self.outbox
            .belongs_to(own.map(|own| Secret::new(own.to_non_ad().to_string())));
        self.outbox.begin().await
    }

    /// Sends what is due, in order, until the mail fails. One that takes long holds nobody up.
    pub(super) async fn run(&self) -> Result<(), MailError> {
        let mut under_way = FuturesUnordered::new();
        let patience = sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            let others_go = patience.is_elapsed() && under_way.len() < BESIDE;
            tokio::select! {
                due = self.outbox.next(), if under_way.is_empty() || others_go => {
                    under_way.push(self.attempt(due?));
                    patience.as_mut().reset(Instant::now() + PATIENCE);
                }
                Some(done) = under_way.next() => done?,
                () = &mut patience, if !patience.is_elapsed() => {}
            }
        }
    }

    /// Tries one message, and says in the outbox what became of it.
    async fn attempt(&self, due: Due) -> Result<(), MailError> {
        let eased = *self.eased.lock();
        if let Some(until) = eased {
            sleep_until(until).await;
        }
        let id = &due.message.id;
        match self.send(&due.message).await {
            Ok(()) => {
                let again_ms = wait_ms(due.tries, self.random()).max(ACK_MS);
                self.outbox
                    .handed_over(id, Duration::from_millis(again_ms))
                    .await
            }
            Err(Unsent::Never(code)) => self.fails(id, code).await,
            Err(Unsent::Setback(setback)) => {
                tracing::warn!("a message could not be sent ({setback})");
                self.settle(id, setback, due.tries, due.age).await
            }
            Err(Unsent::Gone) => {
                sleep(GONE).await;
                self.outbox.put_back(id);
                Ok(())
            }
        }
    }

    async fn send(&self, message: &OutMessage) -> Result<(), Unsent> {
        const NOBODY: Unsent = Unsent::Never("invalid-recipient");
        let to: Jid = message.to.expose().parse().map_err(|_| NOBODY)?;
        let body = wa::Message::text(message.text.expose().as_str());
        let options = SendOptions::default().with_message_id(&message.id);
        let sent = self
            .client
            .send_message_with_options(to.clone(), body, options);
        match sent.await {
            Ok(_) => Ok(()),
            Err(SendError::InvalidRequest(_)) => Err(NOBODY),
            Err(SendError::Iq(IqError::ServerError { code, .. })) => {
                Err(Unsent::Setback(if to.is_group() {
                    Setback::Group(code)
                } else {
                    Setback::Query(code)
                }))
            }
            Err(_) if !self.client.is_connected() => Err(Unsent::Gone),
            Err(_) => Err(Unsent::Setback(Setback::Unsent)),
        }
    }

    /// Notes what WhatsApp said of messages. Acks of messages that are not from the outbox mean nothing here.
    pub(super) async fn acked(&self, acks: Vec<ServerAck>) -> Result<(), MailError> {
        let mut done = Vec::with_capacity(acks.len());
        for ack in acks {
            match &ack.error {
                None => done.push((ack.id, OutState::Acked)),
                Some(code) => match (code.parse(), self.outbox.standing(&ack.id)) {
                    (Ok(code), Some((tries, age))) => {
                        let refused = Setback::Refused(code);
                        self.settle(&ack.id, refused, tries, age).await?;
                    }
                    // No number: nothing says that it would be taken another time.
                    (Err(_), Some(_)) => {
                        let code = code.clone();
                        done.push((ack.id, OutState::Failed { code }));
                    }
                    (_, None) => {}
                },
            }
        }
        self.outbox.mark_all(done).await
    }

    /// Puts a message off, or ends it, as the core's table says.
    async fn settle(
        &self,
        id: &str,
        setback: Setback,
        tries: u32,
        age: Duration,
    ) -> Result<(), MailError> {
        if setback.eases() {
            *self.eased.lock() = Some(Instant::now() + Duration::from_millis(EASE_MS));
        }
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        match setback.next(tries, age_ms, self.random()) {
            Next::Again { after_ms } => {
                let after = Duration::from_millis(after_ms);
                self.outbox.put_off(id, &setback.to_string(), after).await
            }
            Next::Fails => self.fails(id, &setback.to_string()).await,
            Next::Expires => self.fails(id, "expired").await,
        }
    }

    async fn fails(&self, id: &str, code: &str) -> Result<(), MailError> {
        let code = code.to_owned();
        self.outbox.mark(id, OutState::Failed { code }).await
    }

    fn random(&self) -> u64 {
        self.dice.hash_one(Instant::now())
    }
}
