//! Linking: references for QR codes, the 8-character code, and what makes a client a device.

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use buffa::Message as _;
use rand::RngExt as _;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp as wa;

use super::LabError;
use super::fault::{self, Fault, Occasion, Target};
use super::passkey;
use super::reply;
use super::session::Hello;
use super::world::{Device, DeviceId, Form, Peer, PhoneId, SignedPreKey, Times, World, now_s};
use crate::phone::PhoneError;
use crate::phone::link::{Answer, LinkAnswer, QrCode};
use crate::wire::stanza::NodeExt;

/// WhatsApp hands out six.
const REFS: usize = 6;

/// A reference is about as long as WhatsApp's, so that the QR is as large.
const REF_BYTES: usize = 87;

/// A client that wants to be linked.
pub(super) struct Linking {
    noise_key: [u8; 32],
    identity: [u8; 32],
    registration_id: u32,
    signed_pre_key: SignedPreKey,
    platform: String,
    refs: Vec<Reference>,
    code: Option<Code>,
    /// The answer of a phone that the client has yet to confirm.
    pending: Option<Pending>,
    /// How the linking ended.
    pub outcome: Option<Result<DeviceId, LabError>>,
}

struct Reference {
    text: String,
    valid_until: Instant,
}

/// An 8-character code that the client shows.
struct Code {
    reference: Vec<u8>,
    phone: Jid,
    wrapped_ephemeral: Vec<u8>,
}

struct Pending {
    device: DeviceId,
    iq: String,
}

impl Linking {
    /// `None` when the client did not say what a registration needs.
    pub fn new(hello: &Hello, times: Times) -> Option<Linking> {
        let data = hello.payload.device_pairing_data.as_option()?;
        let number = |bytes: &Option<Vec<u8>>| {
            bytes
                .as_deref()
                .unwrap_or_default()
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte))
        };
        let key = |bytes: &Option<Vec<u8>>| bytes.as_deref()?.try_into().ok();
        let platform = data
            .device_props
            .as_deref()
            .and_then(|props| wa::DeviceProps::decode_from_slice(props).ok())
            .and_then(|props| props.os)
            .unwrap_or_default();
        let mut valid_until = Instant::now() + times.first_ref;
        let refs = (0..REFS)
            .map(|_| {
                let reference = Reference {
                    text: new_reference(),
                    valid_until,
                };
                valid_until += times.next_ref;
                reference
            })
            .collect();
        Some(Linking {
            noise_key: hello.noise_key,
            identity: key(&data.e_ident)?,
            registration_id: number(&data.e_regid),
            signed_pre_key: SignedPreKey {
                id: number(&data.e_skey_id),
                public: key(&data.e_skey_val)?,
                signature: data.e_skey_sig.clone()?,
            },
            platform,
            refs,
            code: None,
            pending: None,
            outcome: None,
        })
    }
}

pub(super) fn new_reference() -> String {
    let mut bytes = [0; REF_BYTES];
    rand::rng().fill(&mut bytes);
    format!("2@{}", BASE64_STANDARD.encode(bytes))
}

impl World {
    /// Gives a new client its references, or asks it for a passkey.
    pub fn offer(&mut self, serial: u64, mut linking: Linking, struck: Option<Fault>) {
        match struck {
            Some(Fault::RefsExhausted) => linking.refs.clear(),
            Some(Fault::PasskeyGate) => {
                let request = self.passkey_request();
                self.send(serial, request);
            }
            _ => {}
        }
        let refs = linking.refs.iter().map(|reference| {
            NodeBuilder::new("ref")
                .bytes(reference.text.as_bytes())
                .build()
        });
        let offer = NodeBuilder::new("pair-device").children(refs).build();
        let offer = self.push("set", offer);
        if let Some(connection) = self.connections.get_mut(&serial) {
            connection.peer = Peer::Linking(Box::new(linking));
        }
        self.send(serial, offer);
    }

    /// An `<iq>` of the server's own in the `md` namespace.
    fn push(&mut self, kind: &'static str, child: Node) -> Node {
        NodeBuilder::new("iq")
            .attr("from", reply::server())
            .attr("type", kind)
            .attr("id", self.next_id())
            .attr("xmlns", "md")
            .children([child])
            .build()
    }

