//! The exported file: an age file (<https://age-encryption.org/v1>) for one passphrase, whose contents are items in
//! CBOR, each behind its length as u32, little-endian: first [`Item::Begin`], then each file as [`Item::File`] and its
//! [`Item::Bytes`], last [`Item::End`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::iter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};
use std::time::Duration;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use holdfast_core::ArchiveId;
use holdfast_medium::{Patient, Secret, atomic};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::HistoryError;
use super::limit::Limit;
use super::manifest::{MANIFEST, Manifest};

const FORMAT: &str = "holdfast archive";
const VERSION: u32 = 1;

/// scrypt's work, 2^16: 64 MiB and a second of a Raspberry Pi for each guess. Files that want more are not opened: a
/// forged one could ask for all memory.
const WORK: u8 = 16;

/// How long nothing may move at the other end of the operator's file.
const SILENCE: Duration = Duration::from_secs(60);

/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(60 * 60);

/// How much of a file goes into one item.
const PIECE: usize = 64 * 1024;
/// No item is longer.
const LONGEST: usize = 2 * PIECE;

#[derive(Debug, Encode, Decode)]
enum Item {
    /// The header. These fields keep their meaning in every version.
    #[n(0)]
    Begin {
        #[n(0)]
        format: String,
        #[n(1)]
        version: u32,
        /// The archive's id where it comes from.
        #[n(2)]
        id: String,
    },
    /// A file begins, by its path in the archive.
    #[n(1)]
    File {
        #[n(0)]
        path: String,
    },
    /// The next bytes of the file.
    #[n(2)]
    Bytes {
        #[n(0)]
        bytes: ByteVec,
    },
    /// Nothing is missing.
    #[n(3)]
    End,
}

/// Writes an archive's directory out.
pub(super) fn pack(
    archive: &Path,
    id: ArchiveId,
    passphrase: &Secret<String>,
    output: File,
) -> Result<(), HistoryError> {
    let mut recipient = scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(WORK);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        .map_err(|error| HistoryError::Output(io::Error::other(error.to_string())))?;
    let mut output = encryptor
        .wrap_output(Patient::new(output, SILENCE, WHOLE))
        .map_err(HistoryError::Output)?;
    let begin = Item::Begin {
        format: FORMAT.into(),
        version: VERSION,
        id: id.to_string(),
    };
    put(&mut output, &begin)?;
    // First, so that whoever takes it in knows how much there is.
    pack_file(archive, &archive.join(MANIFEST), &mut output)?;
    pack_dir(archive, archive, &mut output)?;
    put(&mut output, &Item::End)?;
    output
        .finish()
        .and_then(|mut output| output.flush())
        .map_err(HistoryError::Output)
}

fn pack_dir(archive: &Path, dir: &Path, output: &mut impl Write) -> Result<(), HistoryError> {
    let failed = HistoryError::io(dir);
    for entry in fs::read_dir(dir).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        if path.is_dir() {
            pack_dir(archive, &path, output)?;
            continue;
        }
        if path != archive.join(MANIFEST) {
            pack_file(archive, &path, output)?;
        }
    }
    Ok(())
}

fn pack_file(archive: &Path, path: &Path, output: &mut impl Write) -> Result<(), HistoryError> {
    let name = path.strip_prefix(archive).unwrap_or(path);
    let name = name.display().to_string();
    put(output, &Item::File { path: name })?;
    let mut file = File::open(path).map_err(HistoryError::io(path))?;
    loop {
        let mut bytes = Vec::new();
        let read = Read::take(&mut file, PIECE as u64).read_to_end(&mut bytes);
        if read.map_err(HistoryError::io(path))? == 0 {
            return Ok(());
        }
        let bytes = bytes.into();
        put(output, &Item::Bytes { bytes })?;
    }
}

