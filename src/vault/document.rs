//! The document: all that the identity tier holds, as JSON.

use std::collections::BTreeMap;

use holdfast_core::Todo;
use serde::{Deserialize, Serialize};
use wacore::store::Device;
use wacore::store::traits::AppStateSyncKey;

/// All of the identity tier. JSON keeps field names on the medium: a later version reads what an earlier wrote.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Document {
    /// The device row; `None` before the first.
    pub device: Option<Device>,
    /// Rotated signed pre-keys, by id.
    pub signed_pre_keys: BTreeMap<u32, Vec<u8>>,
    /// Keys of the app state, the one stored last at the end.
    pub sync_keys: Vec<SyncKey>,
    /// The work that a repair left for the link; kept here, because a crash must not forget it.
    #[serde(default, with = "todo")]
    pub todo: Todo,
}

/// [`Todo`] as the names of what is to be done.
mod todo {
    use holdfast_core::Todo;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const REFRESH_PRE_KEYS: &str = "refresh-pre-keys";
    const CHECK_DIGEST: &str = "check-digest";

    pub fn serialize<S: Serializer>(todo: &Todo, to: S) -> Result<S::Ok, S::Error> {
        let named = [
            (todo.refresh_pre_keys, REFRESH_PRE_KEYS),
            (todo.check_digest, CHECK_DIGEST),
        ];
        let names = named.into_iter().filter(|(wanted, _)| *wanted);
        names
            .map(|(_, name)| name)
            .collect::<Vec<_>>()
            .serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Todo, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        let wanted = |name: &str| names.iter().any(|other| other == name);
        Ok(Todo {
            refresh_pre_keys: wanted(REFRESH_PRE_KEYS),
            check_digest: wanted(CHECK_DIGEST),
        })
    }
}

impl Document {
    /// Whether all that is new since then is what each login counts: how many there were, and when the version was asked for. Lost
    /// with the power, it is counted again (wacore `store/commands.rs`).
    pub fn is_but_counted_from(&self, before: &Self) -> serde_json::Result<bool> {
        let mut counted = self.clone();
        if let (Some(device), Some(before)) = (&mut counted.device, &before.device) {
            device.login_counter = before.login_counter;
            device.app_version_last_fetched_ms = before.app_version_last_fetched_ms;
        }
        Ok(serde_json::to_vec(&counted)? == serde_json::to_vec(before)?)
    }

    /// How many records it stands for.
    pub fn records(&self) -> u64 {
        let device = usize::from(self.device.is_some());
        (device + self.signed_pre_keys.len() + self.sync_keys.len()) as u64
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SyncKey {
    pub id: Vec<u8>,
    pub key: AppStateSyncKey,
}
