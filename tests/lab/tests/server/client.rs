//! A bare whatsapp-rust client, and what it reports.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_lab::server::{DeviceId, Lab, PhoneId};
use tokio::sync::watch;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};
use wacore::proto_helpers::MessageExt;
use wacore::store::InMemoryBackend;
use wacore_binary::Node;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::prelude::{Bot, BotHandle, Event, EventDelivery, Jid, RawNodeLease};
use whatsapp_rust::transport::TokioWebSocketTransportFactory;

/// Long, since a loaded machine is no fault of the server's.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Any version will do; naming one keeps the client from asking the internet.
const VERSION: (u32, u32, u32) = (2, 3000, 1_030_000_000);

/// For clients that need no HTTP: nothing leaves the machine.
struct NoHttp;

#[async_trait::async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, _request: HttpRequest) -> anyhow::Result<HttpResponse> {
        anyhow::bail!("this client has no HTTP")
    }
}

/// A client that runs, and everything it has reported.
pub struct Client {
    bot: BotHandle,
    events: Arc<Mutex<Vec<Arc<Event>>>>,
    count: watch::Receiver<usize>,
    /// Every stanza is an event too.
    _raw: RawNodeLease,
}

/// What a client keeps between runs.
pub fn store() -> Arc<InMemoryBackend> {
    Arc::new(InMemoryBackend::new())
}

impl Client {
    /// Starts a client on `url` with what it kept.
    pub async fn start(url: &str, store: &Arc<InMemoryBackend>) -> Client {
        Client::build(url, store, None, NoHttp).await
    }

    /// Starts a client that shows a code for `phone` as well as QRs.
    pub async fn start_with_code(
        url: &str,
        store: &Arc<InMemoryBackend>,
        phone: &PhoneId,
    ) -> Client {
        Client::build(url, store, Some(phone), NoHttp).await
    }

    /// Starts a client that can fetch media.
    pub async fn start_with_http(
        url: &str,
        store: &Arc<InMemoryBackend>,
        http: impl HttpClient + 'static,
    ) -> Client {
        Client::build(url, store, None, http).await
    }

    async fn build(
        url: &str,
        store: &Arc<InMemoryBackend>,
        phone: Option<&PhoneId>,
        http: impl HttpClient + 'static,
    ) -> Client {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let seen = Arc::clone(&events);
        let mut builder = Bot::builder()
            .with_backend_arc(Arc::clone(store) as _)
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(url))
            .with_http_client(http)
            .with_version(VERSION)
            // The smallest pool that leaves some for others: fewer keys, faster tests.
            .with_wanted_pre_key_count(30)
            .with_event_delivery(EventDelivery::Ordered { capacity: 4096 })
            .on_event(move |event, _| {
                let mut seen = seen.lock().unwrap();
                seen.push(event);
                counter.send_replace(seen.len());
                async {}
            });
        if let Some(phone) = phone {
            builder = builder.with_pair_code(PairCodeOptions {
                phone_number: phone.to_string(),
                ..Default::default()
            });
        }
        let bot = builder.build().await.unwrap();
        let raw = bot.client().acquire_raw_node_forwarding();
        let bot = bot.spawn();
        Client {
            bot,
            events,
            count,
            _raw: raw,
        }
    }

    /// The first event from position `from` on that `wanted` takes, and the position after it.
    pub async fn wait_from<T>(
        &self,
        from: usize,
        what: &str,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> (T, usize) {
        let mut count = self.count.clone();
        let search = async {
            let mut at = from;
            loop {
                count.borrow_and_update();
                let fresh: Vec<_> = self.events.lock().unwrap()[at..].to_vec();
                for event in fresh {
                    at += 1;
                    if let Some(found) = wanted(&event) {
                        return (found, at);
                    }
                }
                count.changed().await.expect("the client has ended");
            }
        };
        match tokio::time::timeout(DEADLINE, search).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: not among {:?}", self.kinds()),
        }
    }

    /// The first event of all that `wanted` takes.
    pub async fn wait<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        self.wait_from(0, what, wanted).await.0
    }

    /// How many events there are so far.
    pub fn seen(&self) -> usize {
        *self.count.borrow()
    }

    fn kinds(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let name = |event: &Arc<Event>| {
            let text = format!("{event:?}");
            text.chars().take_while(|c| c.is_alphanumeric()).collect()
        };
        events.iter().map(name).collect()
    }

    /// Every stanza that came, as it was written.
    pub fn stanzas(&self) -> Vec<Node> {
        let events = self.events.lock().unwrap();
        let stanzas = events.iter().filter_map(|event| match &**event {
            Event::RawNode(node) => Some(node.to_owned_node()),
            _ => None,
        });
        stanzas.collect()
    }

    pub async fn qr(&self) -> String {
        self.wait("a QR", |event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    pub async fn connected(&self) {
        self.connected_from(0).await;
    }

    pub async fn connected_from(&self, from: usize) {
        self.wait_from(from, "Connected", |event| {
            matches!(event, Event::Connected(_)).then_some(())
        })
        .await;
    }

    /// Waits for a message with this text; gives the chat.
    pub async fn received(&self, text: &str) -> Jid {
        self.wait(&format!("the message {text:?}"), |event| match event {
            Event::Messages(batch) => batch
                .messages
                .iter()
                .find(|message| message.message.text_content() == Some(text))
                .map(|message| message.info.source.chat.clone()),
            _ => None,
        })
        .await
    }

    /// How often a message with this text was reported.
    pub fn times_received(&self, text: &str) -> usize {
        let events = self.events.lock().unwrap();
        let messages = events.iter().map(|event| match &**event {
            Event::Messages(batch) => batch
                .messages
                .iter()
                .filter(|message| message.message.text_content() == Some(text))
                .count(),
            _ => 0,
        });
        messages.sum()
    }

    pub async fn send(&self, to: &Jid, text: &str) -> String {
        self.bot
            .client()
            .send_text(to.clone(), text)
            .await
            .unwrap()
            .message_id
    }

    pub fn client(&self) -> Arc<whatsapp_rust::Client> {
        self.bot.client()
    }

    /// Stops in order.
    pub async fn stop(self) {
        self.bot.shutdown().await;
    }
}

/// An account with a client linked by QR and connected.
pub struct Linked {
    pub phone: PhoneId,
    pub device: DeviceId,
    pub client: Client,
    pub store: Arc<InMemoryBackend>,
}

impl Linked {
    pub async fn new(lab: &Lab, number: &str) -> Linked {
        let phone = lab.create_phone(number, "Ada").await.unwrap();
        let store = store();
        let client = Client::start(&lab.url(), &store).await;
        let device = lab.scan_qr(&phone, &client.qr().await).await.unwrap();
        client.connected().await;
        Linked {
            phone,
            device,
            client,
            store,
        }
    }
}

pub fn jid(phone: &PhoneId) -> Jid {
    Jid::pn(phone.0.as_str())
}
