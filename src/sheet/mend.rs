//! Text as editors save it, turned into text that TOML can be read from.

/// Decodes the text from whatever encoding the editor chose.
pub(super) fn decode(bytes: &[u8]) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let utf16 = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    // Settings are mostly ASCII, where every other byte of UTF-16 is 0.
    let zeros = |at: usize| {
        let zeros = pairs.iter().filter(|pair| pair[at] == 0).count();
        !pairs.is_empty() && zeros * 2 > pairs.len()
    };
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => decode(text),
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ if zeros(1) && !zeros(0) => utf16(u16::from_le_bytes),
        _ if zeros(0) && !zeros(1) => utf16(u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec())
            .unwrap_or_else(|_| bytes.iter().map(|byte| windows_1252(*byte)).collect()),
    }
}

/// Of what Windows-1252 has beyond Latin-1, the quotes alone.
fn windows_1252(byte: u8) -> char {
    match byte {
        0x91 | 0x92 => '\u{2019}',
        0x93 | 0x94 | 0x84 => '\u{201d}',
        _ => char::from(byte),
    }
}

const DOUBLE: [char; 6] = [
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{ab}', '\u{bb}',
];
const SINGLE: [char; 4] = ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];

/// Turns typographic quotes, spaces and line ends back into TOML's. Within straight quotes everything is content:
/// phones call their hotspots “Anna’s”.
pub(super) fn straighten(text: &str) -> String {
    /// The kind of string that is open, by its closing quote.
    enum Open {
        No,
        Comment,
        Straight { quote: char, escaped: bool },
        Curly(char, &'static [char]),
    }
    let straight = |quote, escaped| Open::Straight { quote, escaped };
    let mut out = String::with_capacity(text.len());
    let mut open = Open::No;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\r' if letters.peek() == Some(&'\n') => continue,
            '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => '\n',
            '\u{feff}' | '\u{200b}' => continue,
            control if control.is_control() && !matches!(control, '\n' | '\t') => continue,
            letter => letter,
        };
        let (plain, next) = match (open, letter) {
            (_, '\n') => ('\n', Open::No),
            (Open::Comment, _) => (letter, Open::Comment),
            (Open::No, '#') => ('#', Open::Comment),
            (Open::No, '"' | '\'') => (letter, straight(letter, false)),
            (Open::No, quote) if DOUBLE.contains(&quote) => ('"', Open::Curly('"', &DOUBLE)),
            (Open::No, quote) if SINGLE.contains(&quote) => ('\'', Open::Curly('\'', &SINGLE)),
            (Open::No, space) if space.is_whitespace() && space != '\t' => (' ', Open::No),
            (Open::No, _) => (letter, Open::No),
            (Open::Straight { quote, escaped }, _) => match letter {
                '\\' if quote == '"' => (letter, straight(quote, !escaped)),
                _ if letter == quote && !escaped => (letter, Open::No),
                _ => (letter, straight(quote, false)),
            },
            (Open::Curly(quote, ends), _) if letter == quote || ends.contains(&letter) => {
                (quote, Open::No)
            }
            (Open::Curly(quote, ends), _) => (letter, Open::Curly(quote, ends)),
        };
        out.push(plain);
        open = next;
    }
    out
}
