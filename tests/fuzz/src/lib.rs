//! What owners, clients and files from elsewhere may hand to Holdfast.
//!
//! A target takes any bytes and hands them to the code that meets such input first. It panics when that code breaks a promise; an
//! error that the code returns is an answer. `corpus/NAME` has the inputs from which the fuzzer of `run` sets out, and those by which it
//! ever found something; the normal tests play them, too.

mod archive;
mod config;
mod desk;
mod report;
mod settings;

use std::fs;
use std::path::Path;

/// A target: its name, which is that of its corpus, and what is done with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 5] = [
    ("archive", archive::is_taken_in),
    ("config", config::is_read),
    ("desk", desk::answers),
    ("report", report::is_written),
    ("settings", settings::are_taken_over),
];

/// The files in an input: each begins with a line `--- NAME`, whose name is not that of another place.
fn files(input: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let name = line
            .strip_prefix(b"--- ")
            .and_then(|name| std::str::from_utf8(name).ok())
            .map(str::trim_end);
        match name {
            Some(name) if is_inside(name) => files.push((name.to_owned(), Vec::new())),
            _ => {
                if let Some((_, text)) = files.last_mut() {
                    text.extend_from_slice(line);
                }
            }
        }
    }
    files
}

fn is_inside(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    let parts = name.split('/');
    name.len() < 100
        && name.chars().all(plain)
        && !parts
            .clone()
            .any(|part| part.is_empty() || part.starts_with('.'))
}

/// Lays the files below a folder; one whose name another has taken is left out.
fn lay(top: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = top.join(name);
        let folder = path.parent().unwrap_or(top);
        if fs::create_dir_all(folder).is_ok() {
            let _ = fs::write(path, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_an_input_leaves_its_place() {
        let input = b"before\n--- a.toml\none\n--- ../b\ntwo\n--- /c\n--- sys/d-1\n\xff";
        let files = files(input);
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.toml", "sys/d-1"]);
        assert_eq!(files[0].1, b"one\n--- ../b\ntwo\n--- /c\n");
        assert_eq!(files[1].1, [0xff]);
    }
}
