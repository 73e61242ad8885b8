//! The night, as an owner writes it: `"22:00-07:00"`, or `"22:00-07:00 +01:00"` where the clock on the wall is not UTC.
//!
//! An offset, and no time zone: the image knows none, and when a glass is dimmed an hour in summer matters to nobody.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use toml::de::DeValue;

const DAY_S: u64 = 24 * 60 * 60;

/// What is said of a value that is none.
const WANTED: &str = "must be two times in quotes, such as \"22:00-07:00\", with the wall clock's distance from UTC where there is one: \"22:00-07:00 +01:00\"";

/// Hours of each day, in which a glass is darker, or a new version may be started: from one second of the day to another, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Night {
    from_s: u64,
    to_s: u64,
}

impl Night {
    /// Two hours of the early morning.
    pub const EARLY: Self = Self {
        from_s: 3 * 60 * 60,
        to_s: 5 * 60 * 60,
    };

    /// Whether it is night, and how long that lasts.
    pub fn at(self, time: SystemTime) -> (bool, Duration) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs() % DAY_S;
        let until = |at_s: u64| match (at_s + DAY_S - second) % DAY_S {
            0 => DAY_S,
            left => left,
        };
        let (dusk, dawn) = (until(self.from_s), until(self.to_s));
        (dawn < dusk, Duration::from_secs(dawn.min(dusk)))
    }
}

/// Reads a night.
pub(super) fn night(value: &DeValue<'_>) -> Result<Night, &'static str> {
    value.as_str().unwrap_or_default().parse()
}

impl FromStr for Night {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(WANTED)
    }
}

fn parse(text: &str) -> Option<Night> {
    let (hours, offset) = match text.split_once(' ') {
        Some((hours, offset)) => (hours, Some(offset)),
        None => (text, None),
    };
    let (from, to) = hours.split_once('-')?;
    let ahead_s = match offset {
        None => 0,
        Some(offset) => match offset.split_at_checked(1)? {
            ("+", ahead) => clock(ahead)?,
            ("-", behind) => (DAY_S - clock(behind)?) % DAY_S,
            _ => return None,
        },
    };
    let utc = |wall_s: u64| (wall_s + DAY_S - ahead_s) % DAY_S;
    let (from_s, to_s) = (utc(clock(from)?), utc(clock(to)?));
    (from_s != to_s).then_some(Night { from_s, to_s })
}

/// The second of the day of `HH:MM`.
fn clock(text: &str) -> Option<u64> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, most: u64| {
        let is_number = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        let number: u64 = text.parse().ok()?;
        (is_number && number <= most).then_some(number)
    };
    Some((number(hour, 23)? * 60 + number(minute, 59)?) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is night at this hour and minute UTC of some day, and for how many minutes still.
    fn at(night: &str, hour: u64, minute: u64) -> (bool, u64) {
        let time = Duration::from_secs(20_000 * DAY_S + (hour * 60 + minute) * 60);
        let (is_night, left) = parse(night).unwrap().at(UNIX_EPOCH + time);
        (is_night, left.as_secs() / 60)
    }

    #[test]
    fn a_night_lasts_from_dusk_till_dawn_over_midnight_or_not() {
        for (night, hour, minute, wanted) in [
            ("22:00-07:00", 21, 59, (false, 1)),
            ("22:00-07:00", 22, 0, (true, 9 * 60)),
            ("22:00-07:00", 6, 59, (true, 1)),
            ("22:00-07:00", 7, 0, (false, 15 * 60)),
            ("01:30-05:00", 1, 0, (false, 30)),
            ("01:30-05:00", 3, 0, (true, 120)),
            ("22:00-07:00 +01:00", 20, 59, (false, 1)),
            ("22:00-07:00 +01:00", 21, 0, (true, 9 * 60)),
            ("22:00-07:00 -03:30", 1, 30, (true, 9 * 60)),
            ("00:30-06:00 +02:00", 22, 29, (false, 1)),
        ] {
            assert_eq!(
                at(night, hour, minute),
                wanted,
                "{night} at {hour}:{minute}"
            );
        }
    }

    #[test]
    fn what_is_no_night_is_refused() {
        for wrong in [
            "",
            "22:00",
            "22-07",
            "22:00-22:00",
            "24:00-07:00",
            "22:60-07:00",
            "2:00-07:00",
            "22:00-07:00 CET",
            "22:00-07:00 +1",
            "22:00-07:00+01:00",
            "+2:00-07:00",
            "22:00-07:00 ",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
