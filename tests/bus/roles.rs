//! Who may ask what: the desk's table and the policy of the message bus are one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use holdfast::bus::{
    Error, Messages1Proxy, Panel1Proxy, Session1Proxy, Settings1Proxy, Update1Proxy, Vault1Proxy,
    Where,
};
use holdfast::desk::Role;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use zbus::Connection;
use zbus::fdo;
use zbus::proxy::CacheProperties;

use super::interfaces::XML;
use super::rig::{Daemon, bus_client, in_time, private_client};
use super::tool::tool;

const POLICY: &str = include_str!("../../systemd/org.holdfast.Holdfast1.conf");

/// Each role below the admin's, and its group.
const GROUPS: [(Role, &str); 2] = [(Role::Read, "holdfast"), (Role::Message, "holdfast-bot")];

/// No user and no group has this number.
const NOBODY: &str = "4294967290";

type Methods = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// Every documented method.
fn documented() -> Methods {
    XML.map(|(interface, xml)| {
        assert!(
            !xml.contains("access=\"readwrite\"") && !xml.contains("access=\"write\""),
            "whoever sees may use all of Properties"
        );
        let methods = xml.split("<method name=\"").skip(1);
        let names = methods.map(|rest| rest.split_once('"').unwrap().0);
        (interface, names.collect())
    })
    .into()
}

/// The methods the policy allows a group.
fn allowed_by_policy(group: &str) -> Methods {
    let block = POLICY
        .split_once(&format!("<policy group=\"{group}\">"))
        .unwrap()
        .1;
    let block = block.split_once("</policy>").unwrap().0;
    let mut members = block.matches("send_member").count();
    let mut methods = documented();
    for (interface, names) in &mut methods {
        names.retain(|name| {
            block.contains(&format!(
                "send_interface=\"{interface}\" send_member=\"{name}\""
            ))
        });
        members -= names.len();
    }
    assert_eq!(members, 0, "a member is allowed that does not exist");
    methods
}

/// A file to read a passphrase from, or to write to.
fn file(text: &str) -> zbus::OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    OwnedFd::from(file).into()
}

/// Calls every method, and returns those that are not denied. What else comes of it does not matter here.
async fn allowed_to(client: &Connection, is_denied: impl Fn(&Error) -> bool) -> Methods {
    let session = Session1Proxy::new(client).await.unwrap();
    let messages = Messages1Proxy::new(client).await.unwrap();
    let vault = Vault1Proxy::new(client).await.unwrap();
    let panel = Panel1Proxy::new(client).await.unwrap();
    let update = Update1Proxy::new(client).await.unwrap();
    let settings = Settings1Proxy::new(client).await.unwrap();
    let phrase = || file("correct horse battery");
    let mut methods = Methods::new();
    let mut called = 0;
    macro_rules! call {
        ($interface:literal: $($name:literal $call:expr;)*) => {
            $(
                let denied = in_time($call).await.is_err_and(|error| is_denied(&error));
                called += 1;
                let names = methods.entry(concat!("org.holdfast.", $interface)).or_default();
                if !denied {
                    names.insert($name);
                }
            )*
        };
    }
    call! { "Messages1":
        "Send" messages.send("4915100000001", "hello", "");
        "State" messages.state("unknown");
        "Pending" messages.pending(0, 0);
        "DropMessage" messages.drop_message("unknown");
        "Read" messages.read("anna", 0, 0);
        "Stubs" messages.stubs(0, 0);
        "Acknowledge" messages.acknowledge("anna", 0);
        "Cursor" messages.cursor("anna");
        "Consumers" messages.consumers();
        "ForgetConsumer" messages.forget_consumer("anna/none");
    }
    call! { "Panel1":
        "Frame" panel.frame();
        "FrameWithCredential" panel.frame_with_credential();
        "Press" panel.press(1);
    }
    call! { "Session1":
        "Link" session.link();
        "Relink" session.relink();
        "ConfirmRelink" session.confirm_relink(0);
        "Passkey" session.passkey();
        "AnswerPasskey" session.answer_passkey("{}".into());
        "ConfirmPasskey" session.confirm_passkey();
        "SelfTest" session.self_test();
        "LastWords" session.last_words(0);
    }
    call! { "Update1":
        "Install" update.install(file("sound"));
        "InstallFrom" update.install_from("https://example.org/bundle".into());
        "Look" update.look();
        "Report" update.report();
    }
    call! { "Settings1":
        "Show" settings.show();
        "Change" settings.change(file("hostname = \"kelp\""), Vec::new(), false);
    }
    call! { "Vault1":
        "Records" vault.records();
        "Counters" vault.counters();
        "Costs" vault.costs();
        "Forecast" vault.forecast();
        "BootReport" vault.boot_report();
        "ListArchives" vault.list_archives();
        "ShowArchive" vault.show_archive("gen-0001");
        "Restore" vault.restore("gen-0001");
        "ConfirmRestore" vault.confirm_restore("gen-0001", 0);
        "Export" vault.export("gen-0001");
        "ConfirmExport" vault.confirm_export("gen-0001", 0, phrase(), file(""));
        "LastExport" vault.last_export();
        "Import" vault.import(phrase(), file(""));
        "VerifyAudit" vault.verify_audit();
        "AuditHead" vault.audit_head();
        "ReadAudit" vault.read_audit(0, 0);
        "Incidents" vault.incidents(0);
    }
    let documented: usize = documented().values().map(BTreeSet::len).sum();
    assert_eq!(called, documented, "a method is not called here");
    methods
}

