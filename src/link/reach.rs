//! Finds out whether a person can be reached: the number is on WhatsApp, and a device of theirs has keys to encrypt for.
//!
//! whatsapp-rust 0.7.0 sends a message that no device of its recipient could be encrypted for to one's own devices alone, and WhatsApp acks
//! that, as it acks what is for a number that nobody has.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_core::setback::{ABSENT_MS, FOUND_MS, NO_NEW_CHATS_MS, Setback};
use parking_lot::Mutex;
use tokio::time::Instant;
use wacore_binary::JidExt as _;
use whatsapp_rust::features::{ContactError, ReachoutTimelock, SignalError};
use whatsapp_rust::request::IqError;
use whatsapp_rust::{Client, Jid};

/// The most numbers that are remembered.
const MOST: usize = 4_096;

/// Why a message did not go out.
pub(super) enum Unsent {
    /// It never will.
    Never(&'static str),
    /// It may later.
    Setback(Setback),
    /// The connection is gone or going.
    Gone,
}

/// What this process knows of whom it may reach, across its runs.
#[derive(Default)]
pub(super) struct Reach(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Where a number is found; `None`: it is not on WhatsApp. And until when that is taken for granted.
    numbers: HashMap<String, (Option<Jid>, Instant)>,
    /// WhatsApp lets the account write to nobody new, until then.
    no_new_chats: Option<Instant>,
}

impl Reach {
    /// The address to send to; fails when nobody could read what is sent there now. Of a group nothing is asked: its members who have
    /// no keys ask again.
    pub(super) async fn route(&self, client: &Client, to: &Jid) -> Result<Jid, Unsent> {
        if to.is_group() || is_own(client, to) {
            return Ok(to.clone());
        }
        let to = if to.is_pn() {
            self.find(client, to).await?
        } else {
            to.clone()
        };
        let devices = devices(client, &to).await?;
        let is_met = has_session(client, &devices).await?;
        if is_met {
            return Ok(to);
        }
        self.may_meet()?;
        let keys = client.signal().assert_sessions(&devices).await;
        keys.map_err(|error| failed(client, &error))?;
        if has_session(client, &devices).await? {
            Ok(to)
        } else {
            Err(Unsent::Setback(Setback::NoKeys))
        }
    }

    /// The JID that a number has on WhatsApp, which in some countries is written in another way. Asked once: what was found lasts with
    /// the mapping to its LID, which the vault keeps; what was not, in memory.
    async fn find(&self, client: &Client, to: &Jid) -> Result<Jid, Unsent> {
        const ABSENT: Unsent = Unsent::Never("not-on-whatsapp");
        let now = Instant::now();
        let known = self.0.lock().numbers.get(to.user.as_str()).cloned();
        if let Some((found, _)) = known.filter(|(_, until)| *until > now) {
            return found.ok_or(ABSENT);
        }
        if let Ok(Some(entry)) = client.get_lid_pn_entry(to).await {
            let age_s = wacore::time::now_secs().saturating_sub(entry.created_at);
            if age_s.unsigned_abs().saturating_mul(1_000) < FOUND_MS {
                return Ok(to.clone());
            }
        }
        let answer = client.contacts().is_on_whatsapp(&[to.to_non_ad()]).await;
        let (found, lasts_ms) = match answer {
            Ok(answer) => match &answer[..] {
                [one] if one.is_registered && one.jid.is_pn() => {
                    (Some(one.jid.to_non_ad()), FOUND_MS)
                }
                [one] if one.is_registered => (Some(to.clone()), FOUND_MS),
                [one] if one.contact_error.is_none() => (None, ABSENT_MS),
                _ => return Err(Unsent::Setback(Setback::Unsent)),
            },
            Err(ContactError::Iq(error)) => return Err(asked_in_vain(client, &error)),
            Err(_) => return Err(Unsent::Setback(Setback::Unsent)),
        };
        let mut known = self.0.lock();
        if known.numbers.len() >= MOST {
            known.numbers.clear();
        }
        let until = now + Duration::from_millis(lasts_ms);
        known
            .numbers
            .insert(to.user.to_string(), (found.clone(), until));
        drop(known);
        found.ok_or(ABSENT)
    }

