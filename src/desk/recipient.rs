//! The parser of a recipient: a phone number as people write it, or a JID as messages and other clients show it.

use holdfast_core::{NotANumber, PhoneNumber};
use holdfast_medium::Secret;
use wacore_binary::{Jid, Server};

use super::Refusal;

/// How other clients write the JID of a person.
const LEGACY: &str = "@c.us";

/// The JID a message goes to: of the person, be it given with a device, as that of a sender is. A refusal says what is wrong and does not
/// repeat the text given: it may be somebody's number.
pub(super) fn parse(to: &str) -> Result<Secret<String>, Refusal> {
    let to = to.trim();
    if to.contains('@') && !to.contains("://") {
        let jid = match to.strip_suffix(LEGACY) {
            Some(number) => of_number(number)?,
            None => of_jid(to)?,
        };
        return Ok(Secret::new(jid.to_string()));
    }
    Ok(Secret::new(of_number(to)?.to_string()))
}

fn of_number(number: &str) -> Result<Jid, Refusal> {
    let number = PhoneNumber::parse(number).map_err(|why| refused(NotANumber::sentence(why)))?;
    Ok(Jid::pn(number.into_digits()))
}

fn of_jid(to: &str) -> Result<Jid, Refusal> {
    let jid: Jid = to.parse().map_err(|_| refused("it is no JID"))?;
    let jid = jid.to_non_ad();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match jid.server {
        Server::Pn => of_number(&jid.user),
        Server::Lid if digits(&jid.user) => Ok(jid),
        // The id of an old group is the number of its maker and a time.
        Server::Group if jid.user.splitn(2, '-').all(digits) => Ok(jid),
        Server::Lid | Server::Group => Err(refused("its part before the @ has more than digits")),
        _ => Err(refused(
            "only people (…@s.whatsapp.net, …@lid) and groups (…@g.us) can be written to",
        )),
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::InvalidArgument(format!("The recipient cannot be used: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_number_as_people_write_it_or_a_jid() {
        for (to, jid) in [
            ("+49 (151) 000-00001", "4915100000001@s.whatsapp.net"),
            ("+49 (0)151 00000001", "4915100000001@s.whatsapp.net"),
            ("4915100000001", "4915100000001@s.whatsapp.net"),
            ("+431234567890123", "431234567890123@s.whatsapp.net"),
            (
                "4915100000001@s.whatsapp.net",
                "4915100000001@s.whatsapp.net",
            ),
            ("4915100000001@c.us", "4915100000001@s.whatsapp.net"),
            (
                "4915100000001:12@s.whatsapp.net",
                "4915100000001@s.whatsapp.net",
            ),
            ("100000000000001@lid", "100000000000001@lid"),
            ("100000000000001:3@lid", "100000000000001@lid"),
            ("120363000000000001@g.us", "120363000000000001@g.us"),
            (
                "4915100000001-1400000000@g.us",
                "4915100000001-1400000000@g.us",
            ),
        ] {
            assert_eq!(parse(to).unwrap().into_exposed(), jid);
        }
    }

    #[test]
    fn what_is_none_is_refused_with_the_part_that_is_wrong() {
        for (to, why) in [
            ("169129725123462", "LID"),
            ("0151 00000001", "begins with 0"),
            ("anna", "letter"),
            ("https://wa.me/4915100000001", "link"),
            ("４９１５１００００００００１", "another script"),
            ("+49 151", "fewer than 7"),
            ("abc@s.whatsapp.net", "letter"),
            ("0151@c.us", "begins with 0"),
            ("169129725123462@s.whatsapp.net", "LID"),
            ("x@lid", "more than digits"),
            ("x@g.us", "more than digits"),
            ("@g.us", "more than digits"),
            ("120363000000000001@newsletter", "only people"),
            ("status@broadcast", "only people"),
            ("a@b", "JID"),
        ] {
            let refused = parse(to).unwrap_err().to_string();
            assert!(refused.contains(why), "{to}: {refused}");
        }
    }
}
