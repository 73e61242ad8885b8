use holdfast_medium::Secret;
use tracing_subscriber::Registry;

use super::*;

const CATALOG: &str = include_str!("../../systemd/holdfast.catalog");
/// What is below this line is made by a test.
const MADE: &str = "# Causes, made from src/core/cause.rs by a test of src/journal.rs.";

/// Everything logged meanwhile, as standard error would have it.
fn logged(level: Level, log: impl FnOnce()) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(file.reopen().unwrap());
    let layer = text(writer, false).with_filter(ours(level));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    fs::read_to_string(file.path()).unwrap()
}

/// The names of all fields of everything logged meanwhile.
fn fields(log: impl FnOnce()) -> BTreeSet<&'static str> {
    struct Names(Arc<Mutex<BTreeSet<&'static str>>>);
    impl Layer<Registry> for Names {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, Registry>,
        ) {
            let mut names = self.0.lock();
            event.record(&mut |field: &Field, _: &dyn fmt::Debug| {
                names.insert(field.name());
            });
        }
    }
    let names = Arc::default();
    let layer = Names(Arc::clone(&names));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    std::mem::take(&mut *names.lock())
}

#[test]
fn the_catalog_explains_every_message_id_once_and_no_other() {
    let (by_hand, _) = CATALOG.split_once(MADE).expect("a part that is made");
    let explained: Vec<&str> = by_hand
        .lines()
        .filter_map(|line| line.strip_prefix("-- "))
        .collect();
    assert_eq!(explained, MessageId::ALL.map(MessageId::as_str));
    for entry in CATALOG.split("\n-- ").skip(1) {
        let (id, rest) = entry.split_once('\n').unwrap();
        assert!(
            id.len() == 32
                && id
                    .bytes()
                    .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')),
            "{id}"
        );
        let (header, body) = rest.split_once("\n\n").expect(id);
        assert!(
            header.starts_with("Subject: ") && header.ends_with("Defined-By: Holdfast"),
            "{header}"
        );
        assert!(!body.trim().is_empty(), "{id}");
    }
}

/// Causes are explained as the core words them. `HOLDFAST_WRITE=1` writes them anew.
#[test]
fn the_catalog_explains_every_cause_as_the_core_does() {
    let (by_hand, made) = CATALOG.split_once(MADE).expect("a part that is made");
    let mut causes = String::from("\n");
    for code in CauseCode::ALL {
        causes += &format!(
            "\n-- {}\nSubject: {}: {}\nDefined-By: Holdfast\n\nWhat to do: {}\n",
            MessageId::of_cause(*code),
            code.as_str(),
            code.sentence(),
            code.action()
        );
    }
    if std::env::var_os("HOLDFAST_WRITE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/holdfast.catalog");
        fs::write(path, format!("{by_hand}{MADE}{causes}")).unwrap();
        return;
    }
    assert!(
        made == causes,
        "the causes in systemd/holdfast.catalog are not the core's; write them anew with HOLDFAST_WRITE=1"
    );
}

#[test]
fn a_cause_has_an_id_as_systemd_writes_them() {
    let id = MessageId::of_cause(CauseCode::NoRoute);
    assert_eq!((id.len(), &id[12..13]), (32, "5"), "{id}");
    assert_eq!(id, MessageId::of_cause(CauseCode::NoRoute));
    assert_ne!(id, MessageId::of_cause(CauseCode::NoLink));
}

#[test]
fn a_state_is_logged_under_the_contract_s_field_names() {
    let names = fields(|| {
        state_changed(
            "Reconnecting",
            Some(CauseCode::NoRoute.into()),
            GenerationId(7),
        );
    });
    let wanted = [
        "HOLDFAST_CAUSE",
        "HOLDFAST_GENERATION",
        "HOLDFAST_STATE",
        "MESSAGE_ID",
        "message",
    ];
    assert_eq!(names, BTreeSet::from(wanted));
}

#[test]
fn a_line_for_people_has_the_text_first_and_no_message_id() {
    let line = logged(Level::INFO, || {
        state_changed("Connected", None, GenerationId(7));
    });
    assert!(
        line.ends_with(
            "INFO Connected HOLDFAST_STATE=\"Connected\" HOLDFAST_GENERATION=gen-0007\n"
        ),
        "{line}"
    );
}

#[test]
fn events_of_other_crates_are_dropped_at_any_level() {
    let log = logged(Level::TRACE, || {
        tracing::error!(target: "zbus::connection", "a message body");
        tracing::trace!(target: "holdfastd", "ours");
    });
    assert!(log.contains("ours") && !log.contains("body"), "{log}");
}

#[test]
fn a_missing_facility_is_said_once() {
    let log = logged(Level::INFO, || {
        facility_missing("tin opener", "the tin stays shut");
        facility_missing("tin opener", "the tin stays shut");
    });
    assert_eq!(
        log.matches("no tin opener: the tin stays shut").count(),
        1,
        "{log}"
    );
}

#[test]
fn a_secret_never_prints() {
    let line = logged(Level::TRACE, || {
        let number = Secret::new("491701234567".to_owned());
        info!(?number, "{number:?} {:?}", Some(&number));
    });
    assert!(
        line.contains("<secret> Some(<secret>) number=<secret>"),
        "{line}"
    );
    assert!(!line.contains("4917"), "{line}");
}

#[test]
fn only_the_stream_the_service_manager_named_is_the_journal() {
    let file = tempfile::tempfile().unwrap();
    let stat = rustix::fs::fstat(&file).unwrap();
    assert!(is_stream(
        &file,
        &format!("{}:{}", stat.st_dev, stat.st_ino)
    ));
    assert!(!is_stream(
        &file,
        &format!("{}:{}", stat.st_dev, stat.st_ino + 1)
    ));
    assert!(!is_stream(&file, ""));
}

#[test]
fn a_new_log_file_keeps_the_previous_run_s_and_is_for_the_owner_alone() {
    use std::{io::Write, os::unix::fs::PermissionsExt};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/holdfast.log");
    for run in ["first", "second"] {
        open(&path).unwrap().write_all(run.as_bytes()).unwrap();
    }
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(
        fs::read(dir.path().join("run/holdfast.log.1")).unwrap(),
        b"first"
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}
