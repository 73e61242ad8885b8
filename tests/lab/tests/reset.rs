//! The factory reset from end to end: the real daemon at a terminal, held by its space bar until it knows nothing.

use std::fs;
use std::path::Path;

use holdfast::boot::forget;
use holdfast_core::{Emptied, Face};
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{DeviceId, Lab, LabConfig, PhoneId};
use holdfast_lab::terminal::Terminal;
use holdfast_medium::DataDir;
use tempfile::TempDir;

const OWNER: &str = "15550000001";

/// A connected Holdfast, and a finger at its button.
struct Scene {
    lab: Lab,
    owner: PhoneId,
    device: DeviceId,
    holdfast: Holdfast,
    terminal: Terminal,
    _directory: TempDir,
}

impl Scene {
    async fn connected() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let terminal = Terminal::open().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        holdfast.sits_at(&terminal).unwrap();
        holdfast.start().await.unwrap();
        let device = holdfast.links(&lab, &owner).await.unwrap();
        Self {
            lab,
            owner,
            device,
            holdfast,
            terminal,
            _directory: directory,
        }
    }

    /// Holds the button until it asks, and says yes.
    async fn reset(&mut self) {
        self.terminal.press().unwrap();
        let holding = Face::Holding {
            left_ms: 5_000,
            relinks: true,
        };
        self.holdfast.shows(&holding).await.unwrap();
        let asks = Face::ConfirmReset { left_ms: 30_000 };
        self.holdfast.shows(&asks).await.unwrap();
        self.terminal.release().unwrap();
        self.terminal.press().unwrap();
        self.terminal.release().unwrap();
        self.holdfast.begins_again().await.unwrap();
    }

    /// Gives the link up for a new one, which can be undone for half a minute.
    async fn relink(&self) -> DeviceId {
        let session = self.holdfast.session().await.unwrap();
        let (token, _) = session.relink().await.unwrap();
        session.confirm_relink(token).await.unwrap();
        self.holdfast.lives("gen-0002").await.unwrap();
        self.holdfast.links(&self.lab, &self.owner).await.unwrap()
    }

    /// The companions that the owner's phone lists.
    async fn listed(&self) -> Vec<DeviceId> {
        let devices = self.lab.devices(&self.owner).await.unwrap();
        let devices = devices.into_iter().map(|device| device.id);
        devices.filter(|id| id.device != 0).collect()
    }

    /// What the screen tells of it.
    fn emptied(&self) -> Option<Emptied> {
        forget::done(&DataDir::new(self.holdfast.data()))
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.holdfast.data()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_sees_the_device_go_and_nothing_of_it_is_left() {
    let mut scene = Scene::connected().await;
    assert_eq!(scene.listed().await, [scene.device.clone()]);
    let identity = scene.holdfast.data().join("gen-0001/identity.a");
    let identity = fs::read(identity).unwrap();
    scene.reset().await;

    assert!(scene.listed().await.is_empty(), "the phone lists it");
    let emptied = Emptied {
        links: 1,
        listed: 0,
        system: false,
        left: 0,
    };
    assert_eq!(scene.emptied(), Some(emptied));
    // It is linked as a new device that never was another, and nothing is told any more.
    let new = scene
        .holdfast
        .links(&scene.lab, &scene.owner)
        .await
        .unwrap();
    assert_eq!(scene.listed().await, [new]);
    scene.holdfast.lives("gen-0001").await.unwrap();
    assert_ne!(
        fs::read(scene.holdfast.data().join("gen-0001/identity.a")).unwrap(),
        identity
    );
    let crimes = scene.lab.ledger().crimes();
    assert!(crimes.is_empty(), "{crimes:?}");
    let audit = fs::read_to_string(scene.holdfast.data().join("audit.log")).unwrap();
    assert!(
        audit.contains("\"kind\":\"reset\",\"trigger\":\"button\""),
        "{audit}"
    );
    scene.holdfast.stop().await.unwrap();
    assert_eq!(scene.emptied(), None);
    assert!(!scene.names().contains(&"factory-reset".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_sees_a_link_in_the_archive_go_as_well() {
    let mut scene = Scene::connected().await;
    let live = scene.relink().await;
    assert_eq!(scene.listed().await, [scene.device.clone(), live]);
    scene.reset().await;

    assert!(scene.listed().await.is_empty(), "the phone lists one");
    let emptied = Emptied {
        links: 2,
        listed: 0,
        system: false,
        left: 0,
    };
    assert_eq!(scene.emptied(), Some(emptied));
    let crimes = scene.lab.ledger().crimes();
    assert!(crimes.is_empty(), "{crimes:?}");
    let audit = fs::read_to_string(scene.holdfast.data().join("audit.log")).unwrap();
    let said = audit.find("\"kind\":\"farewell\"").expect("it is recorded");
    assert!(audit.find("\"kind\":\"reset\"") < Some(said), "{audit}");
    scene.holdfast.stop().await.unwrap();
}
