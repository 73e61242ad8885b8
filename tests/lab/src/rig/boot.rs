//! Holdfast's own boot on a disk as a power cut left it, in a process of its own: it may panic or hang.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use holdfast::daemon::Rooms;
use holdfast::history::Audit;
use holdfast::mail::OutState;
use holdfast_medium::DataDir;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wacore::store::traits::Backend;
use wacore::types::jid::JidExt as _;
use wacore_binary::Jid;
use wacore_libsignal::protocol::{SenderKeyRecord, SessionRecord};
use wacore_libsignal::store::sender_key_name::SenderKeyName;

use crate::server::DeviceInfo;

/// How long both boots may take, seconds.
const LIMIT_S: u32 = 30;

/// Exit code of `timeout --signal=KILL` when time was up.
const OUT_OF_TIME: i32 = 137;

/// What a boot is asked about: the store has no list of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Question {
    /// Addresses of devices there may be a session with.
    pub peers: Vec<Jid>,
    /// Groups there may be an own sender key for.
    pub groups: Vec<Jid>,
    /// Ids of messages the outbox may hold.
    pub outgoing: BTreeSet<String>,
}

/// What a boot found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The live generation.
    pub generation: String,
    /// The keys of the linked device, as [`DeviceInfo::keys`]; `None` where no device is linked.
    pub keys: Option<String>,
    /// No one-time pre-key up to here will be made again.
    pub next_pre_key: u32,
    /// For each session, by its sending ratchet key in hex: the counter of the next message.
    pub chains: BTreeMap<String, u32>,
    /// For each own sender key, by group and key id: the iteration of the next message.
    pub sender_keys: BTreeMap<String, u32>,
    /// Ids of the messages in the inbox.
    pub inbox: BTreeSet<String>,
    /// The messages asked about that the outbox has, by id, and how far they are.
    pub outbox: BTreeMap<String, String>,
    /// Retired generations.
    pub archived: Vec<String>,
    /// Entries of the audit.
    pub audited: u64,
    /// What is wrong with the audit.
    pub audit_faults: Vec<String>,
    /// SHA-256 of the files that a boot has no reason to change, hex.
    pub files: String,
}

/// What two boots one after the other found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Boots {
    /// The one after the power cut.
    pub first: Found,
    /// And once more.
    pub second: Found,
}

/// What a `boot` process is told on its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// A [`Question`] as JSON.
    #[arg(long)]
    pub question: PathBuf,
    /// The data directory.
    #[arg(long)]
    pub data: PathBuf,
}

/// Boots twice on a data directory, in a process with a time limit.
///
/// # Errors
/// It does not open: what the process said, or that it hung.
pub fn ask(question: &Path, data: &Path) -> anyhow::Result<Boots> {
    let output = Command::new("timeout")
        .arg("--signal=KILL")
        .arg(LIMIT_S.to_string())
        .arg(std::env::current_exe()?)
        .args(["boot", "--question"])
        .arg(question)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .context("the boot cannot be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => serde_json::from_slice(&output.stdout).context("the boot's report"),
        Some(OUT_OF_TIME) => anyhow::bail!("the boot hangs: no answer within {LIMIT_S} s"),
        _ => anyhow::bail!("it does not open: {}", said.trim()),
    }
}

/// Boots twice in this process and prints what was found as JSON.
///
/// # Errors
/// It does not open.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let question = serde_json::from_slice(&fs::read(&options.question)?)?;
    let data = DataDir::new(&options.data);
    let boots = Boots {
        first: look(&data, &question).await?,
        second: look(&data, &question).await.context("the second boot")?,
    };
    println!("{}", serde_json::to_string(&boots)?);
    Ok(())
}

