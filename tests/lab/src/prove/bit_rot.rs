//! `prove bit-rot`: one thing wrong with one file of a vault, again and again, and a boot after each.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use parking_lot::Mutex;
use rand::RngExt as _;
use rand::rngs::StdRng;
use wacore_binary::Jid;

use super::{Proof, Run};
use crate::holdfast::Holdfast;
use crate::ledger::{Act, Entry};
use crate::peers::STEP;
use crate::rig::boot::{self, Boots, Found, Question};
use crate::server::{Lab, LabConfig, PhoneId};

/// Cases in a sample for CI, and in all.
const SAMPLE: u64 = 160;
const FULL: u64 = 4_000;

const WITHIN: Duration = Duration::from_secs(300);

/// Unit of what a card loses at once, bytes.
const PAGE: u64 = 4096;

const OWNER: &str = "15550000001";

/// People Holdfast talks with.
const FRIENDS: u32 = 4;

/// More one-way sends than a lease of message counters covers (64).
const PAST_A_LEASE: u32 = 70;

/// The proof.
pub struct BitRot;

#[async_trait(?Send)]
impl Proof for BitRot {
    fn name(&self) -> &'static str {
        "bit-rot"
    }

    fn claim(&self) -> &'static str {
        "whatever goes bad in one file of the vault, it boots, and reads the truth or nothing"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "src/medium",
            "src/vault",
            "src/history",
            "src/daemon.rs",
            "src/daemon",
            "tests/lab/src/rig",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let count = run.count(SAMPLE, FULL);
        let Some(grown) = run.case("a vault is grown", WITHIN, Grown::new()).await else {
            return;
        };
        run.control("both identity slots are lost", WITHIN, async {
            grown.both_slots()
        })
        .await;
        run.control("the store and its witness are older ones", WITHIN, async {
            grown.older_store()
        })
        .await;
        tokio::task::block_in_place(|| rot(run, &grown, count));
    }
}

/// A vault that has seen a life, stopped in order, and what it holds.
struct Grown {
    place: tempfile::TempDir,
    question: PathBuf,
    expected: Found,
    /// Every file, relative, with its size.
    files: Vec<(PathBuf, u64)>,
}

impl Grown {
    /// Grows it with the real daemon.
    async fn new() -> anyhow::Result<Grown> {
        let place = crate::rig::scratch()?;
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, "Owner").await?;
        let mut friends = Vec::new();
        for number in 0..FRIENDS {
            let number = format!("1555000010{number}");
            friends.push(lab.create_phone(&number, "Friend").await?);
        }
        let group = lab.create_group(&owner, "Group", &friends).await?;
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut holdfast = Holdfast::new(&program, place.path(), &lab.url())?;
        holdfast.move_to(place.path().join("vault"));
        holdfast.start().await?;
        holdfast.links(&lab, &owner).await?;

        let mut question = Question {
            groups: vec![group.clone()],
            ..Question::default()
        };
        for phone in friends.iter().chain([&owner]) {
            question.peers.push(Jid::pn(phone.0.as_str()));
            question.peers.push(lab.lid(phone).await?);
        }
        for friend in &friends {
            receive(&lab, friend).await?;
            question
                .outgoing
                .insert(holdfast.sends(&friend.0, "hello").await?);
        }
        let to_all = holdfast.sends(&group.to_string(), "to all").await?;
        question.outgoing.insert(to_all);
        holdfast.messages().await?.acknowledge("bot", 2).await?;
        holdfast.stop().await?;
        copy(&place.path().join("vault"), &place.path().join("older"))?;

        holdfast.start().await?;
        holdfast.reaches("Connected").await?;
        for _ in 0..PAST_A_LEASE {
            let id = holdfast.sends(&friends[0].0, "still here").await?;
            question.outgoing.insert(id);
        }
        receive(&lab, &friends[1]).await?;
        holdfast.stop().await?;
        lab.stop().await?;

