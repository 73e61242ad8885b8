//! Opens the TCP connection to a server: by happy eyeballs, and through a proxy where one is set.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use holdfast_core::CauseCode;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use tokio::net::{TcpStream, lookup_host};
use tower_service::Service;
use ureq::http::{HeaderValue, Uri};

use crate::config::{Proxy, ProxyProtocol};

/// How long an address of one family may take before the other family's are tried beside it; RFC 8305 recommends 250 ms.
const HEAD_START: Duration = Duration::from_millis(250);

/// The timeout of all addresses of a family together. The library ends a dial after 20 s.
const CONNECT: Duration = Duration::from_secs(10);

/// Takes, at each step of a dial, what has failed if the step does not end.
pub(super) type Blame = Arc<dyn Fn(CauseCode) + Send + Sync>;

/// Opens a connection to `host:port`.
pub(super) async fn connect(
    host: &str,
    proxy: Option<&Proxy>,
    blame: &Blame,
) -> anyhow::Result<TcpStream> {
    let to: Uri = format!("http://{host}").parse()?;
    let Some(proxy) = proxy else {
        let step = match is_address(&to) {
            true => CauseCode::DialFailed,
            false => CauseCode::DnsFailed,
        };
        blame(step);
        let found = CauseCode::DialFailed;
        let names = Names {
            blame: Arc::clone(blame),
            found,
        };
        return Ok(connector(names).call(to).await?.into_inner());
    };
    let found = CauseCode::ProxyFailed;
    blame(found);
    let names = Names {
        blame: Arc::clone(blame),
        found,
    };
    through(proxy, connector(names), to).await
}

fn is_address(to: &Uri) -> bool {
    let host = to.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
}

/// A connector that tries the addresses of both families beside each other (RFC 8305), so that one that leads nowhere costs a
/// quarter of a second.
fn connector<Resolver>(names: Resolver) -> HttpConnector<Resolver> {
    let mut connector = HttpConnector::new_with_resolver(names);
    connector.enforce_http(false);
    connector.set_happy_eyeballs_timeout(Some(HEAD_START));
    connector.set_connect_timeout(Some(CONNECT));
    connector
}

/// Opens a connection to the proxy, and through it to the server. The proxy looks the server's name up.
async fn through(
    proxy: &Proxy,
    connector: HttpConnector<Names>,
    to: Uri,
) -> anyhow::Result<TcpStream> {
    let at: Uri = format!("http://{}:{}", proxy.host, proxy.port).parse()?;
    let login = proxy.login.as_ref().map(|login| login.expose());
    let stream = match proxy.protocol {
        ProxyProtocol::Http => {
            let mut tunnel = Tunnel::new(at, connector);
            if let Some((user, password)) = login {
                tunnel = tunnel.with_auth(basic(user, password)?);
            }
            tunnel.call(to).await?
        }
        ProxyProtocol::Socks5 => {
            let mut socks = SocksV5::new(at, connector);
            if let Some((user, password)) = login {
                socks = socks.with_auth(user.clone(), password.clone());
            }
            socks.call(to).await?
        }
    };
    Ok(stream.into_inner())
}

/// The value of Proxy-Authorization (RFC 7617).
fn basic(user: &str, password: &str) -> anyhow::Result<HeaderValue> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
    HeaderValue::try_from(format!("Basic {login}")).context("the proxy's user and password")
}

/// The system's resolver. Once it has found a name, the next step can fail.
#[derive(Clone)]
struct Names {
    blame: Blame,
    /// The cause of a failure from then on.
    found: CauseCode,
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { blame, found } = self.clone();
        async move {
            let addresses: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            blame(found);
            Ok(addresses.into_iter())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
    use tokio::net::TcpListener;
    use tokio::time::{Instant, timeout};

    use super::super::observer::Heard;
    use super::*;

    /// A resolver that has found these.
    #[derive(Clone)]
    struct Found(Vec<SocketAddr>);

    impl Service<Name> for Found {
        type Response = std::vec::IntoIter<SocketAddr>;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Self::Response>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            std::future::ready(Ok(self.0.clone().into_iter()))
        }
    }

