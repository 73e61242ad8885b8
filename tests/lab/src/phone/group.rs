//! Groups: the phone's sender keys, and those of the other members.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wacore::messages::MessageUtils;
use wacore::types::jid::{JidExt as _, make_sender_key_name};
use wacore_binary::Jid;
use wacore_libsignal::protocol::{
    SenderKeyDistributionMessage, SenderKeyName, create_sender_key_distribution_message,
    group_decrypt, group_encrypt, process_sender_key_distribution_message,
};
use waproto::whatsapp as wa;

use super::message::{EncKind, Sealed, now};
use super::{Phone, PhoneError};

/// What the phone knows of a group it writes to.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Group {
    /// Protocol addresses of the devices that have the phone's sender key.
    distributed: BTreeSet<String>,
}

/// A group message: the sender key for those devices that lack it, and one ciphertext for all.
#[derive(Debug)]
pub struct GroupSealed {
    /// The `<to>` children of `<participants>`.
    pub distribution: Vec<Sealed>,
    /// The `skmsg` beside them.
    pub body: Sealed,
}

impl Phone {
    /// Those of `devices` that need a bundle before [`Phone::seal_group`] can give them the sender key.
    pub fn without_group_session(&self, group: &Jid, devices: &[Jid]) -> Vec<Jid> {
        let devices = self.others(devices);
        if self.must_rotate(group, &devices) {
            return self.without_session(&devices);
        }
        let lacking: Vec<Jid> = devices
            .into_iter()
            .filter(|device| !self.has_sender_key(group, device))
            .collect();
        self.without_session(&lacking)
    }

    /// Encrypts `message` to `group` for `devices`: all devices of all members, the own ones too. When a device that had
    /// the sender key is not among them any more, a member left and the key is changed.
    ///
    /// # Errors
    /// [`PhoneError::NoSession`] when a device that lacks the sender key has no session; nothing is kept then.
    pub fn seal_group(
        &mut self,
        id: &str,
        group: &Jid,
        message: &wa::Message,
        devices: &[Jid],
    ) -> Result<GroupSealed, PhoneError> {
        if !self.without_group_session(group, devices).is_empty() {
            return Err(PhoneError::NoSession);
        }
        let devices = self.others(devices);
        if self.must_rotate(group, &devices) {
            self.sessions
                .sender_keys
                .forget(&self.own_sender_key(group));
            self.groups.remove(&group.to_string());
        }
        let carrier = wa::Message {
            sender_key_distribution_message: self.distribution(group)?.into(),
            ..Default::default()
        };
        let mut distribution = Vec::new();
        for device in devices {
            if !self.has_sender_key(group, &device) {
                distribution.push(self.seal_pairwise(&device, &carrier)?);
                self.groups
                    .entry(group.to_string())
                    .or_default()
                    .distributed
                    .insert(device.to_protocol_address_string());
            }
        }
        let name = self.own_sender_key(group);
        let body = now(group_encrypt(
            &mut self.sessions.sender_keys,
            &name,
            &MessageUtils::encode_and_pad(message),
            &mut self.dice.roll(),
        ))?;
        self.keep_sent(id, group, true, message);
        Ok(GroupSealed {
            distribution,
            body: Sealed {
                to: group.clone(),
                kind: EncKind::SenderKey,
                ciphertext: body.serialized().to_vec(),
            },
        })
    }

    /// The phone's sender key for `group`, made when there is none yet.
    pub(super) fn distribution(
        &mut self,
        group: &Jid,
    ) -> Result<wa::message::SenderKeyDistributionMessage, PhoneError> {
        let name = self.own_sender_key(group);
        let key = now(create_sender_key_distribution_message(
            &name,
            &mut self.sessions.sender_keys,
            &mut self.dice.roll(),
        ))?;
        Ok(wa::message::SenderKeyDistributionMessage {
            group_id: Some(group.to_string()),
            axolotl_sender_key_distribution_message: Some(key.serialized().to_vec()),
        })
    }

    pub(super) fn take_sender_key(
        &mut self,
        from: &Jid,
        distribution: &wa::message::SenderKeyDistributionMessage,
    ) -> Result<(), PhoneError> {
        let group: Jid = distribution
            .group_id
            .as_deref()
            .and_then(|group| group.parse().ok())
            .ok_or_else(|| PhoneError::BadMessage("a sender key names no group".to_owned()))?;
        let key = distribution
            .axolotl_sender_key_distribution_message
            .as_deref()
            .unwrap_or_default();
        let key = SenderKeyDistributionMessage::try_from(key)?;
        now(process_sender_key_distribution_message(
            &sender_key_of(&group, from),
            &key,
            &mut self.sessions.sender_keys,
        ))
    }

    pub(super) fn open_by_sender_key(
        &mut self,
        group: &Jid,
        from: &Jid,
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, PhoneError> {
        now(group_decrypt(
            ciphertext,
            &mut self.sessions.sender_keys,
            &sender_key_of(group, from),
        ))
    }

    fn own_sender_key(&self, group: &Jid) -> SenderKeyName {
        sender_key_of(group, &self.pn())
    }

    fn has_sender_key(&self, group: &Jid, device: &Jid) -> bool {
        self.groups.get(&group.to_string()).is_some_and(|known| {
            known
                .distributed
                .contains(&device.to_protocol_address_string())
        })
    }

    fn must_rotate(&self, group: &Jid, devices: &[Jid]) -> bool {
        let present: BTreeSet<String> = devices
            .iter()
            .map(|device| device.to_protocol_address_string())
            .collect();
        self.groups
            .get(&group.to_string())
            .is_some_and(|known| !known.distributed.is_subset(&present))
    }
}

fn sender_key_of(group: &Jid, sender: &Jid) -> SenderKeyName {
    make_sender_key_name(group, &sender.to_protocol_address())
}

#[cfg(test)]
mod tests {
    use super::super::inbox::Content;
    use super::super::message::{Arrived, Opened, Sealed};
    use super::super::testing::{pair, text};
    use super::*;

