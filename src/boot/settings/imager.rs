//! Reads what Raspberry Pi Imager 2 writes for an image whose manifest says `init_format: cloudinit`: a few keys of cloud-init's
//! `user-data` and of netplan's `network-config` (src/customization_generator.cpp of rpi-imager). The rest is about a
//! general system, and means nothing here.

use std::ops::Range;
use std::path::Path;

use holdfast_medium::Secret;
use saphyr::{LoadableYamlNode, MarkedYaml, Marker};

use super::wifi;
use super::wishes::{Asked, Unknown, Wishes, country, hostname, is_key};
use crate::sheet::Problem;

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
        .map(|secret| bytes(text, secret))
        .collect()
}

struct Reader<'a> {
    wishes: &'a mut Wishes,
    problem: &'a dyn Fn(usize, String) -> Problem,
    problems: &'a mut Vec<Problem>,
    secrets: Vec<Range<Marker>>,
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
                self.secrets.push(password.span.start..password.span.end);
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
        // A password that was taken over before leaves an empty one behind.
        let Some(node) = get(point, "password").filter(|node| is_told(node)) else {
            return;
        };
        let password =
            text(node).and_then(|text| Ok(wifi::Password::new(Secret::new(text.to_owned()))?));
        if let Some(value) = self.checked(node, "password", password) {
            self.secrets.push(node.span.start..node.span.end);
            self.wishes.password = Some(Asked {
                value,
                place: (self.problem)(node.span.start.line(), String::new()),
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
    !node.data.is_mapping() && !node.data.is_sequence() && node.data.as_str() != Some("")
}

/// Converts a scalar's span into a byte range of the text. The library counts characters; of a block scalar (`|`, `>`) its span lacks
/// the header and includes the line break behind it.
fn bytes(text: &str, secret: Range<Marker>) -> Range<usize> {
    let at = |mark: Marker| {
        let byte = text.char_indices().nth(mark.index()).map(|(byte, _)| byte);
        byte.unwrap_or(text.len())
    };
    let start = at(secret.start);
    let value = text.get(start..at(secret.end)).unwrap_or_default();
    let end = start + value.trim_end().len();
    let (before, _) = text.split_at(start);
    let header = before
        .trim_end()
        .trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
    header.strip_suffix(['|', '>']).map_or(start, str::len)..end
}
