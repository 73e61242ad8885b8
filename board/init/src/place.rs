//! The place of a slot: the partitions to start from, on one disk. Labels name it; that its tree has the root hash of the kernel command line proves
//! it, so that another card's slot is not taken for its own.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Error,
    command_line::CommandLine,
    gpt::{self, Partition},
    slot::Slot,
    verity,
};

/// How long the card may take to appear; a bootloader just read it, so that the kernel's driver is all that is awaited.
const CARD_APPEARS: Duration = Duration::from_secs(120);
/// So long only a disk of the kind that the bootloader read is taken: another card of the same image may appear sooner.
const OTHERS_WAIT: Duration = Duration::from_secs(10);
/// So long a slot whose tree is not the right one may yet turn out to be another card's.
const RIGHT_ONE_APPEARS: Duration = Duration::from_secs(30);
/// How often to look for it.
const LOOK: Duration = Duration::from_millis(50);

/// Where a slot is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file system.
    pub data: Partition,
    /// Its verity tree.
    pub tree: Partition,
}

/// The slot that is wanted, as soon as the kernel knows its card.
pub fn find(wanted: &CommandLine) -> Result<Place, Error> {
    let started = Instant::now();
    loop {
        let disks = gpt::disks();
        let waited = started.elapsed();
        let slots: Vec<_> = disks
            .iter()
            .filter(|disk| waited > OTHERS_WAIT || is_kind(disk, wanted.disk.as_deref()))
            .filter_map(|disk| labelled(&gpt::partitions(disk), wanted.slot))
            .collect();
        let is_right = |slot: &&Place| verity::has_root(&slot.tree, &wanted.root_hash);
        if let Some(place) = slots.iter().find(is_right) {
            return Ok(place.clone());
        }
        let limit = match slots.is_empty() {
            true => CARD_APPEARS,
            false => RIGHT_ONE_APPEARS,
        };
        if waited > limit {
            return Err(Error::NoCard {
                hash: wanted.hex(),
                waited: limit,
                disks: disks.join(", "),
            });
        }
        sleep(LOOK);
    }
}

/// The slot that a disk's labels name, whatever lies in it.
fn labelled(partitions: &[Partition], slot: Slot) -> Option<Place> {
    let [data, tree] = slot.labels();
    Some(Place {
        data: gpt::labelled(partitions, data)?.clone(),
        tree: gpt::labelled(partitions, tree)?.clone(),
    })
}

/// Where the bootloader counts the tries of a slot that could not be opened, so that nothing proves which card it is on: the environment of
/// the one disk of the bootloader's kind that has such a slot.
pub fn environment(wanted: &CommandLine) -> Option<Partition> {
    let disks = gpt::disks();
    let of_its_kind = disks
        .iter()
        .filter(|disk| is_kind(disk, wanted.disk.as_deref()));
    let tables: Vec<_> = of_its_kind.map(|disk| gpt::partitions(disk)).collect();
    only_environment(&tables, wanted.slot).cloned()
}

fn only_environment(tables: &[Vec<Partition>], slot: Slot) -> Option<&Partition> {
    let mut found = tables
        .iter()
        .filter(|partitions| labelled(partitions, slot).is_some())
        .map(|partitions| gpt::labelled(partitions, "env"));
    let environment = found.next()??;
    found.next().is_none().then_some(environment)
}

/// Links `directory/LABEL` to each partition that has a label of its own: udev's links by label are those of any card that is in, and an
/// update must write this one's.
pub fn link(partitions: &[Partition], directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let plain = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    for Partition { device, label, .. } in partitions {
        if plain(label) && gpt::labelled(partitions, label).is_some() {
            symlink(device, directory.join(label))?;
        }
    }
    Ok(())
}

/// Whether the kernel names disks so that the bootloader calls them this.
fn is_kind(disk: &str, bootloader: Option<&str>) -> bool {
    match bootloader {
        Some("mmc") => disk.starts_with("mmcblk"),
        Some("virtio") => disk.starts_with("vd"),
        Some("usb" | "scsi") => disk.starts_with("sd"),
        Some("nvme") => disk.starts_with("nvme"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(disk: &str) -> Vec<Partition> {
        let labels = [
            "firmware",
            "env",
            "boot-a",
            "root-a",
            "root-a-verity",
            "boot-b",
            "root-b",
            "root-b-verity",
        ];
        let partition = |(number, label): (usize, &str)| Partition {
            disk: disk.to_owned(),
            device: format!("/dev/{disk}{number}"),
            label: label.to_owned(),
        };
        (1..).zip(labels).map(partition).collect()
    }

    #[test]
    fn a_slot_is_named_by_its_labels() {
        for (slot, data, tree) in [
            (Slot::A, "/dev/sda4", "/dev/sda5"),
            (Slot::B, "/dev/sda7", "/dev/sda8"),
        ] {
            let place = labelled(&card("sda"), slot).unwrap();
            assert_eq!((&*place.data.device, &*place.tree.device), (data, tree));
        }
    }

    #[test]
    fn a_label_that_is_there_twice_is_no_slot() {
        let mut partitions = card("sda");
        partitions[6].label = "root-a".to_owned();
        assert!(labelled(&partitions, Slot::A).is_none());
        partitions.truncate(4);
        assert!(labelled(&partitions, Slot::A).is_none());
    }

    #[test]
    fn tries_are_counted_where_one_card_alone_can_be_meant() {
        let mut firmware = card("sdb");
        firmware.truncate(2);
        let tables = [firmware, card("sda")];
        let environment = only_environment(&tables, Slot::B).unwrap();
        assert_eq!(environment.device, "/dev/sda2");
        assert_eq!(only_environment(&[card("sda"), card("sdb")], Slot::B), None);
        let mut without = card("sda");
        without.remove(1);
        assert_eq!(only_environment(&[without], Slot::B), None);
        assert_eq!(only_environment(&[], Slot::B), None);
    }

    #[test]
    fn partitions_are_linked_by_labels_that_are_their_own() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("holdfast");
        let mut partitions = card("sda");
        partitions[0].label = "../firmware".to_owned();
        partitions[7].label = "root-a".to_owned();
        link(&partitions, &directory).unwrap();
        let linked = |label: &str| fs::read_link(directory.join(label)).ok();
        assert_eq!(linked("root-b").as_deref(), Some(Path::new("/dev/sda7")));
        assert_eq!(linked("env").as_deref(), Some(Path::new("/dev/sda2")));
        assert_eq!(linked("root-a"), None);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 5);
    }

    #[test]
    fn the_bootloaders_kind_of_disk_comes_first() {
        assert!(is_kind("mmcblk0", Some("mmc")) && !is_kind("sda", Some("mmc")));
        assert!(is_kind("vda", Some("virtio")) && !is_kind("mmcblk0", Some("virtio")));
        assert!(is_kind("sdb", Some("usb")) && is_kind("nvme0n1", Some("nvme")));
        assert!(is_kind("sda", None) && is_kind("mmcblk0", Some("another")));
    }
}
