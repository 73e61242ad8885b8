//! The main job end to end: link by a QR read from the screen, hold, deliver, survive `kill -9`, and link anew only
//! when WhatsApp revoked the link.

use std::path::Path;

use holdfast_lab::story::{self, Friend};

#[tokio::test(flavor = "multi_thread")]
async fn link_hold_deliver_survive_and_link_anew_when_revoked() {
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
    story::tell(program, Friend::Phone, None, |step| println!("{step}"))
        .await
        .expect("the story comes true");
}
