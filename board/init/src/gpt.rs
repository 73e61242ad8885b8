//! The partitions of the disks that the kernel knows, by their labels. The names of disks change from boot to boot, and a partition's label
//! is in sysfs only where the kernel has one; the table itself is what an update and a first boot leave behind (UEFI 2.10, section 5.3).
//!
//! A table is written as entries and header, the second of them on its disk last of all: one that was cut off in between does not fit its
//! own checksums, and the other one is read. The kernel does the same with `gpt` on its command line.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
};

/// Bytes of a header that are defined.
const HEADER: Range<u32> = 92..513;
/// Bytes of an entry that are of interest here; UEFI says "at least 128".
const ENTRY: usize = 128;
/// More entries than anyone's table has; what says more is damaged.
const MOST_ENTRIES: u32 = 1024;

/// A partition that the kernel knows, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its disk's name in sysfs.
    pub disk: String,
    /// Its device file.
    pub device: String,
    /// Its label.
    pub label: String,
}

/// The names of all disks, sorted.
pub fn disks() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/block") else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The partitions of `disk`: none where there is no table, or none that can be read.
pub fn partitions(disk: &str) -> Vec<Partition> {
    let number = |file: &str| {
        let text = fs::read_to_string(format!("/sys/block/{disk}/{file}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let sector = number("queue/logical_block_size").unwrap_or(512);
    // In units of 512 bytes, whatever the disk's own.
    let size = number("size").unwrap_or(0) * 512;
    let Ok(entries) =
        File::open(format!("/dev/{disk}")).and_then(|device| read_table(&device, sector, size))
    else {
        return Vec::new();
    };
    // As the kernel names them: `sda1`, but `mmcblk0p1`.
    let infix = if disk.ends_with(|last: char| last.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    entries
        .into_iter()
        .map(|(number, label)| {
            let device = format!("/dev/{disk}{infix}{number}");
            Partition {
                disk: disk.to_owned(),
                device,
                label,
            }
        })
        .filter(|partition| fs::exists(&partition.device).unwrap_or(false))
        .collect()
}

/// The partition of this label; none where two have it, for nobody can tell which is meant.
pub fn labelled<'a>(partitions: &'a [Partition], label: &str) -> Option<&'a Partition> {
    let mut found = partitions
        .iter()
        .filter(|partition| partition.label == label);
    let partition = found.next()?;
    found.next().is_none().then_some(partition)
}

/// Number and label of each entry in use, from the table at the disk's beginning, or the one at its end where that is not whole.
fn read_table(device: &File, sector: u64, size: u64) -> io::Result<Vec<(u32, String)>> {
    let last = (size / sector.max(1)).saturating_sub(1);
    read_copy(device, sector, 1).or_else(|_| read_copy(device, sector, last))
}

/// The table whose header is in this sector; what its checksums do not fit is none.
fn read_copy(device: &File, sector: u64, at: u64) -> io::Result<Vec<(u32, String)>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut header = [0; 512];
    device.read_exact_at(&mut header, at.saturating_mul(sector))?;
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| header[at + index]));
    let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| header[at + index]));
    let (length, count, size) = (word(12), word(80), word(84));
    let sound = &header[..8] == b"EFI PART"
        && HEADER.contains(&length)
        && long(24) == at
        && count <= MOST_ENTRIES
        && (ENTRY as u32..=4096).contains(&size);
    if !sound {
        return Err(damaged());
    }
    // The checksum is of a header without it.
    let mut summed = header[..length as usize].to_vec();
    summed[16..20].fill(0);
    if crc32fast::hash(&summed) != word(16) {
        return Err(damaged());
    }
    let mut table = vec![0; count as usize * size as usize];
    device.read_exact_at(&mut table, long(72).saturating_mul(sector))?;
    if crc32fast::hash(&table) != word(88) {
        return Err(damaged());
    }
    Ok((1..)
        .zip(table.chunks_exact(size as usize))
        .filter(|(_, entry)| entry[..16] != [0; 16])
        .map(|(number, entry)| (number, label(entry)))
        .collect())
}

