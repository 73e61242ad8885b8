//! Files that lie there for another system, or under another name, and are not read: each is named, with what to do instead.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::script;

/// A file that is not read.
pub(super) struct Stray {
    /// The file.
    pub path: PathBuf,
    /// Why not, and what to do.
    pub what: String,
    /// Finds what of it is a secret nobody needs. A file that only has another name is the only copy of what is in it: it is left.
    pub secrets: fn(&str) -> Vec<Range<usize>>,
}

/// Every such file of the boot partition, by name. `ours` are the names that are read.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn find(firmware: &Path, ours: &[&str], is_let_in: bool) -> io::Result<Vec<Stray>> {
    let entries = match fs::read_dir(firmware) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let strays = paths.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let (what, secrets) = judge(firmware, name, ours, is_let_in)?;
        Some(Stray {
            what,
            secrets,
            path,
        })
    });
    Ok(strays.filter(|stray| stray.path.is_file()).collect())
}

const PUT_KEY: &str = "is not read; write the key into holdfast.toml: [ssh] authorized_keys";

type Judged = (String, fn(&str) -> Vec<Range<usize>>);

fn judge(firmware: &Path, name: &str, ours: &[&str], is_let_in: bool) -> Option<Judged> {
    // A FAT knows a name in any case.
    let lower = name.to_lowercase();
    let found = |what: &str, secrets| Some((what.to_owned(), secrets));
    match lower.as_str() {
        "firstrun.sh" => found(
            "is a program for Raspberry Pi OS and not run here, its passwords are taken out; write holdfast.toml",
            script::secrets as fn(&str) -> _,
        ),
        "userconf" | "userconf.txt" => found(
            "nobody comes in by password, the hash is taken out; put your public key into holdfast.toml: [ssh] authorized_keys",
            script::hashes,
        ),
        "ssh" | "ssh.txt" if !is_let_in => found(
            "SSH is on as soon as there is a key to come in with; write it into holdfast.toml: [ssh] authorized_keys",
            nothing,
        ),
        "authorized_keys" => found(PUT_KEY, nothing),
        _ if lower.ends_with(".pub") => found(PUT_KEY, nothing),
        _ if lower.ends_with(".nmconnection") => found(
            "is not read, its password is taken out; write [wifi] into holdfast.toml",
            script::secrets,
        ),
        _ if ours.contains(&lower.as_str()) => {
            // Where case matters, another case is another name.
            let is_read = name == lower || firmware.join(&lower).exists();
            (!is_read).then(|| other_name(&lower))
        }
        _ => {
            let meant = ours.iter().find(|own| is_meant(&lower, own))?;
            Some(other_name(meant))
        }
    }
}

fn other_name(meant: &str) -> Judged {
    let what = format!("is not read, and keeps its passwords; it must be called {meant}");
    (what, nothing)
}

/// `holdfast.toml.txt`, `holdfast (1).toml`, `holdfast.txt`, `network-config.yaml`, `holdfast.toml~`.
fn is_meant(name: &str, own: &str) -> bool {
    let (stem, extension) = own.rsplit_once('.').unwrap_or((own, ""));
    let Some(rest) = name.strip_prefix(stem) else {
        return false;
    };
    // What a power cut left of taking secrets out is ours.
    let is_half_done = rest.ends_with(".new");
    let is_copy = !extension.is_empty() && rest.contains(&format!(".{extension}"));
    let is_text = [".txt", ".yaml", ".yml", ".bak", "~"].contains(&rest);
    !is_half_done && (is_copy || is_text)
}

fn nothing(_: &str) -> Vec<Range<usize>> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_told_and_another_is_not() {
        for (name, own) in [
            ("holdfast.toml.txt", "holdfast.toml"),
            ("holdfast (1).toml", "holdfast.toml"),
            ("holdfast.txt", "holdfast.toml"),
            ("holdfast.toml~", "holdfast.toml"),
            ("network-config.yaml", "network-config"),
            ("user-data.txt", "user-data"),
            ("wpa_supplicant.conf.txt", "wpa_supplicant.conf"),
        ] {
            assert!(is_meant(name, own), "{name}");
        }
        for (name, own) in [
            ("holdfast.toml.new", "holdfast.toml"),
            ("holdfast-audit.key", "holdfast.toml"),
            ("holdfast.age", "holdfast.toml"),
            ("config.txt", "custom.toml"),
            ("network-config.new", "network-config"),
        ] {
            assert!(!is_meant(name, own), "{name}");
        }
    }
}
