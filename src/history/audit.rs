//! The audit: one JSON object a line, each carrying the hash of the one before, on the disk before what it records
//! is done.
//!
//! A line ends in the SHA-256 of all of it that comes before `,"hash":"`, or, where the machine has a key for it, in the HMAC under
//! that key, which the entry names. Beside the log a small *head* file names
//! the last entry, so that one missing at the end is noticed. A line that was cut off by a power cut stays where it
//! is as evidence; the next entry vouches for it by length and hash.

use std::collections::BTreeMap;
use std::fmt;
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

use super::{AuditKey, Fault, HistoryError, Verdict, archive, name};

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
    /// What an old repair took out of the vault is removed for good.
    Forget,
    /// Everything is forgotten, every generation with it, and their numbers begin anew; this log stays.
    Reset,
    /// From here on entries are sealed with a key that is not beside the log.
    Seal,
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
    key: Option<AuditKey>,
    /// A file elsewhere that names the last entry, too.
    anchor: Option<PathBuf>,
    /// Hears of each last entry.
    tell: Option<Tell>,
}

/// Whoever is told of the last entry.
#[derive(Clone)]
struct Tell(Arc<dyn Fn(&AuditHead) + Send + Sync>);

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
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
    /// The key that seals it; absent where the hash is a plain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Torn {
    bytes: usize,
    sha256: String,
}

/// The last entry, as the head file and other places name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Its number; 0 when there is none.
    pub seq: u64,
    /// Its hash or seal, hex.
    pub hash: String,
}

impl Audit {
    /// Names the audit log of a data directory; it is created by its first entry.
    pub fn open(dir: &DataDir) -> Self {
        Self {
            log: dir.audit(),
            turn: Arc::default(),
            key: None,
            anchor: None,
            tell: None,
        }
    }

    /// The same, with its entries sealed with this key, where there is one.
    pub fn sealed(self, key: Option<AuditKey>) -> Self {
        Self { key, ..self }
    }

    /// The same, with its last entry named in this file, too, which lies elsewhere, and told to whoever keeps such things.
    pub fn anchored(
        self,
        anchor: PathBuf,
        tell: impl Fn(&AuditHead) + Send + Sync + 'static,
    ) -> Self {
        Self {
            anchor: Some(anchor),
            tell: Some(Tell(Arc::new(tell))),
            ..self
        }
    }

    /// Begins a run: says where the log ends, and has it end in a sealed entry where there is a key. Returns what is wrong with it.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn begin(&self, live: GenerationId) -> Result<Verdict, HistoryError> {
        let mut found = self.check()?;
        if self.key.is_some() && found.faults.pop_if(|it| *it == Fault::NotSealed).is_some() {
            let live = ArchiveId::Retired(live);
            self.append(AuditKind::Seal, Subject::archive(Trigger::Recovery, live))?;
        } else {
            self.name(&self.head()?);
        }
        Ok(found)
    }

    /// The last entry.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn head(&self) -> Result<AuditHead, HistoryError> {
        let log = read(&self.log).map_err(HistoryError::io(&self.log))?;
        let last = scan(&log, None, self.key.as_ref()).last;
        Ok(last.unwrap_or_else(AuditHead::none))
    }

    /// The last entry as the head file of a data directory names it.
    pub(super) fn named(dir: &DataDir) -> Option<AuditHead> {
        read_head(&dir.audit()).ok().flatten()
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
        let scan = scan(&log, head.as_ref(), self.key.as_ref());

        let last = scan.last.clone().unwrap_or_else(AuditHead::none);
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
            key: self.key.as_ref().map(AuditKey::id),
        };
        let mut line = serde_json::to_string(&entry).map_err(|error| failed(error.into()))?;
        // The hash goes in front of the closing brace.
        line.pop();
        let hash = match &self.key {
            Some(key) => key.mac(line.as_bytes()),
            None => sha256(line.as_bytes()),
        };
        let start = if log.last().is_some_and(|byte| *byte != b'\n') {
            "\n"
        } else {
            ""
        };
        let line = format!("{start}{line}{HASH}{hash}{CLOSE}\n");

        self.write(line.as_bytes(), log.is_empty())
            .map_err(&failed)?;
        let head = AuditHead {
            seq: entry.seq,
            hash,
        };
        let json = serde_json::to_vec(&head).map_err(|error| failed(error.into()))?;
        atomic::replace(&head_path(&self.log), &json).map_err(&failed)?;
        self.name(&head);
        Ok(entry.seq)
    }

    /// Names the last entry in other places, unless they contradict the log: what they say is then all there is to show it.
    fn name(&self, head: &AuditHead) {
        if head.seq > 0
            && let Some(Tell(tell)) = &self.tell
        {
            tell(head);
        }
        let Some(anchor) = &self.anchor else { return };
        let contradicted = read_anchor(anchor).is_some_and(|named| {
            let log = read(&self.log).unwrap_or_default();
            let scan = scan(&log, None, self.key.as_ref());
            scan.hashes.get(&named.seq) != Some(&named.hash)
        });
        if head.seq == 0 || contradicted {
            return;
        }
        let named = serde_json::to_vec(head).map_err(io::Error::from);
        if let Err(error) = named.and_then(|json| atomic::replace(anchor, &json)) {
            tracing::warn!(
                "the end of the audit is not named in {}: {error}",
                anchor.display()
            );
        }
    }

    /// Checks a log and its head file, byte by byte, without a key.
    ///
    /// # Errors
    /// [`HistoryError::Io`]. No log is no fault: nothing was ever recorded.
    pub fn verify(log: &Path) -> Result<Verdict, HistoryError> {
        Ok(look(log, None)?.verdict)
    }

    /// Checks this log and its head file, byte by byte, and whether it has what its anchor and the manifests in the archive name.
    ///
    /// # Errors
    /// As [`Audit::verify`].
    pub fn check(&self) -> Result<Verdict, HistoryError> {
        let _turn = self.turn.lock();
        let Scan {
            mut verdict,
            hashes,
            ..
        } = look(&self.log, self.key.as_ref())?;
        let noted = self.anchor.as_deref().and_then(read_anchor);
        let noted = noted.map(|head| ("a note of this boot".to_owned(), head));
        let data = self.log.parent().map(DataDir::new);
        let manifests = data.map(|data| archive::heads(&data)).transpose()?;
        for (place, head) in noted.into_iter().chain(manifests.unwrap_or_default()) {
            if head.seq > 0 && hashes.get(&head.seq) != Some(&head.hash) {
                let seq = head.seq;
                verdict.faults.push(Fault::Contradicted { place, seq });
            }
        }
        Ok(verdict)
    }

    /// Up to `max` entries as they stand in the log, from number `from` on; lines that are no entries are left out.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn read(&self, from: u64, max: usize) -> Result<Vec<String>, HistoryError> {
        let log = read(&self.log).map_err(HistoryError::io(&self.log))?;
        let lines = log.split(|byte| *byte == b'\n');
        let entries = lines.filter(|line| Line::parse(line).is_some_and(|it| it.entry.seq >= from));
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

