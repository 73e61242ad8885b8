//! The partitions of the disks that the kernel knows. The names of disks change from boot to boot, and a partition's
//! unique id is not in sysfs before Linux 6.13, so that it is read from the table itself (UEFI 2.10, section 5.3).

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
};

/// A GUID in the order in which its text form names the bytes.
pub type Id = [u8; 16];

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
    /// Its unique id.
    pub id: Id,
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
    let sector = fs::read_to_string(format!("/sys/block/{disk}/queue/logical_block_size"))
        .ok()
        .and_then(|size| size.trim().parse().ok())
        .unwrap_or(512);
    let Ok(entries) =
        File::open(format!("/dev/{disk}")).and_then(|device| read_table(&device, sector))
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
        .map(|(number, id, label)| {
            let device = format!("/dev/{disk}{infix}{number}");
            Partition {
                disk: disk.to_owned(),
                device,
                id,
                label,
            }
        })
        .filter(|partition| fs::exists(&partition.device).unwrap_or(false))
        .collect()
}

/// Number, unique id and label of each entry in use.
fn read_table(device: &File, sector: u64) -> io::Result<Vec<(u32, Id, String)>> {
    let mut header = [0; 92];
    device.read_exact_at(&mut header, sector)?;
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| header[at + index]));
    let start = u64::from_le_bytes(std::array::from_fn(|index| header[72 + index]));
    let (count, size) = (word(80), word(84));
    if &header[..8] != b"EFI PART" || count > MOST_ENTRIES || !(ENTRY as u32..=4096).contains(&size)
    {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut table = vec![0; count as usize * size as usize];
    device.read_exact_at(&mut table, start.saturating_mul(sector))?;
    Ok((1..)
        .zip(table.chunks_exact(size as usize))
        .filter(|(_, entry)| entry[..16] != [0; 16])
        .map(|(number, entry)| (number, id(entry), label(entry)))
        .collect())
}

/// On disk the first three fields are little-endian.
fn id(entry: &[u8]) -> Id {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.map(|index| entry[16 + index])
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
    use std::io::Write;

    use super::*;

    fn table(count: u32, size: u32) -> File {
        let mut disk = vec![0; 64 * 1024];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[584..592].copy_from_slice(&2u64.to_le_bytes());
        disk[592..596].copy_from_slice(&count.to_le_bytes());
        disk[596..600].copy_from_slice(&size.to_le_bytes());
        // The second entry is the first in use.
        let entry = 1024 + 128;
        disk[entry] = 1;
        for index in 0..16 {
            disk[entry + 16 + index] = index as u8;
        }
        for (index, unit) in "root-a".encode_utf16().enumerate() {
            disk[entry + 56 + 2 * index..][..2].copy_from_slice(&unit.to_le_bytes());
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&disk).unwrap();
        file
    }

    #[test]
    fn entries_in_use_are_found_by_number() {
        let id = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        assert_eq!(
            read_table(&table(128, 128), 512).unwrap(),
            [(2, id, "root-a".to_owned())]
        );
    }

    #[test]
    fn a_table_that_promises_nonsense_is_none() {
        assert!(read_table(&table(u32::MAX, 128), 512).is_err());
        assert!(read_table(&table(128, 16), 512).is_err());
        assert!(read_table(&table(1024, 4096), 512).is_err());
        assert!(read_table(&tempfile::tempfile().unwrap(), 512).is_err());
    }
}
