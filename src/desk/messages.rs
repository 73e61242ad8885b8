//! A bot's mail: at least once both ways; duplicates have the same id.

use std::sync::Arc;

use holdfast_core::limits::LOST_MS;
use holdfast_medium::{Secret, Stamp};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::{Ask, Desk, Refusal, aside, recipient};
use crate::mail::{Consumer, Message, OutMessage, OutState, Pending, Stub, StubLine, fresh_id};

/// The most that one [`Desk::read`] returns: messages, and their bytes, which a client and a message bus hold at once. A
/// message with more comes alone.
const MOST_MESSAGES: usize = 128;
const MOST_BYTES: usize = 4 << 20;
/// The most messages one [`Desk::pending`] returns.
const MOST_PENDING: usize = 1024;
/// The longest text, characters: WhatsApp's own apps take no more.
const LONGEST_TEXT: usize = 65_536;

/// A received message and its place in the inbox.
pub struct Received {
    /// The sequence number: grows by at least one with each message.
    pub seq: u64,
    /// The message.
    pub message: Message,
}

/// A stub: what stands in the inbox in place of a message that is not there.
pub struct StubAt {
    /// Its sequence number.
    pub seq: u64,
    /// What it stands for.
    pub stub: Stub,
    /// What became of the message.
    pub standing: Standing,
}

/// What became of a message that a stub stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was asked for again, and may come.
    Waiting,
    /// It came; it is in the inbox under an id of the same name.
    Came,
    /// It is no longer waited for.
    Lost,
    /// Nothing is to come.
    Final,
}

impl Standing {
    fn of(line: &StubLine, now_ms: u64) -> Self {
        let age_ms = now_ms.saturating_sub(line.since_s.saturating_mul(1_000));
        match line.stub {
            _ if line.came.is_some() => Self::Came,
            Stub::Undecryptable if age_ms >= LOST_MS => Self::Lost,
            Stub::Undecryptable => Self::Waiting,
            Stub::PhoneOnly | Stub::Call => Self::Final,
        }
    }
}

/// A consumer, and what waits for it.
pub struct Waiting {
    /// The consumer.
    pub consumer: Consumer,
    /// How many messages wait for it.
    pub unread: u64,
}

/// A change of the mail.
pub enum Moved {
    /// A message is in the inbox; several at once may be announced as one.
    In {
        /// The sequence number of the newest.
        newest: u64,
    },
    /// A message of the outbox got further.
    Out {
        /// Its id.
        id: Arc<str>,
        /// Its new state.
        state: OutState,
    },
}

/// The changes of the mail, as they come.
pub struct MailChanges {
    newest: watch::Receiver<u64>,
    moves: broadcast::Receiver<(Arc<str>, OutState)>,
}

impl Desk {
    /// Accepts a text message for sending, durably, and returns its id. `to` is a phone number with country code, or a JID.
    ///
    /// It is idempotent by the id: one that was used before means the same message, which is not sent again. Without an id
    /// the desk chooses one.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was accepted.
    pub async fn send(
        &self,
        to: &str,
        text: Secret<String>,
        id: Option<String>,
    ) -> Result<String, Refusal> {
        self.check(Ask::Send)?;
        let outbox = self.rooms()?.outbox;
        if self.lines.status.borrow().linked.account.is_none() {
            return Err(Refusal::NotLinked);
        }
        if text.expose().is_empty() {
            let empty = "The text is empty; WhatsApp takes no empty message.";
            return Err(Refusal::InvalidArgument(empty.into()));
        }
        if text.expose().chars().count() > LONGEST_TEXT {
            let long = format!(
                "The text is longer than {LONGEST_TEXT} characters, the most that WhatsApp takes; send it in parts."
            );
            return Err(Refusal::InvalidArgument(long));
        }
        let id = match id {
            Some(id) => id,
            None => fresh_id().map_err(Refusal::no_random)?,
        };
        let to = recipient::parse(to)?;
        let message = OutMessage {
            id: id.clone(),
            to,
            text,
        };
        outbox.accept(message).await?;
        Ok(id)
    }

    /// How far a message accepted by [`Desk::send`] is.
    ///
    /// # Errors
    /// [`Refusal::UnknownMessage`].
    pub fn message_state(&self, id: &str) -> Result<OutState, Refusal> {
        self.check(Ask::MessageState)?;
        let state = self.rooms()?.outbox.state(id);
        state.ok_or(Refusal::UnknownMessage)
    }

