//! What the readers of YAML have in common: where a value stands, what is wrong with it, and which secrets are spent.

use std::path::Path;

use super::wishes::{Place, Wishes};
use super::yaml::{Node, Source};
use crate::sheet::Problem;

/// A file under way.
pub(super) struct Reader<'a> {
    pub wishes: &'a mut Wishes,
    pub file: &'a Path,
    pub source: Source<'a>,
    pub problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn place(&self, node: &Node<'_>, key: &str) -> Place {
        Place {
            file: self.file.to_owned(),
            line: node.span.start.line(),
            key: key.to_owned(),
            span: self.source.span(node),
        }
    }

    /// Says that a key is not taken.
    pub(super) fn refuse(&mut self, node: &Node<'_>, key: &str, why: &str) {
        let problem = self.place(node, key).problem(why);
        self.problems.push(problem);
    }

    /// The value of a node, or `None` and a word on what would be one.
    pub(super) fn value<T>(
        &mut self,
        node: &Node<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.source.text(node).ok_or("must be one value");
        match text.and_then(read) {
            Ok(value) => Some(value),
            Err(why) => {
                self.refuse(node, key, why);
                None
            }
        }
    }

    /// A boolean, or `None` and a word on what would be one.
    pub(super) fn boolean(&mut self, node: &Node<'_>, key: &str) -> Option<bool> {
        let value = self.source.boolean(node);
        if value.is_none() {
            self.refuse(node, key, "must be true or false");
        }
        value
    }

    /// Notes every secret below a node under keys of these names: nobody needs it.
    pub(super) fn spend_below(&mut self, node: &Node<'_>, is_one: &dyn Fn(&str) -> bool) {
        let mut spans = Vec::new();
        self.source.below(node, is_one, &mut spans);
        let spans = spans.into_iter().map(|span| (self.file.to_owned(), span));
        self.wishes.spent.extend(spans);
    }

    /// Whether a node has keys, or could have; if not, a word on it. What is written there may be a password.
    pub(super) fn is_map(&mut self, node: &Node<'_>, key: &str) -> bool {
        let good = node.data.is_mapping() || node.data.is_null();
        if !good {
            let why = "must hold lines of `key: value`; nothing in it is taken";
            self.refuse(node, key, why);
        }
        good
    }
}
