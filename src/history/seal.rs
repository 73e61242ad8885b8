//! The key of the audit's chain, which is kept where the log is not.
//!
//! Without one an entry is chained by plain hashes, and whoever may write the log may write all of it anew.

use std::env;
use std::fs;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use holdfast_medium::{Machine, Secret};
use sha2::{Digest, Sha256};

/// The credential's name (systemd.exec(5), `LoadCredentialEncrypted=`).
const CREDENTIAL: &str = "holdfast.audit-key";

/// The file that the image's settings step makes on its boot partition.
pub(crate) const KEY_FILE: &str = "boot/firmware/holdfast-audit.key";

/// Shorter keys are mistakes, bytes.
const SHORTEST: usize = 16;

/// The key of the chain.
#[derive(Clone, Debug)]
pub struct AuditKey(Secret<[u8; 32]>);

impl AuditKey {
    /// Finds the machine's key: a credential that the service manager decrypted, else the file on the boot partition.
    pub fn find(machine: &Machine) -> Option<Self> {
        let credential = env::var_os("CREDENTIALS_DIRECTORY")
            .map(|directory| Path::new(&directory).join(CREDENTIAL));
        let mut places = credential.into_iter().chain([machine.file(KEY_FILE)]);
        places.find_map(|place| Self::of(&fs::read(place).ok()?))
    }

    /// A key of any bytes; `None` when they are too few.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let key = Sha256::new()
            .chain_update(b"holdfast audit")
            .chain_update(bytes);
        (bytes.len() >= SHORTEST).then(|| Self(Secret::new(key.finalize().into())))
    }

    /// Names the key in an entry, and says nothing of it.
    pub(super) fn id(&self) -> String {
        let mut id = self.mac(b"id");
        id.truncate(8);
        id
    }

    /// HMAC-SHA256 (RFC 2104), hex.
    pub(super) fn mac(&self, bytes: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes keys of any length");
        mac.update(bytes);
        hex::encode(mac.finalize().into_bytes())
    }
}
