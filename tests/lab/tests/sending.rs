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
        let device = holdfast.links(&lab, &owner).await.unwrap();
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

    /// Gives the link up for one with this phone.
    async fn relinks(&mut self, phone: PhoneId) {
        let session = self.holdfast.session().await.unwrap();
        let (token, _) = session.relink().await.unwrap();
        session.confirm_relink(token).await.unwrap();
        self.device = self.holdfast.links(&self.lab, &phone).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_on_whatsapp_is_asked_about_once_and_nothing_is_sent_there() {
    const NOBODY: &str = "19998887777";
    let scene = Scene::connected().await;
    let before = scene.lab.questions(&scene.device, "usync");
    for text in ["one", "two", "three"] {
        let id = scene.accepts(NOBODY, text).await;
        scene.becomes(&id, "failed not-on-whatsapp").await;
    }
    assert_eq!(scene.lab.questions(&scene.device, "usync") - before, 1);
    let sent = scene.lab.inbox(&scene.owner).await.unwrap();
    assert_eq!(sent, [], "not even to oneself");

    // Whom one has written to is not asked about again, restarts included.
    scene.holdfast.sends(FRIEND, "one").await.unwrap();
    let asked = scene.lab.questions(&scene.device, "usync");
    scene.holdfast.sends(FRIEND, "two").await.unwrap();
    assert_eq!(scene.lab.questions(&scene.device, "usync"), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_keys_and_is_not_done_before_its_recipient_has_it() {
    let scene = Scene::connected().await;
    let phone = DeviceId {
        phone: scene.friend.clone(),
        device: 0,
    };
    let struck = scene
        .lab
        .inject(phone.clone(), Fault::NoBundle, When::Now, 1);
    struck.await.unwrap();
    let id = scene.accepts(FRIEND, "hello").await;
    let messages = scene.holdfast.messages().await.unwrap();
    let waits = async {
        loop {
            match &messages.pending(0, 0).await.unwrap()[..] {
                [one] if one.reason == "no-keys" => break one.clone(),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let waits = timeout(DEADLINE, waits).await.unwrap();
    assert_eq!(
        (waits.id.as_str(), waits.state.as_str()),
        (id.as_str(), "accepted")
    );
    scene.becomes(&id, "acked").await;
    scene.arrives("hello").await;
    let copies = scene.lab.inbox(&scene.owner).await.unwrap();
    assert_eq!(copies.len(), 1, "it went out once: {copies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_group_without_keys_gets_the_message_once_it_has_some() {
    let scene = Scene::connected().await;
    let other = scene
        .lab
        .create_phone("15550000003", "Other")
        .await
        .unwrap();
    let members = [scene.friend.clone(), other.clone()];
    let group = scene.lab.create_group(&scene.owner, "Group", &members);
    let group = group.await.unwrap().to_string();
    let phone = DeviceId {
        phone: other.clone(),
        device: 0,
    };
    // When it is sent, and when the member asks again.
    let struck = scene
        .lab
        .inject(phone.clone(), Fault::NoBundle, When::Now, 2);
    struck.await.unwrap();
    scene.holdfast.sends(&group, "to all").await.unwrap();
    scene.arrives("to all").await;
    let wanted = |received: &Received| received.content == Content::Text("to all".to_owned());
    let arrives = scene.lab.wait_inbox(&other, DEADLINE, wanted);
    arrives.await.unwrap();
    assert_eq!(scene.lab.faults_left(phone), 0);
    assert!(scene.lab.ledger().crimes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_new_chats_is_told_with_its_end_and_no_stranger_is_tried_meanwhile() {
    const STRANGER: &str = "15550000004";
    let scene = Scene::connected().await;
    scene.holdfast.sends(FRIEND, "before").await.unwrap();
    for number in ["15550000003", STRANGER] {
        scene.lab.create_phone(number, "Stranger").await.unwrap();
    }
    scene.strike(Fault::Nack463, 1).await;
    let id = scene.accepts("15550000003", "cold").await;
    scene.becomes(&id, "failed 463").await;
    let session = scene.holdfast.session().await.unwrap();
    let told = async {
        loop {
            let (code, _, action, left_ms) = session.account_fault().await.unwrap();
            if code == "account.no-new-chats" {
                break (action, left_ms);
            }
            // The property has no signal of its own.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (action, left_ms) = timeout(DEADLINE, told).await.unwrap();
    assert!(action.contains("strangers"), "{action}");
    let hours = left_ms / 3_600_000;
    assert!((71..=72).contains(&hours), "{hours} h");
    let id = scene.accepts("15550000003", "again").await;
    scene.becomes(&id, "failed 463").await;
    let id = scene.accepts(STRANGER, "cold, too").await;
    scene.becomes(&id, "failed 463").await;
    scene.holdfast.sends(FRIEND, "still").await.unwrap();
    let vault = scene.holdfast.vault().await.unwrap();
    let incidents = vault.incidents(0).await.unwrap();
    let last = incidents.last().unwrap();
    assert!(last.contains("account.no-new-chats"), "{last}");
    assert_eq!(session.state().await.unwrap(), "Connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_from_a_companion_can_be_answered() {
    let scene = Scene::connected().await;
    for to in [
        format!("{FRIEND}:1@s.whatsapp.net"),
        format!("{FRIEND}@c.us"),
    ] {
        scene.holdfast.sends(&to, &to).await.unwrap();
        scene.arrives(&to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_what_waits() {
    let scene = Scene::connected().await;
    let members = [scene.friend.clone()];
    let group = scene.lab.create_group(&scene.owner, "Group", &members);
    let group = group.await.unwrap().to_string();
    scene.strike(Fault::GroupError, 1_000).await;
    let id = scene.accepts(&group, "waits").await;
    scene.strike(Fault::Ban, 1).await;
    scene.holdfast.reaches("Banned").await.unwrap();
    scene.becomes(&id, "failed banned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_relink_what_waits_goes_out_from_the_same_account_and_from_no_other() {
    let mut scene = Scene::connected().await;
    let stranger = scene.lab.create_phone("15550000003", "Other").await;
    let stranger = stranger.unwrap();
    let members = [scene.friend.clone(), stranger.clone()];
    let group = scene.lab.create_group(&scene.owner, "Group", &members);
    let group = group.await.unwrap().to_string();

    scene.strike(Fault::GroupError, 1).await;
    let id = scene.accepts(&group, "of one account").await;
    scene.relinks(scene.owner.clone()).await;
    scene.becomes(&id, "acked").await;
    scene.arrives("of one account").await;

    // Nobody has a session with this one, and there are no keys for one: it waits.
    const THIRD: &str = "15550000004";
    let third = scene.lab.create_phone(THIRD, "Third").await.unwrap();
    let phone = DeviceId {
        phone: third.clone(),
        device: 0,
    };
    let struck = scene.lab.inject(phone, Fault::NoBundle, When::Now, 1_000);
    struck.await.unwrap();
    let id = scene.accepts(THIRD, "never of another").await;
    scene.relinks(stranger).await;
    scene.becomes(&id, "failed other-account").await;
    let id = scene.accepts(&group, "of the other").await;
    scene.becomes(&id, "acked").await;
    scene.arrives("of the other").await;
    let all = scene.lab.inbox(&third).await.unwrap();
    let never = Content::Text("never of another".to_owned());
    assert!(all.iter().all(|received| received.content != never));
}
