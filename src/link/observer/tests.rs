use std::time::Duration;

use holdfast_medium::DataDir;
use wacore::libsignal::protocol::SessionRecord;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};
use wacore::store::traits::{
    Backend, DeviceStore as _, LidPnMappingEntry, ProtocolStore as _, SignalStore as _,
};
use wacore::store::{Device, InMemoryBackend};
use wacore::types::jid::JidExt as _;
use wacore::types::message::{MessageCategory, MessageInfo, MessageSource};
use wacore_binary::builder::NodeBuilder;
use whatsapp_rust::bot::Bot;
use whatsapp_rust::types::events::{self, MessageBatch};

use super::super::ahead::Ahead;
use super::super::dial::Dialer;
use super::*;
use crate::config::Settings;

/// An observer, and what it told.
pub(in crate::link) struct Heard {
    pub(in crate::link) observer: Arc<Observer>,
    events: mpsc::UnboundedReceiver<Event>,
    intake: mpsc::UnboundedReceiver<Intake>,
    credentials: watch::Receiver<Credentials>,
}

impl Heard {
    pub(in crate::link) fn new() -> Self {
        Self::of(Arc::default(), watch::Sender::default())
    }

    fn of(peers: Arc<Peers>, shown: watch::Sender<Credentials>) -> Self {
        let (events_in, events) = mpsc::unbounded_channel();
        let credentials = shown.subscribe();
        let last_words = LastWords::new(&DataDir::new("/nowhere"));
        let notices = mpsc::unbounded_channel().0;
        let (intake_in, intake) = mpsc::unbounded_channel();
        Self {
            observer: Observer::new(
                events_in,
                notices,
                intake_in,
                shown,
                last_words,
                (peers, ServerClock::default()),
            ),
            events,
            intake,
            credentials,
        }
    }

