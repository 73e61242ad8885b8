//! A USB device of our own making on QEMU's usb-redir: a vendor's device with a bulk endpoint each way, which answers messages. After the
//! usbredir project's description of its protocol, 0.7 (`usbredirproto.h`), in whose words we are the host, and QEMU is the guest.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Kinds of packets.
mod kind {
    pub const HELLO: u32 = 0;
    pub const DEVICE_CONNECT: u32 = 1;
    pub const RESET: u32 = 3;
    pub const INTERFACE_INFO: u32 = 4;
    pub const EP_INFO: u32 = 5;
    pub const SET_CONFIGURATION: u32 = 6;
    pub const GET_CONFIGURATION: u32 = 7;
    pub const CONFIGURATION_STATUS: u32 = 8;
    pub const CANCEL_DATA_PACKET: u32 = 21;
    pub const CONTROL_PACKET: u32 = 100;
    pub const BULK_PACKET: u32 = 101;
}

/// How a transfer ended.
mod status {
    pub const SUCCESS: u8 = 0;
    pub const CANCELLED: u8 = 1;
    pub const STALL: u8 = 4;
}

/// What we can, as bits: the device's version is told, the packets' sizes are, ids have 64 bits, lengths 32. QEMU gives nobody a port of its xHCI
/// who cannot do the last three (`usbredir_do_attach`).
const CAPABILITIES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6;

/// The device's endpoints, and the most that goes over one at once.
const IN: u8 = 0x81;
const OUT: u8 = 0x02;
const PACKET_BYTES: u8 = 64;
/// A class of the vendor's own (USB 2.0, table 9-8).
const VENDOR: u8 = 0xff;
/// Full speed, 12 Mbit/s.
const FULL_SPEED: u8 = 1;
const VERSION: u16 = 0x0100;
/// An endpoint that there is not, and the kinds of those that there are.
const NONE: u8 = 255;
const CONTROL: u8 = 0;
const BULK: u8 = 2;

/// Plugs a device in, and serves it until either side closes the connection, which unplugs it. `answer` is what it says to a message.
///
/// # Errors
/// QEMU speaks otherwise, or the connection breaks.
pub fn serve(
    stream: UnixStream,
    id: (u16, u16),
    answer: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let mut device = Device {
        stream,
        id,
        answer,
        asked: VecDeque::new(),
        said: VecDeque::new(),
    };
    device.greet()?;
    while let Some((kind, id, content)) = device.packet()? {
        device.take(kind, id, &content)?;
    }
    Ok(())
}

struct Device<A> {
    stream: UnixStream,
    id: (u16, u16),
    answer: A,
    /// Packets in which QEMU waits for something to be said.
    asked: VecDeque<u64>,
    /// What was said and not fetched.
    said: VecDeque<Vec<u8>>,
}

impl<A: FnMut(&[u8]) -> Option<Vec<u8>>> Device<A> {
    /// Hello, with ids of 32 bits still, from both sides; then what is plugged in.
    fn greet(&mut self) -> io::Result<()> {
        let mut name = [0; 64];
        name[..8].copy_from_slice(b"holdfast");
        let hello = [&name[..], &CAPABILITIES.to_le_bytes()].concat();
        let words = [kind::HELLO, hello.len() as u32, 0];
        let head = words.map(u32::to_le_bytes).concat();
        self.stream.write_all(&[head, hello].concat())?;
        let mut head = [0; 12];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        self.content(length)?;
        self.describe()?;
        let (vendor, product) = self.id;
        let connect = [
            &[FULL_SPEED, VENDOR, 0, 0][..],
            &[vendor, product, VERSION].map(u16::to_le_bytes).concat(),
        ];
        self.send(kind::DEVICE_CONNECT, 0, &connect.concat())
    }

    /// The next packet: kind, id and content; `None` when the connection is closed.
    fn packet(&mut self) -> io::Result<Option<(u32, u64, Vec<u8>)>> {
        let mut head = [0; 16];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let [kind, length, low, high]: [u32; 4] = std::array::from_fn(|at| {
            let at = at * 4;
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
        });
        let id = u64::from(high) << 32 | u64::from(low);
        Ok(Some((kind, id, self.content(length)?)))
    }

