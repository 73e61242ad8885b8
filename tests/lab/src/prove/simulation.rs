//! `prove simulation`: lives of half a year, one a seed, with the shipping core in them.
//!
//! Life *n* of a run has the seed plus *n*, so that a run goes on from where another was cut short.

use std::panic::{RefUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use holdfast_sim::{DAYS, Life, Sabotage, play};
use tokio::sync::mpsc;

use super::{Proof, Run};

/// So many lives have to be enough to notice a sabotage, whatever the seed: ten times what was enough for those tried so far.
const CONTROL: u64 = 3_000;
/// A control takes seconds.
const WITHIN: Duration = Duration::from_secs(600);
/// After so many broken lives there is enough to look at.
const ENOUGH: u64 = 5;
/// How often a long run says where it is.
const TOLD: u64 = 10_000;

/// The proof.
pub struct Lives;

#[async_trait(?Send)]
impl Proof for Lives {
    fn name(&self) -> &'static str {
        "simulation"
    }

    fn claim(&self) -> &'static str {
        "whatever happens in half a year, no promise of the core is broken and a way back is left"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/core", "tests/sim"]
    }

    async fn try_on(&self, run: &mut Run) {
        for sabotage in Sabotage::ALL {
            let (seed, name) = (run.seed(), format!("{sabotage:?}"));
            let work = tokio::task::spawn_blocking(move || noticed(seed, sabotage));
            run.control(name, WITHIN, async { work.await.unwrap_or(Ok(())) })
                .await;
        }
        let (seed, count) = (run.seed(), run.count(1_000, 1_000_000));
        run.case("a seed is one life", WITHIN, twice(seed)).await;
        let begun = Instant::now();
        let mut lives = Lived::start(seed, count);
        let (mut all, mut played, mut failed) = (Life::default(), 0_u64, 0_u64);
        while let Some(lived) = lives.next().await {
            played += 1;
            match lived {
                Ok(life) => {
                    all += life;
                    run.drawn("a life", Ok(()));
                }
                Err(what) => {
                    failed += 1;
                    run.drawn("a life", Err(what));
                }
            }
            if played.is_multiple_of(TOLD) {
                let (next, left) = (seed.wrapping_add(played), count - played);
                println!(
                    "          {all}; cut short here, go on with --seed {next} --count {left}"
                );
            }
        }
        if played < count && failed == 0 {
            let left = count - played;
            run.drawn("the rest", Err(format!("{left} lives were not played")));
        }
        let years = all.simulated_ms as f64 / (365.0 * 86_400e3);
        let rate = years / begun.elapsed().as_secs_f64();
        println!("          {all}; {rate:.0} simulated years per second");
    }
}

/// Whether the sabotage is noticed within some lives; noticing is the error.
fn noticed(seed: u64, sabotage: Sabotage) -> Result<(), String> {
    (0..CONTROL).try_for_each(|nth| {
        play(seed.wrapping_add(nth), DAYS, Some(sabotage))
            .map(drop)
            .map_err(|broken| broken.what)
    })
}

/// The same seed gives the same life.
async fn twice(seed: u64) -> Result<(), String> {
    let once = || tokio::task::spawn_blocking(move || lived(seed, |seed| play(seed, DAYS, None)));
    match (once().await, once().await) {
        (Ok(one), Ok(other)) if one == other => Ok(()),
        (one, other) => Err(format!("{one:?}, and then {other:?}")),
    }
}

/// One life; one in which the core panics is broken, too. An error says how to see it again.
fn lived<E: ToString>(
    seed: u64,
    play: impl Fn(u64) -> Result<Life, E> + RefUnwindSafe,
) -> Result<Life, String> {
    let what = match catch_unwind(|| play(seed)) {
        Ok(Ok(life)) => return Ok(life),
        Ok(Err(broken)) => broken.to_string(),
        Err(_) => "the core panicked, as said above".to_owned(),
    };
    let again = format!("holdfast-lab prove simulation --seed {seed} --count 1");
    Err(format!("{what}\n          again: {again}"))
}

/// Lives, played on every core of this machine.
struct Lived {
    lives: mpsc::Receiver<Result<Life, String>>,
    stop: Arc<AtomicBool>,
}

impl Lived {
    fn start(seed: u64, count: u64) -> Self {
        let (done, lives) = mpsc::channel(64);
        let (next, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (done, next, stop) = (done.clone(), Arc::clone(&next), Arc::clone(&stop));
            let broken = Arc::clone(&broken);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= count || broken.load(Ordering::Relaxed) >= ENOUGH {
                        return;
                    }
                    let life = lived(seed.wrapping_add(nth), |seed| play(seed, DAYS, None));
                    broken.fetch_add(u64::from(life.is_err()), Ordering::Relaxed);
                    if done.blocking_send(life).is_err() {
                        return;
                    }
                }
            });
        }
        Self { lives, stop }
    }

    async fn next(&mut self) -> Option<Result<Life, String>> {
        self.lives.recv().await
    }
}

impl Drop for Lived {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_breaks_or_panics_fails_and_says_how_to_see_it_again() {
        let again = "holdfast-lab prove simulation --seed 7 --count 1";
        let broken = lived(7, |_| Err("bad")).unwrap_err();
        assert!(broken.starts_with("bad") && broken.ends_with(again));
        let panicked = lived(7, |_| -> Result<Life, &str> { panic!("worse") }).unwrap_err();
        assert!(panicked.ends_with(again), "{panicked}");
        assert_eq!(
            lived(7, |_| Ok::<_, &str>(Life::default())),
            Ok(Life::default())
        );
    }
}
