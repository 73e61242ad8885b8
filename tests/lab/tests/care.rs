//! What Holdfast does for its link, and tells of it: tests, good-byes, news, incidents, renegotiation.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use holdfast::bus::Error;
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::ledger::{Act, Entry};
use holdfast_lab::phone::inbox::Content;
use holdfast_lab::server::{DeviceId, Fault, Lab, LabConfig, PhoneId, Target, When};
use tempfile::TempDir;

/// Only a failing test waits so long. The good-bye to an old link waits for 30 s by itself.
const DEADLINE: Duration = Duration::from_secs(120);

/// The account that is linked.
const OWNER: &str = "15550000001";

/// A connected Holdfast.
struct Scene {
    lab: Lab,
    owner: PhoneId,
    device: DeviceId,
    holdfast: Holdfast,
    directory: TempDir,
}

impl Scene {
    /// Connected, with these settings.
    async fn with(settings: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let owner = lab.create_phone(OWNER, "Owner").await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        let config = directory.path().join("holdfast.toml");
        let text = fs::read_to_string(&config).unwrap() + &settings(directory.path());
        fs::write(config, text).unwrap();
        holdfast.start().await.unwrap();
        let device = holdfast.links(&lab, &owner).await.unwrap();
        Self {
            lab,
            owner,
            device,
            holdfast,
            directory,
        }
    }

    async fn strike(&self, fault: Fault, times: u32) {
        let struck = self
            .lab
            .inject(self.device.clone(), fault, When::Now, times);
        struck.await.unwrap();
    }

    async fn reaches(&self, state: &str) {
        self.holdfast.reaches(state).await.unwrap();
    }

    /// What the owner's phone has in the chat with oneself.
    async fn notes(&self) -> Vec<String> {
        let inbox = self.lab.inbox(&self.owner).await.unwrap();
        let own = inbox
            .into_iter()
            .filter(|message| message.chat.starts_with(OWNER));
        own.filter_map(|message| match message.content {
            Content::Text(text) => Some(text),
            _ => None,
        })
        .collect()
    }
}

impl Scene {
    /// As if the daemon had written this down for its next start.
    async fn restart_remembering(&mut self, line: &str) {
        self.holdfast.stop().await.unwrap();
        let past = self.holdfast.data().join("past");
        let text = fs::read_to_string(&past).unwrap();
        let key = line.split(' ').next().unwrap();
        let kept = text.lines().filter(|line| !line.starts_with(key));
        let kept: Vec<_> = kept.chain([line]).collect();
        fs::write(&past, kept.join("\n") + "\n").unwrap();
        self.holdfast.start().await.unwrap();
    }

    /// What was written down last under this key.
    fn remembered(&self, key: &str) -> Option<u64> {
        let past = fs::read_to_string(self.holdfast.data().join("past")).unwrap();
        let mut lines = past.lines();
        lines.find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    }

    /// The ids of the messages that the device asked for again, each as often as it did.
    fn retried(&self) -> Vec<String> {
        let entries = self.lab.ledger().entries(0).into_iter();
        let retries = entries.filter_map(|entry| match entry.act {
            Act::Accepted { stanza } if stanza.kind.as_deref() == Some("retry") => Some(stanza.id),
            _ => None,
        });
        retries.collect()
    }

    /// How often the device asked for a message again.
    fn retries(&self) -> usize {
        self.retried().len()
    }

    /// The ids of the messages that the device asked for again.
    fn asked_again(&self) -> BTreeSet<String> {
        self.retried().into_iter().collect()
    }

    /// How many receipts the device had for this message.
    fn receipts(&self, id: &str) -> usize {
        let entries = self.lab.ledger().entries(0).into_iter();
        let receipts = entries.filter(|entry| {
            matches!(&entry.act, Act::Delivered { stanza } if stanza.tag == "receipt" && stanza.id == id)
        });
        receipts.count()
    }

    /// How many sessions were begun with this number's own one-time keys.
    fn begun(&self, number: &str) -> usize {
        let published = self.lab.ledger().pre_keys();
        let its = published
            .iter()
            .filter(|(device, _)| device.starts_with(number));
        its.map(|(_, published)| published.used.len()).sum()
    }

    /// The kinds of the presences that the device sent, from this entry on, and when.
    fn presences(&self, from: u64) -> Vec<(String, u64)> {
        let device = self.device.to_string();
        let entries = self.lab.ledger().entries(from).into_iter();
        entries
            .filter(|entry| entry.device == device)
            .filter_map(|entry| match entry.act {
                Act::Accepted { stanza } if stanza.tag == "presence" => {
                    Some((stanza.kind?, entry.at_ms))
                }
                _ => None,
            })
            .collect()
    }
}

