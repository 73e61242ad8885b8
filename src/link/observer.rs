//! What the library says, turned into core events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_core::{Ending, Event, LastFour};
use tokio::sync::{mpsc, watch};
use wacore_binary::JidExt;
use whatsapp_rust::types::events::{
    ConnectFailureReason, Event as Said, EventHandler, EventInterest, EventKind, InboundMessage,
    ServerAck,
};
use whatsapp_rust::{Jid, OwnedNodeRef};

use super::credentials::Credentials;
use crate::journal::Secret;

/// How far a linking has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No phone consented in this run.
    Unpaired,
    /// Keys were exchanged: the library's own reconnection carries the 515 and the first login.
    Paired,
    /// Logged in and usable.
    Up,
}

/// What one run of the link tells the mail's side.
pub(super) enum Notice {
    /// Logged in and usable.
    Up,
    /// WhatsApp acked or refused a message of ours.
    Acked(ServerAck),
    /// Messages that bypass the durability hook: newsletters, and placeholders recovered from the phone.
    Bypassed(Vec<InboundMessage>),
}

/// Listens to one run, inline on the library's dispatch path: it only hands on.
pub(super) struct Observer {
    events: mpsc::UnboundedSender<Event>,
    notices: mpsc::UnboundedSender<Notice>,
    credentials: watch::Sender<Credentials>,
    phase: watch::Sender<Phase>,
    /// The library reconnects by itself while this is set; see `run`.
    auto_reconnect: Mutex<Option<Arc<AtomicBool>>>,
    /// The first reason the run gave for its end.
    ending: Mutex<Option<Ending>>,
}

impl Observer {
    pub(super) fn new(
        events: mpsc::UnboundedSender<Event>,
        notices: mpsc::UnboundedSender<Notice>,
        credentials: watch::Sender<Credentials>,
    ) -> Arc<Self> {
        let phase = watch::Sender::new(Phase::Unpaired);
        Arc::new(Self {
            events,
            notices,
            credentials,
            phase,
            auto_reconnect: Mutex::default(),
            ending: Mutex::default(),
        })
    }

    /// The flag to flip at pairing and at the first login, before the library tests it.
    pub(super) fn steer(&self, auto_reconnect: Arc<AtomicBool>) {
        auto_reconnect.store(false, Ordering::Relaxed);
        *lock(&self.auto_reconnect) = Some(auto_reconnect);
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Why the run ended, when WhatsApp said so.
    pub(super) fn ending(&self) -> Option<Ending> {
        lock(&self.ending).take()
    }

    fn ended(&self, ending: Ending) {
        lock(&self.ending).get_or_insert(ending);
    }

    fn reconnect_by_itself(&self, on: bool) {
        if let Some(flag) = lock(&self.auto_reconnect).as_ref() {
            flag.store(on, Ordering::Relaxed);
        }
    }

    fn tell(&self, event: Event) {
        // The daemon is going down when nobody listens.
        let _ = self.events.send(event);
    }

    fn notice(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}

/// The library wants a handler it owns; the run keeps the observer as well.
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
            EventKind::LoggedOut,
            EventKind::StreamReplaced,
            EventKind::TemporaryBan,
            EventKind::ConnectFailure,
            EventKind::ClientOutdated,
            EventKind::StreamError,
            EventKind::RawNode,
            EventKind::ServerAck,
            EventKind::Messages,
        ])
    }

    fn handle_event(&self, event: Arc<Said>) {
        self.0.hear(&event);
    }
}

impl Observer {
    fn hear(&self, event: &Said) {
        match event {
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
            Said::PairPasskeyRequest(_) => self.tell(Event::PasskeyAsked),
            Said::PairSuccess(success) => {
                self.reconnect_by_itself(true);
                self.credentials.send_replace(Credentials::default());
                self.tell(Event::Paired(last_four(&success.id)));
                self.phase.send_replace(Phase::Paired);
            }
            Said::PairError(_) => self.tell(Event::PairFailed),
            Said::Connected(_) => {
                // The 515 between linking and login is behind us, not the reason of what ends this connection.
                lock(&self.ending).take();
                self.reconnect_by_itself(false);
                self.tell(Event::LinkUp);
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
                reason => Ending::Refused {
                    code: u16::try_from(reason.code()).unwrap_or(0),
                },
            }),
            Said::StreamError(error) => self.ended(Ending::Refused {
                code: error.code.parse().unwrap_or(0),
            }),
            Said::RawNode(node) => self.stream_error(node),
            Said::ServerAck(ack) if ack.class.as_deref() == Some("message") => {
                self.notice(Notice::Acked(ack.clone()))
            }
            Said::Messages(batch) => {
                let bypassed: Vec<_> = batch
                    .iter()
                    .filter(|inbound| bypasses_hook(inbound))
                    .cloned()
                    .collect();
                if !bypassed.is_empty() {
                    self.notice(Notice::Bypassed(bypassed));
                }
            }
            _ => {}
        }
    }

    /// 515, 429 and 503 have no typed event of their own.
    fn stream_error(&self, node: &OwnedNodeRef) {
        let node = node.get();
        if node.tag != "stream:error" {
            return;
        }
        match node
            .get_attr("code")
            .map(|code| code.as_str().into_owned())
            .as_deref()
        {
            Some("515") => self.ended(Ending::RestartRequired),
            Some("429") => self.ended(Ending::Throttled),
            Some("503") => self.ended(Ending::Refused { code: 503 }),
            _ => {}
        }
    }
}

fn bypasses_hook(inbound: &InboundMessage) -> bool {
    inbound.info.unavailable_request_id.is_some() || inbound.info.source.chat.is_newsletter()
}

/// The last four digits of an account's number; zeros stand in for a number shorter than that.
fn last_four(account: &Jid) -> LastFour {
    let mut digits = *b"0000";
    let number = account.user.bytes().rev().filter(u8::is_ascii_digit);
    digits
        .iter_mut()
        .rev()
        .zip(number)
        .for_each(|(place, digit)| *place = digit);
    LastFour(digits)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
