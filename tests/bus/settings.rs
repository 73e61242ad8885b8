//! The settings of the machine: asked for here, changed by a step of the boot.

use std::fs;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;

use holdfast::bus::{Error, Settings1Proxy};
use holdfast::desk::Role;

use super::rig::{Daemon, private_client};

fn sheet(text: &str) -> zbus::OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    OwnedFd::from(file).into()
}

/// As a boot of the image leaves it.
fn booted(daemon: &Daemon) {
    let at = |path: &str| daemon.dir.path().join(path);
    fs::create_dir_all(at("run/holdfast")).unwrap();
    fs::create_dir_all(at("run/holdfast-settings")).unwrap();
    let shown = r#"{"hostname":"kelp","wifi":[],"ethernet_address":[],"wifi_address":[],"authorized_keys":[],"diagnosis_keys":[]}"#;
    fs::write(at("run/holdfast-settings/shown.json"), shown).unwrap();
}

#[tokio::test]
async fn a_change_is_checked_and_handed_on_with_nothing_of_it_in_a_message() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve_as(Role::Admin).await;
    let client = private_client(&daemon.runtime()).await;
    let settings = Settings1Proxy::new(&client).await.unwrap();
    let elsewhere = settings.show().await;
    assert!(
        matches!(elsewhere, Err(Error::NothingToDo(_))),
        "{elsewhere:?}"
    );
    booted(&daemon);
    assert!(
        settings
            .show()
            .await
            .unwrap()
            .contains("\"hostname\":\"kelp\"")
    );
    let wrong =
        "hostname = \"-\"\n[wifi]\nssid = \"kelp\"\npassword = \"short\"\n[device]\nname = \"x\"\n";
    let Err(Error::InvalidArgument(why)) = settings.change(sheet(wrong), Vec::new(), false).await
    else {
        panic!("three mistakes");
    };
    for part in [
        "hostname: must be",
        "wifi.password: must be",
        "device.name: no such key",
    ] {
        assert!(why.contains(part), "{why}");
    }
    assert!(!why.contains("short"), "{why}");
    let request = daemon.dir.path().join("run/holdfast/change.json");
    assert!(!request.exists());
    let mut saving = daemon.desk.saving();
    saving.mark_unchanged();
    let good = "[wifi]\nssid = \"kelp\"\npassword = \"tidepool99\"\n";
    let id = settings
        .change(sheet(good), vec!["6b656c70".to_owned()], true)
        .await
        .unwrap();
    // Nothing is saved meanwhile, for which an update or the radio would have to wait.
    assert!(!saving.has_changed().unwrap());
    let asked: serde_json::Value = serde_json::from_slice(&fs::read(&request).unwrap()).unwrap();
    assert_eq!((&asked["id"], &asked["force"]), (&id.into(), &true.into()));
    assert_eq!(
        (&asked["settings"], &asked["leave"][0]),
        (&good.into(), &"6b656c70".into())
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&request).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let busy = settings.change(sheet(good), Vec::new(), false).await;
    assert!(matches!(busy, Err(Error::NothingToDo(_))), "{busy:?}");
}
