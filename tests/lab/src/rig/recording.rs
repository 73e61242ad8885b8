//! A life of Holdfast on a recorded disk, from the first QR to the second, with every promise it gave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use wacore_binary::Jid;

use super::boot::Question;
use super::disk::{Disk, Record};
use super::promise::{Notary, Promise, What};
use crate::holdfast::Holdfast;
use crate::ledger::{Act, Entry};
use crate::peers::STEP;
use crate::server::{DeviceId, Fault, Lab, LabConfig, MessageId, PhoneId, When};

/// Size of the disk, MiB: two generations with their mail, several times over.
const DISK_MIB: u64 = 64;

/// More than a lease of counters (`SENDER_CHAIN_RESERVATION_BATCH` of wacore-libsignal is 64).
const PAST_A_LEASE: u32 = 70;

const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// The daemon's data directory on its disk.
pub fn data(mount: &Path) -> PathBuf {
    mount.join("holdfast")
}

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

/// Records a life; each kind of traffic has about `messages` messages.
///
/// # Errors
/// At the first step that does not come true.
pub async fn record(messages: u32) -> anyhow::Result<Recording> {
    let place = super::scratch()?;
    let blank = super::blank(place.path(), DISK_MIB)?;
    let disk = Disk::begin(place.path(), &blank)?;
    let life = Life::begin(place, disk).await?;
    life.live(messages).await
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

struct Life {
    lab: Lab,
    owner: PhoneId,
    friend: PhoneId,
    group: Jid,
    holdfast: Holdfast,
    notary: Notary,
    incoming: BTreeSet<MessageId>,
    outgoing: BTreeSet<MessageId>,
    /// The keys of each device linked, by its address.
    keys: BTreeMap<String, String>,
    /// Goes after the daemon that lives on it.
    disk: Disk,
    place: tempfile::TempDir,
}

impl Life {
    async fn begin(place: tempfile::TempDir, disk: Disk) -> anyhow::Result<Life> {
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, "Owner").await?;
        let friend = lab.create_phone(FRIEND, "Friend").await?;
        let members = std::slice::from_ref(&friend);
        let group = lab.create_group(&owner, "Group", members).await?;
        let notary = Notary::new(disk.clock());
        let seen = notary.clone();
        lab.ledger().observe(move |sight| seen.see(sight));
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let holdfast = Holdfast::new(&program, place.path(), &lab.url())?;
        let holdfast = holdfast.with_data(data(&disk.path()));
        Ok(Life {
            lab,
            owner,
            friend,
            group,
            holdfast,
            notary,
            incoming: BTreeSet::new(),
            outgoing: BTreeSet::new(),
            keys: BTreeMap::new(),
            disk,
            place,
        })
    }

    async fn live(mut self, messages: u32) -> anyhow::Result<Recording> {
        let group = self.group.to_string();
        self.holdfast.start().await?;
        let device = self.link().await?;
        self.converse(messages).await?;
        self.receives(OWNER, messages).await?;
        self.sends(FRIEND, messages).await?;
        self.receives(&group, messages).await?;
        self.sends(&group, messages).await?;
        self.lab
            .inject(device.clone(), Fault::BadMac, When::Now, 1)
            .await?;
        self.receives(OWNER, 2).await?;

        self.holdfast.kill().await?;
        let waiting = self.post(OWNER, messages).await?;
        self.holdfast.start().await?;
        self.arrived(&waiting).await?;
        self.sends(FRIEND, PAST_A_LEASE).await?;
        self.holdfast.stop().await?;
        let waiting = self.post(&group, messages).await?;
        self.holdfast.start().await?;
        self.arrived(&waiting).await?;
        self.converse(messages).await?;

        let old = self.holdfast.session().await?.generation().await?;
        self.notary.note(What::Ending);
        self.lab.unlink(&device).await?;
        self.holdfast.reaches("Pairing").await?;
        self.notary.note(What::Retired(old));
        self.link().await?;
        self.converse(messages).await?;
        self.sends(&group, messages).await?;
        self.holdfast.kill().await?;
        self.end().await
    }

    async fn end(self) -> anyhow::Result<Recording> {
        let crimes = self.lab.ledger().crimes();
        ensure!(
            crimes.is_empty(),
            "the ledger saw crimes without any power cut: {crimes:?}"
        );
        let mut promises = self.notary.promises();
        promises.retain(|promise| match &promise.what {
            What::Received(id) => self.incoming.contains(id),
            _ => true,
        });
        for promise in &mut promises {
            if let What::Linked(device) = &mut promise.what {
                let keys = self.keys.get(device);
                *device = keys.context("an unknown device logged in")?.clone();
            }
        }
        let mut question = Question {
            outgoing: self.outgoing,
            groups: vec![self.group],
            ..Question::default()
        };
        for phone in [&self.owner, &self.friend] {
            question.peers.push(Jid::pn(phone.0.as_str()));
            question.peers.push(self.lab.lid(phone).await?);
        }
        self.lab.stop().await?;
        Ok(Recording {
            record: self.disk.end()?,
            promises,
            question,
            place: self.place,
        })
    }

    async fn link(&mut self) -> anyhow::Result<DeviceId> {
        let qr = self.holdfast.scan_screen().await?;
        let device = self.lab.scan_qr(&self.owner, &qr).await?;
        let linked = self.lab.devices(&self.owner).await?;
        let linked = linked.into_iter().find(|linked| linked.id == device);
        let keys = linked.context("the device was unlinked at once")?.keys;
        self.keys.insert(device.to_string(), keys);
        self.holdfast.reaches("Connected").await?;
        Ok(device)
    }

    /// Texts from the friend to the owner's devices or the group, one after the other without waiting for them.
    async fn post(&mut self, to: &str, count: u32) -> anyhow::Result<Vec<MessageId>> {
        let mut ids = Vec::new();
        for number in 0..count {
            let text = format!("to you, {number} of {count}");
            ids.push(self.lab.send_text(&self.friend, to, &text).await?);
        }
        self.incoming.extend(ids.iter().cloned());
        Ok(ids)
    }

    /// Waits until WhatsApp was told that the device has these messages.
    async fn arrived(&self, ids: &[MessageId]) -> anyhow::Result<()> {
        for id in ids {
            let acked = |entry: &Entry| matches!(&entry.act, Act::Acked { id: acked, error: None } if acked == id);
            let ledger = self.lab.ledger();
            let entry = ledger.wait_for(0, STEP, acked).await;
            entry.with_context(|| format!("a text was not acked within {STEP:?}"))?;
        }
        Ok(())
    }

    async fn receives(&mut self, to: &str, count: u32) -> anyhow::Result<()> {
        let ids = self.post(to, count).await?;
        self.arrived(&ids).await
    }

    /// Gives texts to the outbox one after the other, and waits until WhatsApp has all of them.
    async fn sends(&mut self, to: &str, count: u32) -> anyhow::Result<()> {
        let before = self.outgoing.len();
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(
                self.accept(to, &format!("from me, {before} + {number}"))
                    .await?,
            );
        }
        for id in ids {
            let acked = |entry: &Entry| matches!(&entry.act, Act::ServerAcked { id: acked, error: None } if *acked == id);
            let ledger = self.lab.ledger();
            let entry = ledger.wait_for(0, STEP, acked).await;
            entry.with_context(|| format!("a text was not sent within {STEP:?}"))?;
        }
        Ok(())
    }

    async fn accept(&mut self, to: &str, text: &str) -> anyhow::Result<MessageId> {
        let id = self.holdfast.messages().await?.send(to, text, "").await?;
        self.notary.note(What::Accepted(id.clone()));
        self.outgoing.insert(id.clone());
        Ok(id)
    }

    /// One text there, one back, each awaited: every turn is a new ratchet.
    async fn converse(&mut self, turns: u32) -> anyhow::Result<()> {
        for _ in 0..turns {
            self.receives(OWNER, 1).await?;
            self.sends(FRIEND, 1).await?;
        }
        Ok(())
    }
}
