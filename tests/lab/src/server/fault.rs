//! Faults by name: what a server, a network or another device can do to a client.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::LabError;
use super::world::{DeviceId, Out, Peer, World};

/// Whom a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A linked device.
    Device(DeviceId),
    /// The next client that wants to be linked.
    Linking,
}

impl From<DeviceId> for Target {
    fn from(device: DeviceId) -> Self {
        Target::Device(device)
    }
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At the first occasion: at once where the fault needs none.
    Now,
    /// At the n-th occasion from now, counted from 1; what an occasion is, the fault says ([`Fault::occasion`]).
    Nth(u32),
}

/// What a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A stanza from the client.
    Stanza,
    /// A login, or the beginning of a linking.
    Login,
    /// A message on its way to the device.
    Delivery,
    /// A message from the device.
    Send,
    /// Somebody fetches the device's pre-key bundle.
    Bundle,
    /// The device asks about a group.
    GroupQuery,
    /// The device uploads pre-keys.
    Upload,
    /// A phone scans the QR, or its owner types the code.
    Scan,
}

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident, $name:literal, $occasion:ident;)+) => {
        /// A fault. The name in text, JSON and the control API is the kebab-case one and stays.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Fault {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Fault {
            /// Every fault, in the order of the failure map.
            pub const ALL: &[Fault] = &[$(Fault::$variant),+];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name),+ }
            }

            /// What the fault waits for.
            pub fn occasion(self) -> Occasion {
                match self { $(Fault::$variant => Occasion::$occasion),+ }
            }
        }
    };
}

faults! {
    /// `<stream:error code="515">`: restart required.
    Stream515, "stream-515", Stanza;
    /// `<stream:error>` with `<conflict type="replaced">`: another client uses the same device.
    Replaced, "stream-440-replaced", Stanza;
    /// `<stream:error code="440">` without a conflict.
    Stream440, "stream-440", Stanza;
    /// The phone removed the device: gone for good, told by `<conflict type="device_removed">`.
    DeviceRemoved, "device-removed", Stanza;
    /// Says `device_removed` although the device is still linked: the next login succeeds.
    Spurious401, "spurious-401", Stanza;
    /// `<stream:error code="409">`.
    Stream409, "stream-409", Stanza;
    /// `<stream:error code="429">`.
    Stream429, "stream-429", Stanza;
    /// `<stream:error code="500">`.
    Stream500, "stream-500", Stanza;
    /// `<stream:error code="503">`.
    Stream503, "stream-503", Stanza;
    /// `<stream:error code="503">`, after which the server leaves the connection open and goes on answering.
    Stream503Open, "stream-503-open", Stanza;
    /// `<stream:error code="516">`: logged out.
    Stream516, "stream-516", Stanza;
    /// `<stream:error><xml-not-well-formed>`.
    MalformedXml, "malformed-xml", Stanza;
    /// `<stream:error>` with a code that no client knows.
    UnknownCode, "unknown-code", Stanza;
    /// `<failure reason="401">` although the device is linked.
    Failure401, "failure-401", Login;
    /// `<failure reason="402">` with an expiry: banned for a time.
    Ban, "failure-402-expire", Login;
    /// `<failure reason="402">` without an expiry.
    BanWithoutExpiry, "failure-402", Login;
    /// `<failure reason="403">`: account locked.
    Failure403, "failure-403", Login;
    /// `<failure reason="405">`: client outdated.
    Failure405, "failure-405", Login;
    /// `<failure reason="406">`: banned.
    Failure406, "failure-406", Login;
    /// `<failure reason="409">`: bad user agent.
    Failure409, "failure-409", Login;
    /// `<failure reason="429">`: too many attempts.
    Failure429, "failure-429", Login;
    /// `<failure reason="500">`.
    Failure500, "failure-500", Login;
    /// `<failure reason="503">`.
    Failure503, "failure-503", Login;
    /// `<failure>` with a reason that no client knows.
    FailureUnknown, "failure-unknown", Login;
    /// One ciphertext is corrupted on its way to the device.
    BadMac, "bad-mac", Delivery;
    /// A bundle of the device names a one-time pre-key that it does not have.
    LostPreKey, "lost-prekey", Bundle;
    /// An upload of pre-keys is refused.
    RefusedUpload, "refused-upload", Upload;
    /// The socket is cut without a word.
    SocketDrop, "socket-drop", Stanza;
    /// The server goes on reading and never answers again on this connection.
    BlackHole, "black-hole", Stanza;
    /// Logins are accepted at the socket, and then nothing is answered.
    BlackHoleLogin, "black-hole-login", Login;
    /// A login is accepted, and then nothing is answered.
    SilentLogin, "silent-login", Login;
    /// A frame comes in between that nobody encrypted: the client cannot decrypt what follows.
    GarbledFrame, "garbled-frame", Stanza;
    /// A frame's length is torn: the client takes all that follows for the rest of it.
    TornLength, "torn-length", Stanza;
    /// The server neither reads nor writes any more, and the socket stays open.
    HalfOpen, "half-open", Stanza;
    /// Every stanza to the device is late.
    SlowLink, "slow-link", Stanza;
    /// The client gets no reference that it could show.
    RefsExhausted, "refs-exhausted", Login;
    /// The phone's answer to the client does not verify.
    PairError, "pair-error", Scan;
    /// Linking asks for a passkey.
    PasskeyGate, "passkey-gate", Login;
    /// A message arrives twice.
    DuplicateDelivery, "duplicate-delivery", Delivery;
    /// A message arrives after the one that follows it.
    OutOfOrderDelivery, "out-of-order-delivery", Delivery;
    /// A message of the device is refused.
    NackSend, "nack-send", Send;
    /// A message of the device is refused for now.
    Nack503, "nack-503", Send;
    /// A message of the device is refused, and for some days every one to somebody new.
    Nack463, "nack-463", Send;
    /// The keys of the account's phone cannot be had; the target is the phone, device 0.
    NoBundle, "no-bundle", Bundle;
    /// A question about a group is answered with an error of the server's own.
    GroupError, "group-error", GroupQuery;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        Fault::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| LabError::NoSuchFault(name.to_owned()))
    }
}

