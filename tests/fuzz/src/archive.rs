//! An archive from elsewhere. An input whose first line is `inner` describes what is inside an age file, a line an item; any other one is
//! the file itself. To seal it costs no more work than age allows, since each input takes one.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io::{Seek as _, Write as _};
use std::iter;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use age::secrecy::SecretString;
use age::{Encryptor, scrypt};
use holdfast::history::{Archive, Audit};
use holdfast::vault::Generations;
use holdfast_core::GenerationId;
use holdfast_medium::{DataDir, Secret};
use minicbor::Encoder;
use tokio::runtime::{Builder, Runtime};

/// What it was sealed with.
const PASSPHRASE: &str = "a phrase that only the fuzzer knows";

/// How soon nothing is left of what was refused.
const SOON: Duration = Duration::from_secs(10);

/// Takes it in; where that is refused nothing is left behind.
pub fn is_taken_in(input: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("a runtime"));
    let place = tempfile::tempdir().expect("a place");
    let data = DataDir::new(place.path().join("data"));
    fs::create_dir_all(data.root()).expect("a data directory");
    let (archive, _) = Archive::open(&data, GenerationId(3), Generations).expect("an archive");
    let audit = Audit::open(&data);
    let mut file = tempfile::tempfile().expect("a file");
    let bytes = match input.strip_prefix(b"inner\n") {
        Some(items) => sealed(&inner(items)),
        None => input.to_vec(),
    };
    file.write_all(&bytes).expect("bytes");
    file.rewind().expect("its beginning");
    let passphrase = Secret::new(PASSPHRASE.to_owned());
    let taken = runtime.block_on(async {
        let arrived = archive.receive(passphrase, file).await?;
        archive.take_in(&audit, arrived).await
    });
    match taken {
        Ok(id) => assert!(archive.find(id).is_ok()),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(archive.list().expect("a list").is_empty());
            // What was half read is removed beside the runtime's own threads.
            let begun = Instant::now();
            while let Some(left) = left_behind(&data) {
                assert!(begun.elapsed() < SOON, "{left:?} is left behind");
                thread::yield_now();
            }
        }
    }
}

/// What the data directory holds beside an empty archive.
fn left_behind(data: &DataDir) -> Option<OsString> {
    let all = fs::read_dir(data.root())
        .expect("a data directory")
        .flatten();
    let full = |entry: &DirEntry| fs::read_dir(entry.path()).is_ok_and(|inside| inside.count() > 0);
    all.filter(full).map(|entry| entry.file_name()).next()
}

/// The items that the lines describe: `begin FORMAT,VERSION,ID`, `file PATH`, `bytes TEXT`, `end`; another line is an item as it stands.
fn inner(lines: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let text = String::from_utf8_lossy(line);
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let mut item = Encoder::new(Vec::new());
        let _ = item.array(2);
        let known = match word {
            "begin" => {
                let mut parts = rest.splitn(3, ',');
                let mut part = || parts.next().unwrap_or_default();
                let (format, version, id) = (part(), part().parse().unwrap_or(1), part());
                item.u32(0)
                    .and_then(|item| item.array(3)?.str(format)?.u32(version)?.str(id))
                    .is_ok()
            }
            "file" => item
                .u32(1)
                .and_then(|item| item.array(1)?.str(rest))
                .is_ok(),
            "bytes" => item
                .u32(2)
                .and_then(|item| item.array(1)?.bytes(rest.as_bytes()))
                .is_ok(),
            "end" => item.u32(3).and_then(|item| item.array(0)).is_ok(),
            _ => false,
        };
        let item = if known {
            item.into_writer()
        } else {
            line.to_vec()
        };
        let length = u32::try_from(item.len()).unwrap_or(u32::MAX);
        all.extend(length.to_le_bytes());
        all.extend(item);
    }
    all
}

fn sealed(inner: &[u8]) -> Vec<u8> {
    let mut recipient = scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(1);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        .expect("a recipient");
    let mut bytes = Vec::new();
    let mut output = encryptor
        .wrap_output(&mut bytes)
        .expect("a vector takes all bytes");
    output.write_all(inner).expect("a vector takes all bytes");
    output.finish().expect("a vector takes all bytes");
    bytes
}