    fn linking_mut(&mut self, serial: u64) -> Option<&mut Linking> {
        match &mut self.connections.get_mut(&serial)?.peer {
            Peer::Linking(linking) => Some(linking),
            Peer::Device { .. } | Peer::Refused => None,
        }
    }

    /// How the linking of the client on this connection ended, if it has.
    pub fn linked(&self, serial: u64) -> Option<Result<DeviceId, LabError>> {
        match self
            .connections
            .get(&serial)
            .map(|connection| &connection.peer)
        {
            Some(Peer::Linking(linking)) => linking.outcome.clone(),
            Some(Peer::Device { .. } | Peer::Refused) => Some(Err(LabError::ClientGone)),
            None => Some(
                self.concluded
                    .get(&serial)
                    .cloned()
                    .unwrap_or(Err(LabError::ClientGone)),
            ),
        }
    }

    /// A phone scans a QR. Gives the connection of the client that showed it.
    pub fn scan(&mut self, phone: &PhoneId, qr: &str) -> Result<u64, LabError> {
        self.account(phone)?;
        let qr = QrCode::parse(qr)?;
        let (serial, valid_until) = self
            .connections
            .iter()
            .find_map(|(serial, connection)| match &connection.peer {
                Peer::Linking(linking) => linking
                    .refs
                    .iter()
                    .find(|reference| reference.text == qr.reference)
                    .map(|reference| (*serial, reference.valid_until)),
                Peer::Device { .. } | Peer::Refused => None,
            })
            .ok_or(LabError::NobodyShows("this QR"))?;
        if valid_until < Instant::now() {
            return Err(LabError::RefExpired);
        }
        let answer = self.next_answer();
        let linking = self.linking_mut(serial).ok_or(LabError::ClientGone)?;
        if linking.noise_key != qr.noise_key || linking.identity != qr.identity_key {
            return Err(LabError::QrOfAnother);
        }
        linking.outcome = None;
        let device = self.next_device(phone)?;
        let link = self
            .account_mut(phone)?
            .phone
            .answer_qr(&qr, device.device, now_s(), answer)?;
        self.pair_success(serial, device, link)?;
        Ok(serial)
    }

    fn next_answer(&mut self) -> Answer {
        match self.faults.strike_at(&Target::Linking, Occasion::Scan) {
            Some(Fault::PairError) => Answer::WrongHmac,
            _ => Answer::Right,
        }
    }

    fn next_device(&mut self, phone: &PhoneId) -> Result<DeviceId, LabError> {
        let account = self.account_mut(phone)?;
        account.last_device += 1;
        Ok(DeviceId {
            phone: phone.clone(),
            device: account.last_device,
        })
    }

    fn pair_success(
        &mut self,
        serial: u64,
        device: DeviceId,
        link: LinkAnswer,
    ) -> Result<(), LabError> {
        let success = NodeBuilder::new("pair-success")
            .children([
                NodeBuilder::new("device-identity")
                    .bytes(link.device_identity)
                    .build(),
                NodeBuilder::new("platform").attr("name", "android").build(),
                NodeBuilder::new("device")
                    .attr("jid", self.address(&device, Form::Pn))
                    .attr("lid", self.address(&device, Form::Lid))
                    .build(),
            ])
            .build();
        let mut iq = self.push("set", success);
        iq.attrs.insert("t", now_s());
        let pending = Pending {
            device,
            iq: iq.text("id"),
        };
        self.linking_mut(serial)
            .ok_or(LabError::ClientGone)?
            .pending = Some(pending);
        self.send(serial, iq);
        Ok(())
    }

    /// A stanza from a client that is not linked yet.
    pub fn linking_says(&mut self, serial: u64, node: &Node) {
        if node.tag != "iq" {
            return;
        }
        let id = node.text("id");
        let Some(linking) = self.linking_mut(serial) else {
            return;
        };
        match node.text("type").as_str() {
            "result" | "error" => {
                let answered = linking.pending.take_if(|pending| pending.iq == id);
                if let Some(pending) = answered {
                    let outcome = self.confirmed(serial, &pending, node);
                    self.conclude(serial, outcome);
                }
            }
            _ => {
                if let Some(reg) = node.child(&["link_code_companion_reg"]).cloned() {
                    return self.code_stage(serial, node, &reg);
                }
                // Or a ping, at most.
                let answer = passkey::answer(node).unwrap_or_else(|| reply::result(node, []));
                self.send(serial, answer);
            }
        }
    }