/// How long the ban of [`Fault::Ban`] lasts.
const BAN_S: u64 = 3600;

/// The error of a refused message: `smax-invalid` as WhatsApp sends it.
const NACK: u16 = 479;

/// The error of a message that the server cannot take now.
const UNAVAILABLE: u16 = 503;

/// The error of a message to somebody new, while WhatsApp does not allow one.
pub(super) const NO_NEW_CHATS: u16 = 463;

/// For how long that is, seconds.
pub(super) const NO_NEW_CHATS_S: u64 = 3 * 24 * 3600;

/// The error of a question that the server cannot answer now.
pub(super) const SERVER_ERROR: (u16, &str) = (500, "internal-server-error");

/// The nack of a message that this fault strikes.
pub(super) fn nack(fault: Fault) -> Option<u16> {
    match fault {
        Fault::NackSend => Some(NACK),
        Fault::Nack503 => Some(UNAVAILABLE),
        Fault::Nack463 => Some(NO_NEW_CHATS),
        _ => None,
    }
}

/// The error of a refused upload.
pub(super) const UPLOAD_REFUSED: (u16, &str) = (406, "not-acceptable");

/// A frame's payload that nobody encrypted.
const GARBAGE: &[u8] = &[0x5a; 16];

/// The beginning of a frame of nearly 16 MiB.
const TORN: &[u8] = &[0xff, 0xff, 0xf0];

/// The faults that are still to strike.
#[derive(Default)]
pub(super) struct Faults {
    planned: BTreeMap<Target, Vec<Planned>>,
}

struct Planned {
    fault: Fault,
    /// Occasions to let pass.
    skip: u32,
    times: u32,
}

