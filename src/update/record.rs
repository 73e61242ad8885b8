//! The record of the last update: what one boot leaves to the next, so that it knows whether it is a trial, or what fell back.

use std::fs;
use std::io;

use holdfast_core::{Booted, TRIAL_MS};
use holdfast_medium::{DataDir, atomic};
use serde::{Deserialize, Serialize};

use super::Device;

/// Why an installation came to nothing that ended with whoever was at it.
pub const CUT_OFF: &str = "it was cut off in the middle";
/// The most versions that are remembered as having fallen back.
const REMEMBERED: usize = 8;

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is being installed.
    Installing,
    /// It is installed; the next boot is a trial of it.
    Installed,
    /// It runs on trial.
    Trial,
    /// It stayed.
    Good,
    /// It stayed, and the boot loader left its slot later: another one runs.
    Left,
    /// It did not prove itself, and the version before runs again.
    FellBack,
    /// It was not installed.
    Failed,
}

impl Outcome {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Trial => "trial",
            Self::Good => "good",
            Self::Left => "left",
            Self::FellBack => "fell-back",
            Self::Failed => "failed",
        }
    }
}

/// The record of the last update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version; `None` while that of a bundle that was handed in is not known.
    pub version: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it came to nothing, where somebody said.
    pub why: Option<String>,
    /// The slot that ran when it was installed.
    from: String,
    /// The boot in which it was.
    boot: String,
    /// Versions that did not prove themselves, the latest last.
    #[serde(default)]
    fell_back: Vec<String>,
}

impl Record {
    /// Reads the record; `None` where there is none that can be read.
    pub fn read(data: &DataDir) -> Option<Self> {
        serde_json::from_slice(&fs::read(data.update().join(NAME)).ok()?).ok()
    }

    /// Keeps it, durable on return.
    ///
    /// # Errors
    /// It may not be kept.
    pub fn keep(&self, data: &DataDir) -> io::Result<()> {
        atomic::make_dir(&data.update())?;
        // First: a version that is known to be good, with that file still there after a power cut, would be left at every boot.
        if !self.is_trial() {
            end_trial(data)?;
        }
        let json = serde_json::to_vec(self)?;
        atomic::replace(&data.update().join(NAME), &json)?;
        if self.is_trial() {
            let boot = format!("{}\n", self.boot);
            atomic::replace(&data.update().join(TRIAL), boot.as_bytes())?;
        }
        Ok(())
    }

    /// Whether the next boot, or this one, is a trial.
    pub fn is_trial(&self) -> bool {
        matches!(self.outcome, Outcome::Installed | Outcome::Trial)
    }

    /// Begins an installation, over the record of the one before.
    pub fn begin(before: Option<Self>, version: Option<String>, device: &Device) -> Self {
        Self {
            version,
            outcome: Outcome::Installing,
            why: None,
            from: device.slot.clone().unwrap_or_default(),
            boot: device.boot.clone(),
            fell_back: before.map(|before| before.fell_back).unwrap_or_default(),
        }
    }

    /// The record with what became of it; a version that is not known is as it was.
    pub fn with(self, version: Option<String>, outcome: Outcome, why: Option<String>) -> Self {
        Self {
            version: version.or(self.version),
            outcome,
            why,
            ..self
        }
    }

    /// Whether this version was tried, and did not stay.
    pub fn fell_back(&self, version: &str) -> bool {
        self.fell_back.iter().any(|known| known == version)
    }

    /// Judges what this boot is to the update, and notes it. A slot that ends up running other than the one that installed it is on trial,
    /// whatever the power did to the note of that, unless the boot loader takes it for good.
    pub fn boots(&mut self, device: &Device) -> Booted {
        use Outcome::{Failed, FellBack, Good, Installed, Installing, Left, Trial};
        let same_slot = device.slot.as_deref() == Some(&self.from);
        let same_boot = device.boot == self.boot;
        let is_good = device.counted == Some(false);
        match (self.outcome, same_slot) {
            (Installing, true) if same_boot => Booted::Installing,
            (Installed, true) if same_boot => Booted::Installed,
            (Installing, true) => {
                self.outcome = Failed;
                self.why = Some(CUT_OFF.to_owned());
                Booted::Usual
            }
            (Installed | Trial, true) => {
                self.outcome = FellBack;
                let version = self.version.clone();
                self.fell_back.extend(version);
                let spare = self.fell_back.len().saturating_sub(REMEMBERED);
                self.fell_back.drain(..spare);
                Booted::FellBack
            }
            // It had proved itself: it is no version to be refused.
            (Good, true) => {
                self.outcome = Left;
                Booted::Usual
            }
            (Left | FellBack | Failed, true) | (Good | Left | FellBack, false) => Booted::Usual,
            (Failed, false) if is_good => Booted::Usual,
            (Installing | Installed | Trial, false) if is_good => {
                self.outcome = Good;
                Booted::Usual
            }
            (Installing | Installed | Trial | Failed, false) => {
                self.outcome = Trial;
                let up = u64::try_from(device.uptime.as_millis()).unwrap_or(u64::MAX);
                Booted::Trial {
                    left_ms: TRIAL_MS.saturating_sub(up),
                }
            }
        }
    }
}

