//! The end of the audit, as short as people write it down.

use core::fmt;

/// The last entry of the audit: its number, and the first digits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuditEnd {
    seq: u64,
    digits: [u8; 8],
}

impl AuditEnd {
    /// Of the entry with this number and this hash, hex; `None` where there is no entry.
    pub fn of(seq: u64, hash: &str) -> Option<Self> {
        let digits = *hash.as_bytes().first_chunk()?;
        (seq > 0 && digits.iter().all(u8::is_ascii_hexdigit)).then_some(Self { seq, digits })
    }
}

impl fmt::Display for AuditEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.seq)?;
        self.digits
            .iter()
            .try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_end_is_a_number_and_eight_digits() {
        let shown = |seq, hash| AuditEnd::of(seq, hash).map(|end| end.to_string());
        assert_eq!(shown(14, "3f2a9c01e5").as_deref(), Some("14 3f2a9c01"));
        for (seq, hash) in [(0, "0000000000"), (14, "3f2a"), (14, "+49 170 12"), (1, "")] {
            assert_eq!(shown(seq, hash), None, "{seq} {hash}");
        }
    }
}
