//! The parser of a recipient: a phone number as people write it, or a JID.

use holdfast_medium::Secret;
use wacore_binary::{Jid, Server};

use super::Refusal;

/// The JID a message goes to. A refusal does not repeat the text given: it may be somebody's number.
pub(super) fn parse(to: &str) -> Result<Secret<String>, Refusal> {
    let unusable = || {
        Refusal::InvalidArgument("The recipient is neither a phone number with country code (such as +49 151 …) nor the JID of a person or group.".into())
    };
    if to.contains('@') {
        let jid: Jid = to.parse().map_err(|_| unusable())?;
        let reachable = matches!(jid.server, Server::Pn | Server::Lid | Server::Group)
            && !jid.user.is_empty()
            && jid.device == 0;
        return reachable
            .then(|| Secret::new(jid.to_string()))
            .ok_or_else(unusable);
    }
    let digits: String = to.chars().filter(|c| !" +-()".contains(*c)).collect();
    // E.164: at most 15 digits with the country code.
    let number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    number
        .then(|| Secret::new(format!("{digits}@s.whatsapp.net")))
        .ok_or_else(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_number_as_people_write_it_or_a_jid() {
        let jid = |to| parse(to).unwrap().into_exposed();
        assert_eq!(jid("+49 (151) 000-00001"), "4915100000001@s.whatsapp.net");
        assert_eq!(jid("4915100000001"), "4915100000001@s.whatsapp.net");
        assert_eq!(
            jid("4915100000001@s.whatsapp.net"),
            "4915100000001@s.whatsapp.net"
        );
        assert_eq!(jid("100000000000001@lid"), "100000000000001@lid");
        assert_eq!(jid("120363000000000001@g.us"), "120363000000000001@g.us");
    }
}