fn put(output: &mut impl Write, item: &Item) -> Result<(), HistoryError> {
    let item = minicbor::to_vec(item).expect("a vector takes all bytes");
    let length = u32::try_from(item.len()).expect("an item holds one piece of a file at most");
    output
        .write_all(&length.to_le_bytes())
        .and_then(|()| output.write_all(&item))
        .map_err(HistoryError::Output)
}

/// Reads an exported file into a directory that does not exist yet.
pub(super) fn unpack(
    input: File,
    passphrase: &Secret<String>,
    dir: &Path,
    limit: &mut Limit<'_>,
) -> Result<(), HistoryError> {
    let input = BufReader::new(Patient::new(input, SILENCE, WHOLE));
    let decryptor = Decryptor::new_buffered(input).map_err(|error| match error {
        DecryptError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => unread(error),
        _ => HistoryError::Foreign,
    })?;
    if !decryptor.is_scrypt() {
        return Err(HistoryError::Foreign);
    }
    let mut identity = scrypt::Identity::new(secret(passphrase));
    identity.set_max_work_factor(WORK);
    let mut input = decryptor
        .decrypt(iter::once(&identity as &dyn age::Identity))
        .map_err(|error| match error {
            DecryptError::KeyDecryptionFailed
            | DecryptError::DecryptionFailed
            | DecryptError::NoMatchingKeys => HistoryError::Passphrase,
            DecryptError::ExcessiveWork { .. } => HistoryError::Foreign,
            DecryptError::Io(error) => unread(error),
            _ => HistoryError::Altered,
        })?;
    match next(&mut input)? {
        Some(Item::Begin {
            format, version, ..
        }) if format == FORMAT => match version {
            VERSION => {}
            newer => return Err(HistoryError::Newer { version: newer }),
        },
        _ => return Err(HistoryError::Foreign),
    }
    atomic::make_dir(dir).map_err(HistoryError::io(dir))?;
    let mut file = None;
    let mut told = false;
    loop {
        let item = next(&mut input)?;
        let ends = matches!(item, Some(Item::File { .. }));
        // The manifest is whole when the next file begins.
        if ends
            && !told
            && let Some(manifest) = Manifest::read(dir)
        {
            limit.told(&manifest.files)?;
            told = true;
        }
        match item {
            Some(Item::File { path }) => {
                limit.file()?;
                file = Some(create(dir, &path)?);
            }
            Some(Item::Bytes { bytes }) => {
                limit.take(bytes.len() as u64)?;
                let file = file.as_mut().ok_or(HistoryError::Altered)?;
                file.write_all(&bytes).map_err(HistoryError::io(dir))?;
            }
            Some(Item::End) => return Ok(()),
            Some(Item::Begin { .. }) | None => return Err(HistoryError::Altered),
        }
    }
}

/// The next item; `None` at an end that comes too early.
fn next(input: &mut impl Read) -> Result<Option<Item>, HistoryError> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read.map_err(unread)?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(HistoryError::Foreign);
    }
    let mut item = vec![0; length];
    input.read_exact(&mut item).map_err(unread)?;
    minicbor::decode(&item)
        .map(Some)
        .map_err(|_| HistoryError::Foreign)
}

/// Begins a file, which is inside the directory whatever its name says.
fn create(dir: &Path, name: &str) -> Result<File, HistoryError> {
    let name = Path::new(name);
    let inside = name
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if name.as_os_str().is_empty() || !inside {
        return Err(HistoryError::Foreign);
    }
    let path = dir.join(name);
    let failed = HistoryError::io(&path);
    if let Some(parent) = path.parent() {
        atomic::make_dir(parent).map_err(&failed)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)
}

/// age says so of bytes that are not what was written; anything else is the medium's.
fn unread(error: io::Error) -> HistoryError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => HistoryError::Altered,
        _ => HistoryError::Input(error),
    }
}

fn secret(passphrase: &Secret<String>) -> SecretString {
    SecretString::from(passphrase.expose().clone())
}
