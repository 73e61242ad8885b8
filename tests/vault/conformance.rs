//! One suite over three backends: the vault's, the library's in-memory one and its SQLite store.
//!
//! Where the two others differ from each other, [`Peer`] says so and the suite expects it; nothing is skipped.

mod app_sync;
mod device;
mod protocol;
mod signal;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use holdfast::vault::Vault;
use holdfast::vault::tiers::{RULES, UNTOUCHED};
use holdfast_medium::{DataDir, barrier::Barrier};
use tempfile::TempDir;
use wacore::store::InMemoryBackend;
use whatsapp_rust_sqlite_storage::SqliteStore;

use crate::recorded::Recorded;

/// Whose backend is under test, and in what it is known to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Vault,
    Memory,
    Sqlite,
}

impl Peer {
    /// When a LID mapping was first learned survives its update; the in-memory store forgets it.
    pub fn keeps_created_at(self) -> bool {
        self != Peer::Memory
    }

    /// The latest sync key is the one stored last, as the trait says; SQLite takes the highest id.
    pub fn latest_sync_key_is_stored_last(self) -> bool {
        self != Peer::Sqlite
    }
}

async fn conforms(peer: Peer, backend: &Recorded) {
    // First, as in the library: SQLite has rows of some tables belong to the device.
    device::conforms(backend).await;
    signal::conforms(backend).await;
    app_sync::conforms(peer, backend).await;
    protocol::conforms(peer, backend).await;
}

/// A vault in a directory of its own.
async fn vault() -> (TempDir, Barrier, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let barrier = Barrier::start().unwrap();
    let vault = Vault::open(DataDir::new(dir.path()), barrier.clone())
        .await
        .unwrap();
    (dir, barrier, vault)
}

#[tokio::test]
async fn the_vault_conforms() {
    let (_dir, _barrier, vault) = vault().await;
    conforms(Peer::Vault, &Recorded::new(vault.backend())).await;
}

#[tokio::test]
async fn the_in_memory_store_conforms() {
    conforms(
        Peer::Memory,
        &Recorded::new(Arc::new(InMemoryBackend::new())),
    )
    .await;
}

#[tokio::test]
async fn the_sqlite_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::new(dir.path().join("peer.db").to_str().unwrap())
        .await
        .unwrap();
    conforms(Peer::Sqlite, &Recorded::new(Arc::new(store))).await;
}

#[tokio::test]
async fn the_suite_and_the_table_cover_every_method_of_the_librarys_traits() {
    let backend = Recorded::new(Arc::new(InMemoryBackend::new()));
    conforms(Peer::Memory, &backend).await;
    let of_table: BTreeSet<&str> = RULES.iter().map(|rule| rule.method).collect();
    assert_eq!(
        of_table.len(),
        RULES.len(),
        "a method is in the table twice"
    );
    assert_eq!(backend.called(), of_table, "the suite and the table differ");

    let source = std::fs::read_to_string(traits_source()).unwrap();
    let mut of_library = BTreeSet::new();
    let mut store = "";
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("pub trait ") {
            store = rest.split(':').next().unwrap();
        }
        if let Some(rest) = line.strip_prefix("    async fn ")
            && RULES.iter().any(|rule| rule.store == store)
        {
            of_library.insert((store, rest.split('(').next().unwrap()));
        }
    }
    let untouched = UNTOUCHED.iter().map(|method| ("DeviceStore", *method));
    let ours: BTreeSet<_> = RULES
        .iter()
        .map(|rule| (rule.store, rule.method))
        .chain(untouched)
        .collect();
    assert_eq!(
        ours, of_library,
        "the table and the library's traits differ"
    );
}

/// Where the library's traits are declared, as Cargo resolved it.
fn traits_source() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            // What other systems need was never fetched here.
            "--filter-platform",
            &format!("{}-unknown-linux-gnu", std::env::consts::ARCH),
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "wacore")
        .unwrap();
    PathBuf::from(package["manifest_path"].as_str().unwrap())
        .with_file_name("src")
        .join("store/traits.rs")
}
