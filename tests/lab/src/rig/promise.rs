//! What was promised and when, and whether a boot after a power cut keeps it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::boot::{Boots, Found};
use super::disk::Clock;
use crate::ledger::{Act, Sight};

/// Something that must hold from its moment on, or could not have happened before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The device with these keys ([`crate::server::DeviceInfo::keys`]) is linked: it logged in.
    Linked(String),
    /// Its end may have begun: someone is about to revoke it.
    Ending,
    /// A generation is retired.
    Retired(String),
    /// WhatsApp was told that we have this message.
    Received(String),
    /// A bot was told that this message will be sent.
    Accepted(String),
    /// WhatsApp said that it has this message. Not before now could it be `acked` in the outbox.
    Acked(String),
    /// A message was seen with this counter of this sending ratchet key.
    Counter(String, u32),
    /// A message was seen with this iteration of this own sender key (group and key id).
    Iteration(String, u32),
    /// A one-time pre-key was published under this id.
    PreKey(u32),
}

/// A promise.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The size of the block log when it was known to be given, bytes.
    pub at: u64,
    /// What it is.
    pub what: What,
}

/// Takes promises down as they are given. Clones share the list.
#[derive(Clone)]
pub struct Notary {
    clock: Clock,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    promises: Vec<Promise>,
    /// Messages asked for again, whose first delivery is not acked yet.
    asked_again: BTreeSet<String>,
}

impl Notary {
    /// One that reads the time off this clock.
    pub fn new(clock: Clock) -> Notary {
        Notary {
            clock,
            book: Arc::default(),
        }
    }

    /// Takes one down, given by now.
    pub fn note(&self, what: What) {
        let at = self.clock.now();
        self.book().promises.push(Promise { at, what });
    }

    /// Takes down what the server sees. [`What::Linked`] names the device by its address, and what is
    /// [`What::Received`] need not be a text: both are for the caller to put right.
    pub fn see(&self, sight: &Sight) {
        match sight {
            Sight::Entry(entry) => self.see_entry(&entry.act, &entry.device),
            Sight::Counter { ratchet, counter } => {
                self.note(What::Counter((*ratchet).to_owned(), *counter));
            }
            Sight::Iteration {
                group,
                key_id,
                iteration,
            } => self.note(What::Iteration(format!("{group} {key_id}"), *iteration)),
            Sight::PreKey { id } => self.note(What::PreKey(*id)),
        }
    }

    fn see_entry(&self, act: &Act, device: &str) {
        match act {
            Act::LoggedIn => self.note(What::Linked(device.to_owned())),
            Act::ServerAcked { id, error: None } => self.note(What::Acked(id.clone())),
            Act::Accepted { stanza } if stanza.kind.as_deref() == Some("retry") => {
                self.book().asked_again.insert(stanza.id.clone());
            }
            Act::Acked { id, error: None } => {
                let first_delivery = self.book().asked_again.remove(id);
                if !first_delivery {
                    self.note(What::Received(id.clone()));
                }
            }
            _ => {}
        }
    }

    /// Everything taken down, in order.
    pub fn promises(&self) -> Vec<Promise> {
        self.book().promises.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }
}

/// Whether two boots on what a power cut at `moment` left keep every promise.
///
/// # Errors
/// The first broken one, in words.
pub fn judge(promises: &[Promise], moment: u64, boots: &Boots) -> Result<(), String> {
    let found = &boots.first;
    identity(promises, moment, found)?;
    if let Some(fault) = found.audit_faults.first() {
        return Err(format!("the audit: {fault}"));
    }
    let mut acked = BTreeSet::new();
    // The device that a pre-key belongs to.
    let mut device = None;
    for promise in promises.iter().take_while(|promise| promise.at <= moment) {
        match &promise.what {
            What::Linked(keys) => device = Some(keys),
            What::Acked(id) => {
                acked.insert(id);
            }
            What::PreKey(_) if device != found.keys.as_ref() => {}
            what => keeps(found, what)?,
        }
    }
    for (id, state) in &found.outbox {
        if state == "acked" && !acked.contains(id) {
            return Err(format!(
                "message {id} is acked in the outbox, and WhatsApp never said so"
            ));
        }
    }
    match difference(&boots.first, &boots.second) {
        None => Ok(()),
        Some(what) => Err(format!("a second boot changed {what}")),
    }
}

