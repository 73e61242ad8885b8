//! A card's flushes without the card: a library that comes before the system's delays each of a process, and writes it down.
//!
//! A tracer would do the same to any program, and stop it at each thread that it starts, too: that is slower than what is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tempfile::TempDir;

/// The library, as `cc` takes it.
const SOURCE: &str = include_str!("flushes.c");
const LIBRARY: &str = "flushes.so";

/// Where it was built, or why it was not.
static BUILT: OnceLock<Result<TempDir, String>> = OnceLock::new();

/// What keeps it from being built here, and what to do about it.
pub fn missing() -> Option<String> {
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_ref().err().cloned()
}

fn build() -> anyhow::Result<TempDir> {
    let place = tempfile::tempdir()?;
    let source = place.path().join("flushes.c");
    fs::write(&source, SOURCE)?;
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .args([place.path().join(LIBRARY), source])
        .output()
        .context("no C compiler: apt-get install gcc")?;
    let said = String::from_utf8_lossy(&built.stderr);
    anyhow::ensure!(built.status.success(), "cc does not take flushes.c: {said}");
    Ok(place)
}

/// The words under which a program runs with flushes that take this much longer, each written into `file`; none where
/// [`missing`] says why.
pub fn words(delay: Duration, file: &Path) -> Vec<PathBuf> {
    let Some(Ok(place)) = BUILT.get() else {
        return Vec::new();
    };
    let library = place.path().join(LIBRARY);
    let set = [
        format!("LD_PRELOAD={}", library.display()),
        format!("FLUSHES_FILE={}", file.display()),
        format!("FLUSHES_DELAY_US={}", delay.as_micros()),
    ];
    let words = ["env".to_owned()].into_iter().chain(set);
    words.map(PathBuf::from).collect()
}

/// Counts the flushes in `file` that were begun between two moments of the wall clock.
///
/// # Errors
/// It cannot be read, or holds something else.
pub fn between(file: &Path, from: SystemTime, until: SystemTime) -> anyhow::Result<u64> {
    let at = |moment: SystemTime| anyhow::Ok(moment.duration_since(SystemTime::UNIX_EPOCH)?);
    let (from, until) = (at(from)?.as_secs_f64(), at(until)?.as_secs_f64());
    let mut flushes = 0;
    for line in fs::read_to_string(file)?.lines() {
        let at: f64 = line.parse().context("no moment of a flush")?;
        flushes += u64::from((from..=until).contains(&at));
    }
    Ok(flushes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_flushes_are_late_and_counted() {
        assert_eq!(missing(), None);
        let place = tempfile::tempdir().unwrap();
        let (log, file) = (place.path().join("log"), place.path().join("file"));
        let words = words(Duration::from_millis(30), &log);
        let begun = SystemTime::now();
        let status = Command::new(&words[0])
            .args(&words[1..])
            .args([
                "dd",
                "if=/dev/zero",
                "bs=1",
                "count=1",
                "conv=fsync",
                "status=none",
            ])
            .arg(format!("of={}", file.display()))
            .status();
        assert!(status.unwrap().success());
        let ended = SystemTime::now();
        assert_eq!(between(&log, begun, ended).unwrap(), 1);
        assert_eq!(between(&log, ended, SystemTime::now()).unwrap(), 0);
        assert!(ended.duration_since(begun).unwrap() >= Duration::from_millis(30));
    }
}
