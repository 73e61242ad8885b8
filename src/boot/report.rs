//! The boot report: how the last run ended, what every signal said, what was found and how long it took.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use holdfast_core::LastEnd;
use holdfast_medium::{DataDir, Stamp, atomic, space::Reserve};
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Verdict};
use super::reset::Reset;
use super::{DIR, Said};

/// The newest report; the ones before it are `report-NUMBER.json`.
const NEWEST: &str = "report.json";
/// How many reports are kept before the newest.
const KEPT: usize = 20;

/// The boot report: one start, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// When the start began, and in which boot.
    #[serde(flatten)]
    pub at: Stamp,
    /// The version that started.
    pub version: String,
    /// How the last run ended: [`LastEnd::as_str`].
    pub last_end: String,
    /// Why we think so.
    pub why: String,
    /// Every signal.
    pub signals: Vec<Signal>,
    /// The damage that opening the data directory found; empty when all was as promised.
    pub findings: Vec<Finding>,
    /// How long each stage took, in order.
    pub stages: Vec<Stage>,
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Which.
    pub name: String,
    /// `absent`, `present` or `unreadable`.
    pub said: String,
    /// Its value, or the error of reading it; empty when absent.
    pub value: String,
}

/// Something that was not as promised, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The room that found it: `vault`, `inbox`, `outbox`, `archive`.
    pub room: String,
    /// The damage, in a sentence.
    pub what: String,
}

/// A stage of the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Which.
    pub name: String,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// The stages of a start under way.
#[derive(Debug)]
pub struct Stages {
    since: Instant,
    done: Vec<Stage>,
}

impl Stages {
    /// The first stage begins.
    #[expect(clippy::new_without_default, reason = "it starts a clock")]
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            done: Vec::new(),
        }
    }

    /// The stage under way is done, and was this one; the next begins.
    pub fn done(&mut self, name: &str) {
        let ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since = Instant::now();
        self.done.push(Stage {
            name: name.to_owned(),
            ms,
        });
    }
}

impl BootReport {
    /// The report of the start that gathered this evidence; findings and stages are still to come.
    pub fn new(evidence: &Evidence, verdict: &Verdict) -> Self {
        Self {
            at: Stamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            last_end: verdict.end.as_str().to_owned(),
            why: verdict.why.to_owned(),
            signals: signals(evidence),
            findings: Vec::new(),
            stages: Vec::new(),
        }
    }

    /// Adds what a room found.
    pub fn found(&mut self, room: &str, findings: impl IntoIterator<Item = impl fmt::Display>) {
        self.findings
            .extend(findings.into_iter().map(|what| Finding {
                room: room.to_owned(),
                what: what.to_string(),
            }));
    }

    /// Closes the report: the start is over.
    #[must_use]
    pub fn closed(self, stages: Stages) -> Self {
        Self {
            stages: stages.done,
            ..self
        }
    }

    /// Keeps it, durably, with the last ones before it.
    ///
    /// # Errors
    /// It is not kept; what it says is true all the same.
    pub fn keep(&self, dir: &DataDir) -> io::Result<()> {
        let place = dir.root().join(DIR);
        atomic::make_dir(&place)?;
        set_aside(&place)?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let newest = place.join(NEWEST);
        Reserve::of(dir.root()).relieved(|| atomic::replace(&newest, &json))
    }

    /// How the last run ended, in a sentence.
    pub fn sentence(&self) -> &'static str {
        self.end().sentence()
    }

    /// How the last run ended.
    pub fn end(&self) -> LastEnd {
        LastEnd::ALL
            .into_iter()
            .find(|end| end.as_str() == self.last_end)
            .unwrap_or(LastEnd::Unknown)
    }
}

