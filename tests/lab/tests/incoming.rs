//! What others send, and what an owner and a bot get of it.

use std::path::Path;

use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{Lab, LabConfig, PhoneId};
use tempfile::TempDir;

const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// A connected Holdfast, and somebody who writes to it.
struct Scene {
    lab: Lab,
    friend: PhoneId,
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
        let qr = holdfast.scan_screen().await.unwrap();
        lab.scan_qr(&owner, &qr).await.unwrap();
        holdfast.reaches("Connected").await.unwrap();
        Self {
            lab,
            friend,
            holdfast,
            _directory: directory,
        }
    }

    async fn writes(&self, text: &str) -> String {
        self.lab.send_text(&self.friend, OWNER, text).await.unwrap()
    }
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
