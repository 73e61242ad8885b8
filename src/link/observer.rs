//! Translates the library's events into core events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use holdfast_core::{CauseCode, Ending, Event, LastFour};
use holdfast_medium::{Secret, Stopped, blocking};
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, watch};
use wacore::types::message::MessageSource;
use wacore::xml::DisplayableNodeRef;
use wacore_binary::{JidExt, NodeRef};
use whatsapp_rust::types::events::{
    ConnectFailureReason, Event as Said, EventHandler, EventInterest, EventKind, InboundMessage,
    ServerAck,
};
use whatsapp_rust::{Client, Jid, OwnedNodeRef};

use super::again::AskedAgain;
use super::clock::ServerClock;
use super::connect::Blame;
use super::credentials::Credentials;
use super::inbound::{self, Intake};
use super::pace::Pace;
use super::peers::{self, Peers};
use crate::history::LastWords;
use crate::mail::{Message, Stub};

/// A message older than this is no sign of the phone's presence: WhatsApp kept it for us.
const NEWS_MS: i64 = 24 * 60 * 60 * 1000;

/// The most bytes that a QR code holds: version 40 at level L, in byte mode (ISO/IEC 18004, table 7).
const LONGEST_QR: usize = 2953;

/// The phase of a run: how far the linking has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No phone consented in this run.
    Unpaired,
    /// Keys were exchanged: the library's own reconnection carries the 515 and the first login.
    Paired,
    /// Logged in and usable.
    Up,
}

/// A notice from one run of the link to the mail.
pub(super) enum Notice {
    /// Logged in and usable.
    Up,
    /// The owner's push name changed; the library answers by sending presence `available`.
    Named,
    /// The offline queue is drained: everything that WhatsApp kept for us is taken in.
    Drained,
    /// WhatsApp acked or refused a message of ours.
    Acked(ServerAck),
    /// A member of a group asks again for a message.
    AskedAgain(AskedAgain),
}

/// Why the connection ends, as far as WhatsApp told.
#[derive(Default)]
struct Reasons {
    /// WhatsApp's statement about this device or account. The last one counts.
    said: Option<Ending>,
    /// A hint at why the connection ends. The first one counts, and only where WhatsApp made no statement.
    hinted: Option<Ending>,
    /// When WhatsApp ended the stream of this connection.
    stream_over: Option<Instant>,
}

/// How far the login of a connection has come. A link is up when the library says so and WhatsApp has answered a question: the
/// library also says so when nothing at all came after the login.
#[derive(Default)]
struct Login {
    accepted: bool,
    connected: bool,
    answered: bool,
}

impl Login {
    fn is_up(&self) -> bool {
        self.connected && self.answered
    }
}

/// Listens to one run, inline on the library's dispatch path: it only hands on.
pub(super) struct Observer {
    events: mpsc::UnboundedSender<Event>,
    notices: mpsc::UnboundedSender<Notice>,
    intake: mpsc::UnboundedSender<Intake>,
    credentials: watch::Sender<Credentials>,
    phase: watch::Sender<Phase>,
    /// The client that is observed; `run` switches its reconnection.
    client: Mutex<Weak<Client>>,
    reasons: Mutex<Reasons>,
    login: Mutex<Login>,
    /// How many stanzas were read from WhatsApp's frames.
    stanzas: AtomicU64,
    pace: Pace,
    /// The cause to blame when the dial fails, by the step it is at; `None` once the socket is open.
    unreached: Mutex<Option<CauseCode>>,
    /// The run has ended. Tasks of the library outlive it, and their events would be taken for the next run's.
    over: AtomicBool,
    peers: Arc<Peers>,
    /// Ids of messages for which the phone sent a receipt.
    receipts: broadcast::Sender<Vec<String>>,
    last_words: LastWords,
    clock: ServerClock,
}

