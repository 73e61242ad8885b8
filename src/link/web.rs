//! The HTTP client for rare requests: the client version, or a snapshot of the app's state.

use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};
use whatsapp_rust::http::UreqHttpClient;

use crate::config::Proxy;

/// Timeout of a request until its first answer.
pub(super) const ANSWERS: Duration = Duration::from_secs(10);

/// Timeout of a request in all. One that nobody waits for any more still holds a thread.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// Makes the client, which keeps no connection alive, and never takes a proxy from the environment by itself.
pub(super) fn client(proxy: Option<&Proxy>, answers: Duration, limit: Duration) -> UreqHttpClient {
    // An address that was parsed and written again is one to the library, too.
    let proxy = proxy.and_then(|proxy| ureq::Proxy::new(proxy.address().expose()).ok());
    let config = Config::builder()
        .timeout_resolve(Some(answers))
        .timeout_connect(Some(answers))
        .timeout_recv_response(Some(answers))
        .timeout_global(Some(limit))
        .max_idle_connections(0)
        .proxy(proxy);
    let names = IPv4First(DefaultResolver::default());
    let agent = Agent::with_parts(config.build(), DefaultConnector::default(), names);
    UreqHttpClient::with_agent(agent)
}

/// A resolver that puts IPv4 addresses first: the client tries one after the other, gives the first most of its time, and a network
/// whose IPv6 leads nowhere is far more frequent than one whose IPv4 does.
#[derive(Debug)]
struct IPv4First(DefaultResolver);

impl Resolver for IPv4First {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.0.resolve(uri, config, timeout)?;
        addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use whatsapp_rust::http::{HttpClient as _, HttpRequest};

    use super::*;

    #[tokio::test]
    async fn a_web_that_gives_no_answer_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sw.js", silent.local_addr().unwrap());
        let short = Duration::from_millis(200);
        for (answers, limit) in [(short, LIMIT), (LIMIT, short)] {
            let web = client(None, answers, limit);
            let asked = timeout(ANSWERS, web.execute(HttpRequest::get(&url)));
            assert!(asked.await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn the_proxy_is_asked_for_a_tunnel() {
        for (scheme, greeting) in [("http", "CONNECT server.example:443 "), ("socks5", "\u{5}")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("{scheme}://{}", listener.local_addr().unwrap());
            let web = client(Some(&Proxy::parse(&address).unwrap()), ANSWERS, LIMIT);
            let request = HttpRequest::get("https://server.example/sw.js");
            let asked = tokio::spawn(async move { web.execute(request).await.is_err() });
            let (guest, _) = listener.accept().await.unwrap();
            let mut guest = BufStream::new(guest);
            // It comes in as many pieces as it was written in.
            let mut said = vec![0; greeting.len()];
            guest.read_exact(&mut said).await.unwrap();
            assert_eq!(said, greeting.as_bytes(), "{scheme}");
            guest.shutdown().await.unwrap();
            drop(guest);
            assert!(asked.await.unwrap());
        }
    }
}
