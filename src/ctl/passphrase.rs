//! Where a passphrase comes from, and how it gets to the daemon: through a pipe, in no message.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use holdfast_medium::Secret;

use super::{Error, terminal};
use crate::bus::LONGEST_PASSPHRASE;
use crate::history::Passphrase;

/// Obtains the one that is to protect a new file: it has to be long enough, and is typed twice, as a typing error would lock the
/// file for ever.
pub(super) fn choose() -> Result<Secret<String>, Error> {
    let passphrase = typed(true)?;
    Passphrase::check(&passphrase).map_err(Error::WeakPassphrase)?;
    Ok(passphrase)
}

/// Reads the one that is to protect a new file from a file; `None` where it is to be typed, and can be.
pub(super) fn chosen(file: Option<&Path>) -> Result<Option<Secret<String>>, Error> {
    let passphrase = file.map(first_line).transpose()?;
    match &passphrase {
        Some(passphrase) => Passphrase::check(passphrase).map_err(Error::WeakPassphrase)?,
        None if !io::stdin().is_terminal() => return Err(Error::NoPassphrase),
        None => {}
    }
    Ok(passphrase)
}

/// Obtains the one that a file was protected with.
pub(super) fn recall(file: Option<&Path>) -> Result<Secret<String>, Error> {
    file.map_or_else(|| typed(false), first_line)
}

/// Asks for it on the terminal.
fn typed(twice: bool) -> Result<Secret<String>, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NoPassphrase);
    }
    let (passphrase, again) = terminal::ask(|| {
        let passphrase = rpassword::prompt_password("Passphrase: ")?;
        let again = twice.then(|| rpassword::prompt_password("Again: "));
        Ok((passphrase, again.transpose()?))
    })?;
    if again.is_some_and(|again| again != passphrase) {
        return Err(Error::PassphrasesDiffer);
    }
    check_length(passphrase.as_bytes())?;
    Ok(Secret::new(passphrase))
}

/// The first line of a file, of which no more is read than shows that it is too long: the file may never end.
fn first_line(path: &Path) -> Result<Secret<String>, Error> {
    let unreadable = |source| Error::File {
        path: path.into(),
        source,
    };
    let most = LONGEST_PASSPHRASE + "\r\n".len() as u64;
    let file = File::open(path).map_err(unreadable)?;
    let mut line = Vec::new();
    BufReader::new(file.take(most))
        .read_until(b'\n', &mut line)
        .map_err(unreadable)?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    check_length(text)?;
    let text = str::from_utf8(text).map_err(|error| unreadable(io::Error::other(error)))?;
    Ok(Secret::new(text.to_owned()))
}

/// What is longer the daemon refuses, and the pipe to it may not hold.
fn check_length(text: &[u8]) -> Result<(), Error> {
    match text.len() as u64 {
        0..=LONGEST_PASSPHRASE => Ok(()),
        _ => Err(Error::LongPassphrase),
    }
}

/// A pipe with the passphrase in it, to be handed over.
pub(super) fn piped(passphrase: &Secret<String>) -> io::Result<zbus::OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    // It is short enough for the pipe's buffer (pipe(7)), so that the write does not wait for a reader.
    writer.write_all(passphrase.expose().as_bytes())?;
    Ok(zbus::OwnedFd::from(OwnedFd::from(reader)))
}
