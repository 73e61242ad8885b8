//! What others send, and what an owner and a bot get of it.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{DeviceId, Fault, Lab, LabConfig, PhoneId, When};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// A connected Holdfast, and somebody who writes to it.
struct Scene {
    lab: Lab,
    friend: PhoneId,
    device: DeviceId,
    holdfast: Holdfast,
    _directory: TempDir,
}

impl Scene {
    async fn new(friend: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
        let friend = lab.create_phone(FRIEND, friend).await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        holdfast.start().await.unwrap();
        let device = holdfast.links(&lab, &owner).await.unwrap();
        Self {
            lab,
            friend,
            device,
            holdfast,
            _directory: directory,
        }
    }

    async fn writes(&self, text: &str) -> String {
        self.lab.send_text(&self.friend, OWNER, text).await.unwrap()
    }
}

impl Scene {
    /// Waits until this is the cause, for so long.
    async fn blames(&self, cause: &str, limit: Duration) {
        let session = self.holdfast.session().await.unwrap();
        let properties = self.holdfast.properties().await.unwrap();
        let mut changes = properties.receive_properties_changed().await.unwrap();
        let blamed = async {
            while session.cause().await.unwrap().0 != cause {
                changes.next().await.expect("the daemon has left");
            }
        };
        let log = || self.holdfast.read_log();
        assert!(timeout(limit, blamed).await.is_ok(), "{cause}: {}", log());
    }
}

#[tokio::test]
async fn a_link_on_which_nothing_is_understood_is_made_anew_at_once() {
    // Two seconds until it is looked at, ten for an answer; a login comes after the back-off.
    let second = Duration::from_secs;
    let mut lives = JoinSet::new();
    for (fault, cause, limit) in [
        (Fault::GarbledFrame, "network.garbled", second(15)),
        (Fault::SilentLogin, "network.login-timeout", second(20)),
        (Fault::Stream503Open, "session.refused", second(10)),
    ] {
        lives.spawn(async move {
            let scene = Scene::new("Bob").await;
            let (device, lab) = (scene.device.clone(), &scene.lab);
            lab.inject(device, fault, When::Now, 1).await.unwrap();
            // Whatever comes meanwhile is no sign of life.
            let texts = (0..5).map(|n| format!("text {n}"));
            let texts: Vec<String> = texts.collect();
            for text in &texts {
                scene.writes(text).await;
            }
            scene.blames(cause, limit).await;
            scene.holdfast.reaches("Connected").await.unwrap();
            let got = scene.holdfast.receives("bot", 5).await.unwrap();
            let mut got: Vec<_> = got.into_iter().map(|message| message.text).collect();
            got.sort();
            assert_eq!(got, texts, "{fault}");
        });
    }
    lives.join_all().await;
}

#[tokio::test]
async fn a_nul_is_told_and_what_follows_it_too() {
    let mut scene = Scene::new("Bo\0b").await;
    for text in ["one", "a\0b", "three"] {
        scene.writes(text).await;
    }
    for _ in 0..2 {
        let got = scene.holdfast.receives("bot", 3).await.unwrap();
        let texts: Vec<_> = got.iter().map(|message| &*message.text).collect();
        assert_eq!(texts, ["one", "a\u{fffd}b", "three"]);
        assert_eq!(got[1].push_name, "Bo\u{fffd}b");
        assert!(got[1].raw.windows(3).any(|raw| raw == b"a\0b"));
        scene.holdfast.stop().await.unwrap();
        scene.holdfast.start().await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_decrypted_is_a_stub_until_it_comes() {
    let mut scene = Scene::new("Bob").await;
    scene.writes("one").await;
    scene.holdfast.receives("bot", 1).await.unwrap();
    let (device, lab) = (scene.device.clone(), &scene.lab);
    lab.inject(device, Fault::BadMac, When::Now, 1)
        .await
        .unwrap();
    let id = scene.writes("two").await;
    for _ in 0..2 {
        let got = scene.holdfast.receives("bot", 2).await.unwrap();
        let ids: Vec<_> = got.iter().map(|message| &*message.id).collect();
        assert_eq!((ids.len(), ids[1]), (2, &*id));
        let messages = scene.holdfast.messages().await.unwrap();
        let stubs = messages.stubs(0, 0).await.unwrap();
        let came = (2, "undecryptable".to_owned(), "came".to_owned());
        assert_eq!(stubs, [came], "{}", scene.holdfast.read_log());
        drop(messages);
        scene.holdfast.stop().await.unwrap();
        scene.holdfast.start().await.unwrap();
    }
}