/// The device is the one linked last, or where that was about to end or to begin, a neighbour.
fn identity(promises: &[Promise], moment: u64, found: &Found) -> Result<(), String> {
    let mut sure = None;
    let mut possible = vec![None];
    for promise in promises {
        let past = promise.at <= moment;
        match &promise.what {
            What::Linked(keys) if past => {
                sure = Some(keys);
                possible = vec![Some(keys)];
            }
            What::Linked(keys) if Some(keys) != sure => {
                // The next one, whose linking may be under way.
                if possible.contains(&None) {
                    possible.push(Some(keys));
                }
                break;
            }
            What::Ending if past => possible.push(None),
            _ => {}
        }
    }
    if possible.contains(&found.keys.as_ref()) {
        return Ok(());
    }
    Err(match (&found.keys, sure) {
        (None, _) => "the identity is lost: no device is linked".to_owned(),
        (Some(_), Some(_)) => "the identity is another device's".to_owned(),
        (Some(_), None) => "a device is linked that never was".to_owned(),
    })
}

/// Whether a promise that was given is kept.
fn keeps(found: &Found, what: &What) -> Result<(), String> {
    let broken = match what {
        What::Retired(old) => (!found.archived.contains(old) || found.audited == 0)
            .then(|| format!("{old}, retired, is not in archive and audit")),
        What::Received(id) => (!found.inbox.contains(id))
            .then(|| format!("message {id}, acked to WhatsApp, is not in the inbox")),
        What::Accepted(id) => (!found.outbox.contains_key(id))
            .then(|| format!("message {id}, accepted, is not in the outbox")),
        What::Counter(ratchet, seen) => found
            .chains
            .get(ratchet)
            .filter(|next| *next <= seen)
            .map(|next| format!("a session goes on with counter {next}, and {seen} was seen")),
        What::Iteration(key, seen) => found
            .sender_keys
            .get(key)
            .filter(|next| *next <= seen)
            .map(|next| format!("a sender key goes on with iteration {next}, and {seen} was seen")),
        What::PreKey(id) => (found.next_pre_key <= *id).then(|| {
            format!(
                "pre-key {} comes next, and {id} was published",
                found.next_pre_key
            )
        }),
        What::Linked(_) | What::Ending | What::Acked(_) => None,
    };
    broken.map_or(Ok(()), Err)
}

