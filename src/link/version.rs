//! Which client version to tell WhatsApp.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wacore::store::Device;
use whatsapp_rust::http::HttpClient;
use whatsapp_rust::version::fetch_latest_app_version;

/// WhatsApp Web's version: `2.3000.x`.
type Version = (u32, u32, u32);

const FETCH_LIMIT: Duration = Duration::from_secs(10);
const FRESH_MS: i64 = 24 * 60 * 60 * 1000;

/// The version fetched last and kept with the device, fetched anew once a day; a pinned one is its floor.
///
/// A failed fetch never fails a connection: then what is known has to do, and the next connection tries again.
pub(super) struct Versions {
    pinned: Option<Version>,
    http: Arc<dyn HttpClient>,
    /// WhatsApp's own servers are meant; another server has nothing to fetch from.
    fetch: bool,
    /// What the device row calls fetched is not good enough: it was refused, or set without a fetch.
    stale: AtomicBool,
}

impl Versions {
    pub(super) fn new(pinned: Option<[u32; 3]>, http: Arc<dyn HttpClient>, fetch: bool) -> Self {
        Self {
            pinned: pinned.map(Version::from),
            http,
            fetch,
            stale: AtomicBool::new(false),
        }
    }

    /// WhatsApp refused the version: the next connection fetches first.
    pub(super) fn refused(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    pub(super) async fn choose(&self, device: &Device) -> Version {
        let known = (
            device.app_version_primary,
            device.app_version_secondary,
            device.app_version_tertiary,
        );
        let floor = self.pinned.map_or(known, |pinned| pinned.max(known));
        let age_ms = wacore::time::now_millis() - device.app_version_last_fetched_ms;
        if !self.fetch || (age_ms < FRESH_MS && !self.stale.load(Ordering::Relaxed)) {
            return floor;
        }
        let fetched = tokio::time::timeout(FETCH_LIMIT, fetch_latest_app_version(&self.http)).await;
        let fetched = fetched.ok().and_then(Result::ok);
        self.stale.store(fetched.is_none(), Ordering::Relaxed);
        fetched.map_or(floor, |fetched| fetched.max(floor))
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use whatsapp_rust::http::{HttpRequest, HttpResponse};

    use super::*;

    /// Answers like WhatsApp's `sw.js`, or not at all.
    struct Web(Option<u32>);

    #[async_trait]
    impl HttpClient for Web {
        async fn execute(&self, _request: HttpRequest) -> anyhow::Result<HttpResponse> {
            let revision = self.0.ok_or_else(|| anyhow::anyhow!("no route"))?;
            let body = format!(r#"\"client_revision\":{revision},"#).into_bytes();
            Ok(HttpResponse {
                status_code: 200,
                body,
            })
        }
    }

    fn device() -> Device {
        let mut device = Device::new();
        (
            device.app_version_primary,
            device.app_version_secondary,
            device.app_version_tertiary,
        ) = (2, 3000, 1_000);
        device
    }

    #[tokio::test]
    async fn a_fetch_is_used_and_a_failed_one_leaves_what_is_known() {
        let fetched = Versions::new(None, Arc::new(Web(Some(2_000))), true)
            .choose(&device())
            .await;
        assert_eq!(fetched, (2, 3000, 2_000));
        let known = Versions::new(None, Arc::new(Web(None)), true)
            .choose(&device())
            .await;
        assert_eq!(known, (2, 3000, 1_000));
    }

    #[tokio::test]
    async fn a_pinned_version_is_a_floor() {
        let pinned = Versions::new(Some([2, 3000, 3_000]), Arc::new(Web(Some(2_000))), true);
        assert_eq!(pinned.choose(&device()).await, (2, 3000, 3_000));
    }

    #[tokio::test]
    async fn a_fresh_one_is_fetched_again_only_when_refused() {
        let mut fresh = device();
        fresh.app_version_last_fetched_ms = wacore::time::now_millis();
        let versions = Versions::new(None, Arc::new(Web(Some(2_000))), true);
        assert_eq!(versions.choose(&fresh).await, (2, 3000, 1_000));
        versions.refused();
        assert_eq!(versions.choose(&fresh).await, (2, 3000, 2_000));
        assert_eq!(
            versions.choose(&fresh).await,
            (2, 3000, 1_000),
            "fetched once"
        );
    }
}
