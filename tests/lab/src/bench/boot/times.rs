//! When a board has what, seconds since its kernel's start: by the instructions it took, so that neither the host's load nor its speed
//! makes a difference. Four boots of one card agreed within 0.6 %. Nothing of the lab runs inside.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::{Taken, teller};
use crate::vm::card::Card;
use crate::vm::machine::{Extras, Machine};
use crate::vm::scene::BOOT;

/// An emulator that counts takes longer, and waits for nothing.
const WITHIN: Duration = Duration::from_secs(3 * BOOT.as_secs());

/// What is taken of the card: the kernel has run the init; the first picture goes out on its bus, or would, were there one; the daemon is up,
/// and shows what it has to say; everything is.
pub const CARD: [(&str, What); 4] = [
    ("init_s", What::Init),
    ("picture_s", What::Unit("holdfast-panel.service")),
    ("daemon_s", What::Unit("holdfastd.service")),
    ("up_s", What::Unit("multi-user.target")),
];

/// What is taken of the plain Debian.
pub const DEBIAN: [(&str, What); 2] = [
    ("debian_init_s", What::Init),
    ("debian_up_s", What::Unit("multi-user.target")),
];

/// A moment of a boot.
#[derive(Clone, Copy)]
pub enum What {
    /// The kernel's last line.
    Init,
    /// This unit is active.
    Unit(&'static str),
}

/// Boots from the card so often, and once before: a first boot makes what is made once.
pub async fn take(
    taken: &mut Taken,
    card: &Card,
    figures: &[(&'static str, What)],
    rounds: usize,
    place: &Path,
) -> anyhow::Result<()> {
    let extras = Extras {
        append: teller::words(&script(figures)),
        counted: true,
        ..Extras::default()
    };
    for round in 0..=rounds {
        let mut machine = Machine::start(card, &extras, &place.join("counted")).await?;
        for (name, what) in figures {
            let said = teller::told(&machine, name, WITHIN).await?;
            if round > 0 {
                taken.note(name, seconds(*what, &said)?);
            }
        }
        machine.goes_off(WITHIN).await?;
    }
    Ok(())
}

fn script(figures: &[(&str, What)]) -> String {
    let ask = |(name, what): &(&str, What)| match what {
        What::Init => {
            format!("say {name} `dmesg | grep -m1 'as init process'`")
        }
        What::Unit(unit) => {
            format!("say {name} `systemctl show -P ActiveEnterTimestampMonotonic {unit}`")
        }
    };
    figures.iter().map(ask).collect::<Vec<_>>().join("; ")
}

/// `[    3.948083] Run /init as init process`, or microseconds.
fn seconds(what: What, said: &str) -> anyhow::Result<f64> {
    let number = match what {
        What::Init => said.trim_start_matches('[').split(']').next(),
        What::Unit(_) => Some(said),
    };
    let number = number.unwrap_or_default().trim().parse::<f64>();
    let number = number.with_context(|| format!("it is not when that was: {said}"))?;
    Ok(match what {
        What::Init => number,
        What::Unit(_) => number / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_moments_are_seconds() {
        let line = "[    3.948083] Run /init as init process";
        assert_eq!(seconds(What::Init, line).unwrap(), 3.948083);
        let unit = What::Unit("multi-user.target");
        assert_eq!(seconds(unit, "26490000").unwrap(), 26.49);
        assert!(seconds(unit, "").is_err());
        assert!(seconds(What::Init, "").is_err());
    }
}
