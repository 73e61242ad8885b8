//! The simulated phone: the primary device of an account, with real keys and real Signal cryptography.
//!
//! A [`Phone`] does no I/O and has no clock: the server hands it what arrived and sends what it returns. Every
//! operation finishes at once, so a phone lives behind a plain mutex.
//!
//! A device is named by one [`Jid`] always: sessions are kept under the name given, so the server translates
//! LIDs to the phone-number form before it calls.
//!
//! - [`link`]: linking a companion by QR, what is signed and what is verified (ADV)
//! - [`code`]: linking by the 8-character code
//! - [`keys`]: the pre-key bundles that companions fetch from the phone
//! - [`message`]: one-to-one messages
//! - [`retry`]: retry receipts, asked and answered
//! - [`group`]: sender keys
//! - [`appstate`]: the key share and the patches of the synced collections
//! - `history`: the empty history that a new companion is told of
//! - [`media`]: images by reference
//! - [`inbox`]: what the phone has received

pub mod appstate;
mod blob;
pub mod code;
mod dice;
mod error;
pub mod group;
mod history;
pub mod inbox;
pub mod keys;
pub mod link;
pub mod media;
pub mod message;
pub mod retry;
mod store;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, JidExt as _};

use appstate::AppState;
use code::PendingCode;
use dice::Dice;
use group::Group;
use inbox::Received;
use keys::Keys;
use link::Companion;
use retry::Sent;
use store::Sessions;

pub use error::PhoneError;

/// One simulated phone. Serialisable whole, private keys included, for a lab that keeps its state.
#[derive(Serialize, Deserialize)]
pub struct Phone {
    number: String,
    lid: String,
    push_name: String,
    dice: Dice,
    keys: Keys,
    companions: BTreeMap<u16, Companion>,
    /// Key index of the newest companion; indexes are never used twice.
    last_key_index: u32,
    sessions: Sessions,
    groups: BTreeMap<String, Group>,
    sent: Vec<Sent>,
    inbox: Vec<Received>,
    app_state: AppState,
    /// A code entered whose companion has not answered; a restart of the lab forgets it.
    #[serde(skip)]
    pending_code: Option<PendingCode>,
}

impl Phone {
    /// A new account: `number` with country code, digits only. The same `number` and `seed` give the same keys.
    ///
    /// # Errors
    /// [`PhoneError::BadNumber`] unless `number` is 7 to 15 digits that do not start with a zero.
    pub fn new(number: &str, push_name: &str, seed: u64) -> Result<Phone, PhoneError> {
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        if !digits || !(7..=15).contains(&number.len()) || number.starts_with('0') {
            return Err(PhoneError::BadNumber);
        }
        let mut dice = Dice::new(seed, number);
        let lid = dice.digits(15);
        let keys = Keys::new(&mut dice)?;
        let app_state = AppState::new(&mut dice);
        let mut phone = Phone {
            number: number.to_owned(),
            lid,
            push_name: push_name.to_owned(),
            sessions: Sessions::new(keys.identity.clone(), keys.registration_id),
            dice,
            keys,
            companions: BTreeMap::new(),
            last_key_index: 0,
            groups: BTreeMap::new(),
            sent: Vec::new(),
            inbox: Vec::new(),
            app_state,
            pending_code: None,
        };
        phone.publish_push_name()?;
        Ok(phone)
    }

    /// The number, digits only.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The name that contacts see.
    pub fn push_name(&self) -> &str {
        &self.push_name
    }

    /// The account's phone-number JID; without a device it names the phone itself.
    pub fn pn(&self) -> Jid {
        Jid::pn(self.number.as_str())
    }

    /// The account's LID.
    pub fn lid(&self) -> Jid {
        Jid::lid(self.lid.as_str())
    }

    /// Whether `jid` names this account, in either form, on whatever device.
    pub fn owns(&self, jid: &Jid) -> bool {
        jid.is_same_user_as(&self.pn()) || jid.is_same_user_as(&self.lid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_international() {
        for wrong in [
            "",
            "123456",
            "0123456789",
            "+15550000001",
            "1234567890123456",
        ] {
            assert!(matches!(
                Phone::new(wrong, "Ann", 1),
                Err(PhoneError::BadNumber)
            ));
        }
    }

    #[test]
    fn a_seed_gives_the_same_account_again_and_each_number_its_own() {
        let ann = Phone::new("15550000001", "Ann", 1).unwrap();
        let again = Phone::new("15550000001", "Ann", 1).unwrap();
        let ben = Phone::new("15550000002", "Ben", 1).unwrap();
        assert_eq!(ann.identity_key(), again.identity_key());
        assert_eq!(ann.lid(), again.lid());
        assert_ne!(ann.identity_key(), ben.identity_key());
        assert_ne!(ann.lid(), ben.lid());
        assert!(ann.owns(&ann.pn().with_device(3)) && ann.owns(&ann.lid().with_device(3)));
        assert!(!ann.owns(&ben.pn()));
    }
}
