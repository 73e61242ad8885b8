//! The index and the bundle over TLS: what is signed is read, what is cut off goes on, what differs is refused.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast::update::{Depot, Index, Key, Offer, UpdateError, Wanted, Web};
use holdfast_medium::DataDir;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ureq::tls::Certificate;

use super::{certificate, run};

/// A server with files, which may end each answer after so many bytes, and notes from where each was asked for.
#[derive(Default)]
struct Files {
    files: Mutex<HashMap<String, Vec<u8>>>,
    cut_after: Mutex<Option<usize>>,
    asked: Mutex<Vec<usize>>,
}

impl Files {
    fn put(&self, path: &str, content: &[u8]) {
        self.files.lock().insert(path.to_owned(), content.to_vec());
    }

    /// The answer to a request, as far as it is sent.
    fn answer(&self, request: &str) -> Vec<u8> {
        let path = request.split(' ').nth(1).unwrap();
        let range = request.lines().find_map(|line| {
            let (name, value) = line.split_once(": bytes=")?;
            let from = value.trim_end_matches('-').parse().unwrap();
            name.eq_ignore_ascii_case("range").then_some(from)
        });
        let files = self.files.lock();
        let Some(content) = files.get(path) else {
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        };
        let from: usize = range.unwrap_or(0);
        self.asked.lock().push(from);
        let rest = &content[from..];
        let status = match range {
            Some(_) => "206 Partial Content",
            None => "200 OK",
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            rest.len()
        );
        let sent = self.cut_after.lock().unwrap_or(rest.len()).min(rest.len());
        [head.as_bytes(), &rest[..sent]].concat()
    }
}

/// Serves the files over TLS; returns the address, and a client that trusts its certificate.
async fn serve(files: Arc<Files>, place: &Path) -> (String, Web) {
    certificate("server", place);
    let pem = fs::read(place.join("server.cert")).unwrap();
    let cert = CertificateDer::from_pem_slice(&pem).unwrap();
    let key = PrivateKeyDer::from_pem_file(place.join("server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((guest, _)) = listener.accept().await {
            let (acceptor, files) = (acceptor.clone(), Arc::clone(&files));
            tokio::spawn(async move {
                // Who does not trust us hangs up here.
                let Ok(mut guest) = acceptor.accept(guest).await else {
                    return;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(guest.read_u8().await.unwrap());
                }
                let answer = files.answer(&String::from_utf8(request).unwrap());
                let _ = guest.write_all(&answer).await;
                let _ = guest.shutdown().await;
            });
        }
    });
    let trusted = Certificate::from_pem(&pem).unwrap().to_owned();
    (address, Web::trusting(trusted))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap()
}

/// A bundle, and the offer of it at this address.
fn offer(url: &str) -> (Vec<u8>, Offer) {
    let bundle: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let offer = Offer {
        version: "0.2.0".to_owned(),
        url: format!("{url}/bundle"),
        size: bundle.len() as u64,
        sha256: hex::encode(Sha256::digest(&bundle)),
    };
    (bundle, offer)
}

async fn take(depot: &Depot, web: &Web, wanted: Wanted) -> Result<PathBuf, UpdateError> {
    let (depot, web) = (depot.clone(), web.clone());
    blocking(move || depot.take(&web, wanted, |_| {})).await
}

