//! Dials for a run, and has its observer know which step failed: the library reports no failed dial.

use std::sync::Arc;

use async_trait::async_trait;
use wacore::net::{Transport, TransportEvent, TransportFactory};
use whatsapp_rust::Client;
use whatsapp_rust::async_channel;
use whatsapp_rust::transport::from_websocket;

use super::ahead::Ahead;
use super::observer::Observer;

/// A transport factory whose dial says at which step it failed. The library's says so in text alone, and nothing when it times out.
pub(super) struct Dialer {
    ahead: Arc<Ahead>,
    observer: Arc<Observer>,
}

/// How much of what came may wait for the library, beside what the transport itself holds (64).
const PASSED_ON: usize = 1;

type Dialed = (Arc<dyn Transport>, async_channel::Receiver<TransportEvent>);

impl Dialer {
    /// Dials for the observer's run.
    pub(super) fn new(ahead: Arc<Ahead>, observer: Arc<Observer>) -> Self {
        Self { ahead, observer }
    }
}

#[async_trait]
impl TransportFactory for Dialer {
    async fn create_transport(&self) -> anyhow::Result<Dialed> {
        // WhatsApp must not meet a linking that is not kept.
        if let Some(client) = self.observer.client() {
            settle_identity(&client).await;
        }
        let socket = self.ahead.socket(&self.observer.blame()).await?;
        self.observer.reaches();
        let (transport, events) = from_websocket(socket);
        let (pass_on, passed) = async_channel::bounded(PASSED_ON);
        let observer = Arc::clone(&self.observer);
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                observer.pace().comes();
                if pass_on.send(event).await.is_err() {
                    break;
                }
            }
        });
        Ok((transport, passed))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use holdfast_core::CauseCode;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::super::observer::Heard;
    use super::*;
    use crate::config::{Route, Settings};

    fn dialer(url: String, heard: &Heard) -> Dialer {
        let settings = Settings {
            server_url: Some(url),
            ..Settings::default()
        };
        Dialer::new(Arc::new(Ahead::new(&settings)), Arc::clone(&heard.observer))
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
        let ahead = Arc::new(Ahead::new(&settings));
        let dialer = Dialer::new(ahead, Arc::clone(&heard.observer));
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
