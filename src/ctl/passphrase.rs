//! Where a passphrase comes from, and how it gets to the daemon: through a pipe, in no message.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use holdfast_medium::Secret;

use super::Error;
use crate::history::Passphrase;

/// Obtains the one that protects a new file: it has to be long enough, and is typed twice, as a typing error would lock
/// the file for ever.
pub(super) fn choose(file: Option<&Path>) -> Result<Secret<String>, Error> {
    let passphrase = read(file, true)?;
    Passphrase::check(&passphrase).map_err(Error::WeakPassphrase)?;
    Ok(passphrase)
}

/// Obtains the one that a file was protected with.
pub(super) fn recall(file: Option<&Path>) -> Result<Secret<String>, Error> {
    read(file, false)
}

/// Reads it from the first line of a file, or asks for it on the terminal.
fn read(file: Option<&Path>, twice: bool) -> Result<Secret<String>, Error> {
    if let Some(path) = file {
        let text = fs::read_to_string(path).map_err(|source| Error::File {
            path: path.into(),
            source,
        })?;
        return Ok(Secret::new(text.lines().next().unwrap_or_default().into()));
    }
    if !io::stdin().is_terminal() {
        return Err(Error::NoPassphrase);
    }
    let passphrase = rpassword::prompt_password("Passphrase: ")?;
    if twice && rpassword::prompt_password("Again: ")? != passphrase {
        return Err(Error::PassphrasesDiffer);
    }
    Ok(Secret::new(passphrase))
}

/// A pipe with the passphrase in it, to be handed over.
pub(super) fn piped(passphrase: &Secret<String>) -> io::Result<zbus::OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    // It fits into the pipe's buffer (pipe(7)), so that the write does not wait for a reader.
    writer.write_all(passphrase.expose().as_bytes())?;
    Ok(zbus::OwnedFd::from(OwnedFd::from(reader)))
}