    fn content(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let read = (&mut self.stream)
            .take(length.into())
            .read_to_end(&mut content)?;
        if read == length as usize {
            Ok(content)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn send(&mut self, kind: u32, id: u64, content: &[u8]) -> io::Result<()> {
        let lengths = [kind, content.len() as u32].map(u32::to_le_bytes).concat();
        let packet = [&lengths, &id.to_le_bytes()[..], content].concat();
        self.stream.write_all(&packet)
    }

    /// Tells of the one interface, and of the endpoints: sixteen out, then sixteen in.
    fn describe(&mut self) -> io::Result<()> {
        let mut interfaces = 1_u32.to_le_bytes().to_vec();
        interfaces.extend([0; 32]);
        interfaces.push(VENDOR);
        interfaces.extend([0; 31 + 32 + 32]);
        self.send(kind::INTERFACE_INFO, 0, &interfaces)?;
        let mut kinds = [NONE; 32];
        kinds[0] = CONTROL;
        kinds[16] = CONTROL;
        kinds[usize::from(OUT)] = BULK;
        kinds[16 + usize::from(IN & 0x0f)] = BULK;
        let (intervals, interfaces) = ([0; 32], [0; 32]);
        let sizes = [u16::from(PACKET_BYTES).to_le_bytes(); 32].concat();
        let endpoints = [&kinds[..], &intervals, &interfaces, &sizes].concat();
        self.send(kind::EP_INFO, 0, &endpoints)
    }

    fn take(&mut self, kind: u32, id: u64, content: &[u8]) -> io::Result<()> {
        match (kind, content) {
            (kind::RESET, _) => {
                self.asked.clear();
                self.said.clear();
                Ok(())
            }
            (kind::SET_CONFIGURATION, &[configuration]) => {
                self.describe()?;
                let done = [status::SUCCESS, configuration];
                self.send(kind::CONFIGURATION_STATUS, id, &done)
            }
            (kind::GET_CONFIGURATION, _) => {
                self.send(kind::CONFIGURATION_STATUS, id, &[status::SUCCESS, 1])
            }
            (kind::CONTROL_PACKET, &[endpoint, request, direction, _, ref rest @ ..]) => {
                self.control(id, [endpoint, request, direction], rest)
            }
            (kind::BULK_PACKET, &[IN, ..]) => {
                self.asked.push_back(id);
                self.say()
            }
            // Endpoint, status, length, stream, the length's upper half.
            (kind::BULK_PACKET, &[OUT, _, low, high, _, _, _, _, _, _, ref message @ ..]) => {
                self.bulk(id, OUT, status::SUCCESS, [low, high], &[])?;
                self.said.extend((self.answer)(message));
                self.say()
            }
            (kind::CANCEL_DATA_PACKET, _) if self.asked.contains(&id) => {
                self.asked.retain(|asked| *asked != id);
                self.bulk(id, IN, status::CANCELLED, [0, 0], &[])
            }
            _ => Ok(()),
        }
    }

    /// Hands over what was said, as far as it is asked for.
    fn say(&mut self) -> io::Result<()> {
        while !self.asked.is_empty()
            && let Some(said) = self.said.pop_front()
            && let Some(id) = self.asked.pop_front()
        {
            let length = (said.len() as u16).to_le_bytes();
            self.bulk(id, IN, status::SUCCESS, length, &said)?;
        }
        Ok(())
    }

    fn bulk(
        &mut self,
        id: u64,
        endpoint: u8,
        status: u8,
        [low, high]: [u8; 2],
        content: &[u8],
    ) -> io::Result<()> {
        let head = [endpoint, status, low, high, 0, 0, 0, 0, 0, 0];
        self.send(kind::BULK_PACKET, id, &[&head, content].concat())
    }

    /// Answers a request of every device's (USB 2.0, table 9-3): what it is, and how it is; there is no other.
    fn control(
        &mut self,
        id: u64,
        [endpoint, request, direction]: [u8; 3],
        rest: &[u8],
    ) -> io::Result<()> {
        let &[value, which, index, index_high, low, high, ..] = rest else {
            return Ok(());
        };
        const TO_HOST: u8 = 0x80;
        const GET_STATUS: u8 = 0;
        const GET_DESCRIPTOR: u8 = 6;
        let answer = match (direction, request, which) {
            (TO_HOST, GET_DESCRIPTOR, 1) => Some(self.descriptor().to_vec()),
            (TO_HOST, GET_DESCRIPTOR, 2) => Some(configuration().to_vec()),
            (TO_HOST, GET_STATUS, _) => Some(vec![0, 0]),
            _ => None,
        };
        let status = answer.as_ref().map_or(status::STALL, |_| status::SUCCESS);
        let mut answer = answer.unwrap_or_default();
        answer.truncate(u16::from_le_bytes([low, high]).into());
        let [low, high] = (answer.len() as u16).to_le_bytes();
        let head = [
            endpoint, request, direction, status, value, which, index, index_high, low, high,
        ];
        self.send(kind::CONTROL_PACKET, id, &[&head, &answer[..]].concat())
    }

    /// The device (USB 2.0, table 9-8).
    fn descriptor(&self) -> [u8; 18] {
        let ([vendor, vendor_high], [product, product_high]) =
            (self.id.0.to_le_bytes(), self.id.1.to_le_bytes());
        let [version, version_high] = VERSION.to_le_bytes();
        [
            18,
            1,
            0x00,
            0x02,
            VENDOR,
            0,
            0,
            PACKET_BYTES,
            vendor,
            vendor_high,
            product,
            product_high,
            version,
            version_high,
            0,
            0,
            0,
            1,
        ]
    }
}

/// The one configuration, with its interface and endpoints (USB 2.0, tables 9-10, 9-12 and 9-13): 100 mA from the bus.
fn configuration() -> [u8; 32] {
    let endpoint = |address| [7, 5, address, BULK, PACKET_BYTES, 0, 0];
    let mut bytes = [0; 32];
    bytes[..9].copy_from_slice(&[9, 2, 32, 0, 1, 1, 0, 0x80, 50]);
    bytes[9..18].copy_from_slice(&[9, 4, 0, 0, 2, VENDOR, 0, 0, 0]);
    bytes[18..25].copy_from_slice(&endpoint(IN));
    bytes[25..].copy_from_slice(&endpoint(OUT));
    bytes
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const ID: (u16, u16) = (0x8086, 0x0b63);

    /// QEMU's part.
    struct Qemu(UnixStream);

    impl Qemu {
        fn send(&mut self, kind: u32, id: u64, content: &[u8]) {
            let words = [kind, content.len() as u32].map(u32::to_le_bytes).concat();
            let packet = [&words, &id.to_le_bytes()[..], content].concat();
            self.0.write_all(&packet).unwrap();
        }

        fn hears(&mut self) -> (u32, u64, Vec<u8>) {
            let mut head = [0; 16];
            self.0.read_exact(&mut head).unwrap();
            let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            let mut content = vec![0; word(4) as usize];
            self.0.read_exact(&mut content).unwrap();
            (word(0), word(8).into(), content)
        }

        /// A control transfer: what came back, or how it failed.
        fn asks(
            &mut self,
            direction: u8,
            request: u8,
            value: u16,
            length: u16,
        ) -> Result<Vec<u8>, u8> {
            let [low, high] = value.to_le_bytes();
            let [short, long] = length.to_le_bytes();
            let content = [0x80, request, direction, 0, low, high, 0, 0, short, long];
            self.send(kind::CONTROL_PACKET, 9, &content);
            let (kind, id, content) = self.hears();
            assert_eq!((kind, id), (kind::CONTROL_PACKET, 9));
            match content[3] {
                status::SUCCESS => Ok(content[10..].to_vec()),
                failed => Err(failed),
            }
        }

        fn bulk(&mut self, id: u64, endpoint: u8, message: &[u8]) {
            let head = [endpoint, 0, message.len() as u8, 0, 0, 0, 0, 0, 0, 0];
            self.send(kind::BULK_PACKET, id, &[&head, message].concat());
        }
    }

    /// A device that says each message backwards, as far as it has been plugged in.
    fn plugged() -> (Qemu, thread::JoinHandle<io::Result<()>>) {
        let (ours, its) = UnixStream::pair().unwrap();
        let served = thread::spawn(move || {
            serve(its, ID, |message| {
                Some(message.iter().rev().copied().collect())
            })
        });
        let mut qemu = Qemu(ours);
        let mut hello = [0; 80];
        qemu.0.read_exact(&mut hello).unwrap();
        assert_eq!(hello[..8], [0, 0, 0, 0, 68, 0, 0, 0]);
        assert_eq!(hello[76..], CAPABILITIES.to_le_bytes());
        qemu.0.write_all(&hello).unwrap();
        let (kind, _, interfaces) = qemu.hears();
        assert_eq!((kind, interfaces.len()), (kind::INTERFACE_INFO, 4 + 4 * 32));
        let (kind, _, endpoints) = qemu.hears();
        assert_eq!((kind, endpoints.len()), (kind::EP_INFO, 3 * 32 + 2 * 32));
        assert_eq!(
            (endpoints[2], endpoints[17], endpoints[1]),
            (BULK, BULK, NONE)
        );
        let (kind, _, device) = qemu.hears();
        assert_eq!(
            (kind, &device[4..8]),
            (kind::DEVICE_CONNECT, &[0x86, 0x80, 0x63, 0x0b][..])
        );
        (qemu, served)
    }

    #[test]
    fn it_says_what_it_is_and_how() {
        let (mut qemu, served) = plugged();
        let device = qemu.asks(0x80, 6, 0x0100, 64).unwrap();
        assert_eq!((device.len(), device[0]), (18, 18));
        assert_eq!(qemu.asks(0x80, 6, 0x0100, 8).unwrap(), device[..8]);
        let configuration = qemu.asks(0x80, 6, 0x0200, 255).unwrap();
        assert_eq!((configuration.len(), configuration[2]), (32, 32));
        assert_eq!(qemu.asks(0x80, 0, 0, 2), Ok(vec![0, 0]), "it woke up");
        assert_eq!(qemu.asks(0x80, 6, 0x0600, 10), Err(status::STALL));
        qemu.send(kind::SET_CONFIGURATION, 5, &[1]);
        qemu.hears();
        qemu.hears();
        let set = (kind::CONFIGURATION_STATUS, 5, vec![status::SUCCESS, 1]);
        assert_eq!(qemu.hears(), set);
        drop(qemu);
        served.join().unwrap().unwrap();
    }

    #[test]
    fn an_answer_waits_for_its_question_and_a_question_may_be_taken_back() {
        let (mut qemu, served) = plugged();
        let done = |id, endpoint, status, said: &[u8]| {
            let head = [endpoint, status, said.len() as u8, 0, 0, 0, 0, 0, 0, 0];
            (kind::BULK_PACKET, id, [&head, said].concat())
        };
        qemu.bulk(1, IN, &[]);
        qemu.send(kind::CANCEL_DATA_PACKET, 1, &[]);
        assert_eq!(qemu.hears(), done(1, IN, status::CANCELLED, &[]));
        qemu.bulk(2, OUT, &[1, 2, 3]);
        // So much was taken; QEMU knows the bytes.
        let taken = (
            kind::BULK_PACKET,
            2,
            vec![OUT, status::SUCCESS, 3, 0, 0, 0, 0, 0, 0, 0],
        );
        assert_eq!(qemu.hears(), taken);
        qemu.bulk(3, IN, &[]);
        assert_eq!(qemu.hears(), done(3, IN, status::SUCCESS, &[3, 2, 1]));
        drop(qemu);
        served.join().unwrap().unwrap();
    }
}
