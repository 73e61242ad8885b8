//! A life of Holdfast on a recorded disk, from the first QR to the second, with every promise it gave.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use wacore_binary::Jid;

use super::boot::Question;
use super::disk::Record;
use super::life::{FRIEND, Life, OWNER};
use super::promise::{Promise, What};
use crate::server::{Fault, When};

/// More than a lease of counters (`SENDER_CHAIN_RESERVATION_BATCH` of wacore-libsignal is 64).
const PAST_A_LEASE: u32 = 70;

/// A recorded life.
pub struct Recording {
    /// The disk and what happened to it.
    pub record: Record,
    /// What was promised, in order.
    pub promises: Vec<Promise>,
    /// What a boot is to be asked about.
    pub question: Question,
    place: tempfile::TempDir,
}

impl Recording {
    /// The question as a file that goes with the recording.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn question_file(&self) -> anyhow::Result<PathBuf> {
        let file = self.place.path().join("question.json");
        std::fs::write(&file, serde_json::to_vec(&self.question)?)?;
        Ok(file)
    }
}

/// Records a life, from a link to its revocation, another link, its restore and a repair; each kind of traffic has about `messages` messages.
///
/// # Errors
/// At the first step that does not come true.
pub async fn record(messages: u32) -> anyhow::Result<Recording> {
    let mut life = Life::begin().await?;
    let group = life.group.to_string();
    life.holdfast.start().await?;
    let device = life.link().await?;
    life.converse(messages).await?;
    life.receives(OWNER, messages).await?;
    life.sends(FRIEND, messages).await?;
    life.receives(&group, messages).await?;
    life.sends(&group, messages).await?;
    life.lab
        .inject(device.clone(), Fault::BadMac, When::Now, 1)
        .await?;
    life.receives(OWNER, 2).await?;

    life.holdfast.kill().await?;
    let mut waiting = life.post(OWNER, messages).await?;
    waiting.extend(life.post_steps(OWNER).await?);
    life.holdfast.start().await?;
    life.arrived(&waiting).await?;
    life.sends(FRIEND, PAST_A_LEASE).await?;
    life.holdfast.stop().await?;
    let waiting = life.post(&group, messages).await?;
    life.holdfast.start().await?;
    life.arrived(&waiting).await?;
    life.converse(messages).await?;

    let old = life.holdfast.session().await?.generation().await?;
    life.notary.note(What::Ending);
    life.lab.unlink(&device).await?;
    life.holdfast.lives("gen-0002").await?;
    life.notary.note(What::Retired(old));
    life.link().await?;
    life.converse(messages).await?;
    life.sends(&group, messages).await?;

    life.gives_up_and_comes_back().await?;
    life.converse(messages).await?;
    life.sends(&group, messages).await?;

    life.holdfast.kill().await?;
    life.loses_its_witness()?;
    life.holdfast.start().await?;
    life.holdfast.reaches("Connected").await?;
    life.converse(messages).await?;
    life.sends(FRIEND, messages).await?;
    life.holdfast.kill().await?;
    end(life).await
}

/// The daemon is dead: the disk is all there is.
async fn end(life: Life) -> anyhow::Result<Recording> {
    let crimes = life.lab.ledger().crimes();
    ensure!(
        crimes.is_empty(),
        "the ledger saw crimes without any power cut: {crimes:?}"
    );
    let mut promises = life.notary.promises();
    promises.retain(|promise| match &promise.what {
        What::Received(id) => life.incoming.contains(id),
        _ => true,
    });
    for promise in &mut promises {
        if let What::Linked(device) = &mut promise.what {
            let keys = life.keys.get(device);
            *device = keys.context("an unknown device logged in")?.clone();
        }
    }
    let mut question = Question {
        outgoing: life.outgoing.into_keys().collect(),
        groups: vec![life.group],
        ..Question::default()
    };
    for phone in [&life.owner, &life.friend] {
        question.peers.push(Jid::pn(phone.0.as_str()));
        question.peers.push(life.lab.lid(phone).await?);
    }
    life.lab.stop().await?;
    Ok(Recording {
        record: life.disk.end()?,
        promises,
        question,
        place: life.place,
    })
}
