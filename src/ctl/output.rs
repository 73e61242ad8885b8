//! One way to print: for people, or JSON lines.

use std::{
    fmt::Display,
    io::{self, BufRead, IsTerminal, Write},
};

use serde::Serialize;
use serde_json::json;

use super::Error;

/// Where and how results are printed.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON is wanted.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Prints one result to stdout.
    pub(super) fn say(&self, result: &(impl Serialize + Display)) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, result)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{result}")?;
        }
        out.flush()
    }

    /// Says what a command is about to do and goes on only when `word` is typed.
    pub(super) fn confirm(&self, question: &str, word: &str) -> Result<(), Error> {
        if self.json || !io::stdin().is_terminal() {
            return Err(Error::CannotAsk);
        }
        println!("{question}");
        print!("Type `{word}` to do it: ");
        io::stdout().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() == word {
            Ok(())
        } else {
            Err(Error::NotConfirmed)
        }
    }

    /// Prints an error to stderr; as JSON to stdout, where a program reads.
    pub(super) fn fail(&self, error: &Error) {
        // Nothing is left to tell when even this cannot be printed; the exit code says it.
        let _ = if self.json {
            writeln!(
                io::stdout(),
                "{}",
                json!({ "error": error.name(), "message": error.to_string() })
            )
        } else {
            writeln!(io::stderr(), "{error}")
        };
    }
}

/// Colours are for terminals of people who did not ask to be spared them (<https://no-color.org>).
pub(super) fn coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
