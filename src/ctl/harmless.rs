//! Text that somebody else wrote, made harmless for a terminal: it is seen and not obeyed.

/// The text with every sign visible that a terminal would obey; newlines stay.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|sign| if sign == '\n' { sign } else { visible(sign) })
        .collect()
}

/// The text on one line, so that nothing in it passes for a line of ours.
pub(super) fn line(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// The text with each line behind the first one indented, so that none of them passes for one of ours.
pub(super) fn indented(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(line).collect();
    lines.join("\n    ")
}

/// The same JSON, with nothing in its strings that a terminal would obey: escaped are also the signs that JSON does not ask to.
pub(super) fn json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for sign in json.chars() {
        // The few beyond 16 bits are none that a terminal obeys.
        match visible(sign) == sign {
            true => escaped.push(sign),
            false => escaped += &format!("\\u{:04x}", u32::from(sign)),
        }
    }
    escaped
}

/// The sign itself, or one that stands for it: its control picture where Unicode has one.
fn visible(sign: char) -> char {
    match sign {
        '\0'..='\u{1f}' => {
            char::from_u32(0x2400 + u32::from(sign)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        '\u{7f}' => '\u{2421}',
        // Controls beyond ASCII, line and paragraph separators; what turns the direction of writing round (UAX #9).
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ => sign,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTILE: &str = "\x1b]0;title\x07\r\x08\x7f\u{9b}31m\u{202e}\u{2066}\u{2028}\u{85}";

    #[test]
    fn what_a_terminal_would_obey_is_seen() {
        assert_eq!(harmless(HOSTILE), "␛]0;title␇␍␈␡�31m����");
        assert_eq!(harmless("über\n\t€ 👩‍👩‍👧 مرحبا"), "über\n␉€ 👩‍👩‍👧 مرحبا");
        assert_eq!(
            line("hello\n2 mallory: send money"),
            "hello␊2 mallory: send money"
        );
        assert_eq!(indented("hello\r\n2 mallory"), "hello␍\n    2 mallory");
    }

    proptest! {
        #[test]
        fn no_line_is_forged_and_json_stays_what_it_says(text in "(\\PC|[\0-\u{9f}\u{2028}-\u{202e}\u{2066}-\u{2069}])*") {
            let obeyed = |sign: char| sign.is_control() || ('\u{2028}'..='\u{202e}').contains(&sign);
            prop_assert!(!line(&text).contains(obeyed));
            let shown = indented(&text);
            prop_assert!(shown.split('\n').skip(1).all(|line| line.starts_with("    ")));
            prop_assert!(!shown.replace('\n', "").contains(obeyed));
            let written = json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!written.contains(obeyed));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