impl Observer {
    pub(super) fn new(
        events: mpsc::UnboundedSender<Event>,
        notices: mpsc::UnboundedSender<Notice>,
        intake: mpsc::UnboundedSender<Intake>,
        credentials: watch::Sender<Credentials>,
        last_words: LastWords,
        (peers, clock): (Arc<Peers>, ServerClock),
    ) -> Arc<Self> {
        let phase = watch::Sender::new(Phase::Unpaired);
        Arc::new(Self {
            events,
            notices,
            intake,
            credentials,
            phase,
            client: Mutex::default(),
            reasons: Mutex::default(),
            login: Mutex::default(),
            stanzas: AtomicU64::new(0),
            pace: Pace::default(),
            unreached: Mutex::default(),
            over: AtomicBool::new(false),
            peers,
            receipts: broadcast::Sender::new(64),
            last_words,
            clock,
        })
    }

    /// Sets the client whose reconnection is switched on at pairing and off at the first login, before the library tests it.
    pub(super) fn steer(&self, client: &Arc<Client>) {
        *self.client.lock() = Arc::downgrade(client);
        self.reconnect_by_itself(false);
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Returns why the run ended, when WhatsApp said so.
    pub(super) fn ending(&self) -> Option<Ending> {
        let reasons = std::mem::take(&mut *self.reasons.lock());
        reasons.said.or(reasons.hinted)
    }

    /// Returns the client that is observed, while there is one.
    pub(super) fn client(&self) -> Option<Arc<Client>> {
        self.client.lock().upgrade()
    }

    /// Notes the cause to blame should this dial fail, and forgets why the last connection ended.
    pub(super) fn dials(&self, stumble: CauseCode) {
        *self.reasons.lock() = Reasons::default();
        *self.login.lock() = Login::default();
        *self.unreached.lock() = Some(stumble);
    }

    /// The same, for whoever dials.
    pub(super) fn blame(self: &Arc<Self>) -> Blame {
        let observer = Arc::clone(self);
        Arc::new(move |stumble| observer.dials(stumble))
    }

    /// Notes that the socket is open.
    pub(super) fn reaches(&self) {
        *self.unreached.lock() = None;
    }

    /// Returns why the socket did not open.
    pub(super) fn unreached(&self) -> Option<CauseCode> {
        *self.unreached.lock()
    }

    /// How many stanzas were read from WhatsApp's frames, in all connections of the run.
    pub(super) fn stanzas(&self) -> u64 {
        self.stanzas.load(Ordering::Relaxed)
    }

    /// The pace at which the run is looked at.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Tells whether the login was accepted, and WhatsApp has not answered a question since.
    pub(super) fn waits_for_answer(&self) -> bool {
        let login = self.login.lock();
        (login.accepted || login.connected) && !login.answered
    }

    /// Tells whether WhatsApp ended the stream, and left the connection open for so long.
    pub(super) fn stream_is_over(&self, patience: Duration) -> bool {
        let over = self.reasons.lock().stream_over;
        over.is_some_and(|since| since.elapsed() >= patience)
    }

    /// Notes why the run is given up, where WhatsApp does not say.
    pub(super) fn gives_up(&self, cause: CauseCode) {
        self.hinted(Ending::Network(cause.into()));
    }

    /// Stops listening, at the end of the run.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Takes the devices of the peer behind the core's number whose messages cannot be decrypted.
    pub(super) fn take_peer(&self, peer: u64) -> Vec<Jid> {
        self.peers.take(peer)
    }

    /// Subscribes to the ids of messages for which the phone sends a receipt.
    pub(super) fn receipts(&self) -> broadcast::Receiver<Vec<String>> {
        self.receipts.subscribe()
    }

    fn ended(&self, ending: Ending) {
        self.reasons.lock().said = Some(ending);
    }

    fn hinted(&self, ending: Ending) {
        self.reasons.lock().hinted.get_or_insert(ending);
    }

    fn reconnect_by_itself(&self, on: bool) {
        if let Some(client) = self.client() {
            client.enable_auto_reconnect.store(on, Ordering::Relaxed);
        }
    }

    fn tell(&self, event: Event) {
        // The daemon is going down when nobody listens.
        let _ = self.events.send(event);
    }

    fn takes_in(&self, stub: Option<(Stub, Message)>) {
        if let Some((stub, message)) = stub {
            self.takes(Intake::Stub(stub, message));
        }
    }

    fn takes(&self, intake: Intake) {
        let _ = self.intake.send(intake);
    }

    fn notice(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}

/// The handler that the library owns; the run keeps the observer as well.
pub(super) struct Listener(pub(super) Arc<Observer>);

impl EventHandler for Listener {
    fn interest(&self) -> EventInterest {
        EventInterest::of(&[
            EventKind::Connected,
            EventKind::PairSuccess,
            EventKind::PairError,
            EventKind::PairingQrCode,
            EventKind::PairingCode,
            EventKind::PairingCodeError,
            EventKind::PairingQrCodesExhausted,
            EventKind::PairPasskeyRequest,
            EventKind::PairPasskeyConfirmation,
            EventKind::PairPasskeyError,
            EventKind::LoggedOut,
            EventKind::StreamReplaced,
            EventKind::TemporaryBan,
            EventKind::ConnectFailure,
            EventKind::ClientOutdated,
            EventKind::StreamError,
            EventKind::RawNode,
            EventKind::ServerAck,
            EventKind::Messages,
            EventKind::UndecryptableMessage,
            EventKind::Receipt,
            EventKind::OfflineSyncCompleted,
            EventKind::SelfPushNameUpdated,
            EventKind::IncomingCall,
            EventKind::MissedCall,
        ])
    }

    fn handle_event(&self, event: Arc<Said>) {
        self.0.hear(&event);
    }
}

impl Observer {
    fn hear(self: &Arc<Self>, event: &Said) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        match event {
            Said::PairingQrCode(qr) if qr.code.len() > LONGEST_QR => {
                self.credentials.send_modify(|shown| shown.qr = None);
                self.tell(Event::CodeUnusable);
            }
            Said::PairingQrCode(qr) => {
                self.credentials
                    .send_modify(|shown| shown.qr = Some(Secret::new(qr.code.clone())));
                self.tell(Event::QrShown {
                    valid_ms: millis(qr.timeout),
                });
            }
            Said::PairingCode(code) => {
                self.credentials
                    .send_modify(|shown| shown.code = Some(Secret::new(code.code.clone())));
                self.tell(Event::CodeShown {
                    valid_ms: millis(code.timeout),
                });
            }
            Said::PairingCodeError(_) => self.credentials.send_modify(|shown| shown.code = None),
            Said::PairingQrCodesExhausted(_) => {
                self.credentials.send_modify(|shown| shown.qr = None);
                self.ended(Ending::QrExhausted);
            }
            Said::PairPasskeyRequest(request) => {
                let options = Secret::new(request.request_options_json.clone());
                self.credentials
                    .send_modify(|shown| shown.passkey = Some(options));
                self.tell(Event::PasskeyAsked);
            }
            Said::PairPasskeyConfirmation(told) => {
                let code = if told.skip_handoff_ux {
                    String::new()
                } else {
                    told.code.clone()
                };
                self.credentials
                    .send_modify(|shown| shown.passkey_code = Some(Secret::new(code)));
            }
            Said::PairPasskeyError(_) => self.credentials.send_modify(|shown| {
                (shown.passkey, shown.passkey_code) = (None, None);
            }),
            Said::PairSuccess(success) => {
                self.reconnect_by_itself(true);
                self.credentials.send_replace(Credentials::default());
                self.tell(Event::Paired(LastFour::of(&success.id.user)));
                self.tell(Event::PhoneSeen);
                self.phase.send_replace(Phase::Paired);
            }
            Said::PairError(_) => self.tell(Event::PairFailed),
            Said::Connected(_) => {
                // The connection is up, so that an earlier hint did not end it.
                let mut reasons = self.reasons.lock();
                (reasons.hinted, reasons.stream_over) = (None, None);
                drop(reasons);
                self.reconnect_by_itself(false);
                self.comes_up(|login| login.connected = true);
                self.phase.send_replace(Phase::Up);
                self.notice(Notice::Up);
            }
            Said::LoggedOut(out) => self.ended(match out.reason {
                // 403 and 406 speak of the account, not of this link.
                ConnectFailureReason::AccountLocked | ConnectFailureReason::UnknownLogout => {
                    Ending::AccountLocked
                }
                _ => Ending::LoggedOut,
            }),
            Said::StreamReplaced(_) => self.ended(Ending::Replaced),
            Said::TemporaryBan(ban) => {
                self.ended(Ending::Banned {
                    expires_ms: u64::try_from(ban.expire.num_milliseconds()).ok(),
                });
            }
            Said::ClientOutdated(_) => self.ended(Ending::ClientOutdated),
            Said::ConnectFailure(failure) => self.ended(match failure.reason {
                // A ban without a usable duration is reported as a failure.
                ConnectFailureReason::TempBanned => Ending::Banned { expires_ms: None },
                reason => match u16::try_from(reason.code()).unwrap_or(0) {
                    429 => Ending::Throttled,
                    code => Ending::Refused { code },
                },
            }),
            // The library keeps the socket open.
            Said::StreamError(error) => self.hinted(Ending::Refused {
                code: error.code.parse().unwrap_or(0),
            }),
            Said::RawNode(node) => self.stanza(node),
            Said::ServerAck(ack) if ack.class.as_deref() == Some("message") => {
                self.notice(Notice::Acked(ack.clone()))
            }
            Said::SelfPushNameUpdated(_) => self.notice(Notice::Named),
            Said::OfflineSyncCompleted(_) => self.notice(Notice::Drained),
            // The library does not say of receipts whose they are.
            Said::Receipt(receipt) if self.is_the_phone(&receipt.source.sender) => {
                // Nobody waits for one, most of the time.
                let _ = self.receipts.send(receipt.message_ids.clone());
                if !receipt.offline {
                    self.tell(Event::PhoneSeen);
                }
            }
            Said::IncomingCall(call) => self.takes_in(inbound::call(call)),
            Said::MissedCall(call) => self.takes_in(Some(inbound::missed_call(call))),
            Said::UndecryptableMessage(message) => {
                self.takes_in(inbound::unread(message));
                // Of one that is unavailable there is nothing to decrypt: it is asked of the phone.
                if !message.is_unavailable {
                    self.garbled(&message.info.source);
                }
            }
            Said::Messages(batch) => {
                if batch.iter().any(|inbound| self.shows_the_phone(inbound)) {
                    self.tell(Event::PhoneSeen);
                }
                let read = batch.iter().filter(|inbound| !bypasses_hook(inbound));
                read.for_each(|inbound| self.read(&inbound.info.source));
                let bypassed: Vec<_> = batch
                    .iter()
                    .filter(|inbound| bypasses_hook(inbound))
                    .cloned()
                    .collect();
                if !bypassed.is_empty() {
                    self.takes(Intake::Messages(bypassed));
                }
            }
            _ => {}
        }
    }

    fn shows_the_phone(&self, inbound: &InboundMessage) -> bool {
        let age_ms = wacore::time::now_millis() - inbound.info.timestamp.timestamp_millis();
        age_ms < NEWS_MS && self.is_the_phone(&inbound.info.source.sender)
    }

    /// Tells whether the sender is the phone that the device is linked to: companions have other device numbers.
    fn is_the_phone(&self, sender: &Jid) -> bool {
        let own = self.client().map(|client| [client.pn(), client.lid()]);
        let mut own = own.into_iter().flatten().flatten();
        sender.device() == 0
            && own.any(|own| own.user == sender.user && own.server == sender.server)
    }

    /// Tells once that the link is up.
    fn comes_up(&self, step: impl FnOnce(&mut Login)) {
        let mut login = self.login.lock();
        let was_up = login.is_up();
        step(&mut login);
        if login.is_up() && !was_up {
            self.tell(Event::LinkUp);
        }
    }

    /// Counts a stanza, and keeps the one that ends a connection whole. 515, 429 and 503 have no typed event of their own.
    fn stanza(&self, node: &OwnedNodeRef) {
        self.stanzas.fetch_add(1, Ordering::Relaxed);
        let node = node.get();
        match node.tag.as_ref() {
            // Its id is of a question of ours: WhatsApp's own questions are of the types `get` and `set`.
            "iq" if is_answer(node) => return self.comes_up(|login| login.answered = true),
            "success" => {
                let told = node.get_attr("t").and_then(|t| t.as_str().parse().ok());
                told.into_iter().for_each(|seconds| self.clock.set(seconds));
                return self.comes_up(|login| login.accepted = true);
            }
            "failure" => {
                self.number(node, "reason");
                return self.keep(node);
            }
            "stream:error" => {
                self.number(node, "code");
                self.keep(node);
            }
            "receipt" => {
                let asked = AskedAgain::read(node).map(Notice::AskedAgain);
                return asked.into_iter().for_each(|asked| self.notice(asked));
            }
            _ => return,
        }
        // One about an ack tells of that stanza alone; the library goes on, as WhatsApp's own client does.
        if node.get_optional_child("ack").is_none() {
            let mut reasons = self.reasons.lock();
            reasons.stream_over.get_or_insert_with(Instant::now);
        }
        match node
            .get_attr("code")
            .map(|code| code.as_str().into_owned())
            .as_deref()
        {
            Some("515") => self.hinted(Ending::RestartRequired),
            Some("429") => self.hinted(Ending::Throttled),
            Some("503") => self.hinted(Ending::Refused { code: 503 }),
            _ => {}
        }
    }
}

/// Whose messages can be decrypted, and whose cannot. Who that is takes a look at the store, for which the library's dispatch
/// path does not wait.
impl Observer {
    fn garbled(self: &Arc<Self>, source: &MessageSource) {
        self.look_up(source, async |observer, client, source| {
            let peer = peers::person(&client, &source).await;
            let worked = client.signal().validate_session(&source.sender).await;
            Event::Undecrypted {
                peer: observer.peers.fails(&peer, &source.sender),
                // What cannot be read is no session that worked.
                worked: worked.unwrap_or(false),
            }
        });
    }