/// The record's file.
const NAME: &str = "record";
/// There while the next boot, or this one, is a trial; names the boot before it. The service manager restarts a trial that hangs by this
/// file: see `holdfast-trial.timer`.
const TRIAL: &str = "trial";

/// Removes the file of a trial, durable on return; one that is not there costs nothing.
///
/// # Errors
/// It is still there.
pub fn end_trial(data: &DataDir) -> io::Result<()> {
    match fs::remove_file(data.update().join(TRIAL)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => atomic::sync_dir(&data.update()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn device(slot: &str, boot: &str) -> Device {
        Device {
            slot: Some(slot.to_owned()),
            counted: None,
            version: "0.1.0".to_owned(),
            boot: boot.to_owned(),
            uptime: Duration::from_secs(60),
        }
    }

    fn record(outcome: Outcome) -> Record {
        let begun = Record::begin(None, Some("0.2.0".to_owned()), &device("A", "1"));
        Record { outcome, ..begun }
    }

    #[test]
    fn each_boot_knows_what_it_is() {
        use Outcome::{Failed, FellBack, Good, Installed, Installing, Left, Trial};
        let trial = Booted::Trial {
            left_ms: TRIAL_MS - 60_000,
        };
        let (unsaid, counted, good) = (None, Some(true), Some(false));
        for (outcome, slot, boot, said, booted, then) in [
            (Installing, "A", "1", good, Booted::Installing, Installing),
            (Installing, "A", "2", good, Booted::Usual, Failed),
            (Installing, "B", "2", unsaid, trial, Trial),
            (Installing, "B", "2", counted, trial, Trial),
            (Installed, "A", "1", good, Booted::Installed, Installed),
            (Installed, "A", "2", good, Booted::FellBack, FellBack),
            (Installed, "B", "2", counted, trial, Trial),
            (Trial, "B", "3", counted, trial, Trial),
            (Trial, "B", "3", good, Booted::Usual, Good),
            (Trial, "A", "4", good, Booted::FellBack, FellBack),
            (Trial, "A", "4", counted, Booted::FellBack, FellBack),
            (Good, "B", "9", good, Booted::Usual, Good),
            (Good, "B", "9", counted, Booted::Usual, Good),
            (Good, "A", "9", good, Booted::Usual, Left),
            (Good, "A", "9", counted, Booted::Usual, Left),
            (Left, "A", "9", good, Booted::Usual, Left),
            (Left, "B", "9", counted, Booted::Usual, Left),
            (FellBack, "A", "9", counted, Booted::Usual, FellBack),
            (FellBack, "B", "9", counted, Booted::Usual, FellBack),
            (Failed, "A", "9", counted, Booted::Usual, Failed),
            (Failed, "B", "9", counted, trial, Trial),
            (Failed, "B", "9", good, Booted::Usual, Failed),
        ] {
            let mut record = record(outcome);
            let device = Device {
                counted: said,
                ..device(slot, boot)
            };
            let row = format!("{outcome:?} {slot} {boot} {said:?}");
            assert_eq!(record.boots(&device), booted, "{row}");
            assert_eq!(record.outcome, then, "{row}");
            let fell = booted == Booted::FellBack;
            assert_eq!(record.fell_back("0.2.0"), fell, "{row}");
        }
    }

    #[test]
    fn a_version_that_fell_back_is_remembered_over_later_ones_and_the_file() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        assert_eq!(Record::read(&data), None);
        let mut first = record(Outcome::Installed);
        first.keep(&data).unwrap();
        assert!(data.update().join(TRIAL).exists());
        first.boots(&device("A", "2"));
        first.keep(&data).unwrap();
        assert!(!data.update().join(TRIAL).exists());
        let read = Record::read(&data);
        assert_eq!(read.as_ref(), Some(&first));
        let next = Record::begin(read, Some("0.3.0".to_owned()), &device("A", "2"));
        assert!(next.fell_back("0.2.0") && !next.fell_back("0.3.0"));
    }

    #[test]
    fn the_mark_of_a_trial_goes_before_what_may_fail() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        end_trial(&data).unwrap();
        record(Outcome::Trial).keep(&data).unwrap();
        // The record cannot be replaced.
        fs::remove_file(data.update().join(NAME)).unwrap();
        fs::create_dir(data.update().join(NAME)).unwrap();
        assert!(record(Outcome::Good).keep(&data).is_err());
        assert!(!data.update().join(TRIAL).exists());
    }
}
