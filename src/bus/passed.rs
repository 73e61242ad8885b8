//! A secret that comes as a file descriptor, so that it is in no message of the bus.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use holdfast_medium::{Patient, Secret, blocking};

use super::Error;

/// How long it may take to come.
const WAIT: Duration = Duration::from_secs(10);

/// What is read.
pub(super) struct Wanted {
    /// Its name, at the begin of a sentence.
    pub what: &'static str,
    /// Longer is a mistake, bytes.
    pub longest: u64,
    /// The error of a sentence.
    pub refuse: fn(String) -> Error,
}

/// Reads it to its end.
pub(super) async fn read(passed: zbus::OwnedFd, wanted: Wanted) -> Result<Secret<String>, Error> {
    let Wanted {
        what,
        longest,
        refuse,
    } = wanted;
    let unreadable = move |why: &str| refuse(format!("{what} cannot be read: {why}."));
    let text = blocking(move || {
        let mut text = String::new();
        let pipe = Patient::new(File::from(OwnedFd::from(passed)), WAIT, WAIT);
        match pipe.take(longest + 1).read_to_string(&mut text) {
            Ok(_) => Ok(Secret::new(text)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(unreadable("its writer does not close it"))
            }
            Err(error) => Err(unreadable(&error.kind().to_string())),
        }
    })
    .await?;
    if text.expose().len() as u64 > longest {
        return Err(unreadable("it is too long"));
    }
    Ok(text)
}
