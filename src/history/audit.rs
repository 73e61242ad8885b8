//! The audit: one JSON object a line, each carrying the hash of the one before, on the disk before what it records
//! is done.
//!
//! A line ends in the SHA-256 of all of it that comes before `,"hash":"`. Beside the log a small *head* file names
//! the last entry, so that one missing at the end is noticed. A line that was cut off by a power cut stays where it
//! is as evidence; the next entry vouches for it by length and hash.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_core::{ArchiveId, GenerationId, Trigger};
use holdfast_medium::{DataDir, Stamp, atomic};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{HistoryError, name};

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditKind {
    /// A generation goes to the archive and the next begins.
    Retire,
    /// Damaged keys of a generation are made good, or set aside.
    Repair,
    /// An archived generation comes back as the next.
    Restore,
    /// An archive is handed out, and not restored here any more.
    Export,
    /// An archive is taken in.
    Import,
    /// An archive is logged out at WhatsApp with its own keys.
    Farewell,
    /// An archive is removed for good, for want of space.
    Drop,
}

/// The subject of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    trigger: Trigger,
    /// From which generation to which, where one follows the other.
    change: Option<(GenerationId, GenerationId)>,
    archive: ArchiveId,
}

impl Subject {
    /// One archive, and no change of the live generation.
    pub fn archive(trigger: Trigger, archive: ArchiveId) -> Self {
        Self {
            trigger,
            change: None,
            archive,
        }
    }

    /// A change of the live generation to what this archive holds.
    pub fn restore(order: &holdfast_core::Order, from: ArchiveId) -> Self {
        Self {
            archive: from,
            ..order.into()
        }
    }
}

impl From<&holdfast_core::Order> for Subject {
    /// A change of the live generation, with the old one going to the archive.
    fn from(order: &holdfast_core::Order) -> Self {
        Self {
            trigger: order.trigger,
            change: Some((order.old, order.new)),
            archive: ArchiveId::Retired(order.old),
        }
    }
}

/// The audit log of a data directory; clones are the same log.
#[derive(Clone, Debug)]
pub struct Audit {
    log: PathBuf,
    /// One entry at a time.
    turn: Arc<Mutex<()>>,
}

/// The result of [`Audit::verify`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Entries that are whole.
    pub entries: u64,
    /// Bytes at the end that never became an entry: a power cut while one was written. Harmless.
    pub torn_tail: Option<usize>,
    /// The faults found; empty when the log is sound.
    pub faults: Vec<Fault>,
}

/// One thing wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line is not what was written.
    #[error("line {line} was altered")]
    Altered {
        /// Counts from 1.
        line: usize,
    },
    /// Entries are not where they belong.
    #[error("entries {first} to {last} are missing where they belong")]
    Missing {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// An entry stands behind a later one, or twice.
    #[error("entry {seq} in line {line} is out of order")]
    OutOfOrder {
        /// Counts from 1.
        line: usize,
        /// The entry.
        seq: u64,
    },
    /// An entry is whole, but does not continue the one before it.
    #[error("entry {seq} in line {line} does not continue the entry before it")]
    Unchained {
        /// Counts from 1.
        line: usize,
        /// The entry.
        seq: u64,
    },
    /// The file that names the last entry is missing or unreadable, so entries may be missing at the end.
    #[error("the head file is missing or unreadable; entries may be missing at the end")]
    NoHead,
}

/// A line without its hash.
#[derive(Serialize, Deserialize)]
struct Entry {
    seq: u64,
    prev: String,
    kind: AuditKind,
    trigger: String,
    /// Absent where no generation follows another.
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<String>,
    archive: String,
    #[serde(flatten)]
    at: Stamp,
    /// The cut-off bytes between the entry before and this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    torn: Option<Torn>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Torn {
    bytes: usize,
    sha256: String,
}

/// The last entry, as the head file names it.
#[derive(Clone, Serialize, Deserialize)]
struct Head {
    seq: u64,
    hash: String,
}

impl Audit {
    /// Names the audit log of a data directory; it is created by its first entry.
    pub fn open(dir: &DataDir) -> Self {
        Self {
            log: dir.audit(),
            turn: Arc::default(),
        }
    }

    /// Appends an entry and returns its number; it is on the disk when this returns. A damaged log is appended to
    /// all the same, and stays damaged in the eyes of [`Audit::verify`].
    ///
    /// # Errors
    /// [`HistoryError::Io`]; then what it would have recorded must not be done.
    pub fn append(&self, kind: AuditKind, what: impl Into<Subject>) -> Result<u64, HistoryError> {
        let what = what.into();
        let _turn = self.turn.lock();
        let failed = HistoryError::io(&self.log);
        let log = read(&self.log).map_err(&failed)?;
        let head = read_head(&self.log).map_err(&failed)?;
        let scan = scan(&log, head.as_ref());

        let last = scan.last.clone().unwrap_or_else(Head::none);
        let tail = &log[scan.end..];
        let entry = Entry {
            seq: last
                .seq
                .max(head.map_or(0, |head| head.seq))
                .saturating_add(1),
            prev: last.hash,
            kind,
            trigger: name(what.trigger).to_owned(),
            old: what.change.map(|(old, _)| old.to_string()),
            new: what.change.map(|(_, new)| new.to_string()),
            archive: what.archive.to_string(),
            at: Stamp::now(),
            torn: Torn::of(tail),
        };
        let mut line = serde_json::to_string(&entry).map_err(|error| failed(error.into()))?;
        // The hash goes in front of the closing brace.
        line.pop();
        let hash = sha256(line.as_bytes());
        let start = if log.last().is_some_and(|byte| *byte != b'\n') {
            "\n"
        } else {
            ""
        };
        let line = format!("{start}{line}{HASH}{hash}{CLOSE}\n");

        self.write(line.as_bytes(), log.is_empty())
            .map_err(&failed)?;
        let head = serde_json::to_vec(&Head {
            seq: entry.seq,
            hash,
        })
        .map_err(|error| failed(error.into()))?;
        atomic::replace(&head_path(&self.log), &head).map_err(&failed)?;
        Ok(entry.seq)
    }

