//! What a life must never tell: searched for in all that the daemon logged.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::Value;

/// Bytes that look like this are a key's: shorter ones are counters and names.
const KEY: usize = 16;

/// A key that is told in part is told: so many of its bytes, a multiple of three for base64's sake.
const PART: usize = 9;

/// The secrets of one life, in each form in which a log could have them.
#[derive(Default)]
pub(super) struct Secrets {
    forms: Vec<(&'static str, String)>,
}

impl Secrets {
    /// A number, a name, a text.
    pub fn text(&mut self, kind: &'static str, text: impl Into<String>) {
        self.forms.push((kind, text.into()));
    }

    /// A key: hexadecimal, base64, or as Rust's `Debug` has bytes.
    fn bytes(&mut self, kind: &'static str, bytes: &[u8]) {
        let part = &bytes[..PART];
        let list = format!("{part:?}");
        let forms = [
            hex::encode(part),
            hex::encode_upper(part),
            BASE64_STANDARD.encode(part),
            BASE64_URL_SAFE.encode(part),
            list.trim_matches(['[', ']']).to_owned(),
        ];
        self.forms.extend(forms.map(|form| (kind, form)));
    }

    /// A code on the screen: the whole of it, and each key in it.
    pub fn qr(&mut self, qr: &str) {
        self.text("a QR", qr);
        for part in qr.split(',').filter(|part| part.len() > KEY) {
            self.text("a part of a QR", part);
        }
    }

    /// The keys of a device, out of its identity slot: a head, JSON, a digest.
    pub fn identity(&mut self, slot: &Path) -> anyhow::Result<()> {
        let slot = fs::read(slot).with_context(|| format!("{}", slot.display()))?;
        // A counter or a checksum may have a brace by chance.
        let begin = slot.windows(2).position(|pair| pair == b"{\"");
        let begin = begin.context("the slot has no JSON")?;
        let json = serde_json::Deserializer::from_slice(&slot[begin..]);
        let document = json.into_iter::<Value>().next();
        let before = self.forms.len();
        self.keys_in(&document.context("the slot has no JSON")??);
        ensure!(self.forms.len() > before, "no key was found in the slot");
        Ok(())
    }

    /// Each list of bytes in JSON that is as long as a key, and no padding.
    fn keys_in(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.values().for_each(|value| self.keys_in(value)),
            Value::Array(items) => {
                let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
                match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                    Some(key) if key.len() >= KEY && key[..PART] != [0; PART] => {
                        self.bytes("a key of the device", &key);
                    }
                    Some(_) => {}
                    None => items.iter().for_each(|value| self.keys_in(value)),
                }
            }
            _ => {}
        }
    }

    /// Searches a log. What was found is named by its kind and its line.
    pub fn search(&self, log: &str) -> anyhow::Result<()> {
        for (kind, form) in &self.forms {
            let told = log.lines().find(|line| line.contains(form));
            ensure!(told.is_none(), "{kind} is in the log: {told:?}");
        }
        Ok(())
    }

    /// Each secret written into this log, one by one, is found; else the one that is not.
    ///
    /// # Errors
    /// All were found: the last finding.
    pub fn planted(&self, log: &str) -> anyhow::Result<()> {
        let mut found = Ok(());
        for (kind, form) in &self.forms {
            found = self.search(&format!("{log}\n TRACE planted told={form:?}\n"));
            if found.is_ok() {
                println!("          {kind} was not found");
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_every_form_and_counters_are_none() {
        let key: Vec<u8> = (200..232).collect();
        let json = serde_json::json!({"device": [{"noise_key": key}, {"id": [1, 2, 3]}], "none": vec![0; 32]});
        let place = tempfile::tempdir().unwrap();
        let slot = place.path().join("identity.a");
        fs::write(&slot, format!("HFID....{json}digest")).unwrap();
        let mut secrets = Secrets::default();
        secrets.identity(&slot).unwrap();
        for told in [
            hex::encode(&key),
            hex::encode_upper(&key),
            BASE64_STANDARD.encode(&key),
            format!("{key:?}"),
        ] {
            let found = secrets.search(&format!("a line\nkey={told}\n"));
            assert!(
                found
                    .unwrap_err()
                    .to_string()
                    .contains("a key of the device")
            );
        }
        let harmless = format!("{:?} {} [1, 2, 3]", vec![0; 32], "00".repeat(32));
        secrets.search(&harmless).unwrap();
        assert!(secrets.planted("").is_err());
        assert!(Secrets::default().planted("").is_ok());
    }
}
