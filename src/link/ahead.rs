//! Dials ahead while the vault is opened: the newest version and an open socket are there by the time the first run asks for them.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::CauseCode;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use whatsapp_rust::http::UreqHttpClient;

use super::connect::Blame;
use super::socket::{Destination, Socket};
use super::version::Versions;
use super::web;
use crate::config::{Route, Settings};

/// How long a dial may take, and how long an open socket waits for its run. It holds a place at WhatsApp, which closes one that says nothing.
const KEPT: Duration = Duration::from_secs(10);

/// How long a run waits for a dial that was begun before it, until it dials by itself and can say what fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// What runs need of the outside, some of it from before there was one.
pub struct Ahead {
    pub(super) http: UreqHttpClient,
    pub(super) versions: Versions,
    destination: Destination,
    /// Asks the dial that was begun for its socket.
    begun: Mutex<Option<oneshot::Sender<oneshot::Sender<Socket>>>>,
}

impl Ahead {
    /// Makes it for these settings; nothing is begun.
    pub fn new(settings: &Settings) -> Self {
        let http = web::client(settings.proxy(), web::ANSWERS, web::LIMIT);
        let versions = Versions::new(
            settings.server_version,
            Arc::new(http.clone()),
            settings.server_url.is_none() && settings.route != Route::Unknown,
        );
        Self {
            http,
            versions,
            destination: Destination::new(settings),
            begun: Mutex::default(),
        }
    }

    /// Begins to look the version up, and to open a socket.
    pub fn dial(&self) {
        self.versions.begin();
        let (ask, asked) = oneshot::channel();
        *self.begun.lock() = Some(ask);
        let destination = self.destination.clone();
        tokio::spawn(async move {
            // What is to be blamed is found by the run that dials again.
            let blame: Blame = Arc::new(|_| ());
            let opened = timeout(KEPT, destination.dial(&blame)).await;
            let Ok(Ok(socket)) = opened else { return };
            if let Ok(Ok(give)) = timeout(KEPT, asked).await {
                // A run that has no patience left has a socket of its own.
                let _ = give.send(socket);
            }
        });
    }

    /// The socket that was opened ahead, or a new one.
    pub(super) async fn socket(&self, blame: &Blame) -> anyhow::Result<Socket> {
        // As long as the one from before is waited for.
        blame(CauseCode::DialFailed);
        match self.opened().await {
            Some(socket) => Ok(socket),
            None => self.destination.dial(blame).await,
        }
    }

    /// Takes the socket that was opened ahead, once; `None` where there is none, or none in time.
    async fn opened(&self) -> Option<Socket> {
        let ask = self.begun.lock().take()?;
        let (give, given) = oneshot::channel();
        ask.send(give).ok()?;
        timeout(PATIENCE, given).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::StreamExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;
    use tokio_websockets::{ServerBuilder, WebSocketStream};

    use super::*;

    /// Nothing here takes this long; only a failing test waits for it.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// A server, and what would dial it.
    async fn server() -> (TcpListener, Ahead) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let settings = Settings {
            server_url: Some(url),
            ..Settings::default()
        };
        (listener, Ahead::new(&settings))
    }

    async fn guest(server: &TcpListener) -> TcpStream {
        let accepted = timeout(DEADLINE, server.accept());
        accepted.await.expect("a guest").unwrap().0
    }

    /// The server's end of a socket.
    async fn welcome(guest: TcpStream) -> WebSocketStream<TcpStream> {
        ServerBuilder::new().accept(guest).await.unwrap().1
    }

    /// What a run gets.
    async fn socket(ahead: &Ahead) -> Socket {
        let blame: Blame = Arc::new(|_| ());
        let socket = timeout(DEADLINE, ahead.socket(&blame));
        socket.await.expect("a socket").unwrap()
    }

    /// A run gets a socket that is dialled for it.
    async fn dials_anew(server: &TcpListener, ahead: &Ahead) {
        let welcomed = async { welcome(guest(server).await).await };
        tokio::join!(welcomed, socket(ahead));
    }

    #[tokio::test]
    async fn the_first_run_finds_a_socket_open_and_the_next_one_dials() {
        let (server, ahead) = server().await;
        ahead.dial();
        let _open = welcome(guest(&server).await).await;
        // Another one would not be welcomed.
        socket(&ahead).await;
        dials_anew(&server, &ahead).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_no_run_asks_for_is_closed() {
        let (server, ahead) = server().await;
        ahead.dial();
        let mut open = welcome(guest(&server).await).await;
        let begun = Instant::now();
        assert!(!matches!(open.next().await, Some(Ok(_))));
        assert!(begun.elapsed() >= KEPT, "{:?}", begun.elapsed());
        assert!(ahead.opened().await.is_none());
    }

    #[tokio::test]
    async fn a_dial_ahead_that_failed_is_made_again() {
        let (server, ahead) = server().await;
        ahead.dial();
        drop(guest(&server).await);
        dials_anew(&server, &ahead).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_does_not_wait_for_ever_for_a_dial_that_hangs() {
        let (server, ahead) = server().await;
        ahead.dial();
        let mut hangs = guest(&server).await;
        let mut request = [0; 16];
        hangs.read_exact(&mut request).await.unwrap();
        let begun = Instant::now();
        assert!(ahead.opened().await.is_none());
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