impl Faults {
    fn plan(&mut self, target: Target, fault: Fault, when: When, times: u32) {
        let skip = match when {
            When::Now => 0,
            When::Nth(n) => n.saturating_sub(1),
        };
        self.planned
            .entry(target)
            .or_default()
            .push(Planned { fault, skip, times });
    }

    /// The first fault that strikes on this occasion; each occasion counts for all that wait for it.
    fn strike(&mut self, target: &Target, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        let planned = self.planned.get_mut(target)?;
        let mut struck = None;
        for plan in planned.iter_mut().filter(|plan| wanted(plan.fault)) {
            if plan.skip > 0 {
                plan.skip -= 1;
            } else if struck.is_none() {
                plan.times -= 1;
                struck = Some(plan.fault);
            }
        }
        planned.retain(|plan| plan.times > 0);
        struck
    }

    /// How often they are still to strike.
    pub fn left(&self, target: &Target) -> u32 {
        let planned = self.planned.get(target).into_iter().flatten();
        planned.map(|plan| plan.times).sum()
    }

    pub fn strike_at(&mut self, target: &Target, occasion: Occasion) -> Option<Fault> {
        self.strike(target, |fault| fault.occasion() == occasion)
    }

    /// Whether one fault strikes a device now.
    pub fn strikes(&mut self, device: &DeviceId, fault: Fault) -> bool {
        self.strike(&Target::Device(device.clone()), |planned| planned == fault)
            .is_some()
    }
}

impl World {
    /// Plans a fault, and carries it out if it needs no occasion.
    pub fn inject(
        &mut self,
        target: Target,
        fault: Fault,
        when: When,
        times: u32,
    ) -> Result<(), LabError> {
        if times == 0 {
            return Err(LabError::FaultNever);
        }
        if let Target::Device(device) = &target {
            let is_phone = device.device == 0 && fault == Fault::NoBundle;
            if is_phone {
                self.account(&device.phone)?;
            } else if device.device == 0 || self.device_mut(device).is_none() {
                return Err(LabError::NoSuchDevice);
            }
        }
        self.faults.plan(target.clone(), fault, when, times);
        let Some(serial) = self.connection_at(&target) else {
            return Ok(());
        };
        match (when, fault.occasion()) {
            (When::Now, Occasion::Stanza) => {
                self.strike_stanza(serial, &target);
            }
            // The device is logged in: it has to come again to meet the fault.
            (When::Now, Occasion::Login) if matches!(target, Target::Device(_)) => {
                self.tell(serial, Out::Close);
            }
            _ => {}
        }
        Ok(())
    }

    /// Strikes with what waits for a stanza from this client. True when the stanza dies with it.
    pub fn strike_stanza(&mut self, serial: u64, target: &Target) -> bool {
        let Some(fault) = self.faults.strike_at(target, Occasion::Stanza) else {
            return false;
        };
        match fault {
            Fault::SocketDrop => self.tell(serial, Out::Drop),
            Fault::BlackHole => self.mute(serial),
            Fault::GarbledFrame => {
                self.tell(serial, Out::Frame(GARBAGE));
                return false;
            }
            Fault::TornLength => {
                self.tell(serial, Out::Bytes(TORN));
                return false;
            }
            Fault::Stream503Open => {
                self.send(serial, stream_error(fault));
                return false;
            }
            Fault::HalfOpen => {
                self.tell(serial, Out::Freeze);
                self.mute(serial);
                if let Some(connection) = self.connections.get_mut(&serial) {
                    connection.frozen = true;
                }
            }
            Fault::SlowLink => {
                self.tell(serial, Out::Slow(self.times.slow_link));
                return false;
            }
            Fault::DeviceRemoved => {
                if let Target::Device(device) = target {
                    self.unlink(device);
                }
            }
            _ => {
                self.dismiss(serial, stream_error(fault));
            }
        }
        true
    }