#[tokio::test]
async fn an_index_signed_with_openssl_is_read_over_tls() {
    let place = tempfile::tempdir().unwrap();
    let files = Arc::new(Files::default());
    let (url, web) = serve(Arc::clone(&files), place.path()).await;
    let text = format!(
        "version = \"0.2.0\"\n[[bundle]]\ncompatible = \"holdfast-x\"\nurl = \"{url}/bundle\"\nsize = 5\nsha256 = \"{}\"\n",
        "ab".repeat(32)
    );
    fs::write(place.path().join("index.toml"), &text).unwrap();
    let sign = |args: &[&str]| run("openssl", args, place.path());
    sign(&["genpkey", "-algorithm", "ed25519", "-out", "index.key"]);
    let public = sign(&["pkey", "-in", "index.key", "-pubout"]);
    sign(&[
        "pkeyutl",
        "-sign",
        "-inkey",
        "index.key",
        "-rawin",
        "-in",
        "index.toml",
        "-out",
        "sig",
    ]);
    files.put("/index.toml", text.as_bytes());
    files.put(
        "/index.toml.sig",
        &fs::read(place.path().join("sig")).unwrap(),
    );
    let key = Key::parse(&String::from_utf8(public).unwrap()).unwrap();
    let at = format!("{url}/index.toml");
    let reader = web.clone();
    let index = blocking(move || {
        let signature = reader.read(&format!("{at}.sig"))?;
        Index::read(&reader.read(&at)?, &signature, &key)
    });
    let offer = index.await.unwrap().offer("holdfast-x", "0.1.0").unwrap();
    assert_eq!(offer.unwrap().url, format!("{url}/bundle"));

    let code = |reader: Web, url: String| async move {
        let refused = blocking(move || reader.read(&url)).await.unwrap_err();
        (refused.code().as_str(), refused.to_string())
    };
    let (missing, why) = code(web.clone(), format!("{url}/none")).await;
    assert!(
        missing == "update.unreachable" && why.contains("404"),
        "{why}"
    );
    let (stranger, _) = code(Web::new(None), format!("{url}/index.toml")).await;
    assert_eq!(stranger, "update.unreachable", "nobody vouches for it");
    let plain = url.replace("https", "http");
    let (plain, why) = code(web, format!("{plain}/index.toml")).await;
    assert!(
        plain == "update.unreachable" && why.contains("https"),
        "{why}"
    );
}

#[tokio::test]
async fn a_bundle_that_is_cut_off_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let files = Arc::new(Files::default());
    let (url, web) = serve(Arc::clone(&files), place.path()).await;
    let (bundle, offer) = offer(&url);
    files.put("/bundle", &bundle);
    let depot = Depot::of(&DataDir::new(place.path().join("data")), 0);
    *files.cut_after.lock() = Some(1_000_000);
    let cut = take(&depot, &web, Wanted::Named(offer.clone())).await;
    assert_eq!(cut.unwrap_err().code().as_str(), "update.not-fetched");
    *files.cut_after.lock() = None;
    let whole = take(&depot, &web, Wanted::Named(offer)).await.unwrap();
    assert!(fs::read(whole).unwrap() == bundle);
    assert_eq!(*files.asked.lock(), [0, 1_000_000]);
}

#[tokio::test]
async fn what_is_not_what_the_index_names_never_comes_to_rauc() {
    let place = tempfile::tempdir().unwrap();
    let files = Arc::new(Files::default());
    let (url, web) = serve(Arc::clone(&files), place.path()).await;
    let (mut bundle, offer) = offer(&url);
    let data = DataDir::new(place.path().join("data"));
    let depot = Depot::of(&data, 0);
    bundle[2_999_999] ^= 1;
    files.put("/bundle", &bundle);
    let altered = take(&depot, &web, Wanted::Named(offer.clone())).await;
    assert!(matches!(altered, Err(UpdateError::Altered)), "{altered:?}");
    bundle.extend(b"more");
    files.put("/bundle", &bundle);
    let longer = take(&depot, &web, Wanted::Named(offer.clone())).await;
    assert!(longer.is_err(), "longer than was said");
    let names = fs::read_dir(data.update()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !names.iter().any(|name| name == "bundle.raucb"),
        "{names:?}"
    );

    let scarce = Depot::of(&data, u64::MAX);
    let asked = files.asked.lock().len();
    let full = take(&scarce, &web, Wanted::Named(offer)).await.unwrap_err();
    assert_eq!(full.code().as_str(), "update.no-room");
    assert_eq!(files.asked.lock().len(), asked, "nobody was asked");
}
