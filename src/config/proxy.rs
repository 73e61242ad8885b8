//! The proxy to WhatsApp: from `network.proxy`, or from the environment as curl and Go read it.

use std::collections::HashMap;
use std::env::{self, VarError};
use std::fmt;

use holdfast_medium::Secret;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ureq::http::Uri;

/// Variables that name a proxy; the first one that is set wins. Variables for plain HTTP are not asked: nothing of ours is.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Variables that list hosts to be reached without it.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The sentence for an address that names no proxy of a kind that is spoken.
const WANTED: &str = "must be the address of an HTTP or SOCKS5 proxy, such as \"http://user:password@10.0.0.1:3128\" or \"socks5://10.0.0.1:1080\"";

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// HTTP CONNECT (RFC 9110, 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928); the proxy looks names up, whether it is written `socks5` or `socks5h`.
    Socks5,
}

/// A proxy through which WhatsApp is reached. Displays without its user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub protocol: ProxyProtocol,
    /// Its host: a name, or an address (IPv6 in brackets).
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, percent-decoding done.
    pub login: Option<Secret<(String, String)>>,
}

impl Proxy {
    /// Reads an address. One without a scheme is taken for HTTP's, as curl does.
    ///
    /// # Errors
    /// What would be one. The address itself is not repeated: it may hold a password.
    pub fn parse(address: &str) -> Result<Self, &'static str> {
        let address = address.trim();
        let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
        let (protocol, default) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyProtocol::Http, 80),
            "socks5" | "socks5h" => (ProxyProtocol::Socks5, 1080),
            "https" => {
                return Err(
                    "a proxy that is itself spoken to over TLS is not supported; name its http:// or socks5:// port",
                );
            }
            "socks" | "socks4" | "socks4a" => {
                return Err("SOCKS4 is not supported; name an http:// or socks5:// proxy");
            }
            _ => return Err(WANTED),
        };
        // The parser wants a scheme that it knows, and takes no user.
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let uri: Uri = format!("http://{place}").parse().map_err(|_| WANTED)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(WANTED)?;
        let has_port = uri.authority().is_some_and(|it| it.as_str() != host);
        let port = match uri.port_u16() {
            Some(port) if port != 0 => port,
            None if !has_port => default,
            _ => return Err(WANTED),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(WANTED);
        }
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let decoded = |text| percent_decode_str(text).decode_utf8().ok();
            // RFC 1929 has one byte for each length, and RFC 7617 no colon in a user.
            match (decoded(user), decoded(password)) {
                (Some(user), Some(password))
                    if user.len() < 256 && password.len() < 256 && !user.contains(':') =>
                {
                    Ok(Secret::new((user.into_owned(), password.into_owned())))
                }
                _ => Err(
                    "its user and password must be percent-encoded UTF-8 of at most 255 bytes each",
                ),
            }
        });
        Ok(Self {
            protocol,
            host: host.to_owned(),
            port,
            login: login.transpose()?,
        })
    }

    /// The address for a library that reads one, secrets and all.
    pub fn address(&self) -> Secret<String> {
        let login = self.login.as_ref().map_or_else(String::new, |login| {
            let (user, password) = login.expose();
            let [user, password] =
                [user, password].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
            format!("{user}:{password}@")
        });
        let scheme = match self.protocol {
            ProxyProtocol::Http => "http",
            ProxyProtocol::Socks5 => "socks5h",
        };
        Secret::new(format!("{scheme}://{login}{}:{}", self.host, self.port))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            ProxyProtocol::Http => "http",
            ProxyProtocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// This process' variables about proxies.
pub(super) fn environment() -> HashMap<String, String> {
    let read = [
        ("HTTPS_PROXY", env::var("HTTPS_PROXY")),
        ("https_proxy", env::var("https_proxy")),
        ("ALL_PROXY", env::var("ALL_PROXY")),
        ("all_proxy", env::var("all_proxy")),
        ("NO_PROXY", env::var("NO_PROXY")),
        ("no_proxy", env::var("no_proxy")),
    ];
    let set = read.into_iter();
    let told = |value| match value {
        Ok(value) => Some(value),
        Err(VarError::NotPresent) => None,
        // It is none, and has to be said.
        Err(VarError::NotUnicode(value)) => Some(value.to_string_lossy().into_owned()),
    };
    set.filter_map(|(name, value)| Some((name.to_owned(), told(value)?)))
        .collect()
}

/// The proxy that an environment names for WhatsApp's server, if it does.
///
/// # Errors
/// The variable whose value is none, and what would be one.
pub(super) fn of_environment(
    environment: &HashMap<String, String>,
    server: &str,
) -> Result<Option<Proxy>, (&'static str, &'static str)> {
    let set = |name: &str| {
        environment
            .get(name)
            .filter(|value| !value.trim().is_empty())
    };
    let Some((name, address)) = VARIABLES.iter().find_map(|name| Some((*name, set(name)?))) else {
        return Ok(None);
    };
    let proxy = Proxy::parse(address).map_err(|why| (name, why))?;
    let exceptions = EXCEPTIONS.iter().find_map(|name| set(name));
    let rules = Matcher::builder()
        .all("http://any")
        .no(exceptions.map_or("", String::as_str))
        .build();
    let is_through = format!("https://{server}/")
        .parse()
        .is_ok_and(|uri| rules.intercept(&uri).is_some());
    Ok(is_through.then_some(proxy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_curl_reads_it() {
        for (address, shown, login) in [
            ("http://proxy.shore:3128", "http://proxy.shore:3128", None),
            ("proxy.shore:3128/", "http://proxy.shore:3128", None),
            ("HTTP://proxy.shore", "http://proxy.shore:80", None),
            ("socks5://[fe80::1]", "socks5://[fe80::1]:1080", None),
            ("socks5h://10.0.0.1:9050", "socks5://10.0.0.1:9050", None),
            (
                " http://anna:a%40b%3A@p:8 ",
                "http://p:8",
                Some(("anna", "a@b:")),
            ),
            ("socks5://anna@p:8", "socks5://p:8", Some(("anna", ""))),
        ] {
            let proxy = Proxy::parse(address).unwrap();
            assert_eq!(proxy.to_string(), shown, "{address}");
            let own = |(user, password): (&str, &str)| (user.to_owned(), password.to_owned());
            assert_eq!(
                proxy.login.clone().map(Secret::into_exposed),
                login.map(own)
            );
            assert_eq!(
                Proxy::parse(proxy.address().expose()),
                Ok(proxy),
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_not_spoken_is_refused_and_never_repeated() {
        for address in [
            "",
            "http://",
            "https://p:1",
            "socks4://p:1",
            "ftp://p:1",
            "http://p:99999",
            "http://p:0",
            "http://p:",
            "http://p/path",
            "http://anna:%ff@p",
            "a b",
            "\u{0}",
            "http://p\u{fffd}:1",
        ] {
            let why = Proxy::parse(address).unwrap_err();
            assert!(!why.contains("anna"), "{why}");
        }
    }

    #[test]
    fn the_environment_names_one_unless_it_excepts_the_server() {
        let named = |set: &[(&str, &str)]| {
            let set = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            of_environment(&set.collect(), "web.whatsapp.com")
                .map(|proxy| proxy.map(|proxy| proxy.to_string()))
        };
        let through = Ok(Some("http://p:1".to_owned()));
        assert_eq!(named(&[]), Ok(None));
        assert_eq!(
            named(&[("HTTPS_PROXY", "http://p:1"), ("ALL_PROXY", "http://q:1")]),
            through
        );
        assert_eq!(named(&[("all_proxy", "p:1"), ("HTTPS_PROXY", "")]), through);
        assert_eq!(named(&[("HTTP_PROXY", "http://p:1")]), Ok(None));
        for (exceptions, excepted) in [
            ("whatsapp.com", true),
            (".whatsapp.com, 10.0.0.0/8", true),
            ("*", true),
            ("example.org,localhost", false),
        ] {
            let set = [("HTTPS_PROXY", "http://p:1"), ("no_proxy", exceptions)];
            assert_eq!(named(&set) == Ok(None), excepted, "{exceptions}");
        }
        let (variable, _) = named(&[("HTTPS_PROXY", "https://p:1")]).unwrap_err();
        assert_eq!(variable, "HTTPS_PROXY");
    }
}
