//! What Raspberry Pi Imager 2 writes for an image whose manifest says `init_format: cloudinit`: a few keys of cloud-init's
//! `user-data` and of netplan's `network-config` (src/customization_generator.cpp of rpi-imager). The rest is about a
//! general system, and means nothing here.

use std::ops::Range;
use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYaml};

use super::wifi;
use super::wishes::{Asked, Unknown, Wishes, country, hostname, is_key};
use crate::config::Problem;
use crate::journal::Secret;

/// Adds what a file asks for, says what is wrong, and where its secrets stand.
pub(super) fn read(
    wishes: &mut Wishes,
    file: &Path,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Range<usize>> {
    let problem = |line, what: String| Problem {
        file: file.to_owned(),
        line: Some(line),
        what,
    };
    let documents = match MarkedYaml::load_from_str(text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.push(problem(error.marker().line(), "is not YAML".into()));
            return Vec::new();
        }
    };
    let mut reader = Reader {
        wishes,
        problem: &problem,
        problems,
        secrets: Vec::new(),
    };
    for document in &documents {
        reader.user_data(document);
        reader.network(get(document, "network").unwrap_or(document));
    }
    let secrets = std::mem::take(&mut reader.secrets);
    secrets
        .into_iter()
        .filter_map(|line| value_in(text, line))
        .collect()
}

struct Reader<'a> {
    wishes: &'a mut Wishes,
    problem: &'a dyn Fn(usize, String) -> Problem,
    problems: &'a mut Vec<Problem>,
    /// Their lines, from 1.
    secrets: Vec<usize>,
}

impl Reader<'_> {
    fn user_data(&mut self, root: &MarkedYaml<'_>) {
        if let Some(node) = get(root, "hostname") {
            let name = text(node).and_then(hostname);
            self.wishes.hostname = self
                .checked(node, "hostname", name)
                .or(self.wishes.hostname.take());
        }
        if let Some(node) = get(root, "ssh_pwauth")
            && node.data.as_bool() == Some(true)
        {
            let why = Unknown::Value("nobody comes in by password; choose a public key in Imager");
            self.checked::<()>(node, "ssh_pwauth", Err(why));
        }
        let users = get(root, "users").and_then(|users| users.data.as_sequence());
        let mut keys = Vec::new();
        for node in users.into_iter().flatten().chain([root]) {
            if let Some(password) = get(node, "passwd").filter(|node| is_told(node)) {
                self.secrets.push(password.span.start.line());
            }
            let own = get(node, "ssh_authorized_keys").and_then(|keys| keys.data.as_sequence());
            for key in own.into_iter().flatten() {
                const WANTED: Unknown = Unknown::Value("must be public keys");
                let line = text(key).map(str::trim).ok().filter(|line| is_key(line));
                keys.extend(
                    self.checked(key, "ssh_authorized_keys", line.ok_or(WANTED))
                        .map(str::to_owned),
                );
            }
        }
        if !keys.is_empty() {
            self.wishes.authorized_keys = Some(keys);
        }
    }

    /// The first access point of the first radio: there is one of each.
    fn network(&mut self, root: &MarkedYaml<'_>) {
        let Some((_, radio)) = get(root, "wifis").and_then(first) else {
            return;
        };
        if let Some(node) = get(radio, "regulatory-domain") {
            let domain = text(node).and_then(country);
            self.wishes.country = self
                .checked(node, "regulatory-domain", domain)
                .or(self.wishes.country.take());
        }
        let Some((name, point)) = get(radio, "access-points").and_then(first) else {
            return;
        };
        let ssid = text(name).and_then(|name| Ok(wifi::Ssid::new(name)?));
        self.wishes.ssid = self
            .checked(name, "access-points", ssid)
            .map(|value| Asked {
                value,
                place: (self.problem)(name.span.start.line(), String::new()),
            });
        self.wishes.hidden = get(point, "hidden").and_then(|node| node.data.as_bool());
        // What was taken over before leaves an empty one behind.
        let Some(node) = get(point, "password").filter(|node| is_told(node)) else {
            return;
        };
        let password =
            text(node).and_then(|text| Ok(wifi::Password::new(Secret::new(text.to_owned()))?));
        if let Some(value) = self.checked(node, "password", password) {
            let line = node.span.start.line();
            self.secrets.push(line);
            self.wishes.password = Some(Asked {
                value,
                place: (self.problem)(line, String::new()),
            });
        }
    }

    fn checked<T>(
        &mut self,
        node: &MarkedYaml<'_>,
        key: &str,
        value: Result<T, Unknown>,
    ) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(why) => {
                let what = format!("{key}: {}", why.sentence());
                self.problems
                    .push((self.problem)(node.span.start.line(), what));
                None
            }
        }
    }
}

fn get<'a, 'y>(node: &'a MarkedYaml<'y>, key: &str) -> Option<&'a MarkedYaml<'y>> {
    let (_, value) = node
        .data
        .as_mapping()?
        .iter()
        .find(|(name, _)| name.data.as_str() == Some(key))?;
    Some(value)
}

fn first<'a, 'y>(node: &'a MarkedYaml<'y>) -> Option<(&'a MarkedYaml<'y>, &'a MarkedYaml<'y>)> {
    node.data.as_mapping()?.iter().next()
}

fn text<'a>(node: &'a MarkedYaml<'_>) -> Result<&'a str, Unknown> {
    node.data
        .as_str()
        .ok_or(Unknown::Value("must stand in quotes"))
}

fn is_told(node: &MarkedYaml<'_>) -> bool {
    node.data.as_str() != Some("")
}

/// Where the value of a line's `key: value` stands.
fn value_in(text: &str, line: usize) -> Option<Range<usize>> {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let own = text[start..].lines().next()?;
    let value = own.find(": ")? + 2;
    Some(start + value..start + own.trim_end().len())
}
