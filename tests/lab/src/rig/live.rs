//! Power cuts while the lab goes on: the daemon is killed, its disk rebuilt as the cut left it, and it carries on there.
//!
//! The cut is at the moment the process is dead, so the lab never knows more than the disk promised. An old disk against a
//! lab that is further would be time travel: recorded states are looked at offline only.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast::bus::follow;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::cut::Kind;
use super::disk::Disk;
use super::life::{FRIEND, Life, OWNER, data};
use crate::holdfast::within;
use crate::peers::STEP;
use crate::phone::inbox::{Content, Received};

/// At most so many things happen at the server between two cuts.
const ENTRIES: u64 = 200;

/// What the daemon still does after the last of them, at most.
const PAUSE: Duration = Duration::from_millis(30);

/// One cut in the middle of traffic both ways, and what follows.
///
/// # Errors
/// What was lost, or what does not go on.
pub async fn round(life: &mut Life, kind: Kind, dice: &mut StdRng) -> anyhow::Result<()> {
    let entries = dice.random_range(1..=ENTRIES);
    let pause = PAUSE.mul_f64(dice.random());
    let ledger = life.lab.ledger();
    let from = ledger.entries(0).len() as u64;
    let moment = async {
        let enough = |entry: &crate::ledger::Entry| entry.seq >= from + entries;
        ledger.wait_for(from, STEP, enough).await;
        tokio::time::sleep(pause).await;
    };
    tokio::select! {
        () = moment => {}
        ended = traffic(life) => ended?,
    }
    life.holdfast.kill().await?;
    let (disk, place) = (&life.disk, life.place.path());
    let next = tokio::task::block_in_place(|| after_cut(disk, place, kind, dice.random()))?;
    life.disk = next;
    life.holdfast.move_to(data(&life.disk.path()));
    life.holdfast.start().await?;
    life.holdfast.reaches("Connected").await?;
    let generation = life.holdfast.session().await?.generation().await?;
    ensure!(generation == "gen-0001", "it began {generation}");
    for to in [OWNER.to_owned(), life.group.to_string()] {
        life.post(&to, 1).await?;
    }
    for to in [FRIEND.to_owned(), life.group.to_string()] {
        life.sends(&to, 1).await?;
    }
    nothing_incoming_is_lost(life).await?;
    nothing_outgoing_is_lost(life).await?;
    let crimes = ledger.crimes();
    ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
    Ok(())
}

/// Texts both ways without end.
async fn traffic(life: &mut Life) -> anyhow::Result<()> {
    let group = life.group.to_string();
    loop {
        life.post(OWNER, 1).await?;
        life.accept(FRIEND, &unique(life)).await?;
        life.post(&group, 1).await?;
        life.accept(&group, &unique(life)).await?;
    }
}

fn unique(life: &Life) -> String {
    format!("text {}", life.outgoing.len())
}

/// The disk as the cut leaves it, checked as a board's boot does and recorded anew.
fn after_cut(disk: &Disk, place: &std::path::Path, kind: Kind, dice: u64) -> anyhow::Result<Disk> {
    let image = place.join("after-cut");
    disk.cut(kind, dice, &image)?;
    super::mounted::check(&image);
    Disk::begin(place, &image)
}

async fn nothing_incoming_is_lost(life: &Life) -> anyhow::Result<()> {
    let messages = life.holdfast.messages().await?;
    let mut news = follow(messages.receive_received().await?);
    let mut there = BTreeSet::new();
    let mut from = 1;
    let all = async {
        loop {
            let page = messages.read("lab", from, 0).await?;
            let read = page.len();
            for message in page {
                from = message.seq + 1;
                // A stub is not the message it stands for.
                if !message.raw.is_empty() {
                    there.insert(message.id);
                }
            }
            if life.incoming.is_subset(&there) {
                return anyhow::Ok(());
            }
            if read == 0 {
                news.changed().await.context("the daemon has left")?;
            }
        }
    };
    let all = within(60, "the messages sent to it", all).await;
    let lost = life.incoming.difference(&there).count();
    all.and_then(|all| all)
        .with_context(|| format!("{lost} messages never came to the inbox"))
}

async fn nothing_outgoing_is_lost(life: &Life) -> anyhow::Result<()> {
    for (id, text) in &life.outgoing {
        let content = Content::Text(text.clone());
        let says = |received: &Received| received.content == content;
        let received = life.lab.wait_inbox(&life.friend, STEP, says).await;
        let received = received.context("a message that was accepted never came to the friend")?;
        ensure!(received.id == *id, "a message came under another id");
    }
    Ok(())
}
