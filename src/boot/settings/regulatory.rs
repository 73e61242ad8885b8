//! The countries that the kernel knows the radio rules of (wireless-regdb).

use std::fs;

use holdfast_medium::Machine;

/// Where the kernel takes its table from.
const TABLE: &str = "lib/firmware/regulatory.db";
/// How it begins: magic number and version (`struct fwdb_header` of Linux net/wireless/reg.c).
const HEAD: &[u8] = b"RGDB\0\0\0\x14";

/// The countries of the table; `None` where there is no table to ask.
#[derive(Debug, Default)]
pub(super) struct Countries(Option<Vec<[u8; 2]>>);

impl Countries {
    /// Reads the machine's.
    pub(super) fn of(machine: &Machine) -> Self {
        Self(
            fs::read(machine.file(TABLE))
                .ok()
                .and_then(|table| parse(&table)),
        )
    }

    /// Whether a radio may be used there, as far as is known. Without rules the kernel keeps to those of the world, in silence.
    pub(super) fn know(&self, country: &str) -> bool {
        let mut known = self.0.iter().flatten();
        self.0.is_none() || known.any(|letters| letters == country.as_bytes())
    }
}

/// Each row is a country's two letters and where its rules lie, a number of two bytes; one of 0 ends the table (`struct fwdb_country` there).
fn parse(table: &[u8]) -> Option<Vec<[u8; 2]>> {
    let rows = table.strip_prefix(HEAD)?.chunks_exact(4);
    let rows = rows.take_while(|row| row[2..] != [0, 0]);
    Some(rows.map(|row| [row[0], row[1]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_counts_where_the_table_has_it() {
        let root = tempfile::tempdir().unwrap();
        let table = root.path().join(TABLE);
        let knows = |country| Countries::of(&Machine::at(root.path())).know(country);
        assert!(knows("UK"), "nobody knows better");
        fs::create_dir_all(table.parent().unwrap()).unwrap();
        let rows = b"00\x04\xa7DE\x05\x05GB\x05\xd4\0\0\0\0UK\x05\x05";
        fs::write(&table, [HEAD, rows].concat()).unwrap();
        assert_eq!(
            ["DE", "GB", "UK", ""].map(knows),
            [true, true, false, false]
        );
        // Of another version nobody knows what it holds, and of half a row as little.
        fs::write(&table, [b"RGDB\0\0\0\x15", &rows[..]].concat()).unwrap();
        assert!(knows("UK"));
        fs::write(&table, [HEAD, b"DE\x05\x05GB\x05"].concat()).unwrap();
        assert_eq!(["DE", "GB"].map(knows), [true, false]);
    }
}
