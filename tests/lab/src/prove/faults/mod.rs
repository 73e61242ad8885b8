//! `prove faults`: everything the lab can do to the link, each against the running daemon.
//!
//! One life a fault: it is linked, struck, and met as its owner meets it: by what the bus says, the log tells and the glass
//! shows. Then it recovers, by itself or by what the [`table`] says a human has to do, and messages go both ways; what the
//! vault kept is looked at last.

mod journal;
mod life;
mod secrets;
mod seen;
mod slow_card;
mod table;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Proof, Run};
use life::{Life, Told};
use table::{Meets, TABLE};

use crate::server::Fault;

/// A silent link takes minutes to be found out.
const WITHIN: Duration = Duration::from_secs(420);
/// So long a control waits for what cannot come.
const NEVER: Duration = Duration::from_secs(8);
/// So many lives at once.
const AT_ONCE: usize = 4;
/// More than a cut link needs.
const SOON: Duration = Duration::from_secs(60);
/// How soon all is well again where no human is needed.
const AIM: Duration = Duration::from_secs(10);

/// The proof.
pub struct AllFaults;

#[async_trait(?Send)]
impl Proof for AllFaults {
    fn name(&self) -> &'static str {
        "faults"
    }

    fn claim(&self) -> &'static str {
        "Each fault has its state, cause, log line and screen, and ends in a link that works"
    }

    fn minutes(&self) -> u64 {
        8
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "src/core",
            "src/link",
            "src/daemon.rs",
            "src/daemon",
            "src/journal.rs",
            "src/desk",
            "src/panel",
            "tests/lab/src/server",
            "tests/lab/src/prove/faults",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let lives = TABLE.iter().map(|meets| {
            let mut beside = run.beside();
            async move {
                let told = beside.case(meets.name(), WITHIN, live(meets)).await;
                (beside, told.map(|told| (meets, told)))
            }
        });
        let lives: Vec<_> = stream::iter(lives).buffered(AT_ONCE).collect().await;
        let mut all = Vec::new();
        for (beside, told) in lives {
            run.take(beside);
            all.extend(told);
        }
        let drop = |meets: &&Meets| meets.state == "Reconnecting";
        if let Some(meets) = TABLE.iter().find(drop) {
            let name = "a fault that does not strike";
            run.control(name, WITHIN, unstruck(meets)).await;
            let never = Duration::ZERO;
            let name = "a fault that has to be noticed at once";
            let said = "it was noticed after";
            run.caught(name, said, WITHIN, limited(meets, never, SOON))
                .await;
            let name = "a link that has to be back at once";
            let said = "it took";
            run.caught(name, said, WITHIN, limited(meets, SOON, never))
                .await;
            let name = "a log with the secrets of its life in it";
            run.caught(name, "is in the log", WITHIN, planted(meets))
                .await;
        }
        with_journal(run).await;
        match slow_card::missing() {
            Some(missing) => run.not_run(2, missing),
            None => {
                let slow = slow_card::goes_on(slow_card::SLOW);
                run.case("a card that takes 3 s for an fsync", WITHIN, slow)
                    .await;
                let quick = slow_card::goes_on(Duration::ZERO);
                let said = "nothing waited for the card";
                run.caught("a card that is not slow", said, WITHIN, quick)
                    .await;
            }
        }
        print!("{}", recovery(&all));
    }
}

/// A few lives with a journald, whose own records are read: one each of what passes, what stays and what is retired.
async fn with_journal(run: &mut Run) {
    let recorded = [
        Fault::SocketDrop,
        Fault::Spurious401,
        Fault::Failure403,
        Fault::DeviceRemoved,
    ];
    if let Some(missing) = journal::missing() {
        return run.not_run(recorded.len() as u64 + 1, missing);
    }
    for fault in recorded {
        let meets = TABLE.iter().find(|meets| meets.fault == fault);
        let Some(meets) = meets else { continue };
        let name = format!("{} in a journal", meets.name());
        let lived = async { lived(Life::begin_with_journal(meets).await?).await };
        run.case(name, WITHIN, lived).await;
    }
    let name = "a journal without the record";
    let meets = &TABLE[0];
    let unstruck = async { Life::begin_with_journal(meets).await?.is_logged().await };
    run.caught(name, "no record", WITHIN, unstruck).await;
}

/// The whole life of one fault.
async fn live(meets: &Meets) -> anyhow::Result<Told> {
    lived(Life::begin(meets).await?).await
}

async fn lived(mut life: Life<'_>) -> anyhow::Result<Told> {
    let meets = life.meets();
    life.strike().await?;
    let met = life.is_met(meets.notice().unwrap_or(WITHIN)).await?;
    let within = meets.recovery().unwrap_or(WITHIN);
    let told = life.recover(met, within).await?;
    life.kept().await?;
    Ok(told)
}

/// The same with other limits, as far as they matter.
async fn limited(meets: &Meets, notice: Duration, recovery: Duration) -> anyhow::Result<()> {
    let mut life = Life::begin(meets).await?;
    life.strike().await?;
    let met = life.is_met(notice).await?;
    life.recover(met, recovery).await.map(drop)
}

/// A log in which the secrets are looked for where they are.
async fn planted(meets: &Meets) -> anyhow::Result<()> {
    Life::begin(meets).await?.planted()
}

/// The same without the strike.
async fn unstruck(meets: &Meets) -> anyhow::Result<()> {
    let life = Life::begin(meets).await?;
    tokio::time::timeout(NEVER, life.is_met(NEVER))
        .await?
        .map(drop)
}

/// The table of recovery times, as `docs/proofs` has it: each `measured of limit`.
fn recovery(all: &[(&Meets, Told)]) -> String {
    let mut text = String::from(
        "| fault | state | cause | noticed after | human | recovered in |\n|---|---|---|---|---|---|\n",
    );
    for (meets, told) in all {
        let [name, state, cause, notice, human, limit] = meets.row();
        let noticed = told.noticed.map_or_else(
            || "-".to_owned(),
            |after| format!("{:.1} of {notice}", after.as_secs_f64()),
        );
        let took = match told.recovered {
            None => "when WhatsApp says".to_owned(),
            Some(took) if took > AIM && meets.human().is_none() => {
                format!("**{:.1}** of {limit}", took.as_secs_f64())
            }
            Some(took) => format!("{:.1} of {limit}", took.as_secs_f64()),
        };
        text += &format!("| {name} | {state} | {cause} | {noticed} | {human} | {took} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_row() {
        let names: BTreeSet<_> = TABLE.iter().map(Meets::name).collect();
        assert_eq!(names.len(), TABLE.len());
        let faults: BTreeSet<_> = TABLE.iter().map(|meets| meets.fault).collect();
        assert_eq!(faults, Fault::ALL.iter().copied().collect());
    }

    #[test]
    fn the_page_has_every_row() {
        let page = include_str!("../../../../../docs/proofs/README.md");
        let limit = |cell: &str| {
            let limit = cell.split_once(" of ");
            limit.map(|(_, limit)| limit).unwrap_or_default().to_owned()
        };
        let told: BTreeSet<[String; 6]> = page
            .lines()
            .filter_map(|line| {
                let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
                let [name, state, cause, noticed, human, took] = cells[..] else {
                    return None;
                };
                let [name, state, cause, human] = [name, state, cause, human].map(str::to_owned);
                Some([name, state, cause, limit(noticed), human, limit(took)])
            })
            .collect();
        for meets in TABLE {
            assert!(told.contains(&meets.row()), "{:?} is not told", meets.row());
        }
    }
}
