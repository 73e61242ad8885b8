//! The framing of what a client of D-Bus sends: where a message begins, how long it is, and whether it wants an answer.
//!
//! Read from the bytes as they pass, before anything is reserved for them (D-Bus specification, "Message format").

use std::io;

/// The end of the authentication, after which messages come.
const BEGIN: &[u8] = b"BEGIN\r\n";

/// The longest authentication, bytes.
const LONGEST_GREETING: usize = 16 << 10;

/// The fixed beginning of a message: byte order, type, flags, version; lengths of the body and of the header's fields around its number.
const HEADER: usize = 16;

/// The longest message, bytes: a text to be sent may have 64 KiB, a passkey's answer some.
const LONGEST: u64 = 1 << 20;

/// The type of a method call, and the flag by which its caller wants no answer.
const METHOD_CALL: u8 = 1;
const NO_REPLY_EXPECTED: u8 = 1;

/// A client's stream, as far as it has come.
#[derive(Debug)]
pub(super) enum Framing {
    /// Authentication: how much of it there was, and how much of [`BEGIN`] its end matches.
    Greeting { length: usize, matched: usize },
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
        }
    }
}

impl Framing {
    /// Takes the next bytes, and returns how many calls that want an answer begin in them.
    ///
    /// # Errors
    /// A message announces more than any may have, or is none.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> io::Result<u32> {
        let mut calls = 0;
        while let Some((first, others)) = bytes.split_first() {
            match self {
                Self::Greeting { length, matched } => {
                    *length += 1;
                    *matched = match *first == BEGIN[*matched] {
                        true => *matched + 1,
                        false => usize::from(*first == BEGIN[0]),
                    };
                    if *matched == BEGIN.len() {
                        *self = Self::Header([0; HEADER], 0);
                    } else if *length > LONGEST_GREETING {
                        return Err(too_long());
                    }
                    bytes = others;
                }
                Self::Header(header, filled) => {
                    header[*filled] = *first;
                    *filled += 1;
                    bytes = others;
                    if *filled == HEADER {
                        let header = *header;
                        *self = Self::Header([0; HEADER], 0);
                        *self = Self::Rest(rest(&header)?);
                        calls += u32::from(wants_answer(&header));
                    }
                }
                Self::Rest(left) => {
                    let taken = usize::try_from(*left)
                        .unwrap_or(bytes.len())
                        .min(bytes.len());
                    bytes = &bytes[taken..];
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

fn wants_answer(header: &[u8; HEADER]) -> bool {
    header[1] == METHOD_CALL && header[2] & NO_REPLY_EXPECTED == 0
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
        framing.take(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n").unwrap();
        let header = &message(METHOD_CALL, 0, 8, 117 << 20)[..HEADER];
        assert!(framing.take(header).is_err());
        for (fields, body) in [(u32::MAX, u32::MAX), (8, 1 << 20), (1 << 20, 8), (0, 0)] {
            let mut framing = Framing::default();
            framing.take(BEGIN).unwrap();
            let header = &message(METHOD_CALL, 0, fields, body)[..HEADER];
            assert!(framing.take(header).is_err(), "{fields} {body}");
        }
        assert!(
            Framing::default()
                .take(&[b'A'; LONGEST_GREETING + 1])
                .is_err()
        );
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
                wanted += u32::from(kind == METHOD_CALL && flags & NO_REPLY_EXPECTED == 0);
            }
            let mut framing = Framing::default();
            let calls = bytes.chunks(cut).map(|part| framing.take(part).unwrap());
            prop_assert_eq!(calls.sum::<u32>(), wanted);
            prop_assert!(matches!(framing, Framing::Header(_, 0)));
        }

        #[test]
        fn no_bytes_are_too_much(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
            let mut framing = Framing::default();
            let _ = framing.take(BEGIN);
            parts.iter().for_each(|part| drop(framing.take(part)));
        }
    }
}
