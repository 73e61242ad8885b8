//! Where Holdfast can be reached, whatever is missing.

use std::{fs, os::unix::fs::PermissionsExt, os::unix::net::UnixListener};

use futures_util::StreamExt;
use holdfast::bus::{NAME, Session1Proxy, Where, socket_path};
use zbus::fdo::DBusProxy;

use super::rig::{Daemon, bus_client, in_time, message_bus, private_client, status};

#[tokio::test]
async fn without_any_message_bus_the_private_socket_serves_many() {
    let daemon = Daemon::new().await;
    let served = daemon
        .serve(Where::Address("unix:path=/nonexistent/bus".into()))
        .await;
    assert_eq!(
        served.private(),
        Some(socket_path(&daemon.runtime()).as_path())
    );
    let clients = [
        private_client(&daemon.runtime()).await,
        private_client(&daemon.runtime()).await,
    ];
    daemon.status.send_replace(status("Degraded"));
    for client in &clients {
        let session = Session1Proxy::new(client).await.unwrap();
        let mut states = session.receive_state_changed().await;
        in_time(async {
            while session.state().await.unwrap() != "Degraded" {
                states.next().await.unwrap();
            }
        })
        .await;
    }
    served.stop().await;
    for client in clients {
        in_time(client.closed()).await;
    }
    assert!(!socket_path(&daemon.runtime()).exists());
}

#[tokio::test]
async fn the_private_socket_is_for_its_owner_and_replaces_a_dead_one() {
    let daemon = Daemon::new().await;
    fs::create_dir(daemon.runtime()).unwrap();
    let path = socket_path(&daemon.runtime());
    drop(UnixListener::bind(&path).unwrap());
    let served = daemon.serve(Where::Private).await;
    assert_eq!(served.private(), Some(path.as_path()));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let client = private_client(&daemon.runtime()).await;
    assert_eq!(
        Session1Proxy::new(&client)
            .await
            .unwrap()
            .state()
            .await
            .unwrap(),
        "Connected"
    );
}

#[tokio::test]
async fn a_living_socket_is_not_taken_over() {
    let daemon = Daemon::new().await;
    let first = daemon.serve(Where::Private).await;
    let second = daemon.serve(Where::Private).await;
    assert_eq!(second.private(), None);
    second.stop().await;
    assert!(
        first.private().unwrap().exists(),
        "the second must not take the first one's socket with it"
    );
}

#[tokio::test]
async fn nowhere_to_be_reached_is_no_reason_to_stop() {
    let daemon = Daemon::new().await;
    fs::write(daemon.runtime(), "a file where the directory should be").unwrap();
    let served = daemon.serve(Where::Private).await;
    assert_eq!(served.private(), None);
    served.stop().await;
}

#[tokio::test]
async fn a_second_daemon_on_one_bus_is_reached_by_its_socket() {
    let (first, second) = (Daemon::new().await, Daemon::new().await);
    second.status.send_replace(status("Replaced"));
    let address = message_bus(first.dir.path()).await;
    let _first = first.serve(Where::Address(address.clone())).await;
    let _second = second.serve(Where::Address(address.clone())).await;
    let on_bus = bus_client(&address).await;
    assert_eq!(
        Session1Proxy::new(&on_bus)
            .await
            .unwrap()
            .state()
            .await
            .unwrap(),
        "Connected"
    );
    let private = private_client(&second.runtime()).await;
    assert_eq!(
        Session1Proxy::new(&private)
            .await
            .unwrap()
            .state()
            .await
            .unwrap(),
        "Replaced"
    );
}

#[tokio::test]
async fn stopping_gives_the_name_back() {
    let daemon = Daemon::new().await;
    let address = message_bus(daemon.dir.path()).await;
    let served = daemon.serve(Where::Address(address.clone())).await;
    let client = bus_client(&address).await;
    let names = DBusProxy::new(&client).await.unwrap();
    let mut owners = names
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await
        .unwrap();
    assert!(
        names
            .name_has_owner(NAME.try_into().unwrap())
            .await
            .unwrap()
    );
    served.stop().await;
    let gone = in_time(owners.next()).await.unwrap();
    assert!(gone.args().unwrap().new_owner().is_none());
}
