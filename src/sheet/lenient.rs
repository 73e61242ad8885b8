//! A settings file as people leave it: saved by any editor, with quotes of any shape, half a line missing. One bad line
//! costs that line.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::mend::{decode, straighten};

/// The sections of which there may be several, as `[[name]]`.
const SEVERAL: [&str; 1] = ["wifi"];
/// No value is longer, lines.
const MOST_LINES: usize = 64;

/// The file's text as TOML would have it.
pub struct Sheet(String);

/// A key and its value.
pub struct Entry<'a> {
    /// The line, from 1.
    pub line: usize,
    /// Which section of the file, counted from its top: two of one name (`[[wifi]]`) are two.
    pub table: usize,
    /// The section's name, its parts joined by dots; empty above the first one.
    pub section: String,
    /// The key, without quotes.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: DeValue<'a>,
    /// Where the value stands in the text, quotes included.
    pub span: Range<usize>,
}

impl Entry<'_> {
    /// `section.key`.
    pub fn name(&self) -> String {
        match self.section.as_str() {
            "" => self.key.clone().into_owned(),
            section => format!("{section}.{}", self.key),
        }
    }
}

/// A line nobody understands, from 1, and why.
pub struct Unclear(pub usize, pub String);

/// A line that says what it is, and the lines up to the next such one.
struct Statement {
    line: usize,
    text: Range<usize>,
}

impl Sheet {
    /// Reads any bytes as text alone, for what is not TOML.
    pub fn plain(bytes: &[u8]) -> Self {
        Self(decode(bytes))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Reads any bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(straighten(&decode(bytes)))
    }

    /// The text with nothing but quotes where these values stood, and every line at its place; `None` when there are none.
    pub fn without(&self, values: &[Range<usize>]) -> Option<String> {
        let mut values = values.to_vec();
        values.sort_by_key(|value| value.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for value in values {
            match apart.last_mut() {
                Some(last) if value.start < last.end || value == *last => {
                    last.end = last.end.max(value.end);
                }
                _ => apart.push(value),
            }
        }
        let (mut text, mut at) = (String::with_capacity(self.0.len()), 0);
        for value in &apart {
            let lines = self.0[value.clone()].matches('\n').count();
            text.push_str(&self.0[at..value.start]);
            text.push_str("\"\"");
            text.push_str(&"\n".repeat(lines));
            at = value.end;
        }
        text.push_str(&self.0[at..]);
        (!apart.is_empty()).then_some(text)
    }

    /// Every key that can be made out, in order, and what cannot.
    pub fn read(&self) -> (Vec<Entry<'_>>, Vec<Unclear>) {
        let (mut entries, mut unclear) = (Vec::new(), Vec::new());
        let (mut table, mut section) = (0, String::new());
        // How many sections there are, with those that stand in a line of their own (`wifi = [{ }, { }]`).
        let mut tables = 0;
        for statement in self.statements() {
            let first = self.0[statement.text.clone()]
                .lines()
                .next()
                .unwrap_or_default();
            if let Some(name) = header(first) {
                tables += 1;
                (table, section) = (tables, name);
                self.continuation(&statement, 1, &mut unclear);
            } else if is_assignment(first) {
                let place = (table, section.as_str());
                self.assign(&statement, place, &mut tables, &mut entries, &mut unclear);
            } else {
                unclear.push(words(statement.line));
            }
        }
        (entries, unclear)
    }

    fn statements(&self) -> Vec<Statement> {
        let mut statements: Vec<Statement> = Vec::new();
        let mut at = 0;
        for (line, text) in (1..).zip(self.0.split_inclusive('\n')) {
            let end = at + text.len();
            let starts = header(text).is_some() || is_assignment(text);
            match statements.last_mut() {
                Some(last) if !starts => last.text.end = end,
                None if is_blank(text) => {}
                _ => statements.push(Statement {
                    line,
                    text: at..end,
                }),
            }
            at = end;
        }
        statements
    }

    /// The lines after the first `used` belong to nothing.
    fn continuation(&self, statement: &Statement, used: usize, unclear: &mut Vec<Unclear>) {
        let lines = (statement.line..).zip(self.0[statement.text.clone()].lines());
        let rest = lines.skip(used).filter(|(_, text)| !is_blank(text));
        unclear.extend(rest.map(|(line, _)| words(line)));
    }

    fn assign<'a>(
        &'a self,
        statement: &Statement,
        (table, section): (usize, &str),
        tables: &mut usize,
        entries: &mut Vec<Entry<'a>>,
        unclear: &mut Vec<Unclear>,
    ) {
        // An array goes on over lines; what is left behind one that is whole is another matter.
        let whole = &self.0[statement.text.clone()];
        let ends: Vec<usize> = whole
            .split_inclusive('\n')
            .take(MOST_LINES)
            .scan(0, |end, line| {
                *end += line.len();
                Some(*end)
            })
            .collect();
        let parse = |end: &usize| {
            let (table, errors) = DeTable::parse_recoverable(&whole[..*end]);
            (!wrong(&errors, whole)).then_some((*end, table))
        };
        let Some((end, keys)) = ends.iter().rev().find_map(parse) else {
            let (_, errors) = DeTable::parse_recoverable(whole);
            let what = errors
                .first()
                .map_or("is not understood", |error| error.message());
            unclear.push(Unclear(statement.line, what.to_owned()));
            return;
        };
        let used = whole[..end].lines().count();
        self.continuation(statement, used, unclear);
        let at = statement.text.start;
        let mut path = Vec::from_iter((!section.is_empty()).then(|| section.to_owned()));
        flatten(
            keys.into_inner(),
            &mut path,
            (table, tables),
            &mut |table, path, key, value, span| {
                entries.push(Entry {
                    line: statement.line,
                    table,
                    section: path.join("."),
                    key,
                    value,
                    span: at + span.start..at + span.end,
                });
            },
        );
    }
}

