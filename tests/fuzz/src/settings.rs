//! The owner's settings: any files on the boot partition, taken over by the boot's step.

use std::fs;

use holdfast::boot::settings::{ignored, import};
use holdfast_medium::Machine;

use super::{files, lay};

/// Stands in the corpus for every secret, and is told nowhere.
const SECRET: &str = "tell-nobody-1234";
/// Its keys.
const KEYS: [&str; 3] = ["password", "psk", "passphrase"];

/// Takes over what is in the files, twice: the second time there is nothing left to do.
pub fn are_taken_over(input: &[u8]) {
    let card = tempfile::tempdir().expect("a card");
    let machine = Machine::at(card.path());
    fs::create_dir_all(card.path().join("data/system")).expect("a data partition");
    let mut files = files(input);
    files.retain(|(name, _)| !name.contains('/'));
    lay(&card.path().join("boot/firmware"), &files);
    let text = String::from_utf8_lossy(input);
    let hides = text.contains(SECRET) && text.lines().all(is_plain);
    for _ in 0..2 {
        let told = import(&machine);
        let said = format!("{told:?}");
        assert!(!hides || !said.contains(SECRET), "{said}");
        for problem in ignored(&machine) {
            let said = problem.to_string();
            assert!(!hides || !said.contains(SECRET), "{said}");
        }
    }
}

/// Whether the secret, where it stands in this line, is the value of one of its keys and nothing else.
fn is_plain(line: &str) -> bool {
    let Some((before, after)) = line.split_once(SECRET) else {
        return true;
    };
    let key = before
        .trim_end_matches(['"', '\'', ' ', ':', '='])
        .trim_start();
    let key = key.trim_matches(['"', '\'']);
    KEYS.contains(&key)
        && before.contains([':', '='])
        && after.trim_matches(['"', '\'', ' ', '\r']).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_looked_for_where_it_is_nothing_else() {
        for plain in [
            r#"password = "tell-nobody-1234""#,
            "      password: 'tell-nobody-1234'",
            r#"  "psk": tell-nobody-1234"#,
            "  psk=tell-nobody-1234",
            "hostname: kelp",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            r#"hostname = "tell-nobody-1234""#,
            "tell-nobody-1234: 1",
            "password: tell-nobody-1234 # mine",
            "[tell-nobody-1234]",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
