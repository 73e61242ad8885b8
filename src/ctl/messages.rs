//! `send` and `inbox`.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{Daemon, Error, Output, harmless, output, text};
use crate::bus::{self, InboxConsumer, Messages1Proxy, follow};

/// The output of `send`.
#[derive(Serialize)]
struct Sent {
    id: String,
    state: String,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, state } = self;
        write!(f, "{}: {}", harmless::line(id), harmless::line(state))
    }
}

/// The text as it was given, or for `-` as it comes on standard input, without one newline at its end.
pub(super) fn typed(given: String) -> Result<String, Error> {
    if given != "-" {
        return Ok(given);
    }
    let mut text = text::read(Path::new(&given))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Sends a text; with `wait` until its state is final.
pub(super) async fn send(
    daemon: &Daemon,
    to: &str,
    text: &str,
    id: &str,
    wait: bool,
    output: &Output,
) -> Result<(), Error> {
    let departure = daemon.departure().await?;
    let messages = daemon.messages().await?;
    let mut changes = follow(messages.receive_outbox_changed().await?);
    let id = messages.send(to, text, id).await?;
    let mut state = messages.state(&id).await?;
    if wait {
        tokio::pin!(departure);
        while !is_final(&state) {
            tokio::select! {
                () = &mut departure => return Err(Error::Gone),
                Ok(()) = changes.changed() => state = messages.state(&id).await?,
            }
        }
    }
    if state.starts_with("failed") {
        let (id, state) = (harmless::line(&id), harmless::line(&state));
        return Err(Error::NotSent { id, state });
    }
    Ok(output.say(&Sent { id, state })?)
}

fn is_final(state: &str) -> bool {
    state == "acked" || state.starts_with("failed")
}

/// The arguments of `inbox`: which messages to read, as which consumer, and whether to acknowledge them.
pub(super) struct Reading {
    pub(super) follow: bool,
    pub(super) consumer: String,
    pub(super) max: Option<u64>,
    pub(super) acknowledge: bool,
}

/// A received message as it is printed.
#[derive(Serialize)]
struct Message {
    seq: u64,
    id: String,
    chat: String,
    sender: String,
    timestamp: i64,
    push_name: String,
    text: String,
    /// In place of a message that is not there: what it stands for, and what became of that.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stub: Option<Stub>,
}

#[derive(Serialize)]
struct Stub {
    stub: String,
    standing: String,
}

impl Stub {
    fn sentence(&self) -> &'static str {
        match (self.stub.as_str(), self.standing.as_str()) {
            ("undecryptable", "waiting") => "(cannot be decrypted; it was asked for again)",
            ("undecryptable", "came") => "(could not be decrypted at first; it came)",
            ("undecryptable", _) => "(could not be decrypted, and did not come again)",
            ("phone-only", _) => "(shown on the phone alone)",
            ("call", _) => "(a call)",
            _ => "(nothing that this version knows)",
        }
    }
}

impl From<bus::InboxMessage> for Message {
    fn from(message: bus::InboxMessage) -> Self {
        let bus::InboxMessage {
            seq,
            id,
            chat,
            sender,
            timestamp,
            push_name,
            text,
            raw: _,
        } = message;
        Self {
            seq,
            id,
            chat,
            sender,
            timestamp,
            push_name,
            text,
            stub: None,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.seq, harmless::line(&self.sender))?;
        if self.chat != self.sender {
            write!(f, "in {} ", harmless::line(&self.chat))?;
        }
        match (&self.stub, self.text.as_str()) {
            (Some(stub), _) => f.write_str(stub.sentence()),
            (None, "") => f.write_str("(no text)"),
            (None, text) => f.write_str(&harmless::indented(text)),
        }
    }
}

/// Prints received messages from the consumer's place on.
pub(super) async fn inbox(
    daemon: &Daemon,
    reading: &Reading,
    output: &Output,
) -> Result<(), Error> {
    let departure = daemon.departure().await?;
    tokio::pin!(departure);
    let messages = daemon.messages().await?;
    if reading.acknowledge {
        begin(&messages, &reading.consumer).await?;
    }
    // Before the first look, so that nothing falls between the two.
    let mut arrivals = follow(messages.receive_received().await?);
    let (mut from, mut left) = (0, reading.max.unwrap_or(u64::MAX));
    loop {
        while left > 0
            && let Some(last) = batch(&messages, reading, from, &mut left, output).await?
        {
            from = last + 1;
        }
        if left == 0 || !reading.follow {
            return Ok(());
        }
        tokio::select! {
            () = &mut departure => return Err(Error::Gone),
            Ok(()) = arrivals.changed() => {}
        }
    }
}

/// Acknowledges what a consumer has acknowledged already, so that a name that it cannot have is refused before anything is shown; a
/// first acknowledgement, of nothing, makes a new consumer. Says on standard error what that means.
async fn begin(messages: &Messages1Proxy<'_>, consumer: &str) -> Result<(), Error> {
    let known = messages.consumers().await?;
    let cursor = messages.cursor(consumer).await?;
    messages.acknowledge(consumer, cursor).await?;
    let is_kept_for = |known: &InboxConsumer| known.name == consumer && !known.forgotten;
    if !known.iter().any(is_kept_for) {
        let consumer = harmless::line(consumer);
        output::remark(&format!(
            "From now on messages are kept until {consumer} has acknowledged them; `holdfastctl inbox forget {consumer}` ends that."
        ));
    }
    Ok(())
}

/// Prints, and acknowledges when asked to, what one `Read` returns; the place of the last one, or `None` when there was none.
async fn batch(
    messages: &Messages1Proxy<'_>,
    reading: &Reading,
    from: u64,
    left: &mut u64,
    output: &Output,
) -> Result<Option<u64>, Error> {
    let max = u32::try_from(*left).unwrap_or(u32::MAX);
    let some = messages.read(&reading.consumer, from, max).await?;
    let (last, mut taken, mut shown) = (some.last().map(|it| it.seq), None, Ok(()));
    for message in some {
        let seq = message.seq;
        shown = show(messages, message, reading, output).await;
        if shown.is_err() {
            break;
        }
        taken = Some(seq);
        *left -= 1;
    }
    // What was taken is acknowledged, whatever became of the next one.
    if let Some(seq) = taken.filter(|_| reading.acknowledge) {
        messages.acknowledge(&reading.consumer, seq).await?;
    }
    shown.map(|()| last)
}

/// Prints one message; one that is to be acknowledged is taken when this returns.
async fn show(
    messages: &Messages1Proxy<'_>,
    message: bus::InboxMessage,
    reading: &Reading,
    output: &Output,
) -> Result<(), Error> {
    let stub = match message.raw.is_empty() {
        true => stub_at(messages, message.seq).await?,
        false => None,
    };
    let message = Message {
        stub,
        ..Message::from(message)
    };
    match reading.acknowledge {
        true => output.hand(&message)?,
        false => output.say(&message)?,
    }
    Ok(())
}

/// What a place in the inbox is the stub of, if it is one.
async fn stub_at(messages: &Messages1Proxy<'_>, place: u64) -> Result<Option<Stub>, Error> {
    let stubs = messages.stubs(place, 1).await?.into_iter();
    let mut here = stubs.filter(|(seq, ..)| *seq == place);
    Ok(here
        .next()
        .map(|(_, stub, standing)| Stub { stub, standing }))
}
