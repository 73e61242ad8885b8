//! What goes out: each message once it can, none at the cost of the others, and none that is done although nobody got it.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::phone::inbox::{Content, Received};
use holdfast_lab::server::{DeviceId, Fault, Lab, LabConfig, PhoneId, When};
use tempfile::TempDir;
use tokio::time::timeout;

/// Only a failing test waits so long.
const DEADLINE: Duration = Duration::from_secs(120);
/// The first wait of a message that could not be sent, at least.
const FIRST_WAIT: Duration = Duration::from_secs(9);

const FRIEND: &str = "15550000002";

/// A connected Holdfast, and a friend.
struct Scene {
    lab: Lab,
    owner: PhoneId,
    friend: PhoneId,
    device: DeviceId,
    holdfast: Holdfast,
    _directory: TempDir,
}

impl Scene {
    async fn connected() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let owner = lab.create_phone("15550000001", "Owner").await.unwrap();
        let friend = lab.create_phone(FRIEND, "Friend").await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        holdfast.start().await.unwrap();
        let qr = holdfast.scan_screen().await.unwrap();
        let device = lab.scan_qr(&owner, &qr).await.unwrap();
        holdfast.reaches("Connected").await.unwrap();
        Self {
            lab,
            owner,
            friend,
            device,
            holdfast,
            _directory: directory,
        }
    }

    async fn strike(&self, fault: Fault, times: u32) {
        let struck = self
            .lab
            .inject(self.device.clone(), fault, When::Now, times);
        struck.await.unwrap();
    }

    /// Accepts a message; its id.
    async fn accepts(&self, to: &str, text: &str) -> String {
        let messages = self.holdfast.messages().await.unwrap();
        messages.send(to, text, "").await.unwrap()
    }

    /// Waits until a message is in this state.
    async fn becomes(&self, id: &str, state: &str) {
        let messages = self.holdfast.messages().await.unwrap();
        let mut changes = messages.receive_outbox_changed().await.unwrap();
        let mut now = String::new();
        let comes = async {
            loop {
                now = messages.state(id).await.unwrap();
                if now == state {
                    break;
                }
                changes.next().await.unwrap();
            }
        };
        let comes = timeout(DEADLINE, comes).await;
        let log = self.holdfast.read_log();
        assert!(
            comes.is_ok(),
            "{id} is {now}, not {state}; the log says:\n{log}"
        );
    }

    /// Waits until the friend has a text.
    async fn arrives(&self, text: &str) {
        let wanted = |received: &Received| received.content == Content::Text(text.to_owned());
        let arrives = self.lab.wait_inbox(&self.friend, DEADLINE, wanted);
        arrives.await.unwrap();
    }

    /// How much was asked about groups.
    fn group_questions(&self) -> u64 {
        self.lab.questions(&self.device, "w:g2")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_refuses_for_good_is_asked_for_once() {
    const NO_MEMBER: &str = "120363000000000999@g.us";
    let mut scene = Scene::connected().await;
    let before = scene.group_questions();
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(scene.accepts(NO_MEMBER, &number.to_string()).await);
    }
    for id in &ids {
        scene.becomes(id, "failed 403").await;
    }
    assert_eq!(scene.group_questions() - before, 50);
    scene.holdfast.sends(FRIEND, "one").await.unwrap();
    scene.holdfast.stop().await.unwrap();
    scene.holdfast.start().await.unwrap();
    scene.holdfast.reaches("Connected").await.unwrap();
    scene.holdfast.sends(FRIEND, "two").await.unwrap();
    assert_eq!(
        scene.group_questions() - before,
        50,
        "no text to a friend asks again"
    );
    let messages = scene.holdfast.messages().await.unwrap();
    assert_eq!(messages.pending(0, 0).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_now_waits_by_itself_and_holds_nobody_up() {
    let mut scene = Scene::connected().await;
    let members = [scene.friend.clone()];
    let group = scene.lab.create_group(&scene.owner, "Group", &members);
    let group = group.await.unwrap().to_string();
    scene.strike(Fault::GroupError, 1_000).await;
    let (before, begun) = (scene.group_questions(), Instant::now());
    // Each is asked about once in each of its turns, be it Holdfast's second life.
    let bounded = |scene: &Scene| {
        let asked = scene.group_questions() - before;
        let turns = 1 + begun.elapsed().as_secs() / FIRST_WAIT.as_secs();
        assert!(asked <= 20 * turns, "{asked} questions in {turns} turns");
    };
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(scene.accepts(&group, &number.to_string()).await);
        scene.holdfast.sends(FRIEND, "beside").await.unwrap();
    }
    bounded(&scene);
    scene.holdfast.stop().await.unwrap();
    scene.holdfast.start().await.unwrap();
    scene.holdfast.reaches("Connected").await.unwrap();
    scene
        .holdfast
        .sends(FRIEND, "after a restart")
        .await
        .unwrap();
    bounded(&scene);

    let messages = scene.holdfast.messages().await.unwrap();
    let waiting = messages.pending(0, 0).await.unwrap();
    assert_eq!(waiting.len(), 20);
    for (waits, id) in waiting.iter().zip(&ids) {
        assert_eq!((&waits.id, &waits.to), (id, &group));
        assert!(waits.attempts >= 1 && waits.reason == "500", "{waits:?}");
    }
    let (dropped, kept) = ids.split_at(19);
    for id in dropped {
        messages.drop_message(id).await.unwrap();
        assert_eq!(messages.state(id).await.unwrap(), "failed dropped");
    }
    assert!(
        messages.drop_message(&dropped[0]).await.is_err(),
        "it is final"
    );
    let left = messages.pending(0, 0).await.unwrap();
    assert_eq!(
        left.iter().map(|waits| &waits.id).collect::<Vec<_>>(),
        [&kept[0]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_cannot_take_now_is_taken_later_under_the_same_id() {
    let scene = Scene::connected().await;
    scene.strike(Fault::Nack503, 1).await;
    let id = scene.accepts(FRIEND, "later").await;
    scene.becomes(&id, "acked").await;
    scene.arrives("later").await;
    assert_eq!(scene.lab.faults_left(scene.device.clone()), 0);
}