    /// Up to `max` (`None`: as many as fit) messages that are not final, in the order of sending, from the place `from` on.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn pending(&self, from: u64, max: Option<usize>) -> Result<Vec<Pending>, Refusal> {
        self.check(Ask::Outbox)?;
        let max = max.unwrap_or(MOST_PENDING).min(MOST_PENDING);
        Ok(self.rooms()?.outbox.pending(from, max).await?)
    }

    /// Ends a message that is not final as `failed dropped`; durable when this returns. One that is just being handed over may
    /// arrive nevertheless.
    ///
    /// # Errors
    /// [`Refusal::UnknownMessage`], [`Refusal::NothingToDo`] when it is final already, [`Refusal::Storage`].
    pub async fn drop_message(&self, id: &str) -> Result<(), Refusal> {
        self.check(Ask::DropMessage)?;
        let outbox = self.rooms()?.outbox;
        match outbox.state(id) {
            None => Err(Refusal::UnknownMessage),
            Some(state) if state.is_final() => Err(Refusal::NOT_PENDING),
            Some(_) => {
                let code = "dropped".to_owned();
                Ok(outbox.mark(id, OutState::Failed { code }).await?)
            }
        }
    }

    /// Up to `max` (`None`: as many as fit) received messages, oldest first, from the place `from` on; `None` means the first
    /// that `consumer` has not acknowledged. They may be fewer than there are; only an empty answer means that there are no more.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn read(
        &self,
        consumer: &str,
        from: Option<u64>,
        max: Option<usize>,
    ) -> Result<Vec<Received>, Refusal> {
        self.check(Ask::ReadMessages)?;
        let inbox = self.rooms()?.inbox;
        inbox.seen(consumer);
        let from = from.unwrap_or_else(|| inbox.cursor(consumer) + 1);
        let max = max.unwrap_or(MOST_MESSAGES).min(MOST_MESSAGES);
        let messages = aside(move || inbox.read(from, max, MOST_BYTES)).await?;
        let messages = messages.into_iter();
        Ok(messages
            .map(|(seq, message)| Received { seq, message })
            .collect())
    }

    /// The stubs among what [`Desk::read`] returns from the place `from` on, at most `max` (`None`: as many as fit), also those whose
    /// message came since and that are no longer read.
    ///
    /// # Errors
    /// [`Refusal`] of the role, or while the inbox is not open.
    pub fn stubs(&self, from: u64, max: Option<usize>) -> Result<Vec<StubAt>, Refusal> {
        self.check(Ask::ReadMessages)?;
        let max = max.unwrap_or(MOST_MESSAGES).min(MOST_MESSAGES);
        let now_ms = Stamp::now().wall_ms;
        let stubs = self.rooms()?.inbox.stubs(from, max).into_iter();
        Ok(stubs
            .map(|(seq, line)| StubAt {
                seq,
                stub: line.stub,
                standing: Standing::of(&line, now_ms),
            })
            .collect())
    }

    /// Says that `consumer`, one of the caller's own, is done with every message up to and including `seq`. That it is waited for is
    /// durable when this returns, how far it is within seconds: what a power cut takes of that is read again. The caller may have no
    /// more than a few: each keeps messages that it did not acknowledge.
    ///
    /// # Errors
    /// [`Refusal::NotYours`], [`Refusal::InvalidArgument`], [`Refusal::Storage`].
    pub async fn acknowledge(&self, consumer: &str, seq: u64) -> Result<(), Refusal> {
        let inbox = self.rooms()?.inbox;
        let known: Vec<String> = inbox.consumers().into_iter().map(|of| of.name).collect();
        self.check_consumer(consumer, &known)?;
        Ok(inbox.acknowledge(consumer, seq).await?)
    }

    /// Every consumer, by name.
    ///
    /// # Errors
    /// [`Refusal`] of the role, or while the inbox is not open.
    pub fn consumers(&self) -> Result<Vec<Waiting>, Refusal> {
        self.check(Ask::Consumers)?;
        let inbox = self.rooms()?.inbox;
        let waiting = |consumer: Consumer| Waiting {
            unread: inbox.unread_after(consumer.cursor),
            consumer,
        };
        Ok(inbox.consumers().into_iter().map(waiting).collect())
    }

    /// Forgets a consumer, one of the caller's own: nothing is kept for it any more, and its name starts over. Durable when this
    /// returns.
    ///
    /// # Errors
    /// [`Refusal::NotYours`], [`Refusal::UnknownConsumer`], [`Refusal::Storage`].
    pub async fn forget_consumer(&self, consumer: &str) -> Result<(), Refusal> {
        self.check(Ask::ForgetConsumer)?;
        self.check_owner(consumer)?;
        Ok(self.rooms()?.inbox.forget(consumer).await?)
    }

    /// The last message that `consumer` has acknowledged; 0 when none.
    ///
    /// # Errors
    /// [`Refusal`] of the role, or while the inbox is not open.
    pub fn cursor(&self, consumer: &str) -> Result<u64, Refusal> {
        self.check(Ask::Cursor)?;
        Ok(self.rooms()?.inbox.cursor(consumer))
    }

    /// The changes of the mail from now on; `None` when the daemon ends before the mail is open. When it opens only later, the
    /// messages it holds are announced first.
    pub async fn mail_changes(&self) -> Option<MailChanges> {
        let late = self.lines.rooms.borrow().is_none();
        let rooms = self.opened().await?;
        let mut newest = rooms.inbox.newest();
        if late && *newest.borrow() > 0 {
            newest.mark_changed();
        }
        Some(MailChanges {
            newest,
            moves: rooms.outbox.moves(),
        })
    }
}

impl MailChanges {
    /// The next change; `None` when the mail is gone. After too many at once some of the outbox's are missed: a client that
    /// waits for one message asks for its state.
    pub async fn next(&mut self) -> Option<Moved> {
        loop {
            tokio::select! {
                alive = self.newest.changed() => {
                    alive.ok()?;
                    let newest = *self.newest.borrow_and_update();
                    return Some(Moved::In { newest });
                }
                moved = self.moves.recv() => match moved {
                    Ok((id, state)) => return Some(Moved::Out { id, state }),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_never_comes_is_given_up_and_one_that_came_never_is() {
        let line = |stub, came| StubLine {
            stub,
            since_s: 1_000,
            came,
        };
        let late = 1_000_000 + LOST_MS;
        let unread = line(Stub::Undecryptable, None);
        assert_eq!(
            Standing::of(&unread, 0),
            Standing::Waiting,
            "clock set back"
        );
        assert_eq!(Standing::of(&unread, late - 1), Standing::Waiting);
        assert_eq!(Standing::of(&unread, late), Standing::Lost);
        let came = line(Stub::Undecryptable, Some(7));
        assert_eq!(Standing::of(&came, late), Standing::Came);
        assert_eq!(Standing::of(&line(Stub::Call, None), late), Standing::Final);
    }
}
