//! cloud-init's `user-data`, as Raspberry Pi Imager 2 writes it (src/customization_generator.cpp of rpi-imager) and people do: host
//! name, time zone and SSH keys. `user:` is one account, since Imager 2.0.9; `users:` are several. Most of the rest is about a general
//! system and means nothing here; what an owner would wait for is named.

use std::collections::HashSet;
use std::path::Path;

use super::reader::Reader;
use super::wishes::{Wishes, hostname, is_key, time_zone};
use super::yaml::{Node, Source, entries, get, items};
use super::{netplan, script};
use crate::sheet::Problem;

const NO_PASSWORDS: &str = "nobody comes in by password; choose a public key in Imager, or write it into holdfast.toml: [ssh] authorized_keys";
const NOTHING_RUNS: &str = "nothing is run, written or installed here";
const NO_KEYS_FETCHED: &str = "no key is fetched; put it into ssh_authorized_keys itself";
/// What is not taken, of which an owner would expect something.
const ABSENT: [(&str, &str); 19] = [
    ("ansible", NOTHING_RUNS),
    ("bootcmd", NOTHING_RUNS),
    ("ca_certs", "no certificate is added"),
    ("chpasswd", NO_PASSWORDS),
    ("disk_setup", "the card's partitions are the image's own"),
    ("fs_setup", "the card's partitions are the image's own"),
    ("mounts", "nothing else is mounted here"),
    ("ntp", "the time comes from Debian's servers"),
    ("packages", NOTHING_RUNS),
    ("password", NO_PASSWORDS),
    ("phone_home", NOTHING_RUNS),
    ("power_state", NOTHING_RUNS),
    ("runcmd", NOTHING_RUNS),
    ("snap", NOTHING_RUNS),
    ("ssh_import_id", NO_KEYS_FETCHED),
    ("ssh_keys", "this card makes a host key of its own"),
    ("swap", "there is none here"),
    ("wireguard", "there is none here"),
    ("write_files", NOTHING_RUNS),
];
/// What Imager adds by itself to whatever its user chose: it turns on what is on here.
const IMAGERS_OWN: [&str; 5] = [
    "avahi-daemon",
    "systemctl enable --now ssh",
    "rfkill unblock wifi",
    "/var/lib/systemd/rfkill/",
    "/etc/sudoers.d/010_",
];

/// Adds what a file asks for, and says what is wrong with the rest.
pub(super) fn read(
    wishes: &mut Wishes,
    (file, rank): (&Path, usize),
    text: &str,
    problems: &mut Vec<Problem>,
) {
    let source = Source(text);
    let problem = |line, what: &str| Problem {
        file: file.to_owned(),
        line: Some(line),
        what: what.to_owned(),
    };
    if text.starts_with("#!") {
        problems.push(problem(
            1,
            "is a script, and nothing is run here; write holdfast.toml",
        ));
        let secrets = script::secrets(text);
        let file = secrets.into_iter().map(|span| (file.to_owned(), span));
        wishes.spent.extend(file);
        return;
    }
    let documents = match source.documents() {
        Ok(documents) => documents,
        Err((line, what)) => return problems.push(problem(line, what)),
    };
    let comments = script::comments(text, ':').into_iter();
    wishes
        .spent
        .extend(comments.map(|span| (file.to_owned(), span)));
    let mut reader = Reader {
        wishes,
        file,
        source,
        problems,
    };
    for document in &documents {
        if !reader.is_map(document, "this file") {
            continue;
        }
        reader.user_data(document);
        match get(document, "network") {
            Some(network) => {
                if reader.is_map(network, "network") {
                    netplan::read(&mut reader, rank, network);
                }
            }
            None => netplan::read(&mut reader, rank, document),
        }
    }
    documents.iter().for_each(|document| reader.rest(document));
}

