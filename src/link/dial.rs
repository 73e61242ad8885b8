//! Dials WhatsApp a step at a time and remembers which step failed: the library reports no failed dial.

use std::sync::Arc;

use anyhow::bail;
use async_trait::async_trait;
use holdfast_core::CauseCode;
use tokio_websockets::ClientBuilder;
use wacore::net::{
    Transport, TransportEvent, TransportFactory, WHATSAPP_WEB_ORIGIN, WHATSAPP_WEB_WS_URL,
};
use whatsapp_rust::Client;
use whatsapp_rust::async_channel;
use whatsapp_rust::transport::{Connector, default_tls_connector, from_websocket};

use super::connect::connect;
use super::observer::Observer;
use crate::config::{Proxy, Route, Settings};

/// A transport factory that dials step by step, with a timeout of its own. The library's says in text alone why it failed, and nothing
/// when it times out.
pub(super) struct Dialer {
    url: String,
    proxy: Option<Proxy>,
    /// The settings name something as a proxy that is none.
    is_lost: bool,
    observer: Arc<Observer>,
}

type Dialed = (Arc<dyn Transport>, async_channel::Receiver<TransportEvent>);

impl Dialer {
    /// Dials WhatsApp, or the server that the settings name.
    pub(super) fn new(settings: &Settings, observer: Arc<Observer>) -> Self {
        let url = settings.server_url.as_deref();
        Self {
            url: url.unwrap_or(WHATSAPP_WEB_WS_URL).to_owned(),
            proxy: settings.proxy().cloned(),
            is_lost: settings.route == Route::Unknown,
            observer,
        }
    }

    async fn dial(&self) -> anyhow::Result<Dialed> {
        if self.is_lost {
            self.observer.dials(CauseCode::ProxyFailed);
            bail!("network.proxy names no proxy that is spoken");
        }
        let host = host_of(&self.url);
        let stream = connect(&host, self.proxy.as_ref(), &self.observer).await?;
        self.observer.dials(CauseCode::TlsFailed);
        let connector = match self.url.starts_with("ws://") {
            true => Connector::Plain,
            false => default_tls_connector(),
        };
        let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
        let stream = connector.wrap(name, stream).await?;
        self.observer.dials(CauseCode::DialFailed);
        let upgrade = ClientBuilder::new()
            .uri(&self.url)?
            .add_header("origin".parse()?, WHATSAPP_WEB_ORIGIN.parse()?)?;
        let (socket, _) = upgrade.connect_on(stream).await?;
        Ok(from_websocket(socket))
    }
}

#[async_trait]
impl TransportFactory for Dialer {
    async fn create_transport(&self) -> anyhow::Result<Dialed> {
        // WhatsApp must not meet a linking that is not kept.
        if let Some(client) = self.observer.client() {
            settle_identity(&client).await;
        }
        let dialed = self.dial().await?;
        self.observer.reaches();
        Ok(dialed)
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
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::super::observer::Heard;
    use super::*;

    #[test]
    fn host_and_port_of_an_address() {
        assert_eq!(host_of("ws://127.0.0.1:4711/ws/chat"), "127.0.0.1:4711");
        assert_eq!(host_of("ws://localhost/ws"), "localhost:80");
        assert_eq!(host_of("wss://[::1]/ws"), "[::1]:443");
    }

    fn dialer(url: String, heard: &Heard) -> Dialer {
        let settings = Settings {
            server_url: Some(url),
            ..Settings::default()
        };
        Dialer::new(&settings, Arc::clone(&heard.observer))
    }

    /// Dials for so long that a local answer comes, and says what it stumbled over.
    async fn unreached(url: String) -> Option<CauseCode> {
        let heard = Heard::new();
        let dialer = dialer(url, &heard);
        // As the library's own limit would, only sooner.
        let dialed = timeout(Duration::from_secs(1), dialer.create_transport()).await;
        assert!(!matches!(dialed, Ok(Ok(_))));
        heard.observer.unreached()
    }

    #[tokio::test]
    async fn what_a_dial_stumbles_over_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = unreached(format!("ws://127.0.0.1:{port}/")).await;
        assert_eq!(silent, Some(CauseCode::DialFailed), "cut off by a limit");
        let silent = unreached(format!("wss://127.0.0.1:{port}/")).await;
        assert_eq!(silent, Some(CauseCode::TlsFailed), "cut off by a limit");
        drop(listener);
        let refused = unreached(format!("ws://127.0.0.1:{port}/")).await;
        assert_eq!(refused, Some(CauseCode::DialFailed));
        let nameless = unreached("ws://nobody.invalid/".to_owned()).await;
        assert_eq!(nameless, Some(CauseCode::DnsFailed));
    }

    #[tokio::test]
    async fn without_the_proxy_that_was_meant_nobody_is_dialled() {
        let settings = Settings {
            route: Route::Unknown,
            ..Settings::default()
        };
        let heard = Heard::new();
        let dialer = Dialer::new(&settings, Arc::clone(&heard.observer));
        assert!(dialer.create_transport().await.is_err());
        assert_eq!(heard.observer.unreached(), Some(CauseCode::ProxyFailed));
    }

    #[tokio::test]
    async fn a_sign_in_page_in_the_way_is_no_trusted_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let page = tokio::spawn(async move {
            let (mut guest, _) = listener.accept().await.unwrap();
            guest
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
                .await
                .unwrap();
            guest
        });
        let dialed = unreached(format!("wss://127.0.0.1:{port}/")).await;
        assert_eq!(dialed, Some(CauseCode::TlsFailed));
        drop(page.await);
    }

    #[tokio::test]
    async fn a_socket_that_opens_leaves_nothing_to_say() {
        let heard = Heard::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        heard.observer.dials(CauseCode::DialFailed);
        let server = tokio::spawn(async move {
            let (guest, _) = listener.accept().await.unwrap();
            tokio_websockets::ServerBuilder::new()
                .accept(guest)
                .await
                .unwrap()
        });
        let dialer = dialer(url, &heard);
        let _open = dialer.create_transport().await.unwrap();
        assert_eq!(heard.observer.unreached(), None);
        drop(server.await);
    }
}