    fn told(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

fn qr() -> Said {
    let qr = events::PairingQrCode::builder().code("2@ref".to_owned());
    Said::PairingQrCode(qr.timeout(Duration::from_secs(20)).build())
}

fn stream_error(code: &str) -> Said {
    Said::StreamError(events::StreamError::builder().code(code.to_owned()).build())
}

fn logged_out() -> Said {
    let out = events::LoggedOut::builder().on_connect(false);
    Said::LoggedOut(out.reason(ConnectFailureReason::LoggedOut).build())
}

fn replaced() -> Said {
    Said::StreamReplaced(events::StreamReplaced::builder().build())
}

/// The server's `<stream:error>`, as it came.
fn raw(code: &str) -> Said {
    stanza(NodeBuilder::new("stream:error").attr("code", code))
}

fn stanza(node: NodeBuilder) -> Said {
    let node = node.build();
    let bytes = wacore_binary::marshal::marshal(&node).unwrap();
    // Behind the byte that says how it is packed.
    Said::RawNode(Arc::new(OwnedNodeRef::new(bytes[1..].to_vec()).unwrap()))
}

#[test]
fn nothing_of_a_run_that_is_over_is_heard() {
    let shown = watch::Sender::default();
    let mut old = Heard::of(Arc::default(), shown.clone());
    old.observer.hear(&qr());
    assert!(matches!(old.told(), Some(Event::QrShown { .. })));
    old.observer.close();
    shown.send_replace(Credentials::default());

    // The library goes on showing codes for two minutes more.
    let exhausted = events::PairingQrCodesExhausted::builder().disconnected(true);
    let exhausted = Said::PairingQrCodesExhausted(exhausted.build());
    let mut new = Heard::of(Arc::default(), shown);
    new.observer.hear(&qr());
    new.credentials.mark_unchanged();
    for late in [qr(), exhausted, logged_out()] {
        old.observer.hear(&late);
    }
    assert!(!new.credentials.has_changed().unwrap());
    assert_eq!((old.told(), old.observer.ending()), (None, None));
    assert!(new.told().is_some());
}

#[tokio::test]
async fn what_was_said_of_this_device_counts_more_than_what_may_be_nothing() {
    let ending = |said: &[Said]| {
        let heard = Heard::new();
        said.iter().for_each(|said| heard.observer.hear(said));
        heard.observer.ending()
    };
    let restart = Some(Ending::RestartRequired);
    assert_eq!(ending(&[raw("515")]), restart);
    assert_eq!(ending(&[raw("515"), logged_out()]), Some(Ending::LoggedOut));
    assert_eq!(ending(&[logged_out(), raw("515")]), Some(Ending::LoggedOut));
    let refused = Some(Ending::Refused { code: 0 });
    assert_eq!(ending(&[stream_error(""), raw("503")]), refused);
    assert_eq!(
        ending(&[stream_error(""), replaced()]),
        Some(Ending::Replaced)
    );
    assert_eq!(
        ending(&[raw("429"), stream_error("")]),
        Some(Ending::Throttled)
    );
    assert_eq!(ending(&[replaced(), logged_out()]), Some(Ending::LoggedOut));
}

#[tokio::test]
async fn what_did_not_end_the_run_is_forgotten() {
    let observer = Heard::new().observer;
    observer.hear(&raw("515"));
    observer.dials(CauseCode::DialFailed);
    assert_eq!(observer.ending(), None, "the library dials again");
    observer.hear(&stream_error(""));
    observer.hear(&Said::Connected(events::Connected::builder().build()));
    assert_eq!(observer.ending(), None);
    observer.hear(&logged_out());
    observer.hear(&Said::Connected(events::Connected::builder().build()));
    assert_eq!(observer.ending(), Some(Ending::LoggedOut), "told late");
}

#[test]
fn a_link_is_up_when_whatsapp_has_answered_a_question() {
    let connected = || Said::Connected(events::Connected::builder().build());
    let iq = |kind: &'static str| stanza(NodeBuilder::new("iq").attr("type", kind));
    let mut heard = Heard::new();
    let observer = Arc::clone(&heard.observer);
    assert!(!observer.waits_for_answer(), "nobody is logged in");
    observer.hear(&stanza(NodeBuilder::new("success")));
    assert!(observer.waits_for_answer());
    observer.hear(&connected());
    // What WhatsApp asks, and whatever else it sends, is no answer.
    for said in [iq("set"), iq("get"), stanza(NodeBuilder::new("message"))] {
        observer.hear(&said);
    }
    assert!(heard.told().is_none() && observer.waits_for_answer());
    observer.hear(&iq("result"));
    assert_eq!(heard.told(), Some(Event::LinkUp));
    observer.hear(&iq("error"));
    assert!(heard.told().is_none() && !observer.waits_for_answer());
    assert_eq!(observer.stanzas(), 6);

    // The next connection of the run begins anew, and in the usual order.
    observer.dials(CauseCode::DialFailed);
    observer.hear(&iq("result"));
    assert!(heard.told().is_none());
    observer.hear(&connected());
    assert_eq!(heard.told(), Some(Event::LinkUp));
}

#[tokio::test]
async fn a_stream_that_is_over_is_not_waited_on() {
    let over = |heard: &Heard| heard.observer.stream_is_over(Duration::ZERO);
    let mut heard = Heard::new();
    let ack = NodeBuilder::new("stream:error").children([NodeBuilder::new("ack").build()]);
    heard.observer.hear(&stanza(ack));
    assert!(!over(&heard), "told of one stanza");
    heard.observer.hear(&raw("503"));
    assert!(over(&heard) && !heard.observer.stream_is_over(Duration::from_secs(60)));
    assert_eq!(heard.told(), Some(Event::Said { number: 503 }));
    heard.observer.dials(CauseCode::DialFailed);
    assert!(!over(&heard));
}

#[test]
fn a_code_that_no_qr_holds_is_not_shown() {
    let mut heard = Heard::new();
    heard.observer.hear(&qr());
    assert!(matches!(heard.told(), Some(Event::QrShown { .. })));
    let long = events::PairingQrCode::builder().code("2".repeat(LONGEST_QR + 1));
    let long = long.timeout(Duration::from_secs(60)).build();
    let log = crate::journal::logged(tracing::Level::TRACE, || {
        heard.observer.hear(&Said::PairingQrCode(long));
    });
    assert!(!log.contains("222"), "{log}");
    assert_eq!(heard.told(), Some(Event::CodeUnusable));
    assert!(heard.credentials.borrow().qr.is_none());
}

#[test]
fn what_is_not_there_has_a_stub() {
    let mut heard = Heard::new();
    let ada: Jid = "15550000002:3@s.whatsapp.net".parse().unwrap();
    let unread = |id: &str, category, own, unavailable| {
        let source = MessageSource {
            chat: ada.to_non_ad(),
            sender: ada.clone(),
            is_from_me: own,
            ..MessageSource::default()
        };
        let info = MessageInfo {
            source,
            id: id.to_owned(),
            category,
            ..MessageInfo::default()
        };
        let message = events::UndecryptableMessage::builder()
            .info(Arc::new(info))
            .is_unavailable(unavailable)
            .unavailable_type(events::UnavailableType::ViewOnce)
            .decrypt_fail_mode(events::DecryptFailMode::Show);
        Said::UndecryptableMessage(message.build())
    };
    let missed = || {
        let reason = wacore::types::call::MissedReason::Offline;
        let (from, now) = (ada.clone(), wacore::time::now_utc());
        let call = wacore::types::call::MissedCall::new(from, "CALL".into(), now, reason);
        Said::MissedCall(call)
    };
    let (mine, theirs) = (MessageCategory::Peer, MessageCategory::Empty);
    for (said, expected) in [
        (
            unread("A", theirs.clone(), false, false),
            Some((Stub::Undecryptable, "A")),
        ),
        (
            unread("B", theirs, false, true),
            Some((Stub::PhoneOnly, "B")),
        ),
        (unread("C", mine, true, false), None),
        (missed(), Some((Stub::Call, "CALL"))),
    ] {
        heard.observer.hear(&said);
        let taken = match heard.intake.try_recv() {
            Ok(Intake::Stub(stub, message)) => {
                assert_eq!(*message.chat.expose(), ada.to_non_ad().to_string());
                assert!(message.text.is_none() && message.raw.is_empty());
                Some((stub, message.id))
            }
            _ => None,
        };
        let expected = expected.map(|(stub, id)| (stub, id.to_owned()));
        assert_eq!(taken, expected);
    }
}

/// Never asks the web.
struct NoWeb;

#[async_trait::async_trait]
impl HttpClient for NoWeb {
    async fn execute(&self, _request: HttpRequest) -> anyhow::Result<HttpResponse> {
        anyhow::bail!("no web")
    }
}

/// An observer of a client with this in its store.
async fn observed(heard: &Heard, device: Device, backend: &Arc<InMemoryBackend>) -> Bot {
    backend.save(&device).await.unwrap();
    let store: Arc<dyn Backend> = backend.clone();
    let bot = Bot::builder()
        .with_backend_arc(store)
        .with_transport_factory(Dialer::new(
            Arc::new(Ahead::new(&Settings::default())),
            Arc::clone(&heard.observer),
        ))
        .with_http_client(NoWeb)
        .build();
    let bot = bot.await.unwrap();
    heard.observer.steer(&bot.client());
    bot
}

fn written_by(sender: &str) -> Arc<MessageInfo> {
    let source = MessageSource {
        sender: sender.parse().unwrap(),
        ..MessageSource::default()
    };
    Arc::new(MessageInfo {
        source,
        ..MessageInfo::default()
    })
}

fn garbled(sender: &str) -> Said {
    let message = events::UndecryptableMessage::builder()
        .info(written_by(sender))
        .is_unavailable(false)
        .unavailable_type(events::UnavailableType::Unknown)
        .decrypt_fail_mode(events::DecryptFailMode::Show);
    Said::UndecryptableMessage(message.build())
}

fn readable(sender: &str) -> Said {
    let message = InboundMessage::builder().message(Arc::default());
    let batch = MessageBatch::builder()
        .messages([message.info(written_by(sender)).build()].into())
        .origin(events::BatchOrigin::Live);
    Said::Messages(batch.build())
}

#[tokio::test]
async fn a_person_is_one_peer_whatever_they_write_from_and_a_stranger_is_told_apart() {
    const PERSON: [&str; 4] = [
        "15550000002@s.whatsapp.net",
        "15550000002:3@s.whatsapp.net",
        "100000000000002@lid",
        "100000000000002:3@lid",
    ];
    let backend = Arc::new(InMemoryBackend::new());
    let mapping = LidPnMappingEntry {
        lid: "100000000000002".into(),
        phone_number: "15550000002".into(),
        created_at: 1,
        updated_at: 1,
        learning_source: "usync".into(),
    };
    backend.put_lid_mapping(&mapping).await.unwrap();
    let known: Jid = PERSON[2].parse().unwrap();
    let session = SessionRecord::new_fresh().serialize().unwrap();
    let address = known.to_protocol_address();
    backend
        .put_session(address.as_str(), &session)
        .await
        .unwrap();

    let peers = Arc::new(Peers::default());
    let mut heard = Heard::of(Arc::clone(&peers), watch::Sender::default());
    let _bot = observed(&heard, Device::new(), &backend).await;
    let mut told = async |said: &Said| {
        heard.observer.hear(said);
        heard.events.recv().await.unwrap()
    };
    let mut numbers = Vec::new();
    for (sender, is_known) in PERSON.into_iter().zip([true, false, true, false]) {
        let Event::Undecrypted { peer, worked } = told(&garbled(sender)).await else {
            panic!("not told of {sender}")
        };
        assert_eq!(worked, is_known, "{sender}");
        numbers.push(peer);
    }
    let Event::Decrypted { peer } = told(&readable(PERSON[1])).await else {
        panic!("not told")
    };
    numbers.push(peer);
    numbers.dedup();
    assert_eq!(numbers.len(), 1, "one person");
    let devices = peers.take(numbers[0]);
    assert_eq!(devices.len(), 4, "each of which a session may be with");

    let Event::Undecrypted { peer, worked } = told(&garbled("15550000003@s.whatsapp.net")).await
    else {
        panic!("not told")
    };
    assert!(peer != numbers[0] && !worked);
    let other = Peers::default().number(&known);
    assert_ne!(numbers[0], other, "another process");
}

#[tokio::test]
async fn who_writes_all_day_is_told_of_once_a_minute() {
    let mut heard = Heard::new();
    let _bot = observed(&heard, Device::new(), &Arc::new(InMemoryBackend::new())).await;
    for sender in ["15550000002", "15550000002", "15550000003"] {
        heard
            .observer
            .hear(&readable(&format!("{sender}@s.whatsapp.net")));
    }
    for _ in 0..2 {
        let event = heard.events.recv().await;
        assert!(matches!(event, Some(Event::Decrypted { .. })), "{event:?}");
    }
    assert_eq!(heard.told(), None);
}

#[tokio::test]
async fn what_whatsapp_kept_for_days_is_no_sign_of_the_phone() {
    let mut heard = Heard::new();
    let own: Jid = "15550000001:7@s.whatsapp.net".parse().unwrap();
    let mut device = Device::new();
    device.pn = Some(own.clone());
    let _bot = observed(&heard, device, &Arc::new(InMemoryBackend::new())).await;

    let source = MessageSource {
        sender: own.to_non_ad(),
        ..MessageSource::default()
    };
    let now = wacore::time::now_utc();
    let receipt = |offline| {
        let receipt = events::Receipt::builder().source(source.clone());
        let receipt = receipt.message_ids(Vec::new()).timestamp(now);
        let receipt = receipt.r#type(wacore::types::presence::ReceiptType::Sender);
        Said::Receipt(receipt.offline(offline).build())
    };
    let written = |age: Duration| {
        let info = Arc::new(MessageInfo {
            source: source.clone(),
            timestamp: now - age,
            ..MessageInfo::default()
        });
        let message = InboundMessage::builder().message(Arc::default()).info(info);
        let batch = MessageBatch::builder()
            .messages([message.build()].into())
            .origin(events::BatchOrigin::Live);
        Said::Messages(batch.build())
    };
    let day = Duration::from_secs(24 * 60 * 60);
    for (said, is_sign) in [
        (receipt(false), true),
        (receipt(true), false),
        (written(day / 2), true),
        (written(2 * day), false),
    ] {
        heard.observer.hear(&said);
        let told = heard.told();
        assert_eq!(told == Some(Event::PhoneSeen), is_sign, "{told:?}");
    }
}
