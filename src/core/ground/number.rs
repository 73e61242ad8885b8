//! A phone number as people write it (ITU-T E.164).

use alloc::string::String;
use core::fmt;

/// The fewest digits of a number with its country code.
const FEWEST: usize = 7;
/// The most digits that E.164 allows.
const MOST: usize = 15;
/// The fewest digits of a LID, which nobody writes with a +.
const FEWEST_OF_LID: usize = 15;
/// What people write between the digits.
const BETWEEN: [char; 8] = [' ', '-', '(', ')', '.', '/', '\u{a0}', '\u{202f}'];
/// The zero that is dialled within a country only, as it is written after the country code.
const TRUNK_ZERO: &str = "(0)";

/// A phone number with its country code. It is shown to nobody, and therefore has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is no phone number; displays as one sentence, which repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotANumber {
    /// It is an address of the web.
    Link,
    /// There is a letter in it.
    Letter,
    /// There are digits that are not those of ASCII, such as full-width ones.
    ForeignDigit,
    /// There is something else in it that is no digit.
    Sign,
    /// It begins with 0: the country code is missing.
    NoCountryCode,
    /// It has fewer digits than any number.
    TooShort,
    /// It has more digits than any number.
    TooLong,
    /// It has as many digits as a LID, and no +.
    Lid,
}

impl NotANumber {
    /// Says which part is wrong and what to write instead.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Link => {
                "a link is no phone number; write the digits in it, from the country code on"
            }
            Self::Letter => {
                "there is a letter in the phone number; write digits, from the country code on, such as +49 151 …"
            }
            Self::ForeignDigit => {
                "the phone number has digits of another script; write them as 0 to 9"
            }
            Self::Sign => {
                "there is a sign in the phone number that does not belong there; write digits, from the country code on, such as +49 151 …"
            }
            Self::NoCountryCode => {
                "the phone number begins with 0; write the country code instead, such as +49 151 …"
            }
            Self::TooShort => {
                "the phone number has fewer than 7 digits; write all of it, from the country code on"
            }
            Self::TooLong => {
                "no phone number has more than 15 digits; a LID is written with its end, …@lid"
            }
            Self::Lid => {
                "15 digits without a + may be a LID; write a phone number of so many with its +, and a LID with its end, …@lid"
            }
        }
    }
}

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl core::error::Error for NotANumber {}

impl PhoneNumber {
    /// Reads a number: the country code, with or without +, then the rest, with what people write between. One that is as long as a LID
    /// needs its +. A zero in parentheses after the country code is left out, as it is not dialled from abroad.
    ///
    /// # Errors
    /// [`NotANumber`].
    pub fn parse(text: &str) -> Result<Self, NotANumber> {
        let text = text.trim();
        if text.contains("://") || text.to_ascii_lowercase().contains("wa.me") {
            return Err(NotANumber::Link);
        }
        let is_marked = text.starts_with('+');
        let text = text.strip_prefix('+').unwrap_or(text);
        let (code, rest) = text.split_once(TRUNK_ZERO).unwrap_or((text, ""));
        let mut digits = String::new();
        for c in code.chars().chain(rest.chars()) {
            match c {
                '0'..='9' => digits.push(c),
                _ if BETWEEN.contains(&c) => {}
                _ if c.is_numeric() => return Err(NotANumber::ForeignDigit),
                _ if c.is_alphabetic() => return Err(NotANumber::Letter),
                _ => return Err(NotANumber::Sign),
            }
        }
        match digits.len() {
            _ if digits.starts_with('0') => Err(NotANumber::NoCountryCode),
            // Before the zero there is no country code.
            _ if code.len() < text.len() && !code.contains(|c: char| c.is_ascii_digit()) => {
                Err(NotANumber::NoCountryCode)
            }
            0..FEWEST => Err(NotANumber::TooShort),
            FEWEST_OF_LID..=MOST if !is_marked => Err(NotANumber::Lid),
            FEWEST..=MOST => Ok(Self(digits)),
            _ => Err(NotANumber::TooLong),
        }
    }

    /// The digits, from the country code on.
    pub fn into_digits(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, NotANumber> {
        PhoneNumber::parse(text).map(PhoneNumber::into_digits)
    }

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for written in [
            "4917012345678",
            "+4917012345678",
            " +49 170 1234-5678 ",
            "+49 (170) 12 34 56 78",
            "+49 (0)170 12345678",
            "+49 (0) 170.1234.5678",
            "49\u{a0}170/12345678",
        ] {
            assert_eq!(read(written).as_deref(), Ok("4917012345678"), "{written}");
        }
        assert_eq!(read("+1 (555) 000-0001").as_deref(), Ok("15550000001"));
        assert_eq!(
            read("+39 06 1234 5678").as_deref(),
            Ok("390612345678"),
            "Rome"
        );
        assert_eq!(
            read("+43 1 234 567 890 123").as_deref(),
            Ok("431234567890123"),
            "as long as they get"
        );
    }

    #[test]
    fn what_is_none_is_told_by_the_part_that_is_wrong() {
        for (written, why) in [
            ("https://wa.me/4917012345678", NotANumber::Link),
            ("wa.me/4917012345678", NotANumber::Link),
            ("WA.ME/4917012345678", NotANumber::Link),
            ("+49 170 CALL ME", NotANumber::Letter),
            ("０４９１７０", NotANumber::ForeignDigit),
            ("+49 170 ١٢٣٤٥٦٧", NotANumber::ForeignDigit),
            ("+49 170 #1234567", NotANumber::Sign),
            ("49+1701234567", NotANumber::Sign),
            ("0170 1234567", NotANumber::NoCountryCode),
            ("0049 170 1234567", NotANumber::NoCountryCode),
            ("(0)170 1234567", NotANumber::NoCountryCode),
            ("", NotANumber::TooShort),
            ("+49 170", NotANumber::TooShort),
            ("169129725123462", NotANumber::Lid),
            ("+1691297251234620", NotANumber::TooLong),
            ("1691297251234620", NotANumber::TooLong),
        ] {
            assert_eq!(read(written), Err(why), "{written}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_read_as_what_whatsapp_could_not_call(text in "\\PC{0,40}") {
            if let Ok(digits) = read(&text) {
                prop_assert!((FEWEST..=MOST).contains(&digits.len()));
                prop_assert!(digits.bytes().all(|digit| digit.is_ascii_digit()));
                prop_assert!(!digits.starts_with('0'));
                prop_assert_eq!(read(&format!("+{digits}")), Ok(digits.clone()));
            }
        }

        #[test]
        fn what_stands_between_the_digits_makes_no_difference(
            digits in "[1-9][0-9]{6,14}",
            between in prop::collection::vec(0usize..BETWEEN.len() + 3, 15),
        ) {
            // No zero alone in parentheses: that one means something.
            let between = between.into_iter().map(|at| BETWEEN.get(at).filter(|c| !"()".contains(**c)));
            let written: String = digits
                .chars()
                .zip(between)
                .flat_map(|(digit, between)| [Some(digit), between.copied()])
                .flatten()
                .collect();
            prop_assert_eq!(read(&format!("+{written}")), Ok(digits));
        }
    }
}
