//! The media store: files by their hash, over HTTP on loopback.
//!
//! Clients fetch media by HTTPS from the hosts that the server names. The lab has no certificate for such a host, so a
//! client reaches the store with an HTTP client of its own that asks for the same path by plain HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::world::World;
use super::{LabError, Shared};

/// The files, by the URL-safe base64 of their SHA-256.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Media {
    files: BTreeMap<String, Vec<u8>>,
    /// Where the store listens.
    #[serde(skip)]
    address: Option<SocketAddr>,
}

/// Where clients find a file: the URL, and the path for clients that choose a host themselves.
pub(super) struct Place {
    pub url: String,
    pub direct_path: String,
}

impl World {
    /// Keeps a file.
    pub fn keep_file(&mut self, file: Vec<u8>) -> Result<Place, LabError> {
        let name = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&file));
        self.media.files.insert(name.clone(), file);
        let address = self.media.address.ok_or(LabError::NoMedia)?;
        let direct_path = format!("/mms/image/{name}");
        Ok(Place {
            url: format!("http://{address}{direct_path}"),
            direct_path,
        })
    }

    pub fn media_conn(&self) -> Node {
        let host = self
            .media
            .address
            .map(|address| address.to_string())
            .unwrap_or_default();
        NodeBuilder::new("media_conn")
            .attr("auth", "lab")
            .attr("ttl", 3600)
            .attr("auth_ttl", 3600)
            .attr("max_buckets", 12)
            .children([NodeBuilder::new("host")
                .attr("hostname", host)
                .attr("type", "primary")
                .build()])
            .build()
    }
}

/// Serves the store until the lab stops.
pub(super) async fn serve(shared: Arc<Shared>) -> Result<(), LabError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(LabError::listen)?;
    let address = listener.local_addr().map_err(LabError::listen)?;
    shared.change(|world| world.media.address = Some(address));
    let router = Router::new()
        .route("/mms/{kind}/{name}", get(download).post(upload))
        .with_state(Arc::clone(&shared));
    let stopped = async move { shared.stopped().await };
    tokio::spawn(async move {
        // An error ends the store, and the next download says so.
        axum::serve(listener, router)
            .with_graceful_shutdown(stopped)
            .await
            .ok();
    });
    Ok(())
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path((_kind, name)): Path<(String, String)>,
) -> Result<Vec<u8>, StatusCode> {
    shared
        .look(|world| world.media.files.get(&name).cloned())
        .ok_or(StatusCode::NOT_FOUND)
}

async fn upload(
    State(shared): State<Arc<Shared>>,
    Path((_kind, _token)): Path<(String, String)>,
    file: Bytes,
) -> Result<String, StatusCode> {
    let place = shared
        .change(|world| world.keep_file(file.to_vec()))
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let body = serde_json::json!({ "url": place.url, "direct_path": place.direct_path });
    Ok(body.to_string())
}
