//! The depot: the one bundle on its way, on the data partition, where it takes no room that messages or archives need.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_medium::space::Reserve;
use holdfast_medium::wear::{self, Cost};
use holdfast_medium::{DataDir, Patient, atomic};
use sha2::{Digest as _, Sha256};

use super::{Offer, UpdateError, Web};

/// The name of a whole bundle.
const BUNDLE: &str = "bundle.raucb";
/// What a bundle that is not whole yet ends in; the name before it says which it is.
const PART: &str = "part";
/// A bundle whose hash nobody named.
const UNNAMED: &str = "unnamed";
/// So much is copied, and then looked at the room, bytes.
const PIECE: u64 = 1 << 20;
/// How long a client's pipe may be silent, and how long it may take.
const SILENCE: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(60 * 60);

const MIB: u64 = 1 << 20;

/// Which bundle is wanted. Of one that the index does not name RAUC alone says whether it may be installed.
#[derive(Debug)]
pub enum Wanted {
    /// The one that the index names.
    Named(Offer),
    /// Whatever lies at this address.
    At(String),
    /// What comes from a client, maybe through a pipe.
    Handed(File),
}

impl Wanted {
    /// Its version, where that is known before it is installed.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Named(offer) => Some(&offer.version),
            Self::At(_) | Self::Handed(_) => None,
        }
    }
}

/// The depot of one data directory.
#[derive(Clone, Debug)]
pub struct Depot {
    dir: PathBuf,
    reserve: Reserve,
    /// What a bundle leaves free, bytes.
    leaves: u64,
}

impl Depot {
    /// The depot of this data directory, which leaves so many bytes free for all else.
    pub fn of(data: &DataDir, leaves: u64) -> Self {
        Self {
            dir: data.update(),
            reserve: Reserve::of(data.root()),
            leaves,
        }
    }

    /// Gets the bundle here and returns where it lies; goes on where an attempt at the same one was cut off. Tells how far that is,
    /// percent. Blocks.
    ///
    /// # Errors
    /// [`UpdateError`]. What came of a bundle that the index names stays for the next attempt, and of no other.
    pub fn take(
        &self,
        web: &Web,
        wanted: Wanted,
        tell: impl Fn(u8),
    ) -> Result<PathBuf, UpdateError> {
        let taken = match wanted {
            Wanted::Named(offer) => return self.fetch(web, &offer.url, Some(&offer), tell),
            Wanted::At(url) => self.fetch(web, &url, None, tell),
            Wanted::Handed(file) => self.receive(file, tell),
        };
        if taken.is_err() {
            self.clear();
        }
        taken
    }

    fn receive(&self, file: File, tell: impl Fn(u8)) -> Result<PathBuf, UpdateError> {
        let part = self.part(UNNAMED)?;
        let length = file.metadata().ok().filter(|of| of.is_file());
        let length = length.map(|of| of.len());
        let mut copy = self.open(&part, false)?;
        self.check_room(length.unwrap_or(0))?;
        let came = Patient::new(file, SILENCE, WHOLE);
        self.copy(came, &mut copy, (0, length), &tell)?;
        self.complete(&part, copy)
    }

    fn fetch(
        &self,
        web: &Web,
        url: &str,
        named: Option<&Offer>,
        tell: impl Fn(u8),
    ) -> Result<PathBuf, UpdateError> {
        let part = self.part(named.map_or(UNNAMED, |offer| &offer.sha256))?;
        let mut file = self.open(&part, named.is_some())?;
        let mut has = file.metadata().map_err(at(&part))?.len();
        let size = named.map(|offer| offer.size);
        if size.is_some_and(|size| has > size) {
            file.set_len(0).map_err(at(&part))?;
            has = 0;
        }
        if size.is_none_or(|size| has < size) {
            self.check_room(size.unwrap_or(0).saturating_sub(has))?;
            let coming = web.fetch(url, has)?;
            if !coming.goes_on {
                has = 0;
                file.set_len(0).map_err(at(&part))?;
            }
            file.seek(io::SeekFrom::Start(has)).map_err(at(&part))?;
            let whole = size.or(coming.length);
            self.check_room(whole.unwrap_or(0).saturating_sub(has))?;
            has = self.copy(coming.body, &mut file, (has, whole), &tell)?;
        }
        if let Some(offer) = named {
            if has < offer.size {
                return Err(UpdateError::NotFetched(format!(
                    "{has} of {} bytes came",
                    offer.size
                )));
            }
            let is_it = has == offer.size && hash(&part)? == offer.sha256;
            if !is_it {
                fs::remove_file(&part).map_err(at(&part))?;
                return Err(UpdateError::Altered);
            }
        }
        self.complete(&part, file)
    }

