//! Secrets in what is run or read elsewhere and not here: Imager 1's `firstrun.sh`, other people's scripts, `userconf.txt`. They are
//! known by their forms; what is around them stays.

use std::ops::Range;

/// Whose value is a secret, in any assignment.
const KEYS: [&str; 12] = [
    "psk",
    "wpa_psk",
    "wpa_passphrase",
    "passphrase",
    "pass",
    "passwd",
    "password",
    "wifi_password",
    "wifi_pass",
    "sae_password",
    "wpa_password",
    "wifi_psk",
];
/// A command, and which of its arguments that are no options is a secret.
const COMMANDS: [(&str, usize); 4] = [
    ("set_wlan", 2),
    ("set_wlan_plain", 2),
    ("userconf", 2),
    ("wpa_passphrase", 2),
];
/// A word whose next is a secret (nmcli(1)).
const BEFORE: [&str; 4] = [
    "password",
    "psk",
    "wifi-sec.psk",
    "802-11-wireless-security.psk",
];

/// Where they stand.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let spans = in_line(line.trim_end()).into_iter();
        found.extend(spans.map(|span| at + span.start..at + span.end));
        at += line.len();
    }
    found.retain(|span| !matches!(&text[span.clone()], "" | "\"\""));
    found
}

/// All but the name, of `name:hash` (Raspberry Pi OS' `userconf.txt`).
pub(super) fn hashes(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let whole = line.trim_end();
        if let Some((name, hash)) = whole.split_once(':')
            && !matches!(hash, "" | "\"\"")
        {
            found.push(at + name.len() + 1..at + whole.len());
        }
        at += line.len();
    }
    found
}

fn in_line(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = assignment(line).into_iter().collect();
    let words = words(line);
    let bare = |span: &Range<usize>| line[span.clone()].trim_matches(['"', '\'']);
    for (at, word) in words.iter().enumerate() {
        let name = bare(word).rsplit('/').next().unwrap_or_default();
        let mut after = words.iter().skip(at + 1);
        if let Some((_, which)) = COMMANDS.iter().find(|(command, _)| *command == name) {
            let mut arguments = after.filter(|span| !line[(*span).clone()].starts_with('-'));
            found.extend(arguments.nth(which - 1).cloned());
        } else if BEFORE.contains(&name) {
            found.extend(after.next().cloned());
        } else if line.contains("chpasswd") && bare(word).contains(':') {
            found.push(word.clone());
        }
    }
    found.extend(tokens(line));
    found
}

/// `key=value`, also where it is commented out or exported.
fn assignment(line: &str) -> Option<Range<usize>> {
    line.match_indices(['=', ':']).find_map(|(at, _)| {
        let (key, value) = (&line[..at], line[at + 1..].trim_start());
        let key = key.split_whitespace().next_back()?;
        let key = key.trim_matches(['#', '"', '\'', '-']).to_ascii_lowercase();
        let start = line.len() - value.len();
        KEYS.contains(&key.as_str()).then_some(start..line.len())
    })
}

/// What cannot be anything else: a hash as crypt(5) writes it, a key of WPA2, a token of Raspberry Pi Connect.
fn tokens(line: &str) -> Vec<Range<usize>> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "$./,=_-+".contains(letter);
    let mut found = Vec::new();
    let mut at = 0;
    for part in line.split_inclusive(|letter| !is_part(letter)) {
        let word = part.trim_end_matches(|letter| !is_part(letter));
        // In a shell's text a name may stand right before: `$FIRSTUSER:$5$…`.
        let is_hash = word.starts_with('$') && word.matches('$').count() >= 3;
        let value = word.rsplit('=').next().unwrap_or_default();
        let is_key = value.len() == 64 && value.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_token = ["rpuak_", "rpoak_"]
            .iter()
            .any(|start| value.starts_with(start));
        let end = at + word.len();
        if is_hash {
            found.push(at..end);
        } else if is_key || is_token {
            found.push(end - value.len()..end);
        }
        at += part.len();
    }
    found
}

/// The words of a shell's line (POSIX 2.2), quotes included.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut begun, mut open) = (None, None);
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (open, letter) {
            (None, letter) if letter.is_whitespace() => {
                words.extend(begun.take().map(|begin| begin..at));
                continue;
            }
            (None, '"' | '\'') => open = Some(letter),
            (Some('"') | None, '\\') => drop(letters.next()),
            (Some(quote), letter) if quote == letter => open = None,
            _ => {}
        }
        begun = begun.or(Some(at));
    }
    words.extend(begun.map(|begin| begin..line.len()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_and_nothing_else() {
        let hash = "$5$salt$0123456789abcdefghijklmnop";
        for (before, secret, after) in [
            (
                "   /usr/lib/raspberrypi-sys-mods/imager_custom set_wlan  -h  'two words' ",
                "'it'\"'\"'s it'",
                " 'DE'",
            ),
            (
                "   /usr/lib/userconf-pi/userconf 'anna' ",
                &format!("'{hash}'"),
                "",
            ),
            (
                "   echo ",
                &format!("\"$FIRSTUSER:{hash}\""),
                " | chpasswd -e",
            ),
            ("echo ", "pi:raspberry", " | chpasswd"),
            ("\tpsk=", &"0f".repeat(32), ""),
            ("\t#psk=", "\"correct horse\"", ""),
            ("export WIFI_PASSWORD=", "correct", ""),
            (
                "nmcli dev wifi connect shore password ",
                "'correct horse'",
                " hidden yes",
            ),
            ("wpa_passphrase shore ", "correct", " >>wpa.conf"),
            ("", "rpoak_2bXkZ9", ""),
            ("x ", &"AB".repeat(32), " y"),
        ] {
            let line = format!("{before}{secret}{after}");
            let mut left = line.clone();
            let mut found = secrets(&line);
            found.sort_by_key(|span| span.start);
            let span =
                found.first().expect(&line).start..found.iter().map(|span| span.end).max().unwrap();
            left.replace_range(span, "");
            assert_eq!(left, format!("{before}{after}"));
        }
        for plain in [
            "systemctl enable ssh",
            "   /usr/lib/raspberrypi-sys-mods/imager_custom set_hostname kelp",
            "FIRSTUSER=$(getent passwd 1000 | cut -d: -f1)",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z me@desk",
            "echo 'PasswordAuthentication no' >>/etc/ssh/sshd_config",
            "psk=\"\"",
        ] {
            assert_eq!(secrets(plain), Vec::<Range<usize>>::new(), "{plain}");
        }
    }
}