    fn conclude(&mut self, serial: u64, outcome: Result<DeviceId, LabError>) {
        let linked = outcome.is_ok();
        if let Some(linking) = self.linking_mut(serial) {
            linking.outcome = Some(outcome);
        }
        if linked {
            self.dismiss(serial, fault::restart());
        }
    }

    /// The client has answered `pair-success`: it is a device, or it found the phone's answer wrong.
    fn confirmed(
        &mut self,
        serial: u64,
        pending: &Pending,
        node: &Node,
    ) -> Result<DeviceId, LabError> {
        let id = pending.device.clone();
        let signed = node
            .child(&["pair-device-sign", "device-identity"])
            .map(|identity| identity.bytes().to_vec());
        let account = self.account_mut(&id.phone)?;
        let confirmed = match signed {
            Some(signed) => account
                .phone
                .confirm(id.device, &signed)
                .map_err(LabError::from),
            None => Err(LabError::ClientRefused),
        };
        if let Err(error) = confirmed {
            // With a wrong answer the phone remembered nothing.
            account.phone.unlink(id.device).ok();
            return Err(error);
        }
        let linking = self.linking_mut(serial).ok_or(LabError::ClientGone)?;
        let device = Device {
            noise_key: linking.noise_key,
            identity: linking.identity,
            registration_id: linking.registration_id,
            signed_pre_key: linking.signed_pre_key.clone(),
            pre_keys: Default::default(),
            platform: linking.platform.clone(),
            key_shared: false,
            queue: Default::default(),
        };
        let (name, signed) = (id.to_string(), &device.signed_pre_key);
        self.ledger.linked(&name, &device.identity);
        self.ledger
            .signed_pre_key_published(&name, signed.id, &signed.public);
        self.account_mut(&id.phone)?
            .devices
            .insert(id.device, device);
        self.announce(&id, "add");
        Ok(id)
    }

    /// One stage of linking by code, asked by the client.
    fn code_stage(&mut self, serial: u64, iq: &Node, reg: &Node) {
        let bytes = |tag: &str| {
            reg.child(&[tag])
                .map(|child| child.bytes().to_vec())
                .unwrap_or_default()
        };
        match reg.text("stage").as_str() {
            "companion_hello" => {
                let Some(phone) = reg.jid("jid") else {
                    return self.send(serial, reply::error(iq, 400, "bad-request"));
                };
                let reference = new_reference().into_bytes();
                let code = Code {
                    reference: reference.clone(),
                    phone,
                    wrapped_ephemeral: bytes("link_code_pairing_wrapped_companion_ephemeral_pub"),
                };
                if let Some(linking) = self.linking_mut(serial) {
                    linking.code = Some(code);
                }
                let answer = NodeBuilder::new("link_code_companion_reg")
                    .attr("stage", "companion_hello")
                    .children([NodeBuilder::new("link_code_pairing_ref")
                        .bytes(reference)
                        .build()])
                    .build();
                self.send(serial, reply::result(iq, [answer]));
            }
            "companion_finish" => {
                self.send(serial, reply::result(iq, []));
                let identity = bytes("companion_identity_public");
                let bundle = bytes("link_code_pairing_wrapped_key_bundle");
                if let Err(error) = self.finish_code(serial, &bundle, &identity) {
                    self.conclude(serial, Err(error));
                }
            }
            _ => self.send(serial, reply::error(iq, 400, "bad-request")),
        }
    }

