//! A text from a file, or from standard input, which is called `-`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Error;

/// The longest text that is read, in bytes: more than WhatsApp takes of a message.
const LONGEST: u64 = 1 << 20;

/// Reads all of it. No more is read than shows that it is too long: the file may never end.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let read = match path == Path::new("-") {
        true => whole(io::stdin().lock()),
        false => File::open(path).and_then(whole),
    };
    read.map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}

fn whole(file: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        let longer = format!("it is longer than {LONGEST} bytes");
        return Err(io::Error::other(longer));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        io::Error::other(format!("it is not UTF-8 text, from byte {place} on"))
    })?;
    match text.find('\0') {
        Some(place) => Err(io::Error::other(format!(
            "byte {place} is a NUL, which no text has"
        ))),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_or_it_is_said_why_not() {
        let refused = |bytes: &[u8]| whole(bytes).unwrap_err().to_string();
        assert_eq!(whole("über\n".as_bytes()).unwrap(), "über\n");
        assert_eq!(whole(&vec![b'x'; 1 << 20][..]).unwrap().len(), 1 << 20);
        assert!(refused(&vec![b'x'; (1 << 20) + 1]).contains("longer than 1048576 bytes"));
        assert!(refused(b"abc\xff").contains("from byte 3"));
        assert!(refused(b"a\0").contains("byte 1 is a NUL"));
        assert!(whole(io::repeat(b'x')).is_err());
    }
}