    fn club() -> Jid {
        Jid::group("120363000000000001")
    }

    fn open(
        phone: &mut Phone,
        id: &str,
        from: &Jid,
        sealed: &Sealed,
    ) -> Result<Opened, PhoneError> {
        phone.open(&Arrived {
            id,
            from,
            group: Some(&club()),
            kind: sealed.kind,
            ciphertext: &sealed.ciphertext,
            at: 1_800_000_000,
        })
    }

    /// Gives out the sender key where needed, and the message to all of `members`.
    fn send(id: &str, from: &mut Phone, members: &mut [&mut Phone]) -> GroupSealed {
        let devices: Vec<Jid> = members.iter().map(|member| member.pn()).collect();
        for device in from.without_group_session(&club(), &devices) {
            let member = members
                .iter_mut()
                .find(|member| member.pn() == device)
                .unwrap();
            from.open_session(&device, &member.bundle()).unwrap();
        }
        let sealed = from.seal_group(id, &club(), &text(id), &devices).unwrap();
        for key in &sealed.distribution {
            let member = members
                .iter_mut()
                .find(|member| member.pn() == key.to)
                .unwrap();
            let opened = open(member, id, &from.pn(), key).unwrap();
            assert!(matches!(opened, Opened::SenderKey), "{opened:?}");
        }
        for member in members {
            open(member, id, &from.pn(), &sealed.body).unwrap();
            let got = member.inbox().last().unwrap();
            assert_eq!(got.content, Content::Text(id.to_owned()));
            assert_eq!(got.chat, club().to_string());
        }
        sealed
    }

    #[test]
    fn the_sender_key_goes_out_once() {
        let (mut ann, mut ben) = pair();
        let mut cid = Phone::new("15550000003", "Cid", 1).unwrap();
        assert_eq!(
            send("A1", &mut ann, &mut [&mut ben, &mut cid])
                .distribution
                .len(),
            2
        );
        assert_eq!(
            send("A2", &mut ann, &mut [&mut ben, &mut cid])
                .distribution
                .len(),
            0
        );
        assert_eq!(
            send("B1", &mut ben, &mut [&mut ann, &mut cid])
                .distribution
                .len(),
            2
        );
        assert_eq!(cid.inbox().len(), 3);
    }

    #[test]
    fn who_left_cannot_read_on() {
        let (mut ann, mut ben) = pair();
        let mut cid = Phone::new("15550000003", "Cid", 1).unwrap();
        send("A1", &mut ann, &mut [&mut ben, &mut cid]);
        let after = send("A2", &mut ann, &mut [&mut ben]);
        assert_eq!(after.distribution.len(), 1, "a new key for who stayed");
        let refused = open(&mut cid, "A2", &ann.pn(), &after.body).unwrap_err();
        assert!(matches!(refused, PhoneError::NoSenderKey), "{refused}");
    }

    #[test]
    fn who_came_gets_the_key_and_no_more() {
        let (mut ann, mut ben) = pair();
        let mut cid = Phone::new("15550000003", "Cid", 1).unwrap();
        let before = send("A1", &mut ann, &mut [&mut ben]);
        assert_eq!(
            send("A2", &mut ann, &mut [&mut ben, &mut cid])
                .distribution
                .len(),
            1
        );
        open(&mut cid, "A1", &ann.pn(), &before.body).unwrap_err();
    }

    #[test]
    fn a_lost_sender_key_heals_by_a_retry() {
        let (mut ann, mut ben) = pair();
        let to_ben = ben.pn();
        ann.open_session(&to_ben, &ben.bundle()).unwrap();
        let sealed = ann
            .seal_group("A1", &club(), &text("hello"), std::slice::from_ref(&to_ben))
            .unwrap();
        // The distribution is lost.
        let missing = open(&mut ben, "A1", &ann.pn(), &sealed.body).unwrap_err();
        assert!(missing.retry_reason().is_some());
        let bundle = ben.bundle();
        let again = ann.send_again("A1", &to_ben, Some(&bundle)).unwrap();
        assert_eq!(again.kind, EncKind::PreKey);
        open(&mut ben, "A1", &ann.pn(), &again).unwrap();
        assert_eq!(ben.inbox()[0].content, Content::Text("hello".to_owned()));

        let next = ann
            .seal_group("A2", &club(), &text("again"), &[to_ben])
            .unwrap();
        assert!(next.distribution.is_empty());
        open(&mut ben, "A2", &ann.pn(), &next.body).unwrap();
    }

    #[test]
    fn a_flipped_bit_is_refused() {
        let (mut ann, mut ben) = pair();
        send("A1", &mut ann, &mut [&mut ben]);
        let mut sealed = ann
            .seal_group("A2", &club(), &text("x"), &[ben.pn()])
            .unwrap();
        sealed.body.corrupt();
        let refused = open(&mut ben, "A2", &ann.pn(), &sealed.body).unwrap_err();
        assert!(refused.retry_reason().is_some(), "{refused}");
    }
}
