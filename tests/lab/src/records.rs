//! The journal's own records, as `journalctl --output=json` has them: systemd.journal-fields(7).

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use holdfast::journal::MessageId;
use holdfast_core::CauseCode;
use serde_json::Value;

/// One record: its fields by name.
#[derive(Clone, Debug)]
pub struct Record(BTreeMap<String, String>);

impl Record {
    /// Reads one record a line.
    ///
    /// # Errors
    /// A line that is no record.
    pub fn read(lines: &str) -> anyhow::Result<Vec<Record>> {
        let line = |line| {
            let fields: BTreeMap<String, Value> = serde_json::from_str(line)?;
            let text = |value| match value {
                Value::String(text) => text,
                // What is no text comes as a list of bytes, what comes twice as a list of texts.
                other => other.to_string(),
            };
            let fields = fields.into_iter().map(|(name, value)| (name, text(value)));
            Ok(Record(fields.collect()))
        };
        lines.lines().map(line).collect()
    }

    /// A field, where it has that.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All that it says, in all its fields.
    pub fn text(&self) -> String {
        let fields = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        fields.collect()
    }
}

/// The session went into this state, with the cause where there is one: told under the MESSAGE_ID of that cause where it is new, else
/// under the one of a change of state.
///
/// # Errors
/// No record says so.
pub fn tell_state(records: &[Record], state: &str, cause: Option<&str>) -> anyhow::Result<()> {
    let of_cause = |cause: &str| {
        let mut codes = CauseCode::ALL.iter();
        let code = codes.find(|code| code.as_str() == cause)?;
        Some(MessageId::of_cause(*code))
    };
    let of_state = MessageId::STATE_CHANGED.as_str();
    let told = records.iter().find(|record| {
        let (id, why) = (record.field("MESSAGE_ID"), record.field("HOLDFAST_CAUSE"));
        (id == Some(of_state) || id.is_some() && id == why.and_then(of_cause).as_deref())
            && record.field("HOLDFAST_STATE") == Some(state)
            && (cause.is_none() || why == cause)
    });
    let told = told.with_context(|| format!("no record of ours says {state}, {cause:?}"))?;
    ensure!(
        told.field("HOLDFAST_GENERATION").is_some(),
        "the record of {state} names no generation"
    );
    Ok(())
}

/// Each MESSAGE_ID of ours is explained in the catalog; the service manager has records of its own about our unit.
///
/// # Errors
/// One is not, or there is none at all.
pub fn are_explained(records: &[Record]) -> anyhow::Result<()> {
    let catalog = include_str!("../../../systemd/holdfast.catalog");
    let ours = |record: &&Record| record.field("SYSLOG_IDENTIFIER") != Some("systemd");
    let mut ids = records
        .iter()
        .filter(ours)
        .filter_map(|record| record.field("MESSAGE_ID"));
    ensure!(ids.clone().next().is_some(), "no record has a MESSAGE_ID");
    let unknown = ids.find(|id| !catalog.contains(&format!("-- {id}\n")));
    ensure!(unknown.is_none(), "{unknown:?} is not in the catalog");
    Ok(())
}