fn words(line: usize) -> Unclear {
    Unclear(line, "is neither `[section]` nor `key = value`".into())
}

/// Whether more is wrong than one word that should stand in quotes, where what is meant is clear.
fn wrong(errors: &[toml::de::Error], text: &str) -> bool {
    let bare = |error: &toml::de::Error| {
        error
            .span()
            .and_then(|span| text.get(span))
            .is_some_and(|value| {
                let mut letters = value.chars();
                letters.next().is_some_and(char::is_alphanumeric)
                    && !value.contains(['"', '\'', '#', '=', '[', '{', ','])
            })
    };
    match errors {
        [] => false,
        [only] => !bare(only),
        _ => true,
    }
}

fn flatten<'a>(
    table: DeTable<'a>,
    path: &mut Vec<String>,
    (own, tables): (usize, &mut usize),
    found: &mut impl FnMut(usize, &[String], Cow<'a, str>, DeValue<'a>, Range<usize>),
) {
    for (key, value) in table {
        let (key, span) = (key.into_inner(), value.span());
        match value.into_inner() {
            DeValue::Table(inner) => {
                path.push(key.into_owned());
                flatten(inner, path, (own, tables), found);
                path.pop();
            }
            DeValue::Array(several)
                if path.is_empty()
                    && SEVERAL.contains(&key.as_ref())
                    && several.iter().all(|one| one.get_ref().is_table()) =>
            {
                path.push(key.into_owned());
                for one in several {
                    *tables += 1;
                    if let DeValue::Table(inner) = one.into_inner() {
                        flatten(inner, path, (*tables, tables), found);
                    }
                }
                path.pop();
            }
            value => found(own, path, key, value, span),
        }
    }
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn is_bare(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.')
}

/// `[name]`, and `[[name]]` of what there may be several of, also with its end missing.
fn header(line: &str) -> Option<String> {
    let inner = line.split('#').next()?.trim().strip_prefix('[')?;
    let several = inner.strip_prefix('[');
    let name = several.unwrap_or(inner).trim_end_matches(']').trim();
    let good = !name.is_empty()
        && name.chars().all(is_bare)
        && (several.is_none() || SEVERAL.contains(&name));
    good.then(|| name.to_owned())
}

/// `key = …`.
fn is_assignment(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, _)| {
        let key = key.trim();
        !key.is_empty() && key.chars().all(is_bare)
    })
}