        let asked = place.path().join("question.json");
        fs::write(&asked, serde_json::to_vec(&question)?)?;
        let mut grown = Grown {
            question: asked,
            expected: Found::default(),
            files: Vec::new(),
            place,
        };
        let fresh = grown.fresh("expected")?;
        grown.expected = boot::ask(&grown.question, &fresh)?.first;
        let found = &grown.expected;
        ensure!(
            found.keys.is_some()
                && found.chains.len() >= FRIENDS as usize
                && !found.sender_keys.is_empty()
                && found.inbox.len() > FRIENDS as usize
                && found.outbox.len() == question.outgoing.len(),
            "the check sees no more than {found:?}"
        );
        let vault = grown.vault();
        list(&vault, &vault, &mut grown.files)?;
        // Not of the vault: who has it open.
        grown
            .files
            .retain(|(name, size)| *size > 0 && name != Path::new("lock"));
        Ok(grown)
    }

    fn vault(&self) -> PathBuf {
        self.place.path().join("vault")
    }

    /// A copy to be damaged.
    fn fresh(&self, name: &str) -> io::Result<PathBuf> {
        let copied = self.place.path().join(name);
        copy(&self.vault(), &copied)?;
        Ok(copied)
    }

    fn both_slots(&self) -> anyhow::Result<()> {
        let data = self.fresh("both")?;
        for slot in ["identity.a", "identity.b"] {
            fs::write(data.join("gen-0001").join(slot), b"rotten")?;
        }
        self.look(&data, Path::new("gen-0001"))
            .map_err(anyhow::Error::msg)
    }

    fn older_store(&self) -> anyhow::Result<()> {
        let data = self.fresh("stale")?;
        let store = data.join("gen-0001/store.v2");
        fs::remove_dir_all(&store)?;
        copy(&self.place.path().join("older/gen-0001/store.v2"), &store)?;
        self.look(&data, Path::new("gen-0001/store.v2"))
            .map_err(anyhow::Error::msg)
    }

    /// Boots twice on a vault in which something below `rotten` is not as it was.
    fn look(&self, data: &Path, rotten: &Path) -> Result<(), String> {
        let boots = boot::ask(&self.question, data).map_err(|error| format!("{error:#}"))?;
        self.judge(&boots, rotten)
    }

    fn judge(&self, boots: &Boots, rotten: &Path) -> Result<(), String> {
        let (found, expected) = (&boots.first, &self.expected);
        if found.keys != expected.keys || found.generation != expected.generation {
            return Err("the identity is another".into());
        }
        if found.next_pre_key < expected.next_pre_key {
            return Err("pre-key ids went back".into());
        }
        let stale = |found: &BTreeMap<String, u32>, expected: &BTreeMap<String, u32>| {
            found
                .iter()
                .any(|(key, next)| expected.get(key).is_none_or(|least| next < least))
        };
        if stale(&found.chains, &expected.chains)
            || stale(&found.sender_keys, &expected.sender_keys)
        {
            return Err("a ratchet went back".into());
        }
        let in_mail = rotten.starts_with("mail");
        let whole = found.inbox == expected.inbox && found.outbox == expected.outbox;
        let truths = found.inbox.is_subset(&expected.inbox)
            && found.outbox.iter().all(|(id, state)| {
                expected.outbox.get(id).is_some_and(|true_state| {
                    // An acknowledgement that is lost costs a repetition under the same id.
                    state == true_state || (true_state == "acked" && state != "failed")
                })
            });
        if !truths || !(whole || in_mail) {
            return Err("the mail is not what it was".into());
        }
        let again = Found {
            files: found.files.clone(),
            ..boots.second.clone()
        };
        // The first boot may have closed the audit's torn end.
        if again != *found {
            return Err(format!("a second boot found something else: {again:?}"));
        }
        Ok(())
    }
}

/// One text from a phone to the device, until it is acked.
async fn receive(lab: &Lab, from: &PhoneId) -> anyhow::Result<()> {
    let id = lab.send_text(from, OWNER, "are you there?").await?;
    let acked =
        |entry: &Entry| matches!(&entry.act, Act::Acked { id: acked, error: None } if *acked == id);
    let entry = lab.ledger().wait_for(0, STEP, acked).await;
    entry.with_context(|| format!("a text was not acked within {STEP:?}"))?;
    Ok(())
}

