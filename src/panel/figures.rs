//! Figures: what is known beside the face, for the glasses that have room for it, and for the pages.

use holdfast_core::{AuditEnd, Cause, GenerationId, LastEnd, Quality, Reception};

use super::{
    page::Row,
    words::{Screen, Words},
};

/// The version of this build.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The longest value of a figure, letters: a host name may have 63.
const LONGEST: usize = 22;

/// What is known beside the face. Whatever is not known is left out; ages count to when this was gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Why things are as they are.
    pub cause: Option<Cause>,
    /// How long they are so, milliseconds.
    pub since_ms: Option<u64>,
    /// The address on the network.
    pub address: Option<String>,
    /// The name on the network.
    pub host: Option<String>,
    /// How well the radio hears its access point.
    pub wifi: Option<Reception>,
    /// Received messages that no consumer has read.
    pub unread: Option<u64>,
    /// Messages that wait to be sent.
    pub unsent: Option<u64>,
    /// How long ago the last message came in, milliseconds.
    pub message_ms: Option<u64>,
    /// How the last run ended.
    pub last_end: Option<LastEnd>,
    /// Whether somebody may log in by SSH; `None` where that is not ours to say.
    pub has_key: Option<bool>,
    /// The slot of the image that runs.
    pub slot: Option<String>,
    /// The live generation.
    pub generation: Option<GenerationId>,
    /// Where the audit ends.
    pub audit: Option<AuditEnd>,
    /// How long ago a retired link left whole for a file of the operator's, milliseconds; `Some(None)`: never.
    pub export_ms: Option<Option<u64>>,
    /// A number is configured, so that a pairing code is offered.
    pub has_number: bool,
}

impl Figures {
    /// What a large glass says beside a state.
    pub(super) fn of_state(&self, words: &Words) -> Vec<Row> {
        let ended = self.last_end.map(|end| ending(end, words).title.to_owned());
        rows([
            (
                words.since,
                self.since_ms
                    .filter(|ms| *ms >= 60_000)
                    .map(|ms| age(ms, words.now)),
            ),
            (words.unread, self.unread.map(|count| count.to_string())),
            (words.unsent, self.unsent.map(|count| count.to_string())),
            (words.last_message, self.message_ms.map(|ms| ago(ms, words))),
            (words.address, self.address.clone()),
            // The level is another one at each look, and paper would be drawn anew each time.
            (
                words.wifi,
                self.wifi.map(|heard| quality(heard, words).to_owned()),
            ),
            (words.last_run, ended),
        ])
    }

    /// Where this device is found.
    pub(super) fn of_network(&self, words: &Words) -> Vec<Row> {
        let address = self.address.as_deref().unwrap_or(words.none);
        rows([
            (words.address, Some(address.to_owned())),
            (words.host, self.host.clone()),
            (words.wifi, self.wifi.map(|heard| level(heard, words))),
        ])
    }

    /// What this device is.
    pub(super) fn of_device(&self, words: &Words) -> Vec<Row> {
        let or = |known: Option<String>, unknown: &str| known.unwrap_or_else(|| unknown.to_owned());
        let audit = self.audit.map(|end| end.to_string());
        let export = self
            .export_ms
            .map(|ms| or(ms.map(|ms| ago(ms, words)), words.never));
        rows([
            (words.audit, Some(or(audit, words.none))),
            (words.version, Some(VERSION.to_owned())),
            (words.slot, self.slot.clone()),
            (words.generation, self.generation.map(|id| id.to_string())),
            (words.export, export),
        ])
    }
}

/// The words about the end of a run.
pub(super) fn ending(end: LastEnd, words: &Words) -> &Screen {
    match end {
        LastEnd::Clean => &words.clean,
        LastEnd::FirstStart => &words.first_start,
        LastEnd::ProcessCrash => &words.process_crash,
        LastEnd::KernelCrash => &words.kernel_crash,
        LastEnd::Watchdog => &words.watchdog,
        LastEnd::PowerLoss => &words.power_loss,
        LastEnd::Unknown => &words.unknown_end,
    }
}

fn rows<const N: usize>(all: [(&str, Option<String>); N]) -> Vec<Row> {
    let row = |(name, value): (&str, Option<String>)| {
        let value = value?.chars().take(LONGEST).collect();
        let name = name.to_owned();
        Some(Row { name, value })
    };
    all.into_iter().filter_map(row).collect()
}

/// What to make of what the radio hears.
fn quality(heard: Reception, words: &Words) -> &'static str {
    match heard.quality() {
        Quality::Good => words.good,
        Quality::Fair => words.fair,
        Quality::Weak => words.weak,
    }
}

/// The same, with the level.
fn level(heard: Reception, words: &Words) -> String {
    format!("{} dBm, {}", heard.dbm, quality(heard, words))
}

fn ago(ms: u64, words: &Words) -> String {
    match ms / 60_000 {
        0 => words.now.to_owned(),
        _ => words.ago.replace("{}", &age(ms, words.now)),
    }
}

/// A time that has passed, in its largest unit: `5 min`, `3 h`, `12 d`.
fn age(ms: u64, now: &str) -> String {
    let minutes = ms / 60_000;
    match (minutes / 1440, minutes / 60) {
        (days @ 1.., _) => format!("{days} d"),
        (_, hours @ 1..) => format!("{hours} h"),
        _ if minutes > 0 => format!("{minutes} min"),
        _ => now.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Language;

    #[test]
    fn the_level_of_the_wifi_alone_draws_no_state_anew() {
        let words = Language::English.words();
        let rows = |dbm| {
            let wifi = Some(Reception { dbm });
            let figures = Figures {
                wifi,
                ..Figures::default()
            };
            [figures.of_state(words), figures.of_network(words)]
                .map(|rows| rows[rows.len() - 1].value.clone())
        };
        assert_eq!(rows(-61), ["good", "-61 dBm, good"]);
        assert_eq!(rows(-62), ["good", "-62 dBm, good"]);
        assert_eq!(rows(-80), ["weak", "-80 dBm, weak"]);
    }
}
