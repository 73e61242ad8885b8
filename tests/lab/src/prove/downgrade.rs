//! `prove downgrade`: what this version leaves, the version before goes on with. An update that fails its trial ends there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;

use super::{Proof, Run};
use crate::holdfast::Holdfast;
use crate::phone::inbox::{Content, Received};
use crate::server::{Lab, LabConfig, PhoneId};

/// The variable that names the daemon of the version before, built with the feature `lab`.
const BEFORE: &str = "HOLDFAST_BEFORE";

const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// A case starts a daemon three times.
const WITHIN: Duration = Duration::from_secs(300);
/// How long a message may take to a phone.
const DELIVERY: Duration = Duration::from_secs(30);

/// The proof.
pub struct Downgrade;

#[async_trait(?Send)]
impl Proof for Downgrade {
    fn name(&self) -> &'static str {
        "downgrade"
    }

    fn claim(&self) -> &'static str {
        "the version before goes on with the link and the messages that this version leaves, and this one with what that leaves"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/vault", "src/mail", "src/history", "src/medium"]
    }

    async fn try_on(&self, run: &mut Run) {
        let Some(before) = std::env::var_os(BEFORE).map(PathBuf::from) else {
            let missing = format!(
                "{BEFORE} names no holdfastd of the version before: cargo build --release --features lab --bin holdfastd there"
            );
            return run.not_run(2, missing);
        };
        let name = "there and back, linked all the while, and no message is lost";
        run.case(name, WITHIN, there_and_back(&before, false)).await;
        let name = "the version before has lost the link";
        let lost = there_and_back(&before, true);
        run.caught(name, "went into Pairing, not Connected", WITHIN, lost)
            .await;
    }
}

/// This version links and runs, the one before, this one again; with `loses` the one before is shown another data directory.
async fn there_and_back(before: &Path, loses: bool) -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let lab = Lab::start(LabConfig::default()).await?;
    let owner = lab.create_phone(OWNER, "Owner").await?;
    let friend = lab.create_phone(FRIEND, "Friend").await?;
    let now = std::env::current_exe().context("this program cannot find itself")?;
    let mut holdfast = Holdfast::new(&now, place.path(), &lab.url())?;
    holdfast.start().await?;
    holdfast.reaches("Pairing").await?;
    let qr = holdfast.scan_screen().await?;
    lab.scan_qr(&owner, &qr).await?;
    holdfast.reaches("Connected").await?;
    lab.send_text(&friend, OWNER, "to this version").await?;
    holdfast.receives("bot", 1).await?;
    holdfast.stop().await?;

    lab.send_text(&friend, OWNER, "to nobody").await?;
    if loses {
        holdfast.move_to(place.path().join("another"));
    }
    holdfast.is_daemon(before);
    holdfast.start().await?;
    goes_on(&holdfast, &["to this version", "to nobody"]).await?;
    holdfast.sends(FRIEND, "from the version before").await?;
    arrives(&lab, &friend, "from the version before").await?;
    lab.send_text(&friend, OWNER, "to the version before")
        .await?;
    holdfast.receives("bot", 3).await?;
    holdfast.stop().await?;

    let mut again = Holdfast::new(&now, place.path(), &lab.url())?;
    again.start().await?;
    let all = ["to this version", "to nobody", "to the version before"];
    goes_on(&again, &all).await?;
    again.sends(FRIEND, "from this version").await?;
    arrives(&lab, &friend, "from this version").await?;
    let crimes = lab.ledger().crimes();
    ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
    again.stop().await
}

/// The same link, no QR, and these messages for the bot.
async fn goes_on(holdfast: &Holdfast, texts: &[&str]) -> anyhow::Result<()> {
    holdfast.reaches_without("Connected", "Pairing").await?;
    let received = holdfast.receives("bot", texts.len()).await?;
    let read: Vec<_> = received.iter().map(|it| it.text.as_str()).collect();
    ensure!(read == texts, "the bot reads {} messages", read.len());
    Ok(())
}

async fn arrives(lab: &Lab, friend: &PhoneId, text: &str) -> anyhow::Result<()> {
    let content = Content::Text(text.to_owned());
    let there = |received: &Received| received.content == content;
    let arrived = lab.wait_inbox(friend, DELIVERY, there).await;
    arrived
        .map(drop)
        .with_context(|| format!("the friend does not have {text:?}"))
}
