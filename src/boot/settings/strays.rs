//! Files that lie there for another system, or under another name, and are not read: each is named, with what to do instead.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::redact::PREFIX;
use super::script;

/// Finds secrets in a text.
type Find = fn(&str) -> Vec<Range<usize>>;

/// A file that is not read.
pub(super) struct Stray {
    /// The file.
    pub path: PathBuf,
    /// Why not, and what to do.
    pub what: String,
    /// Finds what of it is a secret nobody needs; `None` where it is left: a file that only has another name is the only copy of
    /// what is in it.
    pub secrets: Option<Find>,
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
    // A private key is named first, however many others there are.
    let is_private = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| is_private(&name.to_lowercase()))
    };
    paths.sort_by_cached_key(|path| (!is_private(path), path.clone()));
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
const PRIVATE_KEY: &str = "may be a private key, and who has this card has it: take it away; holdfast.toml wants the public one, of the .pub file";

/// Why a file is not read, and how its secrets are found.
type Judged = (String, Option<Find>);

fn judge(firmware: &Path, name: &str, ours: &[&str], is_let_in: bool) -> Option<Judged> {
    // A FAT knows a name in any case.
    let lower = name.to_lowercase();
    let left = |what: &str| Some((what.to_owned(), None));
    let taken = |what: &str, secrets| Some((what.to_owned(), Some(secrets)));
    match lower.as_str() {
        // What a power cut left of taking secrets out is ours; `._` is what macOS adds to any file.
        _ if lower.starts_with(PREFIX) || lower.starts_with("._") => None,
        "firstrun.sh" => taken(
            "is a program for Raspberry Pi OS and not run here; write holdfast.toml. Passwords in the forms known here are taken out: look for others",
            script::secrets as Find,
        ),
        "userconf" | "userconf.txt" => taken(
            "nobody comes in by password, the hash is taken out; put your public key into holdfast.toml: [ssh] authorized_keys",
            script::hashes,
        ),
        "ssh" | "ssh.txt" if !is_let_in => left(
            "SSH is on as soon as there is a key to come in with; write it into holdfast.toml: [ssh] authorized_keys",
        ),
        "authorized_keys" | "authorized_keys.txt" => left(PUT_KEY),
        _ if lower.ends_with(".pub") || lower.ends_with(".pub.txt") => left(PUT_KEY),
        _ if is_private(&lower) => left(PRIVATE_KEY),
        _ if lower.ends_with(".nmconnection") => taken(
            "is not read; write [wifi] into holdfast.toml. Passwords in the forms known here are taken out: look for others",
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

/// Whether ssh-keygen(1) calls a private key so.
fn is_private(name: &str) -> bool {
    let names = ["id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"];
    names.iter().any(|start| name.starts_with(start))
}

fn other_name(meant: &str) -> Judged {
    let what = format!("is not read, and keeps its passwords; it must be called {meant}");
    (what, None)
}

/// `holdfast.toml.txt`, `holdfast (1).toml`, `holdfast.txt`, `network-config.yaml`, `holdfast.toml~`, `holdfast.tml`,
/// `network_config`.
fn is_meant(name: &str, own: &str) -> bool {
    let is_letter = |letter: &char| letter.is_alphanumeric();
    let letters = |name: &str| name.chars().filter(is_letter).collect::<Vec<char>>();
    if is_misspelt(&letters(name), &letters(own)) {
        return true;
    }
    let (stem, extension) = own.rsplit_once('.').unwrap_or((own, ""));
    let Some(rest) = name.strip_prefix(stem) else {
        return false;
    };
    let is_copy = !extension.is_empty() && rest.contains(&format!(".{extension}"));
    let is_text = [".txt", ".yaml", ".yml", ".bak", ".new", "~"].contains(&rest);
    is_copy || is_text
}

/// Whether two words differ by one letter at most: one more, one less, or another.
fn is_misspelt(word: &[char], own: &[char]) -> bool {
    let same = word.iter().zip(own).take_while(|(a, b)| a == b).count();
    let (word, own) = (&word[same..], &own[same..]);
    match (word, own) {
        ([], []) | ([_], []) | ([], [_]) => true,
        ([], _) | (_, []) => false,
        ([_, word_rest @ ..], [_, own_rest @ ..]) => {
            word_rest == own_rest || word_rest == own || word == own_rest
        }
    }
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
            ("wpa-supplicant.conf", "wpa_supplicant.conf"),
            ("holdfast.tml", "holdfast.toml"),
            ("holdfasttoml", "holdfast.toml"),
            ("holdfast.toml.new", "holdfast.toml"),
            ("network_config", "network-config"),
            ("userdata", "user-data"),
        ] {
            assert!(is_meant(name, own), "{name}");
        }
        for (name, own) in [
            ("holdfast-audit.key", "holdfast.toml"),
            ("holdfast.age", "holdfast.toml"),
            ("config.txt", "custom.toml"),
            ("meta-data", "user-data"),
            ("initramfs8", "holdfast.toml"),
        ] {
            assert!(!is_meant(name, own), "{name}");
        }
    }
}