fn label(entry: &[u8]) -> String {
    let units = entry[56..ENTRY]
        .as_chunks()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units.take_while(|&unit| unit != 0))
        .map(|unit| unit.unwrap_or('\u{fffd}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 128 << 10;
    const LAST: u64 = SIZE / 512 - 1;
    /// Where the first table's entries are.
    const ENTRIES: u64 = 2;

    /// Writes a table whose header is in sector `at`.
    fn write(disk: &File, at: u64, entries: u64, count: u32, size: u32, labels: &[(u32, &str)]) {
        let mut table = vec![0; count.min(4096) as usize * size as usize];
        for (number, label) in labels {
            let entry = &mut table[(*number as usize - 1) * size as usize..];
            entry[0] = 1;
            for (index, unit) in label.encode_utf16().enumerate() {
                entry[56 + 2 * index..][..2].copy_from_slice(&unit.to_le_bytes());
            }
        }
        let mut header = [0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[12..16].copy_from_slice(&92u32.to_le_bytes());
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[72..80].copy_from_slice(&entries.to_le_bytes());
        header[80..84].copy_from_slice(&count.to_le_bytes());
        header[84..88].copy_from_slice(&size.to_le_bytes());
        header[88..92].copy_from_slice(&crc32fast::hash(&table).to_le_bytes());
        let sum = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        disk.write_all_at(&table, entries * 512).unwrap();
        disk.write_all_at(&header, at * 512).unwrap();
    }

    /// A disk with the first table in front and the second at its end.
    fn disk(first: &[(u32, &str)], second: &[(u32, &str)]) -> File {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(SIZE).unwrap();
        write(&disk, 1, ENTRIES, 128, 128, first);
        write(&disk, LAST, LAST - 32, 128, 128, second);
        disk
    }

    fn read(disk: &File) -> Option<Vec<(u32, String)>> {
        read_table(disk, 512, SIZE).ok()
    }

    fn is(labels: &[(u32, &str)]) -> Option<Vec<(u32, String)>> {
        let own = labels
            .iter()
            .map(|(number, label)| (*number, (*label).to_owned()));
        Some(own.collect())
    }

    fn flip(disk: &File, at: u64) {
        let mut byte = [0];
        disk.read_exact_at(&mut byte, at).unwrap();
        disk.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }

    #[test]
    fn entries_in_use_are_found_by_number() {
        let disk = disk(&[(2, "root-a"), (5, "root-b")], &[(1, "another")]);
        assert_eq!(read(&disk), is(&[(2, "root-a"), (5, "root-b")]));
    }

    #[test]
    fn where_the_first_table_is_damaged_the_second_one_counts() {
        let second = [(2, "root-a"), (9, "data")];
        // An entry's label, an entry that is not in use, the header's own fields, its checksum.
        for at in [1024 + 128 + 56, 1024 + 99 * 128, 512 + 40, 512 + 16, 512] {
            let disk = disk(&[(2, "root-a")], &second);
            flip(&disk, at);
            assert_eq!(read(&disk), is(&second), "byte {at}");
        }
    }

    #[test]
    fn where_both_are_damaged_there_is_none() {
        let disk = disk(&[(2, "root-a")], &[(2, "root-a")]);
        flip(&disk, 1024);
        flip(&disk, LAST * 512 + 60);
        assert_eq!(read(&disk), None);
    }

    #[test]
    fn a_header_counts_in_its_own_place_alone() {
        let disk = disk(&[(1, "old")], &[(2, "new")]);
        // The second header, copied over the first as a whole.
        let mut header = [0; 512];
        disk.read_exact_at(&mut header, LAST * 512).unwrap();
        disk.write_all_at(&header, 512).unwrap();
        assert_eq!(read(&disk), is(&[(2, "new")]));
        flip(&disk, LAST * 512);
        assert_eq!(read(&disk), None);
    }

    #[test]
    fn a_table_that_promises_nonsense_is_none() {
        for (count, size) in [(u32::MAX, 128), (128, 16), (1024, 4096)] {
            let disk = tempfile::tempfile().unwrap();
            disk.set_len(SIZE).unwrap();
            write(&disk, 1, ENTRIES, count, size, &[]);
            disk.set_len(SIZE).unwrap();
            assert_eq!(read(&disk), None, "{count} of {size}");
        }
        assert_eq!(read(&tempfile::tempfile().unwrap()), None);
    }

    #[test]
    fn a_label_that_two_have_names_neither() {
        let partition = |device: &str, label: &str| Partition {
            disk: "sda".to_owned(),
            device: device.to_owned(),
            label: label.to_owned(),
        };
        let mut all = vec![partition("1", "root-a"), partition("2", "root-b")];
        assert_eq!(labelled(&all, "root-b"), Some(&all[1]));
        all.push(partition("3", "root-b"));
        assert_eq!(labelled(&all, "root-b"), None);
        assert_eq!(labelled(&all, "data"), None);
        assert_eq!(labelled(&all, "root-a"), Some(&all[0]));
    }
}
