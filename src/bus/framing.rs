//! The framing of what a client of D-Bus sends: where a message begins, how long it is, and whether it is a call.
//!
//! Read from the bytes as they pass, before anything is reserved for them (D-Bus specification, "Message format"). Each call wants
//! an answer from here on, so that none is worked on that is not counted: zbus answers mistakes even where no answer is wanted.

use std::io;

/// The end of the authentication, after which messages come.
const BEGIN: &[u8] = b"BEGIN\r\n";

/// The longest authentication, bytes.
const LONGEST_GREETING: usize = 16 << 10;

/// The fixed beginning of a message: byte order, type, flags, version; lengths of the body and of the header's fields around its number.
const HEADER: usize = 16;

/// The longest message, bytes: a text to be sent may have 64 KiB, a passkey's answer some.
const LONGEST: u64 = 1 << 20;

/// The type of a method call, and the flag by which its caller wants no answer, in the third byte of the header.
const METHOD_CALL: u8 = 1;
const FLAGS: usize = 2;
const NO_REPLY_EXPECTED: u8 = 1;

/// A client's stream, as far as it has come.
#[derive(Debug)]
pub(super) enum Framing {
    /// Authentication: how much of it there was, how much of [`BEGIN`] its end matches, and its last byte.
    Greeting {
        length: usize,
        matched: usize,
        last: u8,
    },
    /// The beginning of a message.
    Header([u8; HEADER], usize),
    /// The rest of a message, bytes.
    Rest(u64),
}

impl Default for Framing {
    fn default() -> Self {
        Self::Greeting {
            length: 0,
            matched: 0,
            last: 0,
        }
    }
}

impl Framing {
    /// Takes the next bytes, has each call in them want an answer, and returns how many begin there.
    ///
    /// # Errors
    /// A message announces more than any may have, or is none.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> io::Result<u32> {
        let (mut calls, mut at) = (0, 0);
        while at < bytes.len() {
            match self {
                Self::Greeting {
                    length,
                    matched,
                    last,
                } => {
                    let byte = bytes[at];
                    at += 1;
                    // zbus panics at a line that ends in another way.
                    if byte == b'\n' && *last != b'\r' {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    (*length, *last) = (*length + 1, byte);
                    *matched = match byte == BEGIN[*matched] {
                        true => *matched + 1,
                        false => usize::from(byte == BEGIN[0]),
                    };
                    if *matched == BEGIN.len() {
                        *self = Self::Header([0; HEADER], 0);
                    } else if *length > LONGEST_GREETING {
                        return Err(too_long());
                    }
                }
                Self::Header(header, filled) => {
                    if *filled == FLAGS && header[1] == METHOD_CALL {
                        bytes[at] &= !NO_REPLY_EXPECTED;
                    }
                    header[*filled] = bytes[at];
                    (*filled, at) = (*filled + 1, at + 1);
                    if *filled == HEADER {
                        let header = *header;
                        *self = Self::Header([0; HEADER], 0);
                        *self = Self::Rest(rest(&header)?);
                        calls += u32::from(header[1] == METHOD_CALL);
                    }
                }
                Self::Rest(left) => {
                    let there = bytes.len() - at;
                    let taken = usize::try_from(*left).unwrap_or(there).min(there);
                    at += taken;
                    *left -= taken as u64;
                    if *left == 0 {
                        *self = Self::Header([0; HEADER], 0);
                    }
                }
            }
        }
        Ok(calls)
    }
}

/// The length of what follows a header: its fields, padded to 8 bytes, and the body.
fn rest(header: &[u8; HEADER]) -> io::Result<u64> {
    let number = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        match header[0] {
            b'l' => Ok(u64::from(u32::from_le_bytes(bytes))),
            b'B' => Ok(u64::from(u32::from_be_bytes(bytes))),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "this is no D-Bus message",
            )),
        }
    };
    let rest = number(12)?.next_multiple_of(8) + number(4)?;
    // One without fields names no method, so that there is always something to follow.
    match rest {
        0 => Err(io::ErrorKind::InvalidData.into()),
        rest if rest > LONGEST => Err(too_long()),
        rest => Ok(rest),
    }
}

fn too_long() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a client announces a message longer than any call is",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message of this type and these flags, with so many bytes of fields and body.
    fn message(kind: u8, flags: u8, fields: u32, body: u32) -> Vec<u8> {
        let mut bytes = vec![b'l', kind, flags, 1];
        bytes.extend(body.to_le_bytes());
        bytes.extend(7_u32.to_le_bytes());
        bytes.extend(fields.to_le_bytes());
        let rest = u64::from(fields).next_multiple_of(8) + u64::from(body);
        bytes.extend(vec![
            b'B';
            usize::try_from(rest).unwrap_or_default().min(4 << 20)
        ]);
        bytes
    }

    #[test]
    fn what_a_header_announces_is_judged_before_it_comes() {
        let mut framing = Framing::default();
        framing
            .take(&mut b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n".to_vec())
            .unwrap();
        let header = &mut message(METHOD_CALL, 0, 8, 117 << 20)[..HEADER];
        assert!(framing.take(header).is_err());
        for (fields, body) in [(u32::MAX, u32::MAX), (8, 1 << 20), (1 << 20, 8), (0, 0)] {
            let mut framing = Framing::default();
            framing.take(&mut BEGIN.to_vec()).unwrap();
            let header = &mut message(METHOD_CALL, 0, fields, body)[..HEADER];
            assert!(framing.take(header).is_err(), "{fields} {body}");
        }
        assert!(
            Framing::default()
                .take(&mut [b'A'; LONGEST_GREETING + 1])
                .is_err()
        );
    }

    #[test]
    fn every_call_wants_an_answer_and_nothing_else_is_touched() {
        let mut framing = Framing::default();
        framing.take(&mut BEGIN.to_vec()).unwrap();
        for (kind, flags, left) in [(METHOD_CALL, 7, 6), (METHOD_CALL, 0, 0), (4, 1, 1)] {
            let whole = message(kind, flags, 8, 9);
            let mut passed = whole.clone();
            framing.take(&mut passed).unwrap();
            assert_eq!(passed[FLAGS], left);
            passed[FLAGS] = flags;
            assert_eq!(passed, whole);
        }
    }

    #[test]
    fn a_line_that_ends_in_another_way_is_refused() {
        for greeting in [&b"\n"[..], b"\0AUTH\n", b"\0AUTH\r\n\n"] {
            let taken = Framing::default().take(&mut greeting.to_vec());
            assert!(taken.is_err(), "{greeting:?}");
        }
    }

    proptest! {
        #[test]
        fn calls_are_counted_however_they_are_cut(
            messages in prop::collection::vec((1_u8..5, 0_u8..4, 1_u32..40, 0_u32..40), 0..6),
            cut in 1_usize..50,
        ) {
            let mut bytes = b"\0AUTH BEGBEGIN\r\n".to_vec();
            let mut wanted = 0;
            for (kind, flags, fields, body) in messages {
                bytes.extend(message(kind, flags, fields, body));
                wanted += u32::from(kind == METHOD_CALL);
            }
            let mut framing = Framing::default();
            let calls = bytes.chunks_mut(cut).map(|part| framing.take(part).unwrap());
            prop_assert_eq!(calls.sum::<u32>(), wanted);
            prop_assert!(matches!(framing, Framing::Header(_, 0)));
        }

        #[test]
        fn no_bytes_are_too_much(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
            let mut framing = Framing::default();
            let _ = framing.take(&mut BEGIN.to_vec());
            for mut part in parts {
                let _ = framing.take(&mut part);
            }
        }
    }
}