/// What differs between two boots.
fn difference(first: &Found, second: &Found) -> Option<&'static str> {
    let same = [
        ("the generation", first.generation == second.generation),
        ("the identity", first.keys == second.keys),
        ("the pre-keys", first.next_pre_key == second.next_pre_key),
        ("a session", first.chains == second.chains),
        ("a sender key", first.sender_keys == second.sender_keys),
        ("the inbox", first.inbox == second.inbox),
        ("the outbox", first.outbox == second.outbox),
        ("the archive", first.archived == second.archived),
        ("the audit", first.audited == second.audited),
        ("the audit", first.audit_faults == second.audit_faults),
        ("a file that nobody wrote to", first.files == second.files),
    ];
    same.iter().find(|(_, same)| !same).map(|(what, _)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promises(list: &[(u64, What)]) -> Vec<Promise> {
        let promise = |(at, what): &(u64, What)| Promise {
            at: *at,
            what: what.clone(),
        };
        list.iter().map(promise).collect()
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn judged(list: &[(u64, What)], moment: u64, found: &Found) -> Result<(), String> {
        let boots = Boots {
            first: found.clone(),
            second: found.clone(),
        };
        judge(&promises(list), moment, &boots)
    }

    fn linked(keys: &str) -> Found {
        Found {
            keys: Some(text(keys)),
            ..Found::default()
        }
    }

    #[test]
    fn only_what_was_promised_by_then_must_be_there() {
        let received = [(10, What::Received(text("m")))];
        assert_eq!(judged(&received, 9, &Found::default()), Ok(()));
        assert!(judged(&received, 10, &Found::default()).is_err());
        let mut found = Found::default();
        found.inbox.insert(text("m"));
        assert_eq!(judged(&received, 10, &found), Ok(()));

        let accepted = [(10, What::Accepted(text("o")))];
        assert!(judged(&accepted, 10, &Found::default()).is_err());
    }

    #[test]
    fn an_ack_that_never_was_is_found() {
        let list = [(5, What::Accepted(text("o"))), (10, What::Acked(text("o")))];
        let mut found = Found::default();
        found.outbox.insert(text("o"), text("acked"));
        assert!(judged(&list, 9, &found).is_err());
        assert_eq!(judged(&list, 10, &found), Ok(()));
    }

    #[test]
    fn a_key_may_be_gone_but_never_go_back() {
        let mut found = linked("k");
        let counters = [
            (1, What::Linked(text("k"))),
            (2, What::Counter(text("r"), 7)),
            (2, What::Iteration(text("g 1"), 7)),
        ];
        assert_eq!(judged(&counters, 2, &found), Ok(()));
        found.chains.insert(text("r"), 8);
        found.sender_keys.insert(text("g 1"), 8);
        assert_eq!(judged(&counters, 2, &found), Ok(()));
        found.chains.insert(text("r"), 7);
        assert!(judged(&counters, 2, &found).is_err());
        assert_eq!(judged(&counters, 1, &found), Ok(()));
        found.chains.clear();
        found.sender_keys.insert(text("g 1"), 7);
        assert!(judged(&counters, 2, &found).is_err());
    }

    #[test]
    fn pre_keys_are_those_of_the_device_that_is_linked() {
        let list = [
            (1, What::Linked(text("old"))),
            (2, What::PreKey(812)),
            (3, What::Ending),
            (6, What::Linked(text("new"))),
            (7, What::PreKey(30)),
        ];
        let found = |keys, next_pre_key| Found {
            next_pre_key,
            ..linked(keys)
        };
        assert!(judged(&list, 2, &found("old", 812)).is_err());
        assert_eq!(judged(&list, 2, &found("old", 813)), Ok(()));
        assert_eq!(judged(&list, 7, &found("new", 31)), Ok(()));
        assert!(judged(&list, 7, &found("new", 30)).is_err());
    }

    #[test]
    fn the_identity_is_the_live_one_or_a_neighbour_where_one_ends_or_begins() {
        let list = [
            (10, What::Linked(text("old"))),
            (15, What::Linked(text("old"))),
            (20, What::Ending),
            (30, What::Linked(text("new"))),
        ];
        let at = |moment, found: &Found| judged(&list, moment, found).is_ok();
        let none = Found::default();
        let (old, new) = (linked("old"), linked("new"));
        assert_eq!(
            [at(5, &none), at(5, &old), at(5, &new)],
            [true, true, false]
        );
        assert_eq!(
            [at(12, &none), at(12, &old), at(12, &new)],
            [false, true, false]
        );
        assert_eq!([at(25, &none), at(25, &old), at(25, &new)], [true; 3]);
        assert_eq!(
            [at(30, &none), at(30, &old), at(30, &new)],
            [false, false, true]
        );
    }

    #[test]
    fn a_second_boot_that_changes_something_is_told() {
        let mut second = linked("k");
        second.files = text("others");
        let boots = Boots {
            first: linked("k"),
            second,
        };
        let list = promises(&[(0, What::Linked(text("k")))]);
        assert!(judge(&list, 0, &boots).unwrap_err().contains("file"));
    }
}