    /// Gives the room of a whole bundle back, and of a part that nothing can go on from. Blocks.
    pub fn clear(&self) {
        for file in [self.dir.join(BUNDLE), self.part_of(UNNAMED)] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(
                        "the bundle of the last update stays on the data partition: {error}"
                    );
                }
                _ => {}
            }
        }
    }

    fn part_of(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension(PART)
    }

    /// The place of this bundle while it comes; that of any other one is given back.
    fn part(&self, name: &str) -> Result<PathBuf, UpdateError> {
        atomic::make_dir(&self.dir).map_err(at(&self.dir))?;
        self.clear();
        let part = self.part_of(name);
        let entries = fs::read_dir(&self.dir).map_err(at(&self.dir))?;
        for other in entries.flatten().map(|entry| entry.path()) {
            if other.extension().is_some_and(|ends| ends == PART) && other != part {
                fs::remove_file(&other).map_err(at(&other))?;
            }
        }
        Ok(part)
    }

    fn open(&self, part: &Path, goes_on: bool) -> Result<File, UpdateError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(!goes_on);
        options.mode(0o600).open(part).map_err(at(part))
    }

    /// Copies what comes behind the bytes that are there, and returns how many there are then.
    fn copy(
        &self,
        mut from: impl Read,
        to: &mut File,
        (mut has, whole): (u64, Option<u64>),
        tell: &impl Fn(u8),
    ) -> Result<u64, UpdateError> {
        let not_fetched = |error: io::Error| UpdateError::NotFetched(error.to_string());
        let mut buffer = vec![0; 64 << 10];
        let mut looked = has;
        loop {
            let came = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(came) => came,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // What is there is there for the next attempt.
                    let _ = to.sync_all();
                    return Err(not_fetched(error));
                }
            };
            to.write_all(&buffer[..came]).map_err(not_fetched)?;
            has += came as u64;
            if whole.is_some_and(|whole| has > whole) {
                return Err(UpdateError::NotFetched(
                    "more came than was said".to_owned(),
                ));
            }
            if has - looked >= PIECE {
                looked = has;
                self.check_room(0)?;
                if let Some(whole) = whole.filter(|whole| *whole > 0) {
                    tell(u8::try_from(has * 100 / whole).unwrap_or(100));
                }
            }
        }
        wear::beside(Cost {
            bytes: has,
            barriers: 1,
        });
        Ok(has)
    }

    /// It is whole, and durable under its own name.
    fn complete(&self, part: &Path, file: File) -> Result<PathBuf, UpdateError> {
        file.sync_all().map_err(at(part))?;
        // RAUC takes no bundle that somebody may still write to.
        drop(file);
        let bundle = self.dir.join(BUNDLE);
        fs::rename(part, &bundle).map_err(at(&bundle))?;
        atomic::sync_dir(&self.dir).map_err(at(&self.dir))?;
        Ok(bundle)
    }

    /// Refuses what would leave too little.
    fn check_room(&self, needs: u64) -> Result<(), UpdateError> {
        let free = self.reserve.spare().map_err(at(&self.dir))?;
        let has = free.saturating_sub(self.leaves);
        if needs <= has && free >= self.leaves {
            return Ok(());
        }
        Err(UpdateError::NoRoom {
            needs: needs.max(1).div_ceil(MIB),
            has: has / MIB,
        })
    }
}

/// The SHA-256 of a file, lower-case hexadecimal.
fn hash(path: &Path) -> Result<String, UpdateError> {
    let mut file = File::open(path).map_err(at(path))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer).map_err(at(path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> UpdateError + '_ {
    |source| UpdateError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::thread;

    use super::*;

    fn depot(leaves: u64) -> (tempfile::TempDir, Depot) {
        let root = tempfile::tempdir().unwrap();
        let depot = Depot::of(&DataDir::new(root.path()), leaves);
        (root, depot)
    }

    fn take(depot: &Depot, handed: File) -> Result<PathBuf, UpdateError> {
        depot.take(&Web::new(None), Wanted::Handed(handed), |_| {})
    }

    #[test]
    fn a_client_s_bundle_may_come_through_a_pipe() {
        let (_root, depot) = depot(0);
        let (reader, mut writer) = io::pipe().unwrap();
        let sent: Vec<u8> = (0..3 * PIECE).map(|at| at as u8).collect();
        let told = sent.clone();
        let writes = thread::spawn(move || writer.write_all(&told).unwrap());
        let bundle = depot.receive(OwnedFd::from(reader).into(), |_| {}).unwrap();
        writes.join().unwrap();
        assert!(fs::read(&bundle).unwrap() == sent);
        depot.clear();
        assert!(!bundle.exists());
    }

    #[test]
    fn what_would_leave_too_little_is_refused_before_it_is_copied() {
        let (root, depot) = depot(u64::MAX);
        let file = root.path().join("a bundle");
        fs::write(&file, [0; 100]).unwrap();
        let handed = File::open(&file).unwrap();
        let refused = take(&depot, handed).unwrap_err();
        assert_eq!(refused.code().as_str(), "update.no-room");
        assert!(matches!(refused, UpdateError::NoRoom { needs: 1, has: 0 }));
        assert_eq!(fs::read_dir(&depot.dir).unwrap().count(), 0);
    }

    #[test]
    fn what_a_client_does_not_hand_in_whole_is_given_back() {
        let (root, depot) = depot(0);
        let directory = File::open(root.path()).unwrap();
        let failed = take(&depot, directory).unwrap_err();
        assert!(matches!(failed, UpdateError::NotFetched(_)), "{failed}");
        assert_eq!(fs::read_dir(&depot.dir).unwrap().count(), 0);
        // A power cut leaves it for the next start.
        fs::write(depot.part_of(UNNAMED), "half").unwrap();
        fs::write(depot.part_of("named"), "half").unwrap();
        depot.clear();
        assert!(!depot.part_of(UNNAMED).exists() && depot.part_of("named").exists());
    }
}
