//! The bootloader's environment: which slot comes first, and how many tries each has left. One sector of the partition `env`, as U-Boot's
//! `env export -c` and libubootenv write it: a CRC-32, then `NAME=value` and a NUL each. A sector is old or new after a power cut, and one
//! that is neither is as good as none: the bootloader then starts the first slot that it can (`board/image/boot.cmd`).

/// Bytes of it.
pub const SIZE: usize = 512;

/// Names and values, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// Reads it; a damaged one is empty.
    pub fn parse(bytes: &[u8; SIZE]) -> Self {
        let (sum, text) = bytes.split_at(4);
        if crc32fast::hash(text).to_le_bytes() != *sum {
            return Self::default();
        }
        let lines = text.split(|&byte| byte == 0);
        let variables = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = str::from_utf8(line).ok()?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            });
        Self(variables.collect())
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        Some(value)
    }

    /// Gives a variable another value.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// As it is written; none where it does not fit.
    pub fn bytes(&self) -> Option<[u8; SIZE]> {
        let lines = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}\0"));
        let text: String = lines.collect();
        let mut bytes = [0; SIZE];
        // An empty line ends it.
        bytes[4..SIZE - 1]
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let sum = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut environment = Environment::default();
        environment.set("BOOT_ORDER", "A B");
        environment.set("BOOT_A_LEFT", "9");
        environment.set("BOOT_A_LEFT", "3");
        let bytes = environment.bytes().unwrap();
        assert_eq!(&bytes[4..35], b"BOOT_ORDER=A B\0BOOT_A_LEFT=3\0\0\0");
        let again = Environment::parse(&bytes);
        assert_eq!(again, environment);
        assert_eq!(again.get("BOOT_ORDER"), Some("A B"));
        assert_eq!(again.get("BOOT_A_LEFT"), Some("3"));
        assert_eq!(again.get("BOOT_B_LEFT"), None);
    }

    #[test]
    fn a_damaged_one_is_empty() {
        let mut environment = Environment::default();
        environment.set("BOOT_ORDER", "A B");
        let whole = environment.bytes().unwrap();
        for at in [0, 4, 511] {
            let mut bytes = whole;
            bytes[at] ^= 1;
            assert_eq!(Environment::parse(&bytes), Environment::default());
        }
        assert_eq!(Environment::parse(&[0; SIZE]), Environment::default());
        assert_eq!(Environment::parse(&[0xff; SIZE]), Environment::default());
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut environment = Environment::default();
        environment.set("x", &"y".repeat(504));
        assert!(environment.bytes().is_some());
        environment.set("x", &"y".repeat(505));
        assert!(environment.bytes().is_none());
    }
}
