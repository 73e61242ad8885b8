//! Reads from the data directory's file system whether its journal was recovered, and whether it ever met an error.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_medium::Machine;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::Said;

/// That the kernel had to recover the file system when it was mounted: nobody had unmounted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The device as the kernel names it, such as `mmcblk0p3`.
    pub device: String,
    /// The kernel's lines.
    pub lines: Vec<String>,
}

/// Whether this boot's mount recovered the journal of the data directory's ext4, from the kernel's own log.
///
/// Absent means that the mount is in the log and was clean; a checker that ran before the mount leaves it clean, too.
pub(super) fn recovery(machine: &Machine, data: &Path) -> Said<Recovery> {
    device(machine, data).and_then(|device| {
        let log = match kernel_log(&machine.file("dev/kmsg")) {
            Ok(log) => log,
            Err(error) => return Said::Unreadable(format!("the kernel's log: {error}")),
        };
        // ext4_msg in the kernel's fs/ext4/super.c: "EXT4-fs (DEVICE): TEXT".
        let ours = format!("EXT4-fs ({device}): ");
        let said: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once(';'))
            .filter_map(|(_, text)| text.strip_prefix(&ours))
            .collect();
        let recovered =
            |line: &&&str| line.starts_with("recovery complete") || line.contains("orphan inode");
        let lines: Vec<String> = said
            .iter()
            .filter(recovered)
            .map(|line| (*line).to_owned())
            .collect();
        let mounted = said
            .iter()
            .find(|line| line.starts_with("mounted filesystem"));
        match mounted {
            _ if !lines.is_empty() => Said::Present(Recovery { device, lines }),
            Some(line) if line.contains("without journal") => {
                Said::Unreadable(format!("{device} has no journal to recover"))
            }
            Some(_) => Said::Absent,
            None => Said::Unreadable(format!("the kernel's log does not show {device}'s mount")),
        }
    })
}

/// Errors the file system noted in its superblock, ever (Linux Documentation/ABI/testing/sysfs-fs-ext4): how many, and when
/// the first was, seconds since 1970.
pub(super) fn errors(machine: &Machine, data: &Path) -> Said<String> {
    device(machine, data).and_then(|device| {
        let about = machine.file("sys/fs/ext4").join(&device);
        Said::of_file(&about.join("errors_count")).and_then(|count| {
            if count == "0" {
                return Said::Absent;
            }
            let since = match Said::of_file(&about.join("first_error_time")) {
                Said::Present(seconds) => format!(", the first at {seconds} s since 1970"),
                _ => String::new(),
            };
            Said::Present(format!("{count} errors on {device}{since}"))
        })
    })
}

/// The kind of file system mounted at this very place; `None` where nothing is.
pub(super) fn mounted(machine: &Machine, place: &str) -> Option<String> {
    let table = fs::read_to_string(machine.file("proc/self/mountinfo")).ok()?;
    // Of two mounts on one place the later one is seen.
    let mount = table
        .lines()
        .filter_map(Mount::parse)
        .rfind(|mount| mount.place == Path::new(place))?;
    Some(mount.kind.to_owned())
}

/// The device of the ext4 the data directory lies on, as the kernel's messages name it.
fn device(machine: &Machine, data: &Path) -> Said<String> {
    let table = match Said::of_file(&machine.file("proc/self/mountinfo")) {
        Said::Present(table) => table,
        Said::Absent => return Said::Unreadable("the mounts are not known".into()),
        Said::Unreadable(why) => return Said::Unreadable(why),
    };
    let data = resolved(data);
    // Of two mounts on one place the later one is seen.
    let mount = table
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| data.starts_with(&mount.place))
        .max_by_key(|mount| mount.place.components().count());
    let Some(mount) = mount else {
        return Said::Unreadable("the data directory's mount is not known".into());
    };
    if mount.kind != "ext4" {
        return Said::Unreadable(format!("the data directory is on {}, not ext4", mount.kind));
    }
    let block = machine.file("sys/dev/block").join(mount.number);
    match fs::read_link(&block) {
        Ok(target) => match target.file_name() {
            Some(name) => Said::Present(name.to_string_lossy().into_owned()),
            None => Said::Unreadable(format!("{} leads nowhere", block.display())),
        },
        Err(error) => Said::Unreadable(format!("{}: {error}", block.display())),
    }
}