/// Gives the newest report its number and lets the oldest go.
fn set_aside(place: &Path) -> io::Result<()> {
    let mut numbers: Vec<u64> = fs::read_dir(place)?
        .filter_map(|entry| number(entry.ok()?.file_name().to_str()?))
        .collect();
    numbers.sort_unstable();
    let next = numbers.last().map_or(1, |newest| newest.saturating_add(1));
    let name = |number: u64| place.join(format!("report-{number}.json"));
    match fs::rename(place.join(NEWEST), name(next)) {
        Ok(()) => numbers.push(next),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let spare = numbers.len().saturating_sub(KEPT);
    numbers[..spare]
        .iter()
        .try_for_each(|number| fs::remove_file(name(*number)))
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix("report-")?
        .strip_suffix(".json")?
        .parse()
        .ok()
}

fn signals(evidence: &Evidence) -> Vec<Signal> {
    let list = |parts: Vec<String>| parts.join("; ");
    vec![
        signal("run mark", &evidence.mark, |mark| {
            let boot = mark.at.boot.as_deref().unwrap_or("an unknown boot");
            format!("{:?}, process {}, in {boot}", mark.run, mark.pid).to_lowercase()
        }),
        signal("vault", &evidence.vault, String::clone),
        signal("boot id", &evidence.clock, |clock| clock.boot.clone()),
        signal("kernel crash", &evidence.dumps, |dumps| {
            let tell = dumps.iter().map(|dump| {
                let reason = dump.reason.as_deref().unwrap_or("no reason");
                format!("{}: {reason}, at {} ms since 1970", dump.name, dump.wall_ms)
            });
            list(tell.collect())
        }),
        signal("watchdog", &evidence.watchdogs, |watchdogs| {
            let tell = watchdogs.iter().map(|watchdog| {
                let left = watchdog
                    .left_s
                    .map_or_else(String::new, |left| format!(", {left} s left now"));
                format!("{}: {:#x}{left}", watchdog.name, watchdog.boot_status)
            });
            list(tell.collect())
        }),
        signal("reset", &evidence.reset, |reset| match reset {
            Reset::PowerOn => "the power came on".to_owned(),
            Reset::Warm => "with the power on".to_owned(),
        }),
        signal("file system recovery", &evidence.recovery, |recovery| {
            format!("{}: {}", recovery.device, recovery.lines.join("; "))
        }),
        signal("file system errors", &evidence.errors, String::clone),
    ]
}

fn signal<T>(name: &str, said: &Said<T>, tell: impl FnOnce(&T) -> String) -> Signal {
    let (said, value) = match said {
        Said::Absent => ("absent", String::new()),
        Said::Present(value) => ("present", tell(value)),
        Said::Unreadable(why) => ("unreadable", why.clone()),
    };
    Signal {
        name: name.to_owned(),
        said: said.to_owned(),
        value,
    }
}

impl fmt::Display for BootReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Last end: {} ({})\n     Why: {}\n Version: {}\n\nSignals",
            self.sentence(),
            self.last_end,
            self.why,
            self.version
        )?;
        for Signal { name, said, value } in &self.signals {
            write!(f, "\n  {name:20}  {said:10}  {value}")?;
        }
        f.write_str("\n\nFindings")?;
        if self.findings.is_empty() {
            f.write_str("\n  none")?;
        }
        for Finding { room, what } in &self.findings {
            write!(f, "\n  {room:8}  {what}")?;
        }
        f.write_str("\n\nStages")?;
        for Stage { name, ms } in &self.stages {
            write!(f, "\n  {name:8}  {ms:>6} ms")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use holdfast_medium::Machine;

    use super::*;

    fn report(data: &DataDir) -> BootReport {
        let evidence = Evidence::gather(&Machine::at(data.root().join("machine")), data);
        BootReport::new(&evidence, &evidence.verdict())
    }

    fn files(data: &DataDir) -> usize {
        fs::read_dir(data.root().join(DIR)).unwrap().count()
    }

    #[test]
    fn a_report_is_kept_with_the_twenty_before_it() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        for start in 0..25 {
            let mut report = report(&data);
            report.found("inbox", [format!("start {start}")]);
            let mut stages = Stages::new();
            stages.done("vault");
            let report = report.closed(stages);
            report.keep(&data).unwrap();
            let kept = fs::read(root.path().join(DIR).join(NEWEST)).unwrap();
            assert_eq!(serde_json::from_slice::<BootReport>(&kept).unwrap(), report);
        }
        assert_eq!(files(&data), 1 + KEPT);
        let before = fs::read_to_string(root.path().join(DIR).join("report-24.json")).unwrap();
        assert!(before.contains("start 23"), "{before}");
    }

    #[test]
    fn a_report_tells_every_signal_and_what_it_said() {
        let root = tempfile::tempdir().unwrap();
        let report = report(&DataDir::new(root.path()));
        assert_eq!(report.last_end, "first-start");
        let said: Vec<_> = report
            .signals
            .iter()
            .map(|signal| signal.said.as_str())
            .collect();
        assert_eq!(
            said,
            [
                "absent",
                "absent",
                "absent",
                "unreadable",
                "absent",
                "absent",
                "unreadable",
                "unreadable"
            ]
        );
        let text = report.to_string();
        assert!(text.starts_with("Last end: This is the first start. (first-start)"));
        assert!(
            report
                .signals
                .iter()
                .all(|signal| text.contains(&signal.name))
        );
    }
}
