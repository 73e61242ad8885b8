//! Programs of the machine that tests call: a missing one is named, with the Debian package that brings it.

use std::env;
use std::path::PathBuf;

/// Each with its package.
pub const PACKAGES: [(&str, &str); 17] = [
    ("dbus-daemon", "dbus-daemon"),
    ("dbus-send", "dbus-bin"),
    ("debugfs", "e2fsprogs"),
    ("depmod", "kmod"),
    ("dtc", "device-tree-compiler"),
    ("fdtoverlay", "device-tree-compiler"),
    ("git", "git"),
    ("jq", "jq"),
    ("mke2fs", "e2fsprogs"),
    ("modprobe", "kmod"),
    ("openssl", "openssl"),
    ("rauc", "rauc"),
    ("ssh-keygen", "openssh-client"),
    ("systemd-analyze", "systemd"),
    ("systemd-sysusers", "systemd"),
    ("wpa_supplicant", "wpasupplicant"),
    ("zstd", "zstd"),
];

/// Where the program is.
///
/// # Panics
/// It is not on this machine; says what to install.
pub fn tool(name: &str) -> PathBuf {
    // Those of e2fsprogs are not in everybody's path.
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    find(name, &path).unwrap_or_else(|missing| panic!("{missing}"))
}

/// Where in this path the program is, or what to install.
pub fn find(name: &str, path: &str) -> Result<PathBuf, String> {
    let package = PACKAGES.iter().find(|(program, _)| *program == name);
    let (_, package) = package.ok_or(format!("`{name}` has no package in tests/tool.rs"))?;
    env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|place| place.is_file())
        .ok_or(format!(
            "this test calls `{name}`, which is not on this machine: apt-get install {package}"
        ))
}
