//! The web, as far as updates need it: HTTPS alone, through the proxy where there is one.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::header::RANGE;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::UpdateError;

/// How long a server may take to answer, and then to send more.
const SILENCE: Duration = Duration::from_secs(30);
/// How long it may send in all. What came until then is not lost.
const WHOLE: Duration = Duration::from_secs(2 * 60 * 60);
/// The most that an index, or its signature, may be, bytes.
const INDEX: u64 = 64 << 10;

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    agent: Agent,
}

/// A bundle on its way.
pub(super) struct Coming {
    /// It goes on where the last attempt ended; else it begins anew.
    pub(super) goes_on: bool,
    /// How much is to come, bytes, where the server says.
    pub(super) length: Option<u64>,
    /// The bytes.
    pub(super) body: Box<dyn Read>,
}

impl Web {
    /// Through this proxy, or none; the usual certificate authorities are trusted.
    pub fn new(proxy: Option<ureq::Proxy>) -> Self {
        Self::with(proxy, TlsConfig::builder().build())
    }

    /// Without a proxy, and with the trust in this certificate alone.
    pub fn trusting(root: Certificate<'static>) -> Self {
        let roots = RootCerts::new_with_certs(&[root]);
        Self::with(None, TlsConfig::builder().root_certs(roots).build())
    }

    fn with(proxy: Option<ureq::Proxy>, tls: TlsConfig) -> Self {
        let config = Config::builder()
            .https_only(true)
            .timeout_resolve(Some(SILENCE))
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_global(Some(WHOLE))
            .max_idle_connections(0)
            .http_status_as_error(false)
            .tls_config(tls)
            .proxy(proxy);
        Self {
            agent: config.build().into(),
        }
    }

    /// Reads a small file: an index, or its signature. Blocks.
    ///
    /// # Errors
    /// [`UpdateError::Unreachable`].
    pub fn read(&self, url: &str) -> Result<Vec<u8>, UpdateError> {
        let answer = self.agent.get(url).call();
        let mut answer = answer.map_err(|error| UpdateError::Unreachable(said(&error)))?;
        if answer.status() != StatusCode::OK {
            return Err(UpdateError::Unreachable(answer.status().to_string()));
        }
        let body = answer.body_mut().with_config().limit(INDEX);
        body.read_to_vec()
            .map_err(|error| UpdateError::Unreachable(said(&error)))
    }

    /// Begins to fetch a bundle from this byte on. Blocks.
    pub(super) fn fetch(&self, url: &str, from: u64) -> Result<Coming, UpdateError> {
        let mut asked = self.agent.get(url);
        if from > 0 {
            asked = asked.header(RANGE, format!("bytes={from}-"));
        }
        let answer = asked
            .call()
            .map_err(|error| UpdateError::NotFetched(said(&error)))?;
        let goes_on = match answer.status() {
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT if from > 0 => true,
            status => return Err(UpdateError::NotFetched(status.to_string())),
        };
        let body = answer.into_body();
        Ok(Coming {
            goes_on,
            length: body.content_length(),
            body: Box::new(body.into_with_config().limit(u64::MAX).reader()),
        })
    }
}

/// What an error says, with the host alone of an address that is in it: the rest may hold a key.
fn said(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "its address is none".to_owned(),
        ureq::Error::RequireHttpsOnly(url) => {
            let url = url.parse::<Uri>().ok();
            let host = url.as_ref().and_then(Uri::host).unwrap_or("the server");
            format!("{host} is asked over https alone")
        }
        // Where it leads to may be in it.
        ureq::Error::Protocol(_) => "what the server says is no HTTP".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_host_of_an_address_and_no_key_in_it() {
        let web = Web::new(None);
        for (url, named) in [
            (
                "http://name:s3cret@updates.example/s3cret?key=s3cret",
                "updates.example",
            ),
            ("/s3cret/index.toml?key=s3cret", "https alone"),
            ("https:///s3cret", "cannot be read"),
        ] {
            let told = web.read(url).unwrap_err().to_string();
            assert!(told.contains(named) && !told.contains("s3cret"), "{told}");
        }
    }
}