    /// WhatsApp refused a message to this person for want of a conversation: whoever it is counts as a stranger again, until a message of
    /// theirs brings a session.
    pub(super) async fn refused(&self, client: &Client, person: &Jid) {
        let until = Instant::now() + Duration::from_millis(NO_NEW_CHATS_MS);
        self.0.lock().no_new_chats.get_or_insert(until);
        let Ok(devices) = devices(client, person).await else {
            return;
        };
        if client.signal().delete_sessions(&devices).await.is_err() {
            tracing::warn!("the sessions with somebody who may not be written to stay");
        }
    }

    /// Asks WhatsApp for how long nobody new may be written to, milliseconds. `None`: it does not hold for the account, but for the one
    /// message (devlikeapro/waha#2219).
    pub(super) async fn ask_for_how_long(&self, client: &Client) -> Option<u64> {
        let ms = match client.mex().fetch_reachout_timelock().await {
            Ok(lock) if lock.is_active != Some(true) => {
                self.0.lock().no_new_chats = None;
                return None;
            }
            Ok(lock) => left_ms(&lock).unwrap_or(NO_NEW_CHATS_MS),
            Err(_) => NO_NEW_CHATS_MS,
        };
        self.0.lock().no_new_chats = Some(Instant::now() + Duration::from_millis(ms));
        Some(ms)
    }

    /// Refuses to write to somebody new while WhatsApp does not let the account.
    fn may_meet(&self) -> Result<(), Unsent> {
        let until = self.0.lock().no_new_chats;
        match until.filter(|until| *until > Instant::now()) {
            Some(_) => Err(Unsent::Never("463")),
            None => Ok(()),
        }
    }
}

/// What is left until the end that WhatsApp tells in seconds since 1970.
fn left_ms(lock: &ReachoutTimelock) -> Option<u64> {
    let ends_s: i64 = lock.time_enforcement_ends.as_deref()?.parse().ok()?;
    let left_s = ends_s.checked_sub(wacore::time::now_secs())?;
    u64::try_from(left_s).ok()?.checked_mul(1_000)
}

fn is_own(client: &Client, jid: &Jid) -> bool {
    let mut own = [client.pn(), client.lid()].into_iter().flatten();
    own.any(|own| own.is_same_user_as(jid))
}

/// The devices of a person, as the library knows them, or WhatsApp tells.
async fn devices(client: &Client, person: &Jid) -> Result<Vec<Jid>, Unsent> {
    let person = std::slice::from_ref(person);
    let devices = client.signal().get_user_devices(person).await;
    devices.map_err(|error| failed(client, &error))
}

/// Whether one of the devices can be encrypted for.
pub(super) async fn has_session(client: &Client, devices: &[Jid]) -> Result<bool, Unsent> {
    for device in devices {
        let has = client.signal().validate_session(device).await;
        if has.map_err(|error| failed(client, &error))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn failed(client: &Client, error: &SignalError) -> Unsent {
    let asked = match error {
        SignalError::Internal(error) => error.downcast_ref::<IqError>(),
        _ => None,
    };
    match asked {
        Some(error) => asked_in_vain(client, error),
        None if !client.is_connected() => Unsent::Gone,
        None => Unsent::Setback(Setback::Unsent),
    }
}

fn asked_in_vain(client: &Client, error: &IqError) -> Unsent {
    match error {
        IqError::ServerError { code, .. } => Unsent::Setback(Setback::Query(*code)),
        _ if !client.is_connected() => Unsent::Gone,
        _ => Unsent::Setback(Setback::Unsent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_lock_is_told_in_seconds() {
        let lock = |ends: Option<String>| {
            left_ms(&ReachoutTimelock {
                time_enforcement_ends: ends,
                ..ReachoutTimelock::default()
            })
        };
        let ends = wacore::time::now_secs() + 100;
        let left = lock(Some(ends.to_string())).unwrap();
        assert!((95_000..=100_000).contains(&left), "{left}");
        for none in [None, Some("soon".to_owned()), Some("1".to_owned())] {
            assert_eq!(lock(none), None);
        }
    }
}