/// The directory, or before the first start the nearest one that exists.
fn resolved(data: &Path) -> PathBuf {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let existing = absolute
        .ancestors()
        .find_map(|ancestor| ancestor.canonicalize().ok());
    existing.unwrap_or(absolute)
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
struct Mount<'a> {
    /// Major and minor number of the device.
    number: &'a str,
    place: PathBuf,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(2);
        let number = fields.next()?;
        let place = fields.nth(1)?.replace("\\040", " ");
        Some(Self {
            number,
            place: place.into(),
            kind: after.split(' ').next()?,
        })
    }
}

/// All the kernel's log (Linux Documentation/ABI/testing/dev-kmsg): one record a read, `EAGAIN` at the end, `EPIPE` where
/// records were overwritten meanwhile.
fn kernel_log(path: &Path) -> io::Result<String> {
    /// No record is longer.
    const RECORD: usize = 8192;
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let (mut log, mut record) = (Vec::new(), [0; RECORD]);
    loop {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(length) => log.extend_from_slice(&record[..length]),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&log).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const MOUNTS: &str = "\
1 0 179:2 / / rw,relatime - ext4 /dev/mmcblk0p2 rw
2 1 0:5 / /dev rw - devtmpfs udev rw
3 1 179:3 / /nowhere/with\\040data rw,noatime shared:1 - ext4 /dev/mmcblk0p3 rw
";

    struct Scene {
        root: tempfile::TempDir,
    }

    impl Scene {
        fn new(log: &str) -> Self {
            let scene = Self {
                root: tempfile::tempdir().unwrap(),
            };
            scene.put("proc/self/mountinfo", MOUNTS);
            scene.put("dev/kmsg", log);
            let block = scene.root.path().join("sys/dev/block");
            fs::create_dir_all(&block).unwrap();
            for (number, name) in [("179:2", "mmcblk0p2"), ("179:3", "mmcblk0p3")] {
                symlink(format!("../../x/{name}"), block.join(number)).unwrap();
            }
            scene
        }

        fn put(&self, path: &str, content: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn machine(&self) -> Machine {
            Machine::at(self.root.path())
        }
    }

    /// Nothing is there, so that the mount table alone counts.
    fn data() -> &'static Path {
        Path::new("/")
    }

    fn line(seq: u32, text: &str) -> String {
        format!("6,{seq},1000,-;{text}\n SUBSYSTEM=block\n")
    }

    #[test]
    fn the_longest_mount_point_is_the_data_directory_s() {
        let mounts: Vec<_> = MOUNTS.lines().filter_map(Mount::parse).collect();
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[2].place, Path::new("/nowhere/with data"));
        assert_eq!((mounts[2].number, mounts[2].kind), ("179:3", "ext4"));
    }

    #[test]
    fn only_a_recovery_of_our_own_file_system_counts() {
        let mount = line(
            7,
            "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode",
        );
        let other = line(5, "EXT4-fs (mmcblk0p3): recovery complete");
        let clean = Scene::new(&format!("{other}{mount}"));
        assert_eq!(recovery(&clean.machine(), data()), Said::Absent);

        let ours = line(6, "EXT4-fs (mmcblk0p2): recovery complete");
        let cut = Scene::new(&format!("{other}{ours}{mount}"));
        let said = recovery(&cut.machine(), data());
        let said = said.present().unwrap();
        assert_eq!(said.device, "mmcblk0p2");
        assert_eq!(said.lines, ["recovery complete"]);
    }

    #[test]
    fn a_log_without_the_mount_or_a_file_system_without_a_journal_tells_nothing() {
        let bare = "EXT4-fs (mmcblk0p2): mounted filesystem r/w without journal";
        for log in [line(7, bare), line(900, "something later")] {
            let scene = Scene::new(&log);
            let said = recovery(&scene.machine(), data());
            assert!(matches!(said, Said::Unreadable(_)), "{said:?}");
        }
        let none = Machine::at("/nowhere");
        assert!(matches!(recovery(&none, data()), Said::Unreadable(_)));
    }

    #[test]
    fn errors_are_told_with_their_first_moment() {
        let scene = Scene::new("");
        scene.put("sys/fs/ext4/mmcblk0p2/errors_count", "0\n");
        assert_eq!(errors(&scene.machine(), data()), Said::Absent);
        scene.put("sys/fs/ext4/mmcblk0p2/errors_count", "3\n");
        scene.put("sys/fs/ext4/mmcblk0p2/first_error_time", "1700000000\n");
        let told = "3 errors on mmcblk0p2, the first at 1700000000 s since 1970";
        assert_eq!(errors(&scene.machine(), data()), Said::Present(told.into()));
    }
}
