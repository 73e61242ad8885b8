//! `prove crash-points`: the power cut at every write of a life, and nothing promised is lost.

mod controls;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Proof, Run};
use crate::rig::boot::{self, Boots};
use crate::rig::cut::{Cut, Kind};
use crate::rig::life::{Life, data};
use crate::rig::promise::{self, What};
use crate::rig::recording::{self, Recording};
use crate::rig::{live, states};

/// States in a sample for CI, and in all.
const SAMPLE: u64 = 150;
const FULL: u64 = 10_000;

/// Messages of each kind of traffic in the life recorded, for so many states.
const BRIEF: u32 = 5;
const LONG: u32 = 40;

/// Cuts in the middle of one life.
const ROUNDS: u64 = 8;
const ROUNDS_FULL: u64 = 60;

/// A life takes seconds, on a busy machine a minute.
const WITHIN: Duration = Duration::from_secs(600);

/// The proof.
pub struct CrashPoints;

#[async_trait(?Send)]
impl Proof for CrashPoints {
    fn name(&self) -> &'static str {
        "crash-points"
    }

    fn claim(&self) -> &'static str {
        "wherever the power is cut, the vault opens and nothing that was promised is lost"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "src/medium",
            "src/vault",
            "src/mail",
            "src/history",
            "src/link",
            "src/daemon.rs",
            "src/daemon",
            "tests/lab/src/rig",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let count = run.count(SAMPLE, FULL);
        let many = count > SAMPLE;
        let rounds = if many { ROUNDS_FULL } else { ROUNDS };
        if let Some(missing) = crate::rig::missing() {
            run.not_run(count + rounds + controls::CASES, missing);
            return;
        }
        let messages = if many { LONG } else { BRIEF };
        let Some(life) = run
            .case("a life is recorded", WITHIN, recording::record(messages))
            .await
        else {
            return;
        };
        run.case(
            "its log replayed is its disk, and the check sees its keys",
            WITHIN,
            async { tokio::task::block_in_place(|| sees(&life)) },
        )
        .await;
        tokio::task::block_in_place(|| cut_everywhere(run, &life, count));
        drop(life);
        controls::try_on(run).await;
        cut_live(run, rounds).await;
    }
}

/// The rig's own check: a check that sees no session, no sender key and no message could not fail.
fn sees(life: &Recording) -> anyhow::Result<()> {
    states::log_is_the_disk(&life.record)?;
    let question = life.question_file()?;
    let all = Cut {
        kind: Kind::Prefix,
        after: life.record.log.entries().len(),
        dice: 0,
    };
    let outcomes = states::look_at(&life.record, &[all], true, |mount, _| {
        let boots = boot::ask(&question, &data(mount)).map_err(|e| format!("{e:#}"))?;
        let Boots { first: found, .. } = boots;
        let met = |wanted: &dyn Fn(&What) -> bool| {
            life.promises.iter().any(|promise| wanted(&promise.what))
        };
        let chain = met(
            &|what| matches!(what, What::Counter(ratchet, _) if found.chains.contains_key(ratchet)),
        );
        let sender_key = met(
            &|what| matches!(what, What::Iteration(key, _) if found.sender_keys.contains_key(key)),
        );
        let whole = chain
            && sender_key
            && found.next_pre_key > 1
            && found.audited > 0
            && !found.inbox.is_empty()
            && found.outbox.values().any(|state| state == "acked");
        whole
            .then_some(())
            .ok_or_else(|| format!("it saw no more than {found:?}"))
    })?;
    for (_, outcome) in outcomes {
        outcome.map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

fn cut_everywhere(run: &mut Run, life: &Recording, count: u64) {
    let entries = life.record.log.entries();
    let moments: Vec<u64> = life.promises.iter().map(|promise| promise.at).collect();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let cuts = states::draw(entries, &moments, count, &mut run.dice(0));
    let begun = Instant::now();
    let looked = life.question_file().and_then(|question| {
        states::look_at(&life.record, &cuts, false, |mount, cut| {
            let boots = boot::ask(&question, &data(mount));
            let boots = boots.map_err(|error| format!("{error:#}"))?;
            promise::judge(&life.promises, cut.moment(entries), &boots)
        })
    });
    let outcomes = match looked {
        Ok(outcomes) => outcomes,
        Err(error) => return run.drawn("the states", Err(format!("{error:#}"))),
    };
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    for (cut, outcome) in outcomes {
        *counts.entry(cut.kind).or_default() += 1;
        run.drawn(cut, outcome);
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    println!(
        "          {} states ({}) of {} writes with {} promises, {:.2} s each",
        cuts.len(),
        counts.join(", "),
        entries.len(),
        life.promises.len(),
        begun.elapsed().as_secs_f64() / cuts.len().max(1) as f64
    );
}

/// Cuts a life may have within minutes: the budget of attempts outlives a cut, and leaves WhatsApp alone after twenty.
const CUTS_A_LIFE: usize = 15;

/// Lives that are cut in the middle of it again and again.
async fn cut_live(run: &mut Run, rounds: u64) {
    let rounds: Vec<_> = (1..=rounds)
        .zip(Kind::ALL.into_iter().cycle().skip(1))
        .collect();
    for rounds in rounds.chunks(CUTS_A_LIFE) {
        let begin = async {
            let mut life = Life::begin().await?;
            life.holdfast.start().await?;
            life.link().await?;
            anyhow::Ok(life)
        };
        let Some(mut life) = run.case("a life begins", WITHIN, begin).await else {
            return;
        };
        for (round, kind) in rounds {
            let mut dice = run.dice(round << 32);
            let name = format!("cut live {round}: {kind}");
            let lived = live::round(&mut life, *kind, &mut dice);
            if run.case(name, WITHIN, lived).await.is_none() {
                return;
            }
        }
    }
}
