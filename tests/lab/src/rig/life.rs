//! A lab and a daemon on a recorded disk, with the traffic between them: what recordings and live cuts are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use wacore_binary::Jid;

use super::DISK_MIB;
use super::disk::Disk;
use super::promise::{Notary, What};
use crate::holdfast::Holdfast;
use crate::ledger::{Act, Entry};
use crate::peers::STEP;
use crate::server::{DeviceId, Lab, LabConfig, MessageId, PhoneId};

/// The number of the phone that Holdfast is linked to, and of a friend's.
pub const OWNER: &str = "15550000001";
/// See [`OWNER`].
pub const FRIEND: &str = "15550000002";

/// The daemon's data directory on its disk.
pub fn data(mount: &Path) -> PathBuf {
    mount.join("holdfast")
}

/// The lab, the daemon and its disk.
pub struct Life {
    /// WhatsApp.
    pub lab: Lab,
    /// The phone that the daemon is linked to.
    pub owner: PhoneId,
    /// The other party.
    pub friend: PhoneId,
    /// A group of both.
    pub group: Jid,
    /// The daemon.
    pub holdfast: Holdfast,
    /// Who takes its promises down.
    pub notary: Notary,
    /// Ids of the texts sent to it.
    pub incoming: BTreeSet<MessageId>,
    /// The texts it accepted, by id.
    pub outgoing: BTreeMap<MessageId, String>,
    /// The keys of each device linked, by its address.
    pub keys: BTreeMap<String, String>,
    /// What it lives on. Goes after the daemon.
    pub disk: Disk,
    /// Where everything is that is not on the disk.
    pub place: tempfile::TempDir,
}

impl Life {
    /// Everything is up but the daemon, whose disk is empty.
    ///
    /// # Errors
    /// What did not come up.
    pub async fn begin() -> anyhow::Result<Life> {
        let place = super::scratch()?;
        let blank = super::blank(place.path(), DISK_MIB)?;
        let disk = Disk::begin(place.path(), &blank)?;
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, "Owner").await?;
        let friend = lab.create_phone(FRIEND, "Friend").await?;
        let members = std::slice::from_ref(&friend);
        let group = lab.create_group(&owner, "Group", members).await?;
        let notary = Notary::new(disk.clock());
        let seen = notary.clone();
        lab.ledger().observe(move |sight| seen.see(sight));
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut holdfast = Holdfast::new(&program, place.path(), &lab.url())?;
        holdfast.move_to(data(&disk.path()));
        Ok(Life {
            lab,
            owner,
            friend,
            group,
            holdfast,
            notary,
            incoming: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            keys: BTreeMap::new(),
            disk,
            place,
        })
    }

    /// The owner scans the QR on the screen.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn link(&mut self) -> anyhow::Result<DeviceId> {
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
    ///
    /// # Errors
    /// The lab does not take them.
    pub async fn post(&mut self, to: &str, count: u32) -> anyhow::Result<Vec<MessageId>> {
        self.post_padded(to, count, "").await
    }

    /// So many long texts that they are more than the barrier writes in one step when they come at once.
    ///
    /// # Errors
    /// The lab does not take them.
    pub async fn post_steps(&mut self, to: &str) -> anyhow::Result<Vec<MessageId>> {
        self.post_padded(to, 12, &"x".repeat(50_000)).await
    }

    async fn post_padded(
        &mut self,
        to: &str,
        count: u32,
        padding: &str,
    ) -> anyhow::Result<Vec<MessageId>> {
        let mut ids = Vec::new();
        for number in 0..count {
            let text = format!("to you, {number} of {count}{padding}");
            ids.push(self.lab.send_text(&self.friend, to, &text).await?);
        }
        self.incoming.extend(ids.iter().cloned());
        Ok(ids)
    }

    /// Waits until WhatsApp was told that the device has these messages.
    ///
    /// # Errors
    /// It was not.
    pub async fn arrived(&self, ids: &[MessageId]) -> anyhow::Result<()> {
        for id in ids {
            let acked = |entry: &Entry| matches!(&entry.act, Act::Acked { id: acked, error: None } if acked == id);
            let entry = self.lab.ledger().wait_for(0, STEP, acked).await;
            entry.with_context(|| format!("a text was not acked within {STEP:?}"))?;
        }
        Ok(())
    }

    /// Texts to the device, until it has acked them.
    ///
    /// # Errors
    /// It did not.
    pub async fn receives(&mut self, to: &str, count: u32) -> anyhow::Result<()> {
        let ids = self.post(to, count).await?;
        self.arrived(&ids).await
    }

    /// Gives texts to the outbox one after the other, and waits until WhatsApp has all of them.
    ///
    /// # Errors
    /// One is not accepted or not sent.
    pub async fn sends(&mut self, to: &str, count: u32) -> anyhow::Result<()> {
        let before = self.outgoing.len();
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(
                self.accept(to, &format!("from me, {before} + {number}"))
                    .await?,
            );
        }
        for id in ids {
            let sent = |entry: &Entry| matches!(&entry.act, Act::ServerAcked { id: sent, error: None } if *sent == id);
            let entry = self.lab.ledger().wait_for(0, STEP, sent).await;
            entry.with_context(|| format!("a text was not sent within {STEP:?}"))?;
        }
        Ok(())
    }

    /// Gives one text to the outbox.
    ///
    /// # Errors
    /// It is not accepted.
    pub async fn accept(&mut self, to: &str, text: &str) -> anyhow::Result<MessageId> {
        let id = self.holdfast.messages().await?.send(to, text, "").await?;
        self.notary.note(What::Accepted(id.clone()));
        self.outgoing.insert(id.clone(), text.to_owned());
        Ok(id)
    }

    /// A human retires the live link over the bus, and restores it.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn gives_up_and_comes_back(&mut self) -> anyhow::Result<()> {
        let session = self.holdfast.session().await?;
        let old = session.generation().await?;
        self.notary.note(What::Ending);
        let (token, _) = session.relink().await?;
        session.confirm_relink(token).await?;
        self.holdfast.lives("gen-0003").await?;
        self.notary.note(What::Retired(old.clone()));
        let vault = self.holdfast.vault().await?;
        let (token, _) = vault.restore(&old).await?;
        vault.confirm_restore(&old, token).await?;
        self.holdfast.reaches("Connected").await
    }

    /// The dead daemon's store loses what says how new it is: the next boot begins it anew.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn loses_its_witness(&self) -> anyhow::Result<()> {
        let data = data(&self.disk.path());
        let live = std::fs::read_to_string(data.join("CURRENT"))?;
        let store = data.join(live.trim()).join("store.v2");
        std::fs::remove_file(store.join("witness"))?;
        std::fs::File::open(store)?.sync_all()?;
        Ok(())
    }

    /// One text there, one back, each awaited: every turn is a new ratchet.
    ///
    /// # Errors
    /// A text got lost.
    pub async fn converse(&mut self, turns: u32) -> anyhow::Result<()> {
        for _ in 0..turns {
            self.receives(OWNER, 1).await?;
            self.sends(FRIEND, 1).await?;
        }
        Ok(())
    }
}
