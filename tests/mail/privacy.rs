//! Nobody else reads the mail, and nothing says what is in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use holdfast_medium::barrier::Barrier;

use super::{Bounds, Place, message, outgoing};

#[tokio::test]
async fn only_the_owner_can_read_the_mail() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let inbox = place.inbox_under(&barrier, Bounds::NONE).await;
    let outbox = place.outbox(&barrier).await;
    inbox.commit(vec![message("a")]).await.unwrap();
    inbox.acknowledge("bot", 1).await.unwrap();
    outbox.accept(outgoing("a", "hello")).await.unwrap();

    let mut paths = vec![place.dir().mail()];
    let mut files = 0;
    while let Some(path) = paths.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            paths.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            files += 1;
        }
    }
    assert_eq!(files, 3);
}

#[test]
fn debug_and_errors_say_nothing_of_a_message() {
    let shown = format!("{:?} {:?}", message("id"), outgoing("id", "private text"));
    for secret in ["private", "Private", "4915200000", "chat", "[105, 100]"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