/// Draws the damage of every case and looks at each, on every core.
fn rot(run: &mut Run, grown: &Grown, count: u64) {
    let dice = |case| run.dice(case + 1);
    let next = AtomicU64::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (next, outcomes, dice) = (&next, &outcomes, &dice);
            scope.spawn(move || {
                let name = format!("rotten.{worker}");
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= count {
                        return;
                    }
                    let mut dice = dice(case);
                    let damage = Damage::draw(&grown.files, &mut dice);
                    let outcome = damage.try_on(grown, &name, &mut dice);
                    let mut outcomes = outcomes.lock();
                    outcomes.insert(case, (damage, outcome));
                }
            });
        }
    });
    for (damage, outcome) in outcomes.into_inner().into_values() {
        run.drawn(damage, outcome);
    }
}

/// What goes wrong with which file.
#[derive(Clone, Debug)]
struct Damage {
    file: PathBuf,
    size: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Flip,
    ZeroedPage,
    Truncated,
    SwappedPages,
    Gone,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} in {}", self.kind, self.file.display())
    }
}

impl Damage {
    fn draw(files: &[(PathBuf, u64)], dice: &mut StdRng) -> Damage {
        let (file, size) = files[dice.random_range(0..files.len())].clone();
        let kinds = [
            Kind::Flip,
            Kind::ZeroedPage,
            Kind::Truncated,
            Kind::SwappedPages,
            Kind::Gone,
        ];
        // Most damage is small.
        let kind = match dice.random_range(0..9) {
            0..5 => Kind::Flip,
            other => kinds[other - 4],
        };
        Damage { file, size, kind }
    }

    fn try_on(&self, grown: &Grown, name: &str, dice: &mut StdRng) -> Result<(), String> {
        let failed = |error: io::Error| format!("the case itself failed: {error}");
        let data = grown.fresh(name).map_err(failed)?;
        self.inflict(&data.join(&self.file), dice).map_err(failed)?;
        let looked = grown.look(&data, &self.file);
        fs::remove_dir_all(&data).map_err(failed)?;
        looked
    }

    fn inflict(&self, path: &Path, dice: &mut StdRng) -> io::Result<()> {
        if matches!(self.kind, Kind::Gone) {
            return fs::remove_file(path);
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let pages = self.size.div_ceil(PAGE);
        let page = |at: u64| (at * PAGE, PAGE.min(self.size - at * PAGE) as usize);
        match self.kind {
            Kind::Flip => {
                // Where something is: most of a preallocated file is zeros nobody reads.
                let used = used(&file, self.size)?;
                let at = dice.random_range(0..used);
                let mut byte = [0];
                file.read_exact_at(&mut byte, at)?;
                byte[0] ^= 1 << dice.random_range(0..8);
                file.write_all_at(&byte, at)
            }
            Kind::ZeroedPage => {
                let (at, length) =
                    page(dice.random_range(0..used(&file, self.size)?.div_ceil(PAGE)));
                file.write_all_at(&vec![0; length], at)
            }
            Kind::Truncated => file.set_len(dice.random_range(0..self.size)),
            Kind::SwappedPages => {
                let (one, other) = (dice.random_range(0..pages), dice.random_range(0..pages));
                let (one, other) = (page(one), page(other));
                let length = one.1.min(other.1);
                let (mut a, mut b) = (vec![0; length], vec![0; length]);
                file.read_exact_at(&mut a, one.0)?;
                file.read_exact_at(&mut b, other.0)?;
                file.write_all_at(&b, one.0)?;
                file.write_all_at(&a, other.0)
            }
            Kind::Gone => Ok(()),
        }
    }
}

/// Up to where a file holds more than zeros, at least 1.
fn used(file: &fs::File, size: u64) -> io::Result<u64> {
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    Ok(last as u64 + 1)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    match done.success() {
        true => Ok(()),
        false => Err(io::Error::other("cp -a failed")),
    }
}

fn list(root: &Path, dir: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push((name.to_owned(), entry.metadata()?.len()));
        }
    }
    files.sort();
    Ok(())
}
