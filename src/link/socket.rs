//! Opens a WebSocket to WhatsApp, a step at a time.

use anyhow::bail;
use holdfast_core::CauseCode;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, WebSocketStream};
use wacore::net::{WHATSAPP_WEB_ORIGIN, WHATSAPP_WEB_WS_URL};
use whatsapp_rust::transport::{Connector, default_tls_connector};

use super::connect::{Blame, connect};
use crate::config::{Proxy, Route, Settings};

/// An open WebSocket, nothing sent on it.
pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Whom to dial, and through what.
#[derive(Clone)]
pub(super) struct Destination {
    url: String,
    proxy: Option<Proxy>,
    /// The settings name something as a proxy that is none.
    is_lost: bool,
}

impl Destination {
    /// WhatsApp, or the server that the settings name.
    pub(super) fn new(settings: &Settings) -> Self {
        let url = settings.server_url.as_deref();
        Self {
            url: url.unwrap_or(WHATSAPP_WEB_WS_URL).to_owned(),
            proxy: settings.proxy().cloned(),
            is_lost: settings.route == Route::Unknown,
        }
    }

    /// Opens a socket, and names to `blame` at each step what has failed if the step does not end.
    pub(super) async fn dial(&self, blame: &Blame) -> anyhow::Result<Socket> {
        if self.is_lost {
            blame(CauseCode::ProxyFailed);
            bail!("network.proxy names no proxy that is spoken");
        }
        let host = host_of(&self.url);
        let stream = connect(&host, self.proxy.as_ref(), blame).await?;
        blame(CauseCode::TlsFailed);
        let connector = match self.url.starts_with("ws://") {
            true => Connector::Plain,
            false => default_tls_connector(),
        };
        let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
        let stream = connector.wrap(name, stream).await?;
        blame(CauseCode::DialFailed);
        let upgrade = ClientBuilder::new()
            .uri(&self.url)?
            .add_header("origin".parse()?, WHATSAPP_WEB_ORIGIN.parse()?)?;
        let (socket, _) = upgrade.connect_on(stream).await?;
        Ok(socket)
    }
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
}
