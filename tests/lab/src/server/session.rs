//! Connections: from the first byte of a client to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Shared;
use super::fault::{self, Fault, Occasion, Target};
use super::linking::Linking;
use super::queue::Confirmation;
use super::reply;
use super::world::{Connection, DeviceId, Out, Peer, PhoneId, World, now_s};
use crate::ledger::{Act, Crime};
use crate::wire::stanza::{NodeExt, StanzaReader, StanzaWriter};
use crate::wire::{WireError, frame, noise};

/// How long a client that was told to leave may take: whatsmeow forgets what it has not handled yet when the socket ends.
const GRACE: Duration = Duration::from_millis(250);

/// Serves one client until it leaves or is sent away.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) -> Result<(), WireError> {
    let (mut frames_in, mut frames_out) = frame::accept(stream).await?;
    let client = noise::respond(&mut frames_in, &mut frames_out, &shared.authority).await?;
    let (out, outbox) = mpsc::unbounded_channel();
    let serial = shared.next_serial();
    let reader = StanzaReader::new(frames_in, client.from_client);
    let writer = StanzaWriter::new(frames_out, client.to_client);
    let hello = Hello {
        noise_key: client.noise_key,
        payload: client.payload,
    };
    shared.change(|world| world.arrive(serial, out, hello));
    // Whoever ends first ends the connection: the reader when the client leaves, the writer when it is sent away.
    let ended = tokio::select! {
        ended = read(&shared, serial, reader) => ended,
        ended = write(writer, outbox) => ended,
    };
    shared.change(|world| world.depart(serial));
    ended
}

/// What a client showed in its handshake.
pub(super) struct Hello {
    pub noise_key: [u8; 32],
    pub payload: waproto::whatsapp::ClientPayload,
}

async fn read(shared: &Shared, serial: u64, mut reader: StanzaReader) -> Result<(), WireError> {
    loop {
        let node = reader.next().await?;
        shared.change(|world| world.stanza(serial, &node));
        if shared.look(|world| world.is_frozen(serial)) {
            std::future::pending::<()>().await;
        }
    }
}

async fn write(
    mut writer: StanzaWriter,
    mut outbox: UnboundedReceiver<Out>,
) -> Result<(), WireError> {
    let mut pause = None;
    while let Some(out) = outbox.recv().await {
        match out {
            Out::Stanza(node) => {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                writer.send(&node).await?;
            }
            Out::Frame(payload) => writer.frame(payload).await?,
            Out::Bytes(bytes) => writer.bytes(bytes).await?,
            Out::Slow(each) => pause = Some(each),
            Out::Close => return writer.close().await,
            Out::Leave => {
                tokio::time::sleep(GRACE).await;
                return writer.close().await;
            }
            Out::Drop => return Ok(()),
            Out::Freeze => std::future::pending().await,
        }
    }
    writer.close().await
}

impl World {
    /// A client has shaken hands: it logs in, or asks to be linked.
    pub fn arrive(&mut self, serial: u64, out: mpsc::UnboundedSender<Out>, hello: Hello) {
        let login = hello.payload.username.map(|number| DeviceId {
            phone: PhoneId(number.to_string()),
            device: hello
                .payload
                .device
                .and_then(|device| u16::try_from(device).ok())
                .unwrap_or_default(),
        });
        self.connections.insert(
            serial,
            Connection {
                out,
                peer: Peer::Refused,
                mute: false,
                frozen: false,
                held: None,
                draining: None,
            },
        );
        match login {
            Some(device) => self.login(serial, device, &hello),
            None => self.begin_linking(serial, &hello),
        }
    }

    /// A connection has ended.
    pub fn depart(&mut self, serial: u64) {
        match self
            .connections
            .remove(&serial)
            .map(|connection| connection.peer)
        {
            Some(Peer::Device { id, .. }) => self.ledger.record(&id.to_string(), Act::Closed),
            Some(Peer::Linking(linking)) => {
                self.concluded
                    .extend(linking.outcome.map(|outcome| (serial, outcome)));
            }
            Some(Peer::Refused) | None => {}
        }
    }

    pub fn is_frozen(&self, serial: u64) -> bool {
        self.connections
            .get(&serial)
            .is_some_and(|connection| connection.frozen)
    }

