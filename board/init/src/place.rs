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
        let found = disks
            .iter()
            .filter(|disk| waited > OTHERS_WAIT || is_kind(disk, wanted.disk.as_deref()))
            .find_map(|disk| {
                let partitions = gpt::partitions(disk);
                choose(&partitions, wanted.slot, |tree| {
                    verity::has_root(tree, &wanted.root_hash)
                })
            });
        if let Some(place) = found {
            return Ok(place);
        }
        if waited > CARD_APPEARS {
            return Err(Error::NoCard {
                hash: wanted.hex(),
                waited: CARD_APPEARS,
                disks: disks.join(", "),
            });
        }
        sleep(LOOK);
    }
}

/// The slot among a disk's partitions, where its tree is the right one.
fn choose(
    partitions: &[Partition],
    slot: Slot,
    is_right: impl Fn(&Partition) -> bool,
) -> Option<Place> {
    let [data, tree] = slot.labels();
    let place = Place {
        data: gpt::labelled(partitions, data)?.clone(),
        tree: gpt::labelled(partitions, tree)?.clone(),
    };
    is_right(&place.tree).then_some(place)
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
    fn a_slot_is_chosen_by_its_labels() {
        let place = choose(&card("sda"), Slot::B, |tree| tree.device == "/dev/sda8").unwrap();
        assert_eq!(
            (&*place.data.device, &*place.tree.device),
            ("/dev/sda7", "/dev/sda8")
        );
        let place = choose(&card("sda"), Slot::A, |tree| tree.device == "/dev/sda5").unwrap();
        assert_eq!(
            (&*place.data.device, &*place.tree.device),
            ("/dev/sda4", "/dev/sda5")
        );
    }

    #[test]
    fn a_slot_whose_tree_is_of_another_image_is_none() {
        assert!(choose(&card("sda"), Slot::A, |_| false).is_none());
    }

    #[test]
    fn a_label_that_is_there_twice_is_no_slot() {
        let mut partitions = card("sda");
        partitions[6].label = "root-a".to_owned();
        assert!(choose(&partitions, Slot::A, |_| true).is_none());
        partitions.truncate(4);
        assert!(choose(&partitions, Slot::A, |_| true).is_none());
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