    fn read(self: &Arc<Self>, source: &MessageSource) {
        if self.peers.is_news(&source.sender) {
            self.look_up(source, async |observer, client, source| Event::Decrypted {
                peer: observer
                    .peers
                    .number(&peers::person(&client, &source).await),
            });
        }
    }

    /// Tells what is found out about the sender of a message, unless the run is over by then.
    fn look_up<F>(
        self: &Arc<Self>,
        source: &MessageSource,
        event: impl FnOnce(Arc<Self>, Arc<Client>, MessageSource) -> F,
    ) where
        F: Future<Output = Event> + Send + 'static,
    {
        let Some(client) = self.client() else { return };
        let observer = Arc::clone(self);
        let event = event(Arc::clone(self), client, source.clone());
        tokio::spawn(async move {
            let event = event.await;
            if !observer.over.load(Ordering::Relaxed) {
                observer.tell(event);
            }
        });
    }
}

impl Observer {
    /// Tells the number that WhatsApp gives in this stanza.
    fn number(&self, node: &NodeRef<'_>, attribute: &str) {
        let given = node.get_attr(attribute);
        if let Some(number) = given.and_then(|given| given.as_str().parse().ok()) {
            self.tell(Event::Said { number });
        }
    }

    /// Writes a stanza to the last words, in a task of its own: the library's dispatch path does not wait for the disk.
    fn keep(&self, node: &NodeRef<'_>) {
        let stanza = Secret::new(DisplayableNodeRef(node).to_string());
        let (words, last_words) = (Secret::new(words(node)), self.last_words.clone());
        drop(blocking(move || {
            if let Err(error) = last_words.keep(words, stanza) {
                tracing::warn!("what WhatsApp said cannot be kept: {error}");
            }
            Ok::<_, Stopped>(())
        }));
    }
}

fn is_answer(node: &NodeRef<'_>) -> bool {
    let kind = node.get_attr("type");
    kind.is_some_and(|kind| matches!(&*kind.as_str(), "result" | "error"))
}

/// Reads a stanza's texts for humans (the attributes of wacore's `stanza/connect_failure.rs`).
fn words(node: &NodeRef<'_>) -> String {
    let said = ["logout_message_header", "logout_message_subtext", "message"];
    let said = said.iter().filter_map(|name| node.get_attr(name));
    let said: Vec<_> = said.map(|text| text.as_str().into_owned()).collect();
    said.join(" ")
}

fn bypasses_hook(inbound: &InboundMessage) -> bool {
    inbound.info.unavailable_request_id.is_some() || inbound.info.source.chat.is_newsletter()
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::Heard;
