//! YAML as people and programs write it for cloud-init and netplan: where each value stands, and what YAML 1.1 calls a boolean.

use std::ops::Range;

use saphyr::{LoadableYamlNode, MarkedYaml, Marker};

/// A value, a list or a map, with its place in the text.
pub(super) type Node<'a> = MarkedYaml<'a>;

/// The key that takes over another map's entries.
const MERGE: &str = "<<";

/// A file's text.
#[derive(Clone, Copy)]
pub(super) struct Source<'a>(pub &'a str);

impl<'a> Source<'a> {
    /// The documents in it; the line of the first mistake, and what it is.
    pub(super) fn documents(self) -> Result<Vec<Node<'a>>, (usize, &'static str)> {
        match self.too_deep() {
            Some(line) => Err((line, "is nested too deep")),
            None => {
                Node::load_from_str(self.0).map_err(|error| (error.marker().line(), "is not YAML"))
            }
        }
    }

    /// The line in which more is open than anybody means. The library goes down a level a call, and has no limit.
    fn too_deep(self) -> Option<usize> {
        const MOST: usize = 100;
        let mut open = 0_usize;
        let deep = |line: &str| {
            // A block is opened by a column more, also by `- - -` in one line.
            let indent = line.find(|letter| !" \t-?:".contains(letter));
            for letter in line.chars() {
                match letter {
                    '[' | '{' => open += 1,
                    ']' | '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                if open > MOST {
                    return true;
                }
            }
            indent.unwrap_or(line.len()) > MOST
        };
        self.0.lines().position(deep).map(|line| line + 1)
    }

    /// A value as text: netplan takes `12345678` as a password without quotes, too.
    pub(super) fn text<'n>(self, node: &'n Node<'_>) -> Option<&'n str>
    where
        'a: 'n,
    {
        let is_one_word =
            || !node.data.is_mapping() && !node.data.is_sequence() && !node.data.is_null();
        node.data.as_str().or_else(|| {
            let word = self.0.get(self.span(node)).filter(|_| is_one_word());
            word.filter(|word| !word.is_empty() && !word.starts_with(['*', '&', '!']))
        })
    }

    /// A value that YAML 1.1 and netplan take for a boolean.
    pub(super) fn boolean(self, node: &Node<'_>) -> Option<bool> {
        match self.text(node)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => Some(true),
            "false" | "no" | "off" | "n" | "0" => Some(false),
            _ => None,
        }
    }

    /// Whether a value says anything. A secret that was taken over before leaves an empty one behind.
    pub(super) fn is_told(self, node: &Node<'_>) -> bool {
        let is_one_value =
            !node.data.is_mapping() && !node.data.is_sequence() && !node.data.is_null();
        is_one_value && node.data.as_str() != Some("")
    }

    /// Converts a scalar's span into a byte range of the text. The library counts characters; of a block scalar (`|`, `>`) its
    /// span lacks the header and includes the line break behind it.
    pub(super) fn span(self, node: &Node<'_>) -> Range<usize> {
        let text = self.0;
        let at = |mark: Marker| {
            if text.is_ascii() {
                return mark.index().min(text.len());
            }
            let byte = text.char_indices().nth(mark.index()).map(|(byte, _)| byte);
            byte.unwrap_or(text.len())
        };
        let start = at(node.span.start);
        let value = text.get(start..at(node.span.end)).unwrap_or_default();
        let end = start + value.trim_end().len();
        let (before, _) = text.split_at(start);
        let header = before
            .trim_end()
            .trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        header.strip_suffix(['|', '>']).map_or(start, str::len)..end
    }

    /// Adds where every value below stands whose key is one of these, at any depth.
    pub(super) fn below(
        self,
        node: &Node<'_>,
        is_one: &dyn Fn(&str) -> bool,
        found: &mut Vec<Range<usize>>,
    ) {
        for (key, value) in entries(node) {
            let is_one_here = self.text(key).is_some_and(is_one);
            match items(value).next() {
                None if is_one_here && self.is_told(value) => found.push(self.span(value)),
                _ if is_one_here => {
                    let told = items(value).filter(|item| self.is_told(item));
                    found.extend(told.map(|item| self.span(item)));
                }
                _ => {}
            }
            self.below(value, is_one, found);
        }
        items(node).for_each(|item| self.below(item, is_one, found));
    }
}

/// The value of a key.
pub(super) fn get<'n, 'y>(node: &'n Node<'y>, key: &str) -> Option<&'n Node<'y>> {
    entries(node)
        .into_iter()
        .find(|(name, _)| name.data.as_str() == Some(key))
        .map(|(_, value)| value)
}

/// The entries of a map; none of anything else. `<<` merges another map's, or several maps', whose keys are not there yet
/// (yaml.org/type/merge.html).
pub(super) fn entries<'n, 'y>(node: &'n Node<'y>) -> Vec<(&'n Node<'y>, &'n Node<'y>)> {
    let map = node
        .data
        .as_mapping()
        .into_iter()
        .flat_map(|map| map.iter());
    let is_merge = |key: &Node<'_>| key.data.as_str() == Some(MERGE);
    let (merges, mut own): (Vec<_>, Vec<_>) = map.partition(|(key, _)| is_merge(key));
    let others = merges
        .into_iter()
        .flat_map(|(_, other)| std::iter::once(other).chain(items(other)));
    for (key, value) in others.flat_map(entries) {
        if own.iter().all(|(name, _)| name.data != key.data) {
            own.push((key, value));
        }
    }
    own
}

/// The items of a list; none of anything else.
pub(super) fn items<'n, 'y>(node: &'n Node<'y>) -> impl Iterator<Item = &'n Node<'y>> {
    node.data.as_sequence().into_iter().flatten()
}
