//! The library's store traits over identity, records and barrier: one file per trait.
//!
//! No method ever answers with an error of the medium: the library would tell the server to drop the message in
//! hand. It waits for ever instead, and the daemon, which watches [`holdfast_medium::barrier::Barrier::failure`], ends the process.

mod app_sync;
mod device;
mod lease;
mod msg_secret;
mod pending;
mod protocol;
mod sent;
mod signal;
mod tc_token;

pub use sent::KeepsSent;

use std::future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_medium::barrier::{Barrier, BarrierError, Durability};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::document::Document;
use super::identity::{Identity, Update};
use super::key::{key, prefix};
use super::records::{Records, View, Writes};
use super::tiers::{Promise, Rule};

/// How long what a login counted may stay in memory.
const SETTLES: Duration = Duration::from_secs(5);

/// The backend of one generation.
pub(super) struct VaultBackend {
    pub records: Arc<Records>,
    pub identity: Arc<Identity>,
    /// Who keeps messages that were sent.
    pub elsewhere: Option<Arc<dyn KeepsSent>>,
    pub barrier: Barrier,
}

type Changes = Vec<(Arc<[u8]>, Option<Bytes>)>;

impl VaultBackend {
    /// The value of one record.
    async fn get(&self, rule: Rule, parts: &[&[u8]]) -> Option<Bytes> {
        self.read(|view| view.get(&key(rule.kind, parts))).await
    }

    /// All records under these first parts.
    async fn scan(&self, rule: Rule, parts: &[&[u8]]) -> Vec<(Arc<[u8]>, Bytes)> {
        self.read(|view| view.scan(&prefix(rule.kind, parts))).await
    }

    async fn read<T>(&self, read: impl FnOnce(&View<'_>) -> io::Result<T>) -> T {
        sound(self.records.read(read)).await
    }

    async fn put(&self, rule: Rule, parts: &[&[u8]], value: Bytes) {
        self.write(rule, vec![(key(rule.kind, parts), Some(value))])
            .await;
    }

    async fn delete(&self, rule: Rule, parts: &[&[u8]]) {
        self.write(rule, vec![(key(rule.kind, parts), None)]).await;
    }

    async fn write(&self, rule: Rule, changes: Changes) {
        self.update(rule, |_| Ok((changes, ()))).await;
    }

    /// Reads and writes as one.
    async fn update<T>(
        &self,
        rule: Rule,
        change: impl FnOnce(&View<'_>) -> io::Result<(Changes, T)>,
    ) -> T {
        self.commit(|view| {
            change(view).map(|(changes, out)| {
                (
                    Writes {
                        wait: durability(rule.promise),
                        changes,
                    },
                    out,
                )
            })
        })
        .await
    }

    /// As [`Self::update`], for who decides by what is there how far the write is to be awaited.
    async fn commit<T>(&self, change: impl FnOnce(&View<'_>) -> io::Result<(Writes, T)>) -> T {
        let (ticket, out) = sound(self.records.update(change)).await;
        sound(ticket.done().await).await;
        out
    }

    /// Deletes the records of a kind whose values are stale. Returns how many.
    async fn expire(&self, rule: Rule, stale: impl Fn(&[u8]) -> bool) -> u32 {
        self.update(rule, |view| {
            let mut found = view.scan(&prefix(rule.kind, &[]))?;
            found.retain(|(_, value)| stale(value));
            let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
            Ok((
                found.into_iter().map(|(key, _)| (key, None)).collect(),
                count,
            ))
        })
        .await
    }

    async fn update_identity(&self, change: impl FnOnce(&mut Document)) {
        match updated(&self.barrier, self.identity.update(change).await) {
            Ok(Update::Durable) => {}
            Ok(Update::Deferred) => self.settle_later(),
            Ok(Update::Closed) => sound(Err(BarrierError::Stopped)).await,
            Err(error) => sound(Err(error)).await,
        }
    }

    /// Has the medium hear of what a login counted, once the login is over and everything that came with it is in one change.
    fn settle_later(&self) {
        let (identity, barrier) = (Arc::downgrade(&self.identity), self.barrier.clone());
        tokio::spawn(async move {
            tokio::time::sleep(SETTLES).await;
            // One that is closed by now was settled then.
            if let Some(identity) = identity.upgrade() {
                // The daemon hears of a failure from the barrier.
                let _ = updated(&barrier, identity.settle().await);
            }
        });
    }
}

/// Has the partition fail where the identity could not be written.
fn updated(barrier: &Barrier, update: io::Result<Update>) -> Result<Update, BarrierError> {
    update.map_err(|error| barrier.fail(error))
}

/// The durability of a write whose record is not known. A lease is judged where its record is; here it is in doubt.
fn durability(promise: Promise) -> Durability {
    match promise {
        Promise::Awaited | Promise::ByLease | Promise::ByContent => Durability::Awaited,
        Promise::Ordered => Durability::Ordered,
        Promise::Lazy | Promise::Read | Promise::Nothing => Durability::Lazy,
    }
}

/// The value, or no answer at all.
async fn sound<T>(result: Result<T, BarrierError>) -> T {
    match result {
        Ok(value) => value,
        Err(_) => future::pending().await,
    }
}

/// Structures are JSON on the medium: a later version reads what an earlier wrote.
fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value)
        .expect("structures of texts, numbers and lists of bytes always serialise")
        .into()
}

/// Decodes a value; one that cannot be decoded reads as absent.
fn decode<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

/// A text part of a key read back.
fn text(part: Option<&[u8]>) -> Option<String> {
    String::from_utf8(part?.to_vec()).ok()
}
