//! Secrets in what is run or read elsewhere and not here: Imager 1's `firstrun.sh`, other people's scripts, `userconf.txt`. They are
//! known by their forms; what is around them stays.

use std::ops::Range;

/// How the name of a secret ends, in any assignment, without `_` and `-` (nm-settings-keyfile(5), wpa_supplicant.conf(5)).
const KEYS: [&str; 18] = [
    "psk",
    "passphrase",
    "pass",
    "passwd",
    "password",
    "passwordraw",
    "pw",
    "pwd",
    "secret",
    "token",
    "authkey",
    "privatekey",
    "presharedkey",
    "wepkey0",
    "wepkey1",
    "wepkey2",
    "wepkey3",
    "pin",
];
/// A longer name is none of them.
const LONGEST_KEY: usize = 64;
/// A command, and which of its arguments that are no options is a secret.
const COMMANDS: [(&str, usize); 5] = [
    ("set_wlan", 2),
    ("set_wlan_plain", 2),
    ("userconf", 2),
    ("wpa_passphrase", 2),
    ("do_wifi_ssid_passphrase", 2),
];
/// Commands of which `-p` is followed by a secret.
const BY_OPTION: [&str; 3] = ["usermod", "useradd", "sshpass"];
/// A word whose next is a secret (nmcli(1)), without `+` and `-`.
const BEFORE: [&str; 9] = [
    "password",
    "passphrase",
    "psk",
    "wifi-sec.psk",
    "wifi-sec.wep-key0",
    "wifi-sec.leap-password",
    "802-11-wireless-security.psk",
    "802-11-wireless-security.wep-key0",
    "802-1x.password",
];

/// Where they stand.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    // The word that ends a list of logins (`chpasswd <<EOF`).
    let mut end: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let whole = line.trim_end();
        if end.is_some_and(|end| whole.trim() == end) {
            end = None;
        }
        let spans = match end {
            Some(_) => after_name(whole),
            None => in_line(whole),
        };
        found.extend(spans.into_iter().map(|span| at + span.start..at + span.end));
        if let Some((before, word)) = whole.split_once("<<")
            && before.contains("chpasswd")
        {
            let word = word.trim_start_matches('-').trim_start();
            let word = word.split([' ', '|', ';', '>']).next().unwrap_or_default();
            end = Some(word.trim_matches(['"', '\'']));
        }
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
        let spans = after_name(line.trim_end()).into_iter();
        found.extend(spans.map(|span| at + span.start..at + span.end));
        at += line.len();
    }
    found
}

fn after_name(line: &str) -> Vec<Range<usize>> {
    let parts = line.split_once(':');
    let parts = parts.filter(|(_, hash)| !matches!(*hash, "" | "\"\""));
    Vec::from_iter(parts.map(|(name, _)| name.len() + 1..line.len()))
}

/// What was a secret's line before somebody made a comment of it; `is` stands between a key and its value.
pub(super) fn comments(text: &str, is: char) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let whole = line.trim_end();
        let comment = whole.trim_start();
        if comment.starts_with('#')
            && let Some((key, value)) = comment.split_once(is)
            && is_secret(key)
            && !matches!(value.trim(), "" | "\"\"")
        {
            found.push(at + whole.len() - value.trim_start().len()..at + whole.len());
        }
        at += line.len();
    }
    found
}

/// Which words of a command are secrets.
pub(super) fn arguments(words: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    let bare = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    let mut is_by_option = false;
    for (at, word) in words.iter().enumerate() {
        let word = bare(word);
        let name = word.rsplit('/').next().unwrap_or_default();
        let mut after = words.iter().enumerate().skip(at + 1);
        if let Some((_, which)) = COMMANDS.iter().find(|(command, _)| *command == name) {
            let mut arguments = after.filter(|(_, word)| !word.starts_with('-'));
            found.extend(arguments.nth(which - 1).map(|(at, _)| at));
        } else if BEFORE.contains(&name.trim_start_matches(['+', '-']))
            || is_by_option && name == "-p"
        {
            found.extend(after.next().map(|(at, _)| at));
        }
        is_by_option |= BY_OPTION.contains(&name);
    }
    found
}

fn in_line(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = assignment(line).into_iter().collect();
    let words = words(line);
    let texts: Vec<&str> = words.iter().map(|span| &line[span.clone()]).collect();
    found.extend(arguments(&texts).into_iter().map(|at| words[at].clone()));
    if line.contains("chpasswd") {
        let logins = words.iter().zip(&texts);
        found.extend(
            logins
                .filter(|(_, text)| text.trim_matches(['"', '\'']).contains(':'))
                .map(|(span, _)| span.clone()),
        );
    }
    found.extend(tokens(line));
    found
}

/// `key=value`, also where it is commented out or exported.
fn assignment(line: &str) -> Option<Range<usize>> {
    let mut begin = 0;
    for (at, letter) in line.char_indices() {
        let next = at + letter.len_utf8();
        if matches!(letter, '=' | ':') && is_secret(&line[begin..at]) {
            let value = line[next..].trim_start();
            return Some(line.len() - value.len()..line.len());
        }
        if letter.is_whitespace() || "=:;,|&({[".contains(letter) {
            begin = next;
        }
    }
    None
}

/// Whether what stands before a `=` or `:` is a secret's name.
fn is_secret(key: &str) -> bool {
    let key = key.trim_matches(|letter: char| letter.is_whitespace() || "#\"'-+".contains(letter));
    if key.len() > LONGEST_KEY || key.contains(char::is_whitespace) {
        return false;
    }
    let key = key.replace(['_', '-'], "").to_ascii_lowercase();
    // sudoers(5) has NOPASSWD, which is a right.
    key != "nopasswd" && KEYS.iter().any(|end| key.ends_with(end))
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