    fn login(&mut self, serial: u64, id: DeviceId, hello: &Hello) {
        let Some(device) = self.device_mut(&id) else {
            return self.turn_away(serial, &id, 401, fault::login_failure(401));
        };
        if device.noise_key != hello.noise_key {
            self.ledger.crime(Crime::WrongNoiseKey {
                device: id.to_string(),
            });
            return self.turn_away(serial, &id, 401, fault::login_failure(401));
        }
        let target = Target::Device(id.clone());
        let struck = self.faults.strike_at(&target, Occasion::Login);
        match struck {
            Some(Fault::BlackHoleLogin) => return self.mute(serial),
            Some(struck) => {
                if let Some((reason, node)) = fault::failure(struck) {
                    return self.turn_away(serial, &id, reason, node);
                }
            }
            None => {}
        }
        if let Some(older) = self.connection_of(&id) {
            self.dismiss(older, fault::replaced());
            // The older one is no longer the device's: what comes goes to the new one.
            if let Some(connection) = self.connections.get_mut(&older) {
                connection.peer = Peer::Refused;
            }
        }
        self.ledger.record(&id.to_string(), Act::LoggedIn);
        let lid = self.address(&id, super::world::Form::Lid);
        let name = self
            .account(&id.phone)
            .map(|account| account.phone.push_name().to_owned())
            .unwrap_or_default();
        let success = NodeBuilder::new("success")
            .attr("t", now_s())
            .attr("lid", lid)
            .attr("display_name", name)
            .attr("props", "27")
            .attr("abprops", "1")
            .attr("location", "lab")
            .build();
        if let Some(connection) = self.connections.get_mut(&serial) {
            connection.peer = Peer::Device { id, active: false };
        }
        self.send(serial, success);
        if struck == Some(Fault::SilentLogin) {
            self.mute(serial);
        }
    }

    fn turn_away(&mut self, serial: u64, id: &DeviceId, reason: u16, failure: Node) {
        self.ledger.record(&id.to_string(), Act::Refused { reason });
        self.dismiss(serial, failure);
    }

    /// Says one last thing to a client and nothing more, and leaves it to the client to close.
    pub fn dismiss(&mut self, serial: u64, last: Node) {
        self.send(serial, last);
        self.mute(serial);
        self.tell(serial, Out::Leave);
    }

    fn begin_linking(&mut self, serial: u64, hello: &Hello) {
        let Some(linking) = Linking::new(hello, self.times) else {
            return self.dismiss(serial, fault::login_failure(400));
        };
        let struck = self.faults.strike_at(&Target::Linking, Occasion::Login);
        if struck == Some(Fault::BlackHoleLogin) {
            return self.mute(serial);
        }
        if let Some((_, node)) = struck.and_then(fault::failure) {
            return self.dismiss(serial, node);
        }
        self.offer(serial, linking, struck);
    }

    /// A stanza from a client.
    pub fn stanza(&mut self, serial: u64, node: &Node) {
        let Some(connection) = self.connections.get(&serial) else {
            return;
        };
        if connection.mute {
            return;
        }
        match &connection.peer {
            Peer::Device { id, .. } => {
                let id = id.clone();
                self.ledger.accepted(&id.to_string(), node);
                if !self.strike_stanza(serial, &Target::Device(id.clone())) {
                    self.device_says(serial, &id, node);
                }
            }
            Peer::Linking(_) => {
                if !self.strike_stanza(serial, &Target::Linking) {
                    self.linking_says(serial, node);
                }
            }
            Peer::Refused => {}
        }
    }

    fn device_says(&mut self, serial: u64, id: &DeviceId, node: &Node) {
        match &*node.tag {
            "iq" => self.query(serial, id, node),
            "message" => self.route_message(serial, id, node),
            "receipt" => self.route_receipt(serial, id, node),
            "ack" => self.confirm(
                id,
                &Confirmation {
                    class: &node.text("class"),
                    id: &node.text("id"),
                    to: node.jid("to"),
                    error: node.text("error").parse().ok(),
                },
            ),
            "call" => self.send(serial, reply::ack("call", node)),
            // Presence, chat states, and what clients say of themselves need no answer.
            _ => {}
        }
    }

    /// The device takes deliveries from now on.
    pub fn activate(&mut self, serial: u64, id: &DeviceId) {
        let Some(connection) = self.connections.get_mut(&serial) else {
            return;
        };
        let Peer::Device { active, .. } = &mut connection.peer else {
            return;
        };
        if std::mem::replace(active, true) {
            return;
        }
        self.deliver_offline(serial, id);
        self.share_app_state_key(id);
    }

    /// The device takes no deliveries until it says so.
    pub fn deactivate(&mut self, serial: u64) {
        if let Some(connection) = self.connections.get_mut(&serial)
            && let Peer::Device { active, .. } = &mut connection.peer
        {
            *active = false;
        }
    }

    /// Tells a device that its pre-keys run low.
    pub fn ask_for_pre_keys(&mut self, id: &DeviceId, left: usize) {
        let notification = NodeBuilder::new("notification")
            .attr("from", reply::server())
            .attr("type", "encrypt")
            .attr("id", self.next_id())
            .attr("t", now_s())
            .children([NodeBuilder::new("count").attr("value", left).build()])
            .build();
        self.deliver(id, notification);
    }
}
