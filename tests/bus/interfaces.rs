//! Each interface, on both kinds of bus.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt;
use holdfast::{
    bus::{Error, Messages1Proxy, NAME, PATH, Panel1Proxy, Session1Proxy, Vault1Proxy, Where},
    history::{Incidents, LastWords},
    mail::OutState,
};
use holdfast_core::CauseCode;
use holdfast_medium::Secret;
use tokio::time::Instant;
use zbus::{
    Connection,
    fdo::{IntrospectableProxy, PropertiesProxy},
    proxy::CacheProperties,
};

use super::rig::{Daemon, bus_client, in_time, message_bus, picture, private_client, status};

pub const XML: [(&str, &str); 6] = [
    (
        "org.holdfast.Messages1",
        include_str!("../../docs/dbus/org.holdfast.Messages1.xml"),
    ),
    (
        "org.holdfast.Panel1",
        include_str!("../../docs/dbus/org.holdfast.Panel1.xml"),
    ),
    (
        "org.holdfast.Session1",
        include_str!("../../docs/dbus/org.holdfast.Session1.xml"),
    ),
    (
        "org.holdfast.Update1",
        include_str!("../../docs/dbus/org.holdfast.Update1.xml"),
    ),
    (
        "org.holdfast.Settings1",
        include_str!("../../docs/dbus/org.holdfast.Settings1.xml"),
    ),
    (
        "org.holdfast.Vault1",
        include_str!("../../docs/dbus/org.holdfast.Vault1.xml"),
    ),
];

/// A daemon on both buses, and a client on each.
async fn both() -> (Daemon, holdfast::bus::Served, [Connection; 2]) {
    let daemon = Daemon::new().await;
    let address = message_bus(daemon.dir.path()).await;
    let served = daemon.serve(Where::Address(address.clone())).await;
    let clients = [
        bus_client(&address).await,
        private_client(&daemon.runtime()).await,
    ];
    (daemon, served, clients)
}