/// How long a sign of life is to be seen at least, milliseconds.
const PULSE: u64 = 4_000;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Waits for what has no signal of its own.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_the_phone_and_back_where_it_may() {
    let scene = Scene::with(|_| "[self_test]\nown_chat = true\n".into()).await;
    let session = scene.holdfast.session().await.unwrap();
    let received = (true, "received".to_owned());
    let begun = Instant::now();
    assert_eq!(session.self_test().await.unwrap(), received);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let notes = scene.notes().await;
    assert!(notes.len() == 1 && notes[0].contains("test"), "{notes:?}");

    let scene = Scene::with(|_| String::new()).await;
    let session = scene.holdfast.session().await.unwrap();
    let not_allowed = (true, "not-allowed".to_owned());
    assert_eq!(session.self_test().await.unwrap(), not_allowed);
    assert!(scene.notes().await.is_empty());
    let log = scene.holdfast.read_log();
    assert!(log.contains("the link was tested"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_said_is_kept_for_the_operator_and_never_logged() {
    let scene = Scene::with(|_| String::new()).await;
    scene.strike(Fault::Stream516, 1).await;
    scene.reaches("LogoutSuspected").await;
    let session = scene.holdfast.session().await.unwrap();
    // They are kept by a thread of their own, which the state does not wait for.
    let kept = async {
        loop {
            let said = session.last_words(0).await.unwrap();
            let stanza = &said.last().unwrap().stanza;
            if stanza.contains("stream:error") && stanza.contains("516") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), kept)
        .await
        .expect("the last words are kept");
    assert!(!scene.holdfast.read_log().contains("stream:error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_link_that_was_given_up_is_logged_out_once_the_new_one_holds() {
    let scene = Scene::with(|_| String::new()).await;
    let session = scene.holdfast.session().await.unwrap();
    let vault = scene.holdfast.vault().await.unwrap();
    let standings = async || {
        let archives = vault.list_archives().await.unwrap().into_iter();
        let standings = archives.map(|archive| archive.standing);
        standings.collect::<Vec<_>>()
    };
    let relinks = async |next: &str| {
        let (token, _) = session.relink().await.unwrap();
        session.confirm_relink(token).await.unwrap();
        scene.holdfast.lives(next).await.unwrap();
        let qr = scene.holdfast.scan_screen().await.unwrap();
        let new = scene.lab.scan_qr(&scene.owner, &qr).await.unwrap();
        scene.reaches("Connected").await;
        new
    };
    // Within half a minute of the first.
    let second = relinks("gen-0002").await;
    let new = relinks("gen-0003").await;
    assert_eq!(standings().await, ["restorable"; 2], "it can be undone");
    let devices = async || {
        let devices = scene.lab.devices(&scene.owner).await.unwrap();
        let devices = devices.into_iter().map(|device| device.id);
        devices.filter(|id| id.device != 0).collect::<Vec<_>>()
    };
    assert_eq!(devices().await, [scene.device.clone(), second, new.clone()]);
    let gone = async || devices().await == [new.clone()];
    eventually("the old links are logged out", gone).await;
    let revoked = async || standings().await == ["revoked"; 2];
    eventually("and their manifests say so", revoked).await;
    assert_eq!(session.state().await.unwrap(), "Connected");
    let crimes = scene.lab.ledger().crimes();
    assert!(crimes.is_empty(), "{crimes:?}");
    let audit = fs::read_to_string(scene.holdfast.data().join("audit.log")).unwrap();
    assert!(audit.contains("\"kind\":\"farewell\""), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_hears_of_it_by_signal_hook_and_own_chat_and_it_is_written_down() {
    let scene = Scene::with(|directory| {
        let (hook, told) = (directory.join("hook"), directory.join("told"));
        let script = format!("#!/bin/sh\necho \"$HOLDFAST_CAUSE\" >>{}\n", told.display());
        fs::write(&hook, script).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        format!("[notify]\nown_chat = true\nhook = \"{}\"\n", hook.display())
    })
    .await;
    let session = scene.holdfast.session().await.unwrap();
    let mut news = session.receive_news().await.unwrap();
    scene.strike(Fault::Replaced, 1).await;
    let told = tokio::time::timeout(DEADLINE, news.next()).await.unwrap();
    assert_eq!(told.unwrap().args().unwrap().code, "session.replaced");
    let told = scene.directory.path().join("told");
    let hooked = async || fs::read_to_string(&told).is_ok_and(|told| told == "session.replaced\n");
    eventually("the hook is run", hooked).await;

    session.link().await.unwrap();
    scene.reaches("Connected").await;
    let written = async || {
        let notes = scene.notes().await;
        notes.iter().any(|note| note.contains("Another copy"))
    };
    eventually("the chat with oneself says it", written).await;

    let vault = scene.holdfast.vault().await.unwrap();
    let over = async || {
        let last = vault.incidents(1).await.unwrap().pop();
        last.is_some_and(|incident| {
            incident.contains("session.replaced") && !incident.contains("\"took_ms\":null")
        })
    };
    eventually("the incident is over", over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_which_nothing_can_be_decrypted_is_given_a_new_session() {
    let scene = Scene::with(|_| String::new()).await;
    let number = "15550000002";
    let friend = scene.lab.create_phone(number, "Friend").await.unwrap();
    scene.holdfast.sends(number, "hello").await.unwrap();
    let hears = async |nth: usize| {
        let text = format!("number {nth}");
        scene.lab.send_text(&friend, OWNER, &text).await.unwrap();
        let received = scene.holdfast.receives("bot", nth).await.unwrap();
        assert_eq!(received.len(), nth, "each once");
        assert_eq!(received[nth - 1].text, text);
    };
    for nth in 1..=7 {
        scene.strike(Fault::BadMac, 1).await;
        hears(nth).await;
    }
    let before = scene.holdfast.sends(number, "before").await.unwrap();
    let heard_of = async || scene.receipts(&before) == 2;
    eventually("both phones have it", heard_of).await;
    let (asked, begun) = (scene.retries(), scene.begun(number));

    // The eighth that cannot be read. The friend's answer, in a session of its own, is kept back until the next stanza.
    scene.strike(Fault::BadMac, 1).await;
    let (device, answer) = (scene.device.clone(), When::Nth(2));
    let held = scene
        .lab
        .inject(device, Fault::OutOfOrderDelivery, answer, 1);
    held.await.unwrap();
    let eighth = scene.lab.send_text(&friend, OWNER, "number 8");
    eighth.await.unwrap();
    eventually("it is asked for again", async || scene.retries() > asked).await;
    scene.holdfast.sends(number, "after").await.unwrap();
    assert_eq!(scene.begun(number), begun + 1, "the session is a new one");
    let received = scene.holdfast.receives("bot", 8).await.unwrap();
    assert_eq!(received.len(), 8, "each once");
    hears(9).await;
    scene.holdfast.sends(number, "still").await.unwrap();
    let session = scene.holdfast.session().await.unwrap();
    assert_eq!(session.state().await.unwrap(), "Connected");
    let crimes = scene.lab.ledger().crimes();
    assert!(crimes.is_empty(), "{crimes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_is_always_that_holdfast_is_not_available() {
    let scene = Scene::with(|_| String::new()).await;
    // The library shows itself at each login; that is taken back at once.
    for _ in 0..2 {
        let before = scene.lab.ledger().entries(0).len() as u64;
        let struck = scene.strike(Fault::SocketDrop, 1);
        let lost = scene.holdfast.passes("Reconnecting", struck);
        lost.await.unwrap();
        scene.reaches("Connected").await;
        let hushed = async || {
            scene
                .presences(before)
                .last()
                .is_some_and(|(it, _)| it == "unavailable")
        };
        eventually("it is not available", hushed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_after_the_last_there_is_one_sign_of_life() {
    let mut scene = Scene::with(|_| String::new()).await;
    let before = scene.lab.ledger().entries(0).len() as u64;
    scene.restart_remembering("pulse 10000").await;
    let is_login = |entry: &Entry| entry.act == Act::LoggedIn;
    let login = scene
        .lab
        .ledger()
        .wait_for(before, DEADLINE, is_login)
        .await;
    let login = login.expect("it logs in again").seq;
    // At the login, too, the library shows itself; that is taken back earlier.
    let shown = async || {
        let presences = scene.presences(login);
        let times = |what: &'static str| {
            let those = presences.iter().filter(move |(kind, _)| kind == what);
            those.map(|(_, at)| *at)
        };
        let ends = |from: u64| times("unavailable").any(|to| to >= from + PULSE);
        times("available").any(ends)
    };
    eventually("a sign of life, and its end", shown).await;
    eventually("the next is due a day later", async || {
        scene
            .remembered("pulse")
            .is_some_and(|left| left > DAY - 60_000)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_was_away_for_long_is_asked_and_its_owner_warned() {
    let mut scene = Scene::with(|_| String::new()).await;
    scene
        .restart_remembering(&format!("phone {}", DAY * 3 / 2))
        .await;
    scene.reaches("Connected").await;
    let log = scene.holdfast.read_log();
    assert!(log.contains("account.phone-away"), "{log}");
    let answered = async || {
        let left = scene.remembered("phone");
        left.is_some_and(|left| left > 13 * DAY)
    };
    eventually("the phone is there, and seen", answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_what_cannot_be_decrypted_has_the_keys_made_anew_once() {
    let scene = Scene::with(|_| String::new()).await;
    let mut friends = Vec::new();
    for number in 2..=6 {
        let number = format!("1555000000{number}");
        friends.push(scene.lab.create_phone(&number, "Friend").await.unwrap());
        scene.holdfast.sends(&number, "hello").await.unwrap();
    }
    let (mut sent, mut rebuilt) = (0, false);
    let vault = scene.holdfast.vault().await.unwrap();
    while !rebuilt {
        assert!(sent < 100, "{}", scene.holdfast.read_log());
        scene.strike(Fault::BadMac, 1).await;
        let friend = &friends[sent % friends.len()];
        sent += 1;
        let text = format!("number {sent}");
        scene.lab.send_text(friend, OWNER, &text).await.unwrap();
        let received = scene.holdfast.receives("bot", sent).await.unwrap();
        assert_eq!(received.len(), sent, "each once");
        let incidents = vault.incidents(9).await.unwrap();
        rebuilt = incidents.iter().any(|it| it.contains("keys-renewed"));
    }
    scene.reaches("Connected").await;
    assert!((60..=70).contains(&sent), "{sent}");
    let session = scene.holdfast.session().await.unwrap();
    assert_eq!(session.generation().await.unwrap(), "gen-0001");
    for friend in &friends {
        sent += 1;
        scene.lab.send_text(friend, OWNER, "after").await.unwrap();
        scene.holdfast.receives("bot", sent).await.unwrap();
    }
    scene
        .holdfast
        .sends("15550000002", "and back")
        .await
        .unwrap();
    let crimes = scene.lab.ledger().crimes();
    assert!(crimes.is_empty(), "{crimes:?}");
    let audit = fs::read_to_string(scene.holdfast.data().join("audit.log")).unwrap();
    assert_eq!(audit.matches("\"kind\":\"repair\"").count(), 1, "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_send_costs_no_session_key() {
    const STRANGERS: usize = 4;
    const EACH: usize = 16;
    let scene = Scene::with(|_| String::new()).await;
    // Whatever comes, again and again, cannot be read.
    scene.strike(Fault::BadMac, 10_000).await;
    for stranger in 0..STRANGERS {
        let number = format!("1555000001{stranger}");
        let stranger = scene.lab.create_phone(&number, "Stranger").await.unwrap();
        for nth in 0..EACH {
            let text = format!("rubbish {nth}");
            let sent = scene.lab.send_text(&stranger, OWNER, &text);
            sent.await.unwrap();
        }
    }
    eventually("each is asked for again", async || {
        scene.asked_again().len() == STRANGERS * EACH
    })
    .await;
    let session = scene.holdfast.session().await.unwrap();
    assert!(session.self_test().await.unwrap().0);
    assert_eq!(session.state().await.unwrap(), "Connected");
    let vault = scene.holdfast.vault().await.unwrap();
    let incidents = vault.incidents(9).await.unwrap();
    assert!(
        !incidents.iter().any(|it| it.contains("keys-")),
        "{incidents:?}"
    );
    let audit = fs::read_to_string(scene.holdfast.data().join("audit.log"));
    assert!(!audit.is_ok_and(|audit| audit.contains("\"kind\":\"repair\"")));
    assert!(!scene.holdfast.read_log().contains("a new session is made"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_s_assertion_goes_to_whatsapp_and_another_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let gate = lab.inject(Target::Linking, Fault::PasskeyGate, When::Now, 1);
    gate.await.unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
    let mut holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
    holdfast.start().await.unwrap();
    holdfast.reaches("PasskeyNeeded").await.unwrap();
    let session = holdfast.session().await.unwrap();
    let (options, code) = session.passkey().await.unwrap();
    assert!(
        options.contains("\"challenge\"") && code.is_empty(),
        "{options}"
    );
    let broken = session.answer_passkey("{}".into()).await;
    assert!(
        matches!(broken, Err(Error::InvalidArgument(_))),
        "{broken:?}"
    );
    let too_soon = session.confirm_passkey().await;
    assert!(too_soon.is_err(), "{too_soon:?}");
    let assertion = r#"{"id":"AQID","rawId":"AQID","type":"public-key","response":{}}"#;
    session.answer_passkey(assertion.into()).await.unwrap();
    let again = session.answer_passkey(assertion.into()).await;
    assert!(again.is_err(), "one is under way");
    assert!(!holdfast.read_log().contains("AQID"));
}
