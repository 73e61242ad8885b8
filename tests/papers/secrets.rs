//! No secret, and no address of anybody's machine, is kept in this repository.

use std::{fmt::Write as _, net::Ipv4Addr};

use crate::{at, pages, read, texts};

/// The secret in a text, if there is one: a private key or a token as their makers mark them.
fn secret(text: &str) -> Option<&str> {
    // Put together here, so that this file has none.
    let tokens = [
        concat!("AGE-SECRET", "-KEY-1"),
        concat!("gh", "p_"),
        concat!("github", "_pat_"),
        concat!("xox", "b-"),
    ];
    let is_key = |line: &&str| {
        let kind = line.split_once("-----BEGIN ").map(|(_, rest)| rest);
        let kind = kind.and_then(|rest| rest.split_once("PRIVATE KEY-----"));
        kind.is_some_and(|(kind, _)| kind.chars().all(|it| it.is_ascii_uppercase() || it == ' '))
    };
    let has_token = |line: &&str| tokens.iter().any(|token| line.contains(token));
    text.lines().find(|line| is_key(line) || has_token(line))
}

/// A resolver for everybody, which the examples name.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

/// The addresses of machines in a text that are neither this one's nor a private network's nor made for examples (RFC 5737).
fn foreign_addresses(text: &str) -> Vec<Ipv4Addr> {
    let is_foreign = |it: &Ipv4Addr| {
        let nobodys = it.is_loopback() || it.is_private() || it.is_documentation();
        !nobodys && !it.is_unspecified() && *it != RESOLVER
    };
    text.split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .filter_map(|word| word.trim_matches('.').parse().ok())
        .filter(is_foreign)
        .collect()
}

#[test]
fn no_secret_and_no_machine_of_anybody_is_kept_here() {
    let folders = ["src", "tests", "docs", "board", "systemd", ".ci"].map(at);
    let mut found = String::new();
    for (path, text) in folders.iter().flat_map(|folder| texts(folder)) {
        if secret(&text).is_some() {
            let _ = writeln!(found, "{}: a secret", path.display());
        }
    }
    for page in pages() {
        for address in foreign_addresses(&read(&page)) {
            let _ = writeln!(found, "{}: {address}", page.display());
        }
    }
    assert!(found.is_empty(), "{found}");
    // The control.
    for planted in [
        format!("x\n-----BEGIN {}PRIVATE KEY-----\ny", "OPENSSH "),
        format!("x\n-----BEGIN {}PRIVATE KEY-----\ny", ""),
        format!("key = \"{}1{}\"", "AGE-SECRET-KEY-", "QQQ"),
        format!("token: gh{}_abc", 'p'),
    ] {
        assert!(secret(&planted).is_some(), "{planted}");
    }
    let planted = "ssh root@8.8.4.4, version 1.2.3, 127.0.0.1:80, 192.0.2.7.";
    assert_eq!(foreign_addresses(planted), [Ipv4Addr::new(8, 8, 4, 4)]);
}