#[tokio::test]
async fn the_running_interfaces_are_the_documented_ones() {
    let (_daemon, _served, [client, _]) = both().await;
    let node = IntrospectableProxy::builder(&client)
        .destination(NAME)
        .path(PATH)
        .build()
        .await
        .unwrap();
    let running = node.introspect().await.unwrap();
    let mut differing = String::new();
    for (name, documented) in XML {
        let start = running
            .find(&format!("<interface name=\"{name}\">"))
            .expect(name);
        let end = start + running[start..].find("</interface>").unwrap() + "</interface>".len();
        let node = format!("<node>\n  {}\n</node>\n", &running[start..end]);
        if std::env::var_os("HOLDFAST_WRITE").is_some() {
            let path = format!("{}/docs/dbus/{name}.xml", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(path, node).unwrap();
        } else if node != documented {
            differing += &format!("docs/dbus/{name}.xml should be:\n{node}");
        }
    }
    assert!(differing.is_empty(), "{differing}");
    let ours = running.matches("<interface name=\"org.holdfast.").count();
    assert_eq!(
        ours,
        XML.len(),
        "an interface is served that docs/dbus does not have"
    );
}

#[tokio::test]
async fn state_and_cause_change_in_one_signal() {
    let (daemon, _served, clients) = both().await;
    for client in clients {
        daemon.status.send_replace(status("Connected"));
        let properties = PropertiesProxy::builder(&client)
            .destination(NAME)
            .path(PATH)
            .build()
            .await
            .unwrap();
        let mut changes = properties.receive_properties_changed().await.unwrap();
        let session = Session1Proxy::new(&client).await.unwrap();
        assert_eq!(session.state().await.unwrap(), "Connected");
        assert_eq!(session.cause().await.unwrap(), Default::default());
        assert_eq!(session.generation().await.unwrap(), "gen-0003");
        assert_eq!(session.account().await.unwrap(), "1234");
        assert_eq!(session.next_attempt().await.unwrap(), 0);

        let due = Instant::now() + Duration::from_secs(100);
        daemon.status.send_modify(|status| {
            status.state = "Reconnecting";
            status.cause = Some(CauseCode::ConnectionLost.into());
            status.attempt = 2;
            status.next_attempt = Some(due);
        });
        let cause = in_time(async {
            loop {
                let change = changes.next().await.unwrap();
                let args = change.args().unwrap();
                if args.interface_name != "org.holdfast.Session1" {
                    continue;
                }
                let (state, cause) = (
                    args.changed_properties.get("State"),
                    args.changed_properties.get("Cause"),
                );
                if state.is_some_and(|state| *state == "Reconnecting".into()) {
                    assert!(args.changed_properties.contains_key("Attempt"));
                    break <(String, String, String)>::try_from(
                        cause.expect("the cause comes with the state"),
                    )
                    .unwrap();
                }
            }
        })
        .await;
        assert_eq!(cause.0, "network.connection-lost");
        assert!(
            cause.1.ends_with('.') && cause.2.starts_with("none:"),
            "{cause:?}"
        );
        let left = session.next_attempt().await.unwrap();
        assert!((1..=100_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn until_the_rooms_are_open_what_needs_them_is_refused_with_the_reason() {
    let (daemon, _served, clients) = both().await;
    let rooms = daemon.rooms.send_replace(None);
    for client in &clients {
        let session = Session1Proxy::builder(client)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap();
        let messages = Messages1Proxy::new(client).await.unwrap();
        let vault = Vault1Proxy::new(client).await.unwrap();
        let panel = Panel1Proxy::new(client).await.unwrap();
        let asked = async || {
            [
                messages.send("4915100000001", "hello", "").await.err(),
                messages.state("any").await.err(),
                messages.read("bot", 0, 0).await.err(),
                messages.acknowledge("bot", 0).await.err(),
                messages.cursor("bot").await.err(),
                vault.records().await.err(),
                vault.list_archives().await.err(),
                vault.show_archive("gen-0001").await.err(),
                vault.restore("gen-0001").await.err(),
                vault.export("gen-0001").await.err(),
                vault.verify_audit().await.err(),
                vault.read_audit(0, 0).await.err(),
            ]
        };
        daemon.status.send_modify(|status| {
            status.state = "Starting";
            status.linked.account = None;
        });
        assert_eq!(session.state().await.unwrap(), "Starting");
        for refused in asked().await {
            let Some(Error::Starting(text)) = &refused else {
                panic!("{refused:?}")
            };
            assert!(text.contains("still starting"), "{text}");
        }
        daemon.status.send_modify(|status| {
            status.state = "StorageFault";
            status.cause = Some(CauseCode::OpenFailed.into());
        });
        for refused in asked().await {
            let Some(Error::Storage(text)) = &refused else {
                panic!("{refused:?}")
            };
            let cause = CauseCode::OpenFailed;
            assert!(text.contains(cause.sentence()) && text.contains(cause.action()));
        }
        assert_eq!(session.cause().await.unwrap().0, "storage.open-failed");
        panel.frame().await.unwrap();
        vault.boot_report().await.unwrap();
        vault.incidents(0).await.unwrap();
        session.last_words(0).await.unwrap();
        vault.counters().await.unwrap();
    }
    daemon.status.send_replace(status("Connected"));
    let messages = Messages1Proxy::new(&clients[0]).await.unwrap();
    let mut arrivals = messages.receive_received().await.unwrap();
    daemon.rooms.send_replace(rooms);
    daemon.receive("A", "one").await;
    in_time(async { while arrivals.next().await.unwrap().args().unwrap().seq < 1 {} }).await;
    assert_eq!(messages.read("bot", 0, 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_relink_takes_two_steps() {
    let (daemon, _served, clients) = both().await;
    for client in clients {
        daemon.status.send_replace(status("Connected"));
        let session = Session1Proxy::new(&client).await.unwrap();
        let wrong = session.confirm_relink(1).await;
        assert!(matches!(wrong, Err(Error::BadToken(_))), "{wrong:?}");
        let (token, valid_ms) = session.relink().await.unwrap();
        assert_eq!(valid_ms, 60_000);
        session.confirm_relink(token).await.unwrap();
        let again = session.confirm_relink(token).await;
        assert!(matches!(again, Err(Error::BadToken(_))), "{again:?}");
        assert_eq!(daemon.status.borrow().state, "Pairing");
        session.link().await.unwrap();
    }
}

#[tokio::test]
async fn an_accepted_message_is_in_the_outbox_and_followed_to_its_end() {
    let (daemon, _served, clients) = both().await;
    for (client, id) in clients.iter().zip(["bot-1", "bot-2"]) {
        let messages = Messages1Proxy::new(client).await.unwrap();
        let mut changes = messages.receive_outbox_changed().await.unwrap();
        assert_eq!(
            messages
                .send("+49 151 00000001", "hello", id)
                .await
                .unwrap(),
            id
        );
        assert_eq!(
            messages
                .send("+49 151 00000001", "hello", id)
                .await
                .unwrap(),
            id,
            "the same message"
        );
        let taken = messages
            .send("+49 151 00000001", "something else", id)
            .await;
        assert!(matches!(taken, Err(Error::InvalidArgument(_))), "{taken:?}");

        let pending = daemon.outbox.pending(0, 10).await.unwrap();
        let last = &pending.last().unwrap().message;
        assert_eq!(
            (last.id.as_str(), last.to.expose().as_str()),
            (id, "4915100000001@s.whatsapp.net")
        );

        daemon.outbox.mark(id, OutState::Sent).await.unwrap();
        daemon
            .outbox
            .mark(id, OutState::Failed { code: "479".into() })
            .await
            .unwrap();
        for expected in ["accepted", "sent", "failed 479"] {
            let change = in_time(changes.next()).await.unwrap();
            let args = change.args().unwrap();
            assert_eq!((args.id, args.state), (id, expected));
        }
        assert_eq!(messages.state(id).await.unwrap(), "failed 479");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_name() {
    let (daemon, _served, [client, _]) = both().await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    for to in [
        "",
        "12",
        "0151 1234567",
        "somebody",
        "@s.whatsapp.net",
        "1@broadcast",
        "1:2@s.whatsapp.net",
        "+49 151 000000011111111",
    ] {
        let refused = messages.send(to, "hello", "").await;
        let Err(Error::InvalidArgument(text)) = refused else {
            panic!("{to}: {refused:?}")
        };
        assert!(
            to.is_empty() || !text.contains(to),
            "an error must not repeat whom it was meant for: {text}"
        );
    }
    assert!(matches!(
        messages.send("4915100000001", "", "").await,
        Err(Error::InvalidArgument(_))
    ));
    assert!(matches!(
        messages.send("4915100000001", "hello", "a\nb").await,
        Err(Error::InvalidArgument(_))
    ));
    assert!(matches!(
        messages.state("never").await,
        Err(Error::UnknownMessage(_))
    ));
    assert!(matches!(
        messages.acknowledge("bot", 9).await,
        Err(Error::InvalidArgument(_))
    ));

    let chosen = messages
        .send("120363000000000001@g.us", "hello", "")
        .await
        .unwrap();
    assert!(chosen.starts_with("3EB0") && chosen.len() == 22, "{chosen}");
    assert_ne!(
        chosen,
        messages
            .send("120363000000000001@g.us", "hello", "")
            .await
            .unwrap()
    );

    daemon
        .status
        .send_modify(|status| status.linked.account = None);
    assert!(matches!(
        messages.send("4915100000001", "hello", "").await,
        Err(Error::NotLinked(_))
    ));
}

#[tokio::test]
async fn each_consumer_reads_from_its_own_place() {
    let (daemon, _served, [client, _]) = both().await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    let mut arrivals = messages.receive_received().await.unwrap();
    for (id, text) in [("A", "one"), ("B", "two"), ("C", "three")] {
        daemon.receive(id, text).await;
    }
    in_time(async { while arrivals.next().await.unwrap().args().unwrap().seq < 3 {} }).await;

    let all = messages.read("bot", 0, 0).await.unwrap();
    let texts: Vec<_> = all
        .iter()
        .map(|message| (message.seq, message.id.as_str(), message.text.as_str()))
        .collect();
    assert_eq!(texts, [(1, "A", "one"), (2, "B", "two"), (3, "C", "three")]);
    assert_eq!(
        (
            all[0].push_name.as_str(),
            all[0].timestamp,
            all[0].raw.as_slice()
        ),
        ("Anna", 1_800_000_000, &[1, 2, 3][..])
    );

    messages.acknowledge("bot", 2).await.unwrap();
    assert_eq!(messages.cursor("bot").await.unwrap(), 2);
    assert_eq!(messages.cursor("another").await.unwrap(), 0);
    let rest = messages.read("bot", 0, 0).await.unwrap();
    assert_eq!(
        rest.iter().map(|message| message.seq).collect::<Vec<_>>(),
        [3]
    );
    let again = messages.read("bot", 1, 1).await.unwrap();
    assert_eq!(
        again.iter().map(|message| message.seq).collect::<Vec<_>>(),
        [1]
    );
}

#[tokio::test]
async fn a_code_on_the_screen_leaves_by_one_method_only() {
    let (daemon, _served, clients) = both().await;
    for client in clients {
        let panel = Panel1Proxy::new(&client).await.unwrap();
        daemon.picture.send_replace(picture(false));
        let (width, height, bits) = panel.frame().await.unwrap();
        assert_eq!((width, height, bits.len(), bits[0]), (128, 64, 1024, 0x80));

        daemon.picture.send_replace(picture(true));
        let refused = panel.frame().await;
        assert!(
            matches!(refused, Err(Error::CredentialShown(_))),
            "{refused:?}"
        );
        assert_eq!(panel.frame_with_credential().await.unwrap().2[0], 0x80);
    }
}

#[tokio::test]
async fn a_press_goes_down_and_comes_up_even_if_nobody_waits_for_it() {
    let (mut daemon, _served, [client, other]) = both().await;
    let panel = Panel1Proxy::new(&client).await.unwrap();
    panel.press(1).await.unwrap();
    assert_eq!(
        (daemon.button.recv().await, daemon.button.recv().await),
        (Some(true), Some(false))
    );
    assert!(matches!(
        panel.press(10_001).await,
        Err(Error::InvalidArgument(_))
    ));

    let abandoned = Panel1Proxy::new(&other).await.unwrap();
    tokio::select! {
        pressed = abandoned.press(200) => panic!("{pressed:?} before the button was down"),
        down = daemon.button.recv() => assert_eq!(down, Some(true)),
    }
    drop(abandoned);
    other.close().await.unwrap();
    assert_eq!(in_time(daemon.button.recv()).await, Some(false));
}

#[tokio::test]
async fn the_vault_is_shown_in_counts() {
    let (daemon, _served, [client, _]) = both().await;
    daemon.receive("A", "one").await;
    let vault = Vault1Proxy::new(&client).await.unwrap();
    assert_eq!(vault.generation().await.unwrap(), "gen-0003");
    assert_eq!(
        vault.records().await.unwrap(),
        BTreeMap::from([("identity".into(), 2), ("ratchet".into(), 40)])
    );
    let costs = vault.costs().await.unwrap();
    assert!(
        costs
            .iter()
            .any(|(purpose, bytes, _)| purpose == "inbox" && *bytes > 0),
        "{costs:?}"
    );
    let (rate, budget, years) = vault.forecast().await.unwrap();
    assert!(budget > 0);
    assert_eq!((rate, years), (0, 0.0), "nothing is foretold before a day");
    let (commits, barriers, bytes) = vault.counters().await.unwrap();
    assert!(commits >= 1 && barriers >= 1 && bytes >= 1);
}

#[tokio::test]
async fn news_reach_every_bus() {
    let (daemon, _served, clients) = both().await;
    let mut all = Vec::new();
    for client in &clients {
        let session = Session1Proxy::new(client).await.unwrap();
        all.push(session.receive_news().await.unwrap());
    }
    // Both servers listen before there is something to tell.
    in_time(async {
        while daemon.news.receiver_count() < clients.len() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    daemon.news.send(CauseCode::KeysRebuilt.into()).unwrap();
    for news in &mut all {
        let told = in_time(news.next()).await.unwrap();
        let args = told.args().unwrap();
        assert_eq!(args.code, "storage.keys-rebuilt");
        assert!(args.sentence.ends_with('.') && args.action.starts_with("none:"));
    }
}

#[tokio::test]
async fn a_passkey_is_relayed() {
    let (daemon, _served, [client, _]) = both().await;
    let session = Session1Proxy::new(&client).await.unwrap();
    let none = session.passkey().await;
    assert!(matches!(none, Err(Error::NothingToDo(_))), "{none:?}");
    daemon.credentials.send_modify(|shown| {
        shown.passkey = Some(Secret::new("{\"challenge\":\"AQ\"}".into()));
    });
    assert_eq!(
        session.passkey().await.unwrap(),
        ("{\"challenge\":\"AQ\"}".into(), String::new())
    );
    let refused = session.answer_passkey("{}".into()).await;
    let Err(Error::InvalidArgument(text)) = refused else {
        panic!("{refused:?}")
    };
    assert!(text.contains("WebAuthn"), "{text}");
    session.confirm_passkey().await.unwrap();
}

#[tokio::test]
async fn a_test_and_what_whatsapp_said_are_told() {
    let (daemon, _served, [client, _]) = both().await;
    let session = Session1Proxy::new(&client).await.unwrap();
    assert_eq!(
        session.self_test().await.unwrap(),
        (true, "missing".to_owned())
    );
    assert!(session.last_words(0).await.unwrap().is_empty());
    let last_words = LastWords::new(&daemon.data);
    for stanza in ["<failure reason=\"401\"/>", "<stream:error code=\"516\"/>"] {
        let words = Secret::new("Bye.".into());
        last_words.keep(words, Secret::new(stanza.into())).unwrap();
    }
    let said = session.last_words(1).await.unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].stanza, "<stream:error code=\"516\"/>");
    assert!(said[0].words == "Bye." && said[0].at_ms > 0);
}

#[tokio::test]
async fn incidents_are_told_the_newest_last() {
    let (daemon, _served, [client, _]) = both().await;
    let vault = Vault1Proxy::new(&client).await.unwrap();
    assert!(vault.incidents(0).await.unwrap().is_empty());
    for cause in [CauseCode::ConnectionLost, CauseCode::Throttled] {
        let mut log = Incidents::open(&daemon.data).unwrap();
        log.happens(cause.into());
        log.does("waited");
    }
    let told = vault.incidents(1).await.unwrap();
    let last: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!((told.len(), &last["number"]), (1, &1.into()), "it goes on");
    assert_eq!(
        last["causes"],
        serde_json::json!(["network.connection-lost", "session.throttled"])
    );
    assert_eq!(last["done"][0], "waited");
}
