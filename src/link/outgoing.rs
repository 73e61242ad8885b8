//! Sends the outbox to WhatsApp, each message under the one id it was accepted with: a retry is idempotent.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use holdfast_core::Event;
use holdfast_core::setback::{ACK_MS, EASE_MS, Next, Setback, wait_ms};
use holdfast_medium::Secret;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use wacore_binary::{JidExt as _, Node, NodeRef};
use whatsapp_rust::request::IqError;
use whatsapp_rust::send::{SendError, SendOptions};
use whatsapp_rust::types::events::ServerAck;
use whatsapp_rust::{Client, ClientError, Jid, NodeFilter};

use super::again::AskedAgain;
use super::body::body;
use super::reach::{Reach, Unsent};
use crate::mail::{Due, MailError, OutMessage, OutState, Outbox};

/// How long the others wait for one message: it may stand at a question that WhatsApp does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many messages may be under way at the same time.
const BESIDE: usize = 16;
/// WhatsApp's refusal of a message to somebody new.
const NO_NEW_CHATS: &str = "463";
/// How long nothing is tried on a connection that turns out to be gone.
const GONE: Duration = Duration::from_secs(1);

/// Sends the outbox's messages for as long as one connection lasts.
///
/// A message handed to a socket that died before the server's ack is sent again on the next connection, under the
/// same id, which is how WhatsApp and its recipient recognise it.
pub(super) struct Outgoing {
    outbox: Outbox,
    client: Arc<Client>,
    reach: Arc<Reach>,
    /// Nothing is sent before.
    eased: Mutex<Option<Instant>>,
    /// What went to one's own devices alone: the ack of it says nothing.
    missed: Mutex<HashSet<String>>,
    dice: RandomState,
}

/// Whether an error is of the connection, and not of the message.
fn is_gone(error: &SendError) -> bool {
    matches!(
        error,
        SendError::Client(
            ClientError::NotConnected | ClientError::Socket(_) | ClientError::EncryptSend(_)
        ) | SendError::Iq(
            IqError::NotConnected
                | IqError::Socket(_)
                | IqError::EncryptSend(_)
                | IqError::Disconnected(_)
                | IqError::InternalChannelClosed
        )
    )
}

impl Outgoing {
    pub(super) fn new(outbox: Outbox, client: Arc<Client>, reach: Arc<Reach>) -> Self {
        Self {
            outbox,
            client,
            reach,
            missed: Mutex::default(),
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
        let to = self.reach.route(&self.client, &to).await?;
        let body = body(message);
        let options = SendOptions::default().with_message_id(&message.id);
        let stanza = NodeFilter::tag("message").attr("id", &message.id);
        let mut stanza = self.client.wait_for_sent_node(stanza);
        let is_group = to.is_group();
        let sent = self.client.send_message_with_options(to, body, options);
        match sent.await {
            Ok(_) => match stanza.try_recv() {
                Ok(Some(stanza)) if !is_group && !self.has_reader(&stanza) => {
                    self.missed.lock().insert(message.id.clone());
                    Err(Unsent::Setback(Setback::NoKeys))
                }
                _ => Ok(()),
            },
            Err(SendError::InvalidRequest(_)) => Err(NOBODY),
            Err(SendError::Iq(IqError::ServerError { code, .. })) => {
                Err(Unsent::Setback(if is_group {
                    Setback::Group(code)
                } else {
                    Setback::Query(code)
                }))
            }
            Err(error) if is_gone(&error) || !self.client.is_connected() => Err(Unsent::Gone),
            Err(_) => Err(Unsent::Setback(Setback::Unsent)),
        }
    }

    /// Whether a message to a person is encrypted for somebody else than oneself, or is for oneself.
    fn has_reader(&self, stanza: &Node) -> bool {
        let own: Vec<Jid> = [self.client.pn(), self.client.lid()]
            .into_iter()
            .flatten()
            .collect();
        let is_own = |jid: &Jid| own.iter().any(|own| own.is_same_user_as(jid));
        let stanza = stanza.as_node_ref();
        let jid = |node: &NodeRef<'_>, name: &str| {
            let jid = node.get_attr(name)?;
            jid.as_str().parse::<Jid>().ok()
        };
        if jid(&stanza, "to").is_some_and(|to| is_own(&to)) {
            return true;
        }
        let readers = stanza.get_optional_child("participants");
        let mut readers = readers.and_then(NodeRef::children).into_iter().flatten();
        readers.any(|reader| jid(reader, "jid").is_some_and(|reader| !is_own(&reader)))
    }

    /// Notes what WhatsApp said of messages. Acks of messages that are not from the outbox mean nothing here. Returns to whom one was
    /// refused for want of a conversation.
    pub(super) async fn acked(&self, acks: Vec<ServerAck>) -> Result<Vec<Jid>, MailError> {
        let mut done = Vec::with_capacity(acks.len());
        let mut strangers = Vec::new();
        for ack in acks {
            if self.missed.lock().remove(&ack.id) {
                continue;
            }
            if ack.error.as_deref() == Some(NO_NEW_CHATS) {
                let message = self.outbox.message(&ack.id).await?;
                strangers.extend(message.and_then(|message| message.to.expose().parse().ok()));
            }
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
        self.outbox.mark_all(done).await?;
        Ok(strangers)
    }

    /// Makes strangers of those to whom a message was refused, and finds out for how long nobody new may be written to, for the core to
    /// tell of.
    pub(super) async fn refused(&self, strangers: Vec<Jid>) -> Option<Event> {
        for stranger in &strangers {
            self.reach.refused(&self.client, stranger).await;
        }
        let for_ms = self.reach.ask_for_how_long(&self.client).await?;
        Some(Event::NoNewChats { for_ms })
    }

    /// Answers a member of a group who asks again.
    pub(super) async fn answer(&self, asked: AskedAgain) {
        let random = || self.random();
        asked.answer(&self.client, &self.outbox, random).await;
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
        let failed = (id.to_owned(), OutState::Failed { code });
        self.outbox.mark_all(vec![failed]).await
    }

    fn random(&self) -> u64 {
        self.dice.hash_one(Instant::now())
    }
}
