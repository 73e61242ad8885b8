//! `prove faults`: everything the lab can do to the link, each against the running daemon.
//!
//! One life a fault: it is linked, struck, and met as its owner meets it: by what the bus says, the log tells and the glass
//! shows. Then it recovers, by itself or by what the [`table`] says a human has to do, and messages go both ways; what the
//! vault kept is looked at last.

mod life;
mod slow_card;
mod table;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Proof, Run};
use life::{Life, Told};
use table::{Meets, TABLE};

/// A silent link takes minutes to be found out.
const WITHIN: Duration = Duration::from_secs(420);
/// So long a control waits for what cannot come.
const NEVER: Duration = Duration::from_secs(8);
/// So many lives at once.
const AT_ONCE: usize = 4;
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
        }
        match slow_card::missing() {
            Some(missing) => run.not_run(2, missing),
            None => {
                let slow = slow_card::goes_on(slow_card::SLOW);
                run.case("a card that takes 3 s for an fsync", WITHIN, slow)
                    .await;
                let quick = slow_card::goes_on(Duration::ZERO);
                run.control("a card that is not slow", WITHIN, quick).await;
            }
        }
        print!("{}", recovery(&all));
    }
}

/// The whole life of one fault.
async fn live(meets: &Meets) -> anyhow::Result<Told> {
    let mut life = Life::begin(meets).await?;
    life.strike().await?;
    let met = life.is_met().await?;
    let told = life.recover(met).await?;
    life.kept().await?;
    Ok(told)
}

/// The same without the strike.
async fn unstruck(meets: &Meets) -> anyhow::Result<()> {
    let life = Life::begin(meets).await?;
    tokio::time::timeout(NEVER, life.is_met()).await?.map(drop)
}

/// The table of recovery times, as `docs/proofs` has it.
fn recovery(all: &[(&Meets, Told)]) -> String {
    let mut text = String::from(
        "| fault | state | cause | noticed after | human | recovered in |\n|---|---|---|---|---|---|\n",
    );
    for (meets, told) in all {
        let noticed = told.noticed.map_or_else(
            || "-".to_owned(),
            |after| format!("{:.1} s", after.as_secs_f64()),
        );
        let took = match told.recovered {
            None => "when WhatsApp says".to_owned(),
            Some(took) if took > AIM && meets.human().is_none() => {
                format!("**{:.1} s**", took.as_secs_f64())
            }
            Some(took) => format!("{:.1} s", took.as_secs_f64()),
        };
        let [name, state, cause, human] = meets.row();
        text += &format!("| {name} | {state} | {cause} | {noticed} | {human} | {took} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::server::Fault;

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
        let told: BTreeSet<[String; 4]> = page
            .lines()
            .filter_map(|line| {
                let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
                let [name, state, cause, _, human, _] = cells[..] else {
                    return None;
                };
                Some([name, state, cause, human].map(str::to_owned))
            })
            .collect();
        for meets in TABLE {
            assert!(told.contains(&meets.row()), "{:?} is not told", meets.row());
        }
    }
}
