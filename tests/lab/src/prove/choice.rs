//! What a change is tried by: the quick proofs always, and of the slow ones those whose rooms it touches, then others by the seed.

use std::fmt;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::Proof;

/// A proof whose sample takes so many minutes at most is always taken.
pub const QUICK: u64 = 5;
/// So many proofs run side by side: an emulated board and a fault that is waited for take one processor at most.
pub const SIDE_BY_SIDE: usize = 2;

/// Why a proof is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It costs little.
    Quick,
    /// This file lies in one of its rooms.
    Touched(String),
    /// Nobody knows what the change is.
    Unknown,
    /// The seed drew it.
    Drawn,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Quick => f.write_str("quick"),
            Why::Touched(file) => write!(f, "{file} changed"),
            Why::Unknown => f.write_str("what changed is not known"),
            Why::Drawn => f.write_str("drawn by the seed"),
        }
    }
}

/// What is tried, and what is not.
pub struct Choice {
    /// In this order, each with the reason.
    pub taken: Vec<(&'static dyn Proof, Why)>,
    /// What does not fit into the time, each with the reason for which it would have been taken.
    pub left_out: Vec<(&'static dyn Proof, Why)>,
}

/// Chooses among these proofs for a change of these files (`None`: nobody knows which), for so many minutes.
pub fn choose(
    all: &[&'static dyn Proof],
    changed: Option<&[String]>,
    seed: u64,
    minutes: u64,
) -> Choice {
    let mut drawn = all.to_vec();
    drawn.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut reasons: Vec<_> = drawn
        .into_iter()
        .map(|proof| (proof, why(proof, changed)))
        .collect();
    reasons.sort_by_key(|(_, why)| match why {
        Why::Quick => 0,
        Why::Touched(_) | Why::Unknown => 1,
        Why::Drawn => 2,
    });
    let (mut taken, mut left_out) = (Vec::new(), Vec::new());
    for (proof, why) in reasons {
        let with = taken.iter().map(|&(taken, _): &(&dyn Proof, Why)| taken);
        let fits = takes(with.chain([proof])) <= minutes;
        if fits || why == Why::Quick {
            taken.push((proof, why));
        } else {
            left_out.push((proof, why));
        }
    }
    // The longest first, so that none begins when all others are done.
    taken.sort_by_key(|(proof, _)| std::cmp::Reverse(proof.minutes()));
    Choice { taken, left_out }
}

fn why(proof: &dyn Proof, changed: Option<&[String]>) -> Why {
    if proof.minutes() <= QUICK {
        return Why::Quick;
    }
    let Some(changed) = changed else {
        return Why::Unknown;
    };
    let touches = |file: &&String| proof.rooms().iter().any(|room| is_below(file, room));
    changed
        .iter()
        .find(touches)
        .map_or(Why::Drawn, |file| Why::Touched(file.clone()))
}

/// Whether the file is this one or lies below this folder.
fn is_below(file: &str, room: &str) -> bool {
    file.strip_prefix(room)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How long these take, minutes, side by side and the longest first.
fn takes(proofs: impl Iterator<Item = &'static dyn Proof>) -> u64 {
    let mut minutes: Vec<u64> = proofs.map(|proof| proof.minutes()).collect();
    minutes.sort_unstable_by(|one, other| other.cmp(one));
    let mut lanes = [0; SIDE_BY_SIDE];
    for minutes in minutes {
        lanes.sort_unstable();
        lanes[0] += minutes;
    }
    lanes.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::{ALL, source::Source};
    use super::*;

    fn names(chosen: &[(&'static dyn Proof, Why)]) -> Vec<&'static str> {
        chosen.iter().map(|(proof, _)| proof.name()).collect()
    }

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn every_room_of_a_proof_is_there() {
        let source = Source::here();
        for proof in ALL {
            assert!(!proof.rooms().is_empty() && proof.minutes() > 0);
            for room in proof.rooms() {
                let there = source.top().join(room).exists();
                assert!(there, "{}: there is no {room}", proof.name());
            }
        }
    }

    #[test]
    fn the_quick_are_always_taken_and_every_mutant_with_them() {
        for seed in 0..10 {
            let choice = choose(ALL, Some(&[]), seed, 0);
            assert!(choice.taken.iter().all(|(_, why)| *why == Why::Quick));
            let taken = names(&choice.taken);
            assert!(
                taken.contains(&"mutations") && taken.contains(&"simulation"),
                "{taken:?}"
            );
            let all = choice.taken.len() + choice.left_out.len();
            assert_eq!(all, ALL.len(), "each is taken or left out");
        }
    }

    #[test]
    fn what_is_touched_goes_before_what_is_drawn() {
        let slow: Vec<_> = ALL
            .iter()
            .filter(|proof| proof.minutes() > QUICK)
            .copied()
            .collect();
        for &proof in &slow {
            let file = format!("{}/some/file.rs", proof.rooms()[0]);
            for seed in 0..10 {
                let choice = choose(ALL, Some(std::slice::from_ref(&file)), seed, 1_000);
                let (_, why) = choice
                    .taken
                    .iter()
                    .find(|(taken, _)| taken.name() == proof.name())
                    .expect("there is time for all");
                assert_eq!(*why, Why::Touched(file.clone()));
                assert!(choice.left_out.is_empty());
                let narrow = choose(
                    &slow,
                    Some(std::slice::from_ref(&file)),
                    seed,
                    proof.minutes(),
                );
                let (_, first) = &narrow.taken[0];
                assert!(matches!(first, Why::Touched(_)), "{first:?}");
            }
        }
        assert!(!is_below("src/corelike/a.rs", "src/core") && is_below("src/core", "src/core"));
    }

    #[test]
    fn the_time_is_kept_and_other_seeds_draw_others() {
        let slowest = ALL.iter().map(|proof| proof.minutes()).max().unwrap();
        let (docs, mut met) = (
            files(&["docs/design.md"]),
            std::collections::BTreeSet::new(),
        );
        for seed in 0..100 {
            let choice = choose(ALL, Some(&docs), seed, slowest + QUICK);
            assert!(takes(choice.taken.iter().map(|(proof, _)| *proof)) <= slowest + QUICK);
            met.extend(names(&choice.taken));
        }
        assert_eq!(met.len(), ALL.len(), "each has its turn");
        let of = |seed| names(&choose(ALL, Some(&docs), seed, slowest).left_out);
        assert_eq!(of(7), of(7), "a seed chooses the same again");
        let unknown = choose(ALL, None, 7, 1_000);
        assert!(unknown.taken.iter().any(|(_, why)| *why == Why::Unknown));
    }
}
