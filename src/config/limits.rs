//! The limits of the data partition as an operator writes them, with their units.

use holdfast_core::Limits;
use toml::de::DeValue;

const MIB: u64 = 1 << 20;
/// The least at which the link comes down: what WhatsApp's library hands over at once, and what the store writes beside it.
const LEAST: u64 = 12 * MIB;

/// A size such as `"256 MiB"`, bytes.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, &'static str> {
    const WANTED: &str = "must be a size in quotes, such as \"256 MiB\" or \"2 GiB\"";
    let (number, unit) = value.as_str().and_then(measure).ok_or(WANTED)?;
    let unit = match unit {
        "MiB" => MIB,
        "GiB" => 1024 * MIB,
        _ => return Err(WANTED),
    };
    number
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
        .ok_or(WANTED)
}

/// The size at which the link comes down, bytes.
pub(super) fn link_size(value: &DeValue<'_>) -> Result<u64, &'static str> {
    let bytes = size(value)?;
    if bytes < LEAST {
        return Err("must be at least \"12 MiB\": so much can come in at once");
    }
    Ok(bytes)
}

/// A time such as `"30 days"`, milliseconds.
pub(super) fn days(value: &DeValue<'_>) -> Result<u64, &'static str> {
    const WANTED: &str = "must be a time in quotes, such as \"30 days\" or \"12 hours\"";
    let (number, unit) = value.as_str().and_then(measure).ok_or(WANTED)?;
    let hours = match unit {
        "hour" | "hours" => 1,
        "day" | "days" => 24,
        _ => return Err(WANTED),
    };
    let ms = number.checked_mul(hours * 3_600_000);
    ms.filter(|ms| *ms > 0).ok_or(WANTED)
}

/// A number of something, at least 1.
pub(super) fn number(value: &DeValue<'_>) -> Result<u64, &'static str> {
    let number = value.as_integer();
    number
        .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
        .filter(|number| *number > 0)
        .ok_or("must be a whole number of at least 1, without quotes")
}

/// A number and its unit.
fn measure(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

/// Refuses limits that do not follow each other.
pub(super) fn in_order(limits: &Limits) -> Result<(), &'static str> {
    let follows = |less: Option<u64>, more: Option<u64>| match (less, more) {
        (Some(less), Some(more)) => less < more,
        _ => true,
    };
    let Limits {
        little_bytes,
        scarce_bytes,
        none_bytes,
        ..
    } = *limits;
    if follows(none_bytes, scarce_bytes)
        && follows(scarce_bytes, little_bytes)
        && follows(none_bytes, little_bytes)
    {
        Ok(())
    } else {
        Err(
            "storage.link_below must be less than storage.give_back_below, and that less than storage.warn_below; those of this file are ignored",
        )
    }
}