    /// The owner types the code that a client shows. Gives the connection of the client.
    pub fn enter_code(&mut self, phone: &PhoneId, code: &str) -> Result<u64, LabError> {
        let own = self.account(phone)?.phone.pn();
        let (serial, reference, wrapped) = self
            .connections
            .iter()
            .find_map(|(serial, connection)| match &connection.peer {
                Peer::Linking(linking) => linking
                    .code
                    .as_ref()
                    .filter(|code| code.phone.is_same_user_as(&own))
                    .map(|code| {
                        let wrapped = code.wrapped_ephemeral.clone();
                        (*serial, code.reference.clone(), wrapped)
                    }),
                Peer::Device { .. } | Peer::Refused => None,
            })
            .ok_or(LabError::NobodyShows("a code for this phone"))?;
        let hello = self.account_mut(phone)?.phone.enter_code(code, &wrapped)?;
        if let Some(linking) = self.linking_mut(serial) {
            linking.outcome = None;
        }
        let part = |tag: &'static str, bytes: Vec<u8>| NodeBuilder::new(tag).bytes(bytes).build();
        let reg = NodeBuilder::new("link_code_companion_reg")
            .attr("stage", "primary_hello")
            .children([
                part(
                    "link_code_pairing_wrapped_primary_ephemeral_pub",
                    hello.wrapped_ephemeral,
                ),
                part("primary_identity_pub", hello.identity.to_vec()),
                part("link_code_pairing_ref", reference),
            ])
            .build();
        let notification = NodeBuilder::new("notification")
            .attr("from", reply::server())
            .attr("type", "link_code_companion_reg")
            .attr("id", self.next_id())
            .attr("t", now_s())
            .children([reg])
            .build();
        self.send(serial, notification);
        Ok(serial)
    }

    fn finish_code(&mut self, serial: u64, bundle: &[u8], identity: &[u8]) -> Result<(), LabError> {
        let answer = self.next_answer();
        let code = self
            .linking_mut(serial)
            .and_then(|linking| linking.code.take())
            .ok_or(LabError::Phone(PhoneError::NoCode.into()))?;
        let phone = self.owner(&code.phone).ok_or(LabError::NoSuchPhone)?;
        let identity = identity.try_into().map_err(|_| LabError::QrOfAnother)?;
        let device = self.next_device(&phone)?;
        let link = self.account_mut(&phone)?.phone.finish_code(
            bundle,
            identity,
            device.device,
            now_s(),
            answer,
        )?;
        self.pair_success(serial, device, link)
    }

    /// The phone removes a device, or the device itself: it is told, and so is everybody who knows it.
    pub fn unlink(&mut self, id: &DeviceId) -> bool {
        let Ok(account) = self.account_mut(&id.phone) else {
            return false;
        };
        if account.devices.remove(&id.device).is_none() {
            return false;
        }
        // The phone and the server know the same devices.
        account.phone.unlink(id.device).ok();
        if let Some(serial) = self.connection_of(id) {
            self.dismiss(serial, fault::removed());
        }
        self.announce(id, "remove");
        true
    }

    /// Tells whoever knows an account that a device came or went.
    fn announce(&mut self, id: &DeviceId, change: &'static str) {
        let Some(account) = self.accounts.get_mut(&id.phone) else {
            return;
        };
        let now = now_s();
        let key_index = account
            .phone
            .companion(id.device)
            .map(|companion| companion.key_index());
        let Ok(list) = account.phone.key_index_list(now) else {
            return;
        };
        let mut told: Vec<PhoneId> = account.known_to.iter().cloned().collect();
        told.push(id.phone.clone());
        told.dedup();
        let mut device = NodeBuilder::new("device")
            .attr("jid", self.address(id, Form::Pn))
            .attr("lid", self.address(id, Form::Lid));
        if let Some(key_index) = key_index {
            device = device.attr("key-index", key_index);
        }
        let indexes = NodeBuilder::new("key-index-list")
            .attr("ts", now)
            .bytes(list)
            .build();
        let mut change = NodeBuilder::new(change);
        change = change.children([device.build(), indexes]);
        let change = change.build();
        let account_jid = DeviceId {
            phone: id.phone.clone(),
            device: 0,
        };
        for phone in told {
            for to in self.devices_of(&phone) {
                if to.device == 0 || to == *id {
                    continue;
                }
                let notification = NodeBuilder::new("notification")
                    .attr("from", self.address(&account_jid, Form::Pn))
                    .attr("lid", self.address(&account_jid, Form::Lid))
                    .attr("type", "devices")
                    .attr("id", self.next_id())
                    .attr("t", now)
                    .children([change.clone()])
                    .build();
                self.deliver(&to, notification);
            }
        }
    }
}