    /// Checks a log and its head file, byte by byte.
    ///
    /// # Errors
    /// [`HistoryError::Io`]. No log is no fault: nothing was ever recorded.
    pub fn verify(log: &Path) -> Result<Verdict, HistoryError> {
        let failed = HistoryError::io(log);
        let content = read(log).map_err(&failed)?;
        let head = read_head(log).map_err(&failed)?;
        Ok(scan(&content, head.as_ref()).verdict)
    }

    /// Checks this log and its head file, byte by byte.
    ///
    /// # Errors
    /// As [`Audit::verify`].
    pub fn check(&self) -> Result<Verdict, HistoryError> {
        let _turn = self.turn.lock();
        Self::verify(&self.log)
    }

    /// Up to `max` entries as they stand in the log, from number `from` on; lines that are no entries are left out.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn read(&self, from: u64, max: usize) -> Result<Vec<String>, HistoryError> {
        let log = read(&self.log).map_err(HistoryError::io(&self.log))?;
        let lines = log.split(|byte| *byte == b'\n');
        let entries = lines.filter(|line| Entry::parse(line).is_some_and(|(it, _)| it.seq >= from));
        Ok(entries
            .take(max)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect())
    }

    fn write(&self, line: &[u8], first: bool) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.log)?;
        file.write_all(line)?;
        file.sync_all()?;
        match self.log.parent() {
            Some(dir) if first => atomic::sync_dir(dir),
            _ => Ok(()),
        }
    }
}

const HASH: &str = ",\"hash\":\"";
const CLOSE: &str = "\"}";
const HEX: usize = 64;

impl Entry {
    /// Reads a line, without its newline; `None` unless it is exactly what was written. Returns its hash too.
    fn parse(line: &[u8]) -> Option<(Self, String)> {
        let line = str::from_utf8(line).ok()?;
        let rest = line.strip_suffix(CLOSE)?;
        let (covered, hash) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
        let covered = covered.strip_suffix(HASH)?;
        if sha256(covered.as_bytes()) != hash {
            return None;
        }
        Some((serde_json::from_str(line).ok()?, hash.to_owned()))
    }
}

impl Torn {
    /// Of what stands between two entries; a newline ends it, be it its own or the next entry's.
    fn of(between: &[u8]) -> Option<Self> {
        let bytes = between.strip_suffix(b"\n").unwrap_or(between);
        (!between.is_empty()).then(|| Self {
            bytes: bytes.len(),
            sha256: sha256(bytes),
        })
    }
}

impl Head {
    /// The head of an empty log, from which the first entry goes on.
    fn none() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(HEX),
        }
    }
}

struct Scan {
    verdict: Verdict,
    last: Option<Head>,
    /// Behind the last whole entry and its newline.
    end: usize,
}

fn scan(log: &[u8], head: Option<&Head>) -> Scan {
    let mut verdict = Verdict::default();
    let mut last: Option<Head> = None;
    let mut end = 0;
    let mut start = 0;
    let mut bad = Vec::new();
    for (line, content) in (1..).zip(log.split_inclusive(|byte| *byte == b'\n')) {
        let next = start + content.len();
        match Entry::parse(content.strip_suffix(b"\n").unwrap_or(content)) {
            None => bad.push(Fault::Altered { line }),
            Some((entry, hash)) => {
                if entry.torn == Torn::of(&log[end..start]) {
                    bad.clear();
                } else if bad.is_empty() {
                    bad.push(Fault::Altered { line });
                }
                verdict.faults.append(&mut bad);
                let before = last.clone().unwrap_or_else(Head::none);
                let expected = before.seq.saturating_add(1);
                let seq = entry.seq;
                if seq < expected {
                    verdict.faults.push(Fault::OutOfOrder { line, seq });
                } else if seq > expected {
                    verdict.faults.push(Fault::Missing {
                        first: expected,
                        last: seq - 1,
                    });
                } else if entry.prev != before.hash {
                    verdict.faults.push(Fault::Unchained { line, seq });
                }
                if let Some(head) = head.filter(|head| head.seq == seq && head.hash != hash) {
                    verdict.faults.push(Fault::Unchained {
                        line,
                        seq: head.seq,
                    });
                }
                verdict.entries += 1;
                if seq >= expected {
                    last = Some(Head { seq, hash });
                }
                end = next;
            }
        }
        start = next;
    }
    let seq = last.as_ref().map_or(0, |last| last.seq);
    match head {
        Some(head) if head.seq > seq => {
            verdict.faults.append(&mut bad);
            verdict.faults.push(Fault::Missing {
                first: seq + 1,
                last: head.seq,
            });
        }
        // A first entry may have been cut off from its head.
        None if seq > 1 => verdict.faults.push(Fault::NoHead),
        _ => {}
    }
    if !bad.is_empty() {
        verdict.torn_tail = Some(log.len() - end);
    }
    Scan { verdict, last, end }
}

fn head_path(log: &Path) -> PathBuf {
    log.with_extension("head")
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        content => content,
    }
}

fn read_head(log: &Path) -> io::Result<Option<Head>> {
    Ok(serde_json::from_slice(&read(&head_path(log))?).ok())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