/// A real message bus with the policy as it is, where this very user is in one group of it and is nobody else it names.
pub async fn message_bus(place: &Path, member_of: Option<&str>) -> (Child, String) {
    let group = fs::metadata(place).unwrap();
    let group = std::os::unix::fs::MetadataExt::gid(&group).to_string();
    let mut policy = POLICY.to_owned();
    for name in ["holdfast", "holdfast-bot", "holdfast-admin"] {
        let number = if member_of == Some(name) {
            group.as_str()
        } else {
            NOBODY
        };
        policy = policy.replace(&format!("group=\"{name}\""), &format!("group=\"{number}\""));
    }
    for name in ["root", "holdfast"] {
        policy = policy.replace(&format!("user=\"{name}\""), &format!("user=\"{NOBODY}\""));
    }
    // What a system's own configuration grants; and that the daemon of this test may have the name.
    let head = format!(
        "<listen>unix:path={}/real</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow user=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy><policy context=\"mandatory\"><allow own=\"org.holdfast.Holdfast1\"/></policy>",
        place.display()
    );
    let config = place.join("bus.conf");
    fs::write(
        &config,
        policy.replace("<busconfig>", &format!("<busconfig>{head}")),
    )
    .unwrap();
    let mut bus = Command::new(tool("dbus-daemon"))
        .args(["--nofork", "--print-address"])
        .arg(format!("--config-file={}", config.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut address = String::new();
    let mut said = BufReader::new(bus.stdout.take().unwrap());
    in_time(said.read_line(&mut address)).await.unwrap();
    (bus, address.trim().to_owned())
}

/// Whether the message bus itself let a call through to nobody.
fn is_denied_by_the_bus(error: &Error) -> bool {
    match error {
        Error::Bus(zbus::Error::FDO(error)) => matches!(**error, fdo::Error::AccessDenied(_)),
        Error::Bus(zbus::Error::MethodError(name, ..)) => {
            name.as_str() == "org.freedesktop.DBus.Error.AccessDenied"
        }
        _ => false,
    }
}

#[tokio::test]
async fn the_policy_is_what_the_desk_allows() {
    for (role, group) in GROUPS {
        let daemon = Daemon::new().await;
        let _served = daemon.serve_as(role).await;
        let client = private_client(&daemon.runtime()).await;
        let denied = |error: &Error| matches!(error, Error::NotAllowed(_));
        let allowed = allowed_to(&client, denied).await;
        assert_eq!(allowed, allowed_by_policy(group), "{group}");
        // Its own, and not another's.
        let messages = Messages1Proxy::new(&client).await.unwrap();
        if role == Role::Message {
            messages.acknowledge("anna/weather", 0).await.unwrap();
            let other = messages.acknowledge("bert", 0).await;
            let Err(Error::NotAllowed(text)) = other else {
                panic!("{other:?}")
            };
            assert!(text.contains("anna/"), "{text}");
            // Nobody takes the room of all others: with the one that was asked for above these are eight.
            for own in 3..9 {
                let name = format!("anna/{own}");
                messages.acknowledge(&name, 0).await.unwrap();
            }
            let ninth = messages.acknowledge("anna/9", 0).await;
            assert!(matches!(ninth, Err(Error::InvalidArgument(_))), "{ninth:?}");
            messages.acknowledge("anna/8", 0).await.unwrap();
        }
    }
    let daemon = Daemon::new().await;
    let _served = daemon.serve_as(Role::Admin).await;
    let client = private_client(&daemon.runtime()).await;
    let denied = |error: &Error| matches!(error, Error::NotAllowed(_));
    assert_eq!(allowed_to(&client, denied).await, documented());
    let messages = Messages1Proxy::new(&client).await.unwrap();
    messages.acknowledge("bert", 0).await.unwrap();
}

#[tokio::test]
async fn a_message_bus_with_the_policy_lets_each_group_do_its_own() {
    for group in ["holdfast", "holdfast-bot", "holdfast-admin"] {
        let daemon = Daemon::new().await;
        let (_bus, address) = message_bus(daemon.dir.path(), Some(group)).await;
        let _served = daemon.serve(Where::Address(address.clone())).await;
        let client = bus_client(&address).await;
        let session = Session1Proxy::builder(&client)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap();
        assert_eq!(session.state().await.unwrap(), "Connected", "{group}");
        let expected = match group {
            "holdfast-admin" => documented(),
            group => allowed_by_policy(group),
        };
        let allowed = allowed_to(&client, is_denied_by_the_bus).await;
        assert_eq!(allowed, expected, "{group}");
    }
}

#[tokio::test]
async fn a_bot_has_its_messages_and_a_stranger_has_nothing() {
    let reader = allowed_by_policy("holdfast");
    let seen = [
        (
            "org.holdfast.Messages1",
            &["Consumers", "Cursor", "State"][..],
        ),
        ("org.holdfast.Panel1", &["Frame"]),
        ("org.holdfast.Session1", &[]),
        ("org.holdfast.Settings1", &[]),
        ("org.holdfast.Update1", &["Report"]),
        (
            "org.holdfast.Vault1",
            &[
                "AuditHead",
                "BootReport",
                "Costs",
                "Counters",
                "Forecast",
                "Incidents",
                "LastExport",
                "ListArchives",
                "ReadAudit",
                "Records",
                "ShowArchive",
                "VerifyAudit",
            ],
        ),
    ];
    let seen = seen.map(|(interface, methods)| (interface, methods.iter().copied().collect()));
    assert_eq!(reader, Methods::from(seen));
    let bot = allowed_by_policy("holdfast-bot");
    let own = [
        "Acknowledge",
        "Consumers",
        "Cursor",
        "DropMessage",
        "ForgetConsumer",
        "Pending",
        "Read",
        "Send",
        "State",
        "Stubs",
    ];
    for (interface, methods) in bot {
        match interface {
            "org.holdfast.Messages1" => assert_eq!(methods, BTreeSet::from(own)),
            _ => assert!(methods.is_empty(), "{interface}: {methods:?}"),
        }
    }
    let daemon = Daemon::new().await;
    let (_bus, address) = message_bus(daemon.dir.path(), None).await;
    let _served = daemon.serve(Where::Address(address.clone())).await;
    let client = bus_client(&address).await;
    let session = Session1Proxy::builder(&client)
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .unwrap();
    let refused = session.state().await.unwrap_err();
    assert!(is_denied_by_the_bus(&Error::Bus(refused)));
    let allowed = allowed_to(&client, is_denied_by_the_bus).await;
    assert!(allowed.values().all(BTreeSet::is_empty), "{allowed:?}");
}
