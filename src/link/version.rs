//! Chooses the client version to announce to WhatsApp.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use wacore::store::Device;
use whatsapp_rust::http::HttpClient;
use whatsapp_rust::version::fetch_latest_app_version;

/// WhatsApp Web's version: `2.3000.x`.
pub(super) type Version = (u32, u32, u32);

const FETCH_LIMIT: Duration = Duration::from_secs(10);
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A cache of the newest version; fetched anew once in a process, once a day, and after a refusal. A pinned version is its floor.
///
/// A failed fetch never fails a connection: it keeps the cached version, and the next connection retries. The
/// device row's own time of the last fetch means nothing: the library stamps it at every connection.
pub(super) struct Versions {
    pinned: Option<Version>,
    http: Arc<dyn HttpClient>,
    /// The server is WhatsApp's own; another one has nothing to fetch from.
    fetch: bool,
    /// The version fetched last, and when.
    fetched: Mutex<Option<(Version, Instant)>>,
    /// A fetch that was begun before anybody asked.
    begun: Mutex<Option<JoinHandle<Option<Version>>>>,
}

impl Versions {
    pub(super) fn new(pinned: Option<[u32; 3]>, http: Arc<dyn HttpClient>, fetch: bool) -> Self {
        Self {
            pinned: pinned.map(Version::from),
            http,
            fetch,
            fetched: Mutex::default(),
            begun: Mutex::default(),
        }
    }

    /// Begins to fetch for whoever asks next.
    pub(super) fn begin(&self) {
        if self.fetch {
            let fetched = tokio::spawn(fetch(Arc::clone(&self.http)));
            *self.begun.lock() = Some(fetched);
        }
    }

    /// Notes that WhatsApp refused the version: the next connection fetches first.
    pub(super) fn refused(&self) {
        self.note(None);
    }

    pub(super) async fn choose(&self, device: &Device) -> Version {
        let known = (
            device.app_version_primary,
            device.app_version_secondary,
            device.app_version_tertiary,
        );
        let floor = self.pinned.map_or(known, |pinned| pinned.max(known));
        if !self.fetch {
            return floor;
        }
        if let Some(fresh) = self.fresh() {
            return fresh.max(floor);
        }
        let begun = self.begun.lock().take();
        let fetched = match begun {
            Some(begun) => begun.await.ok().flatten(),
            None => fetch(Arc::clone(&self.http)).await,
        };
        let Some(fetched) = fetched else {
            return floor;
        };
        self.note(Some((fetched, Instant::now())));
        fetched.max(floor)
    }

    fn fresh(&self) -> Option<Version> {
        let fetched = *self.fetched.lock();
        fetched
            .filter(|(_, at)| at.elapsed() < FRESH)
            .map(|(version, _)| version)
    }

    fn note(&self, fetched: Option<(Version, Instant)>) {
        *self.fetched.lock() = fetched;
    }
}

async fn fetch(http: Arc<dyn HttpClient>) -> Option<Version> {
    let fetched = timeout(FETCH_LIMIT, fetch_latest_app_version(&http)).await;
    fetched.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::time::advance;
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

    /// Takes the question and never answers.
    struct Silent;

    #[async_trait]
    impl HttpClient for Silent {
        async fn execute(&self, _request: HttpRequest) -> anyhow::Result<HttpResponse> {
            std::future::pending().await
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

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_was_begun_before_is_waited_for_once() {
        let versions = Versions::new(None, Arc::new(Silent), true);
        versions.begin();
        tokio::task::yield_now().await;
        advance(FETCH_LIMIT / 2).await;
        for limit in [FETCH_LIMIT / 2, FETCH_LIMIT] {
            let begun = Instant::now();
            assert_eq!(versions.choose(&device()).await, (2, 3000, 1_000));
            assert_eq!(begun.elapsed().as_secs(), limit.as_secs());
        }
        let versions = Versions::new(None, Arc::new(Web(Some(2_000))), true);
        versions.begin();
        assert_eq!(versions.choose(&device()).await, (2, 3000, 2_000));
    }

    #[tokio::test]
    async fn a_pinned_version_is_a_floor() {
        let pinned = Versions::new(Some([2, 3000, 3_000]), Arc::new(Web(Some(2_000))), true);
        assert_eq!(pinned.choose(&device()).await, (2, 3000, 3_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_librarys_stamp_at_each_connection_is_no_fetch() {
        let mut stamped = device();
        stamped.app_version_last_fetched_ms = wacore::time::now_millis();
        let versions = Versions::new(None, Arc::new(Web(Some(2_000))), true);
        assert_eq!(versions.choose(&stamped).await, (2, 3000, 2_000));
        let versions = Versions::new(None, Arc::new(Web(Some(3_000))), true);
        versions.note(Some(((2, 3000, 2_000), Instant::now())));
        advance(FRESH).await;
        assert_eq!(versions.choose(&stamped).await, (2, 3000, 3_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetched_one_is_kept_for_a_day_unless_it_is_refused() {
        let versions = Versions::new(None, Arc::new(Web(Some(3_000))), true);
        versions.note(Some(((2, 3000, 2_000), Instant::now())));
        advance(FRESH / 2).await;
        assert_eq!(
            versions.choose(&device()).await,
            (2, 3000, 2_000),
            "also by a device that was linked since"
        );
        versions.refused();
        assert_eq!(versions.choose(&device()).await, (2, 3000, 3_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_gets_no_answer_holds_a_connection_up_for_its_limit_and_is_tried_again() {
        let versions = Versions::new(None, Arc::new(Silent), true);
        for _ in 0..2 {
            let begun = Instant::now();
            assert_eq!(versions.choose(&device()).await, (2, 3000, 1_000));
            assert_eq!(begun.elapsed().as_secs(), FETCH_LIMIT.as_secs());
        }
    }
}
