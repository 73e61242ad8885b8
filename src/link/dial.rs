//! Opening the socket, and remembering why it did not open: the library tells nobody.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use async_trait::async_trait;
use wacore::net::{Transport, TransportEvent, TransportFactory};
use whatsapp_rust::Client;
use whatsapp_rust::async_channel;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;

/// Why the last dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialFailure {
    /// The server's name has no address: no network, or no DNS.
    NoAddress,
    /// The name has an address, and nobody there speaks to us: TCP, TLS or the upgrade failed.
    NoAnswer,
}

/// The library's own factory, watched.
pub(super) struct Dialer {
    inner: TokioWebSocketTransportFactory,
    /// `host:port`, to ask the resolver first: the factory's error is only text.
    host: String,
    last: Arc<Mutex<Option<DialFailure>>>,
    client: Arc<OnceLock<Weak<Client>>>,
}

/// What the run keeps of its dialer.
pub(super) struct Watch {
    /// The last failure, `None` once a dial succeeded.
    pub last: Arc<Mutex<Option<DialFailure>>>,
    /// The client that dials, to be set before it does.
    pub client: Arc<OnceLock<Weak<Client>>>,
}

impl Dialer {
    /// `url` replaces WhatsApp's own.
    pub(super) fn new(url: Option<&str>) -> (Self, Watch) {
        let inner = TokioWebSocketTransportFactory::new();
        let (inner, host) = match url {
            Some(url) => (inner.with_url(url), host_of(url)),
            None => (inner, "web.whatsapp.com:443".to_owned()),
        };
        let watch = Watch {
            last: Arc::default(),
            client: Arc::default(),
        };
        (
            Self {
                inner,
                host,
                last: Arc::clone(&watch.last),
                client: Arc::clone(&watch.client),
            },
            watch,
        )
    }

    async fn dial(&self) -> Result<Dialed, (DialFailure, anyhow::Error)> {
        if let Err(error) = tokio::net::lookup_host(&self.host).await {
            return Err((DialFailure::NoAddress, error.into()));
        }
        self.inner
            .create_transport()
            .await
            .map_err(|error| (DialFailure::NoAnswer, error))
    }
}

type Dialed = (Arc<dyn Transport>, async_channel::Receiver<TransportEvent>);

#[async_trait]
impl TransportFactory for Dialer {
    async fn create_transport(&self) -> Result<Dialed, anyhow::Error> {
        // WhatsApp must not meet a linking that is not kept.
        if let Some(client) = self.client.get().and_then(Weak::upgrade) {
            settle_identity(&client).await;
        }
        let dialed = self.dial().await;
        let failure = dialed.as_ref().err().map(|(failure, _)| *failure);
        *self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = failure;
        dialed.map_err(|(_, error)| error)
    }
}

/// Returns when the identity is on the medium as the client has it: the library saves it in the background, and does not
/// notice what changes during a save.
pub(super) async fn settle_identity(client: &Client) {
    let device = client.persistence_manager();
    // Neither answers with an error of the medium: see the vault's backend.
    let _ = device.flush().await;
    // Changes nothing where there is a device, and waits for the save under way.
    let _ = device.backend().create().await;
}

/// `host:port` of a `ws://` or `wss://` address.
pub(super) fn host_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("wss", url));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (has_port, scheme) {
        (true, _) => authority.to_owned(),
        (false, "ws") => format!("{authority}:80"),
        (false, _) => format!("{authority}:443"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_of_an_address() {
        assert_eq!(host_of("ws://127.0.0.1:4711/ws/chat"), "127.0.0.1:4711");
        assert_eq!(host_of("ws://localhost/ws"), "localhost:80");
        assert_eq!(host_of("wss://[::1]/ws"), "[::1]:443");
    }

    #[tokio::test]
    async fn a_refused_dial_is_no_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let (dialer, watch) = Dialer::new(Some(&format!("ws://127.0.0.1:{port}/")));
        assert!(dialer.create_transport().await.is_err());
        assert_eq!(
            *watch.last.lock().expect("no panic held it"),
            Some(DialFailure::NoAnswer)
        );
    }
}