/// A line that has the form of an entry, without its newline.
struct Line<'a> {
    entry: Entry,
    covered: &'a str,
    hash: &'a str,
}

impl<'a> Line<'a> {
    /// `None` unless it is what was written, as far as that can be said without a key.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = str::from_utf8(line).ok()?;
        let rest = line.strip_suffix(CLOSE)?;
        let (covered, hash) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
        let covered = covered.strip_suffix(HASH)?;
        let entry: Entry = serde_json::from_str(line).ok()?;
        let plain = entry.key.is_none();
        (!plain || sha256(covered.as_bytes()) == hash).then_some(Self {
            entry,
            covered,
            hash,
        })
    }

    /// Whether its seal is good, or there is none; `None` when it is under another key.
    fn holds(&self, key: Option<&AuditKey>) -> Option<bool> {
        let Some(id) = &self.entry.key else {
            return Some(true);
        };
        let key = key.filter(|key| key.id() == *id)?;
        Some(key.mac(self.covered.as_bytes()) == self.hash)
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

impl AuditHead {
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
    last: Option<AuditHead>,
    /// Of all entries, by number.
    hashes: BTreeMap<u64, String>,
    /// Behind the last whole entry and its newline.
    end: usize,
}

fn look(log: &Path, key: Option<&AuditKey>) -> Result<Scan, HistoryError> {
    let failed = HistoryError::io(log);
    let content = read(log).map_err(&failed)?;
    let head = read_head(log).map_err(&failed)?;
    Ok(scan(&content, head.as_ref(), key))
}

fn scan(log: &[u8], head: Option<&AuditHead>, key: Option<&AuditKey>) -> Scan {
    let mut verdict = Verdict::default();
    let mut last: Option<AuditHead> = None;
    let mut hashes = BTreeMap::new();
    let (mut sealed, mut ours) = (false, false);
    let mut unknown: Option<(u64, u64)> = None;
    let mut end = 0;
    let mut start = 0;
    let mut bad = Vec::new();
    for (line, content) in (1..).zip(log.split_inclusive(|byte| *byte == b'\n')) {
        let next = start + content.len();
        let parsed = Line::parse(content.strip_suffix(b"\n").unwrap_or(content));
        let held = parsed.map(|parsed| (parsed.holds(key), parsed));
        match held {
            None | Some((Some(false), _)) => bad.push(Fault::Altered { line }),
            Some((holds, Line { entry, hash, .. })) => {
                let hash = hash.to_owned();
                if entry.torn == Torn::of(&log[end..start]) {
                    bad.clear();
                } else if bad.is_empty() {
                    bad.push(Fault::Altered { line });
                }
                verdict.faults.append(&mut bad);
                let before = last.clone().unwrap_or_else(AuditHead::none);
                let expected = before.seq.saturating_add(1);
                let seq = entry.seq;
                hashes.insert(seq, hash.clone());
                if sealed && entry.key.is_none() {
                    verdict.faults.push(Fault::Unsealed { line, seq });
                }
                sealed |= entry.key.is_some();
                ours = entry.key.is_some() && holds == Some(true);
                if holds.is_none() {
                    let (first, _) = unknown.unwrap_or((seq, seq));
                    unknown = Some((first, seq));
                }
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
                    last = Some(AuditHead { seq, hash });
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
    if let Some((first, last)) = unknown {
        verdict.faults.push(Fault::NoKey { first, last });
    }
    if key.is_some() && !ours {
        verdict.faults.push(Fault::NotSealed);
    }
    if !bad.is_empty() {
        verdict.torn_tail = Some(log.len() - end);
    }
    Scan {
        verdict,
        last,
        hashes,
        end,
    }
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

fn read_anchor(path: &Path) -> Option<AuditHead> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn read_head(log: &Path) -> io::Result<Option<AuditHead>> {
    Ok(serde_json::from_slice(&read(&head_path(log))?).ok())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
