//! What was: the audit, the archive, and what comes back of it.

mod archive;
mod audit;
mod restore;
mod room;
mod transfer;

use holdfast_core::{GenerationId, Trigger};
use holdfast_medium::DataDir;
use tempfile::TempDir;

fn place() -> (TempDir, DataDir) {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::new(root.path());
    (root, dir)
}

fn retirement(old: u32) -> holdfast_core::Order {
    let old = GenerationId(old);
    holdfast_core::Order {
        trigger: Trigger::Button,
        old,
        new: old.next(),
    }
}
