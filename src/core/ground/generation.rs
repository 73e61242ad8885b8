//! Which linking of the device is meant, and what its archive is called.

use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;

/// One linking of the device; a re-link starts the next. Counts from 1, shown as `gen-0007`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GenerationId(pub u32);

impl GenerationId {
    /// The generation a re-link starts.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gen-{:04}", self.0)
    }
}

impl FromStr for GenerationId {
    type Err = NotAName;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(name: &str) -> Result<Self, NotAName> {
        read(name, "gen-", Self)
    }
}

/// The name of an archive. An imported one gets a name of its own: the one it had elsewhere is taken here,
/// or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ArchiveId {
    /// A generation retired here, under its own name.
    Retired(GenerationId),
    /// One that came from a file; the imports count from 1, shown as `import-0001`.
    Imported(u32),
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retired(id) => id.fmt(f),
            Self::Imported(number) => write!(f, "import-{number:04}"),
        }
    }
}

impl FromStr for ArchiveId {
    type Err = NotAName;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(name: &str) -> Result<Self, NotAName> {
        match name.parse() {
            Ok(id) => Ok(Self::Retired(id)),
            Err(NotAName) => read(name, "import-", Self::Imported),
        }
    }
}

/// No generation and no archive is called this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotAName;

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("generations are called gen-0001 and so on, imported archives import-0001")
    }
}

impl core::error::Error for NotAName {}

fn read<T: ToString>(name: &str, prefix: &str, made: fn(u32) -> T) -> Result<T, NotAName> {
    name.strip_prefix(prefix)
        .and_then(|number| number.parse().ok())
        .map(made)
        // One name each: no `gen-1`, no `gen-+001`.
        .filter(|id| id.to_string() == name)
        .ok_or(NotAName)
}

/// The live generation, and the account it is linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Linked {
    /// The live generation.
    pub generation: GenerationId,
    /// The account it is linked to; `None` when it was never linked.
    pub account: Option<LastFour>,
}

/// The last four digits of the own account: all of a phone number that may be shown after pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastFour(pub [u8; 4]);

impl LastFour {
    /// Takes them from a number. Zeros stand in where it has fewer digits, so that a linked account always has four.
    pub fn of(number: &str) -> Self {
        let mut four = *b"0000";
        let digits = number.bytes().rev().filter(u8::is_ascii_digit);
        four.iter_mut()
            .rev()
            .zip(digits)
            .for_each(|(place, digit)| *place = digit);
        Self(four)
    }
}

impl fmt::Display for LastFour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_number_is_shown_with_zeros_before_it() {
        for (number, four) in [
            ("491701234567", "4567"),
            ("+49 170 12-34", "1234"),
            ("123", "0123"),
            ("", "0000"),
        ] {
            assert_eq!(LastFour::of(number).to_string(), four);
        }
    }

    proptest! {
        #[test]
        fn names_and_ids_are_one_to_one(number: u32, noise in "(gen|import)-[0-9+]{0,12}") {
            let id = GenerationId(number);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            for id in [ArchiveId::Retired(id), ArchiveId::Imported(number)] {
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
            let name = |id: ArchiveId| -> String { id.to_string() };
            prop_assert!(noise.parse().map_or(true, |id| name(id) == noise));
        }
    }
}