    /// Never answers on this connection again.
    pub fn mute(&mut self, serial: u64) {
        if let Some(connection) = self.connections.get_mut(&serial) {
            connection.mute = true;
        }
    }

    fn connection_at(&self, target: &Target) -> Option<u64> {
        match target {
            Target::Device(device) => self.connection_of(device),
            Target::Linking => self
                .connections
                .iter()
                .find(|(_, connection)| matches!(connection.peer, Peer::Linking(_)))
                .map(|(serial, _)| *serial),
        }
    }
}

fn stream_error(fault: Fault) -> Node {
    let code = |code: &'static str| NodeBuilder::new("stream:error").attr("code", code);
    let conflict = |kind: &'static str| [NodeBuilder::new("conflict").attr("type", kind).build()];
    match fault {
        Fault::Replaced => replaced(),
        Fault::Spurious401 => removed(),
        Fault::Stream440 => code("440").build(),
        Fault::Stream409 => code("409").build(),
        Fault::Stream429 => code("429").build(),
        Fault::Stream500 => code("500").build(),
        Fault::Stream503 | Fault::Stream503Open => code("503").build(),
        Fault::Stream516 => code("516").build(),
        Fault::UnknownCode => code("799").build(),
        Fault::MalformedXml => NodeBuilder::new("stream:error")
            .children([NodeBuilder::new("xml-not-well-formed").build()])
            .build(),
        Fault::DeviceRemoved => code("401").children(conflict("device_removed")).build(),
        _ => restart(),
    }
}

/// The end of a connection whose device logged in elsewhere.
pub(super) fn replaced() -> Node {
    NodeBuilder::new("stream:error")
        .attr("code", "440")
        .children([NodeBuilder::new("conflict")
            .attr("type", "replaced")
            .build()])
        .build()
}

/// The end of a connection whose device was unlinked.
pub(super) fn removed() -> Node {
    stream_error(Fault::DeviceRemoved)
}

/// The end of the connection on which a device was linked.
pub(super) fn restart() -> Node {
    NodeBuilder::new("stream:error").attr("code", "515").build()
}

/// The answer to a login, and the reason in it.
pub(super) fn failure(fault: Fault) -> Option<(u16, Node)> {
    let reason = match fault {
        Fault::Failure401 => 401,
        Fault::Ban | Fault::BanWithoutExpiry => 402,
        Fault::Failure403 => 403,
        Fault::Failure405 => 405,
        Fault::Failure406 => 406,
        Fault::Failure409 => 409,
        Fault::Failure429 => 429,
        Fault::Failure500 => 500,
        Fault::Failure503 => 503,
        Fault::FailureUnknown => 799,
        _ => return None,
    };
    let mut node = login_failure(reason);
    if fault == Fault::Ban {
        // Code 101: sent to too many people.
        node.attrs.insert("code", "101");
        node.attrs.insert("expire", BAN_S);
    }
    Some((reason, node))
}

/// `<failure>`: the device may not log in.
pub(super) fn login_failure(reason: u16) -> Node {
    NodeBuilder::new("failure")
        .attr("reason", reason)
        .attr("location", "lab")
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), *fault);
            let json = serde_json::to_string(fault).unwrap();
            assert_eq!(json, format!("\"{}\"", fault.name()));
        }
        assert!("no-such-fault".parse::<Fault>().is_err());
    }

    #[test]
    fn a_fault_strikes_at_its_occasion_and_so_often() {
        let mut faults = Faults::default();
        let target = Target::Linking;
        faults.plan(target.clone(), Fault::NackSend, When::Nth(2), 2);
        assert_eq!(faults.left(&target), 2);
        let mut strikes = || faults.strike_at(&target, Occasion::Send);
        assert_eq!(
            [strikes(), strikes(), strikes(), strikes()],
            [None, Some(Fault::NackSend), Some(Fault::NackSend), None]
        );
        assert_eq!(faults.left(&target), 0);
    }
}