async fn look(data: &DataDir, question: &Question) -> anyhow::Result<Found> {
    let (barrier, rooms) = Rooms::without_panel(data).await?;
    let mut found = Found {
        generation: rooms.vault.linked().generation.to_string(),
        ..Found::default()
    };
    keys(&*rooms.vault.backend(), question, &mut found).await?;
    found.inbox = rooms
        .inbox
        .read(1, usize::MAX, usize::MAX)?
        .into_iter()
        // A stub is not the message it stands for.
        .filter(|(_, message)| !message.raw.is_empty())
        .map(|(_, message)| message.id)
        .collect();
    for id in &question.outgoing {
        if let Some(state) = rooms.outbox.state(id) {
            found.outbox.insert(id.clone(), word(&state).to_owned());
        }
    }
    let archived = rooms.archive.list()?;
    found.archived = archived.iter().map(|old| old.id.to_string()).collect();
    let audit = Audit::verify(&data.audit())?;
    found.audited = audit.entries;
    found.audit_faults = audit.faults.iter().map(ToString::to_string).collect();
    rooms.vault.close().await?;
    barrier.stop().await?;
    drop(rooms);
    found.files = files(data.root())?;
    Ok(found)
}

async fn keys(backend: &dyn Backend, question: &Question, found: &mut Found) -> anyhow::Result<()> {
    let Some(device) = backend.load().await? else {
        return Ok(());
    };
    found.next_pre_key = device.next_pre_key_id;
    found.keys = device.pn.is_some().then(|| {
        DeviceInfo::digest(
            device.noise_key.public_key.public_key_bytes(),
            device.identity_key.public_key.public_key_bytes(),
            device.registration_id,
        )
    });
    for peer in &question.peers {
        for address in [
            peer.to_signal_address_string(),
            peer.to_protocol_address_string(),
        ] {
            // A record that does not decode is one the library has not.
            let chain = backend
                .get_session(&address)
                .await?
                .and_then(|record| chain(&record));
            found.chains.extend(chain);
        }
    }
    for own in [&device.pn, &device.lid].into_iter().flatten() {
        for group in &question.groups {
            let group = group.to_string();
            let name = SenderKeyName::from_parts(&group, own.to_protocol_address().as_str());
            let key = backend
                .get_sender_key(name.cache_key())
                .await?
                .and_then(|record| sender_key(&record));
            found
                .sender_keys
                .extend(key.map(|(id, next)| (format!("{group} {id}"), next)));
        }
    }
    Ok(())
}

/// The sending ratchet key and the counter that comes next. Decoding burns what is reserved, as the library does.
fn chain(record: &[u8]) -> Option<(String, u32)> {
    let record = SessionRecord::deserialize(record).ok()?;
    let state = record.session_state()?;
    let ratchet = state.sender_ratchet_key().ok()?;
    let next = state.get_sender_chain_key().ok()?.index();
    Some((hex::encode(ratchet.public_key_bytes()), next))
}

/// The id of an own sender key and the iteration that comes next.
fn sender_key(record: &[u8]) -> Option<(u32, u32)> {
    let record = SenderKeyRecord::deserialize(record).ok()?;
    let state = record.sender_key_state().ok()?;
    Some((state.chain_id(), state.sender_chain_key()?.iteration()))
}

fn word(state: &OutState) -> &'static str {
    match state {
        OutState::Accepted => "accepted",
        OutState::Sent => "sent",
        OutState::Acked => "acked",
        OutState::Failed { .. } => "failed",
    }
}

/// A digest of what lies still while nobody writes: identities, mail, manifests, the audit and the name of the live generation.
/// The store may tidy its own files when it is opened.
fn files(root: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut paths = Vec::new();
    list(root, &mut paths)?;
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
        let still = name == "CURRENT"
            || name.starts_with("audit.")
            || name.starts_with("mail/")
            || name.ends_with("/manifest.json")
            || name.ends_with("/identity.a")
            || name.ends_with("/identity.b");
        if still {
            digest.update(name.as_bytes());
            digest.update(fs::read(&path)?);
        }
    }
    Ok(hex::encode(digest.finalize()))
}

fn list(dir: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