impl Reader<'_> {
    fn user_data(&mut self, root: &Node<'_>) {
        let whole = |name: &str| hostname(name);
        let label = |name: &str| hostname(name.split('.').next().unwrap_or_default());
        let name = match (get(root, "hostname"), get(root, "fqdn")) {
            (Some(node), _) => self.value(node, "hostname", whole),
            (None, Some(node)) => self.value(node, "fqdn", label),
            (None, None) => None,
        };
        self.wishes.hostname = name.or(self.wishes.hostname.take());
        let zone = get(root, "timezone").and_then(|node| self.value(node, "timezone", time_zone));
        self.wishes.time_zone = zone.or(self.wishes.time_zone.take());
        if let Some(node) = get(root, "ssh_pwauth")
            && self.source.boolean(node) == Some(true)
        {
            self.refuse(node, "ssh_pwauth", NO_PASSWORDS);
        }
        self.keys(root);
        for (key, what) in ABSENT {
            if let Some(node) = get(root, key)
                && !self.is_imager_s_own(node)
            {
                self.refuse(node, key, what);
            }
        }
        for (key, node) in entries(root) {
            match self.source.text(key) {
                Some("password") if self.source.is_told(node) => {
                    let place = self.place(node, "password");
                    self.wishes.spend(&place);
                }
                Some("chpasswd") => self.spend_below(node, &|key| key == "list" || is_secret(key)),
                Some("runcmd" | "bootcmd" | "write_files") => self.spend_in_text(node),
                Some("user" | "users") => self.spend_below(node, &is_secret),
                Some(key) if ABSENT.iter().any(|(absent, _)| *absent == key) => {
                    self.spend_below(node, &is_secret);
                }
                // What is netplan's has a reader of its own, and of the rest nobody knows whose it is.
                _ => {}
            }
        }
    }

    /// Names what holds a secret that nobody took: it may be a network's under a wrong key, and the only copy.
    fn rest(&mut self, root: &Node<'_>) {
        let spent: HashSet<_> = self.wishes.spent(self.file).into_iter().collect();
        for (name, node) in entries(root) {
            let mut secrets = Vec::new();
            self.source.below(node, &is_secret, &mut secrets);
            let key = self.source.text(name).unwrap_or_default();
            // What is named as it is, or told where it is wrong.
            let is_read = matches!(key, "network" | "wifis" | "ethernets")
                || ABSENT.iter().any(|(absent, _)| *absent == key);
            if !is_read && !secrets.iter().all(|secret| spent.contains(secret)) {
                self.refuse(
                    name,
                    key,
                    "not taken here, and keeps its passwords; take them out, or write holdfast.toml",
                );
            }
        }
    }

    /// The keys of every account: here there is one.
    fn keys(&mut self, root: &Node<'_>) {
        let (users, user) = (get(root, "users"), get(root, "user"));
        let accounts = users.into_iter().flat_map(items).chain(users).chain(user);
        let mut keys = Vec::new();
        for account in accounts.chain([root]) {
            if let Some(node) = get(account, "ssh_import_id")
                && !std::ptr::eq(account, root)
            {
                self.refuse(node, "ssh_import_id", NO_KEYS_FETCHED);
            }
            let lists = ["ssh_authorized_keys", "ssh-authorized-keys"];
            for list in lists.into_iter().filter_map(|key| get(account, key)) {
                let single = self.source.is_told(list).then_some(list);
                for node in items(list).chain(single) {
                    keys.extend(self.value(node, "ssh_authorized_keys", |line| {
                        let line = line.trim();
                        let good = is_key(line).then(|| line.to_owned());
                        good.ok_or("must be public keys")
                    }));
                }
            }
        }
        if !keys.is_empty() {
            self.wishes.authorized_keys = Some(keys);
        }
    }

    fn is_imager_s_own(&self, node: &Node<'_>) -> bool {
        let mut items = items(node).peekable();
        items.peek().is_some()
            && items.all(|item| {
                let mut words = self.source.text(item).unwrap_or_default().to_owned();
                for word in super::yaml::items(item).filter_map(|word| self.source.text(word)) {
                    let space = if words.is_empty() { "" } else { " " };
                    words = words + space + word;
                }
                IMAGERS_OWN.iter().any(|own| words.contains(own))
            })
    }

    /// Notes the secrets in what would have been run or written.
    fn spend_in_text(&mut self, node: &Node<'_>) {
        for (_, value) in entries(node) {
            self.spend_in_text(value);
        }
        // Nobody looks into what is encoded.
        if get(node, "encoding").is_some() {
            self.spend_below(node, &|key| key == "content");
        }
        // A command may be a list of its words.
        let words: Vec<&Node<'_>> = items(node).collect();
        let texts: Vec<&str> = words
            .iter()
            .map(|word| self.source.text(word).unwrap_or_default())
            .collect();
        for at in script::arguments(&texts) {
            if let Some(word) = words.get(at).filter(|word| self.source.is_told(word)) {
                let place = self.place(word, "");
                self.wishes.spend(&place);
            }
        }
        for word in words {
            self.spend_in_text(word);
        }
        if self.source.is_told(node) {
            let span = self.source.span(node);
            let text = self.source.0.get(span.clone()).unwrap_or_default();
            let secrets = script::secrets(text).into_iter().map(|own| {
                // Quotes within quotes would end them: there all of it goes.
                let is_quoted = text.starts_with('"');
                let own = if is_quoted { 0..text.len() } else { own };
                (
                    self.file.to_owned(),
                    span.start + own.start..span.start + own.end,
                )
            });
            self.wishes.spent.extend(secrets);
        }
    }
}

/// Whether cloud-init has a secret under this name; `_` and `-` are the same to it.
fn is_secret(key: &str) -> bool {
    let key = key.replace('-', "_");
    matches!(
        key.as_str(),
        "passwd" | "hashed_passwd" | "plain_text_passwd" | "password"
    ) || key.ends_with("_private")
        || key == "content"
}