    /// A port of this machine to which no connection comes about over IPv6: the queue of its listener is full, so that what comes
    /// is dropped, as by a router that announces IPv6 and has none. Where there is no IPv6 at all it fails at once, which is no harder.
    fn dead_end(port: u16) -> Option<impl Sized> {
        let to = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
        let listener = socket(AddressFamily::INET6, SocketType::STREAM, None).ok()?;
        rustix::net::sockopt::set_ipv6_v6only(&listener, true).ok()?;
        bind(&listener, &to).ok()?;
        listen(&listener, 0).unwrap();
        let limit = Duration::from_millis(100);
        let mut waiting = Vec::new();
        loop {
            match std::net::TcpStream::connect_timeout(&to, limit) {
                Ok(stream) => waiting.push(stream),
                Err(_) => return Some((listener, waiting)),
            }
        }
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_keeps_nobody_from_the_other() {
        let works = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let works = (works.local_addr().unwrap(), works);
        let _dead_end = dead_end(works.0.port());
        let nowhere = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], works.0.port()));
        let begun = Instant::now();
        let to = format!("http://both.example:{}", works.0.port());
        let connected = connector(Found(vec![nowhere, works.0])).call(to.parse().unwrap());
        let stream = connected.await.unwrap().into_inner();
        assert_eq!(stream.peer_addr().unwrap(), works.0);
        assert!(begun.elapsed() < CONNECT / 4, "{:?}", begun.elapsed());
    }

    /// One connection through a proxy that does this with its guest; what the dial came to, and what it would be blamed on.
    async fn dialled<Served>(
        address: &str,
        serve: impl FnOnce(BufStream<TcpStream>) -> Served,
    ) -> (anyhow::Result<TcpStream>, Option<CauseCode>)
    where
        Served: Future<Output = ()>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Proxy::parse(&address.replace("PROXY", &format!("127.0.0.1:{port}"))).unwrap();
        let heard = Heard::new();
        let served = async {
            let (guest, _) = listener.accept().await.unwrap();
            serve(BufStream::new(guest)).await;
        };
        let blame = heard.observer.blame();
        let dial = connect("server.example:443", Some(&proxy), &blame);
        let both = async { tokio::join!(served, dial) };
        let ((), dialled) = timeout(Duration::from_secs(20), both).await.unwrap();
        (dialled, heard.observer.unreached())
    }

    async fn header(guest: &mut BufStream<TcpStream>) -> String {
        let mut header = String::new();
        while !header.ends_with("\r\n\r\n") {
            assert_ne!(guest.read_line(&mut header).await.unwrap(), 0, "{header}");
        }
        header
    }

    #[tokio::test]
    async fn an_http_proxy_is_asked_for_a_tunnel_to_the_server_by_name() {
        let (stream, _) = dialled("http://anna:sea%20side@PROXY", async |mut guest| {
            let asked = header(&mut guest).await;
            assert!(
                asked.starts_with("CONNECT server.example:443 HTTP/1.1\r\n"),
                "{asked}"
            );
            let login = "authorization: basic yw5uytpzzwegc2lkzq==";
            assert!(asked.to_lowercase().contains(login), "{asked}");
            guest.write_all(b"HTTP/1.1 200 ok\r\n\r\n").await.unwrap();
            guest.flush().await.unwrap();
        })
        .await;
        stream.unwrap();
    }

    #[tokio::test]
    async fn a_socks_proxy_is_given_the_name_and_the_login() {
        let (stream, _) = dialled("socks5://anna:sea@PROXY", async |mut guest| {
            let mut asked = [0; 2];
            guest.read_exact(&mut asked).await.unwrap();
            let mut methods = vec![0; asked[1].into()];
            guest.read_exact(&mut methods).await.unwrap();
            assert!(asked[0] == 5 && methods.contains(&2), "{methods:?}");
            guest.write_all(&[5, 2]).await.unwrap();
            guest.flush().await.unwrap();
            let mut login = [0; 10];
            guest.read_exact(&mut login).await.unwrap();
            assert_eq!(&login, b"\x01\x04anna\x03sea");
            guest.write_all(&[1, 0]).await.unwrap();
            guest.flush().await.unwrap();
            let mut wanted = [0; 21];
            guest.read_exact(&mut wanted).await.unwrap();
            assert_eq!(&wanted, b"\x05\x01\x00\x03\x0eserver.example\x01\xbb");
            let granted = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            guest.write_all(&granted).await.unwrap();
            guest.flush().await.unwrap();
        })
        .await;
        stream.unwrap();
    }

    #[tokio::test]
    async fn a_proxy_that_does_not_let_us_through_is_blamed_itself() {
        let refuses = async |mut guest: BufStream<TcpStream>| {
            header(&mut guest).await;
            let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
            guest.write_all(refused).await.unwrap();
            guest.flush().await.unwrap();
        };
        let hangs_up = async |guest: BufStream<TcpStream>| drop(guest);
        for scheme in ["http", "socks5"] {
            let (stream, blamed) = dialled(&format!("{scheme}://PROXY"), hangs_up).await;
            assert!(
                stream.is_err() && blamed == Some(CauseCode::ProxyFailed),
                "{scheme}"
            );
        }
        let (stream, blamed) = dialled("http://PROXY", refuses).await;
        assert!(stream.is_err() && blamed == Some(CauseCode::ProxyFailed));
        let nobody = Proxy::parse("http://127.0.0.1:1").unwrap();
        let heard = Heard::new();
        connect("server.example:443", Some(&nobody), &heard.observer.blame())
            .await
            .unwrap_err();
        assert_eq!(heard.observer.unreached(), Some(CauseCode::ProxyFailed));
    }
}
