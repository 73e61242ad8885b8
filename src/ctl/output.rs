//! One way to print: for people, or JSON lines.

use std::{
    fmt::Display,
    io::{self, BufRead, IsTerminal, Write},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{FileType, fstat},
    io::ioctl_fionread,
    time::Timespec,
};
use serde::Serialize;
use serde_json::json;

use super::{Error, harmless};

/// How often a pipe is looked at until it is empty: every millisecond.
const TAKING: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

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

    /// Prints one result to stdout. Nothing in it is obeyed by a terminal: see [`harmless`].
    pub(super) fn say(&self, result: &(impl Serialize + Display)) -> io::Result<()> {
        self.print(result, harmless::harmless)
    }

    /// Prints one result that has colours of ours, and nothing of anybody else that is not [`harmless`] already.
    pub(super) fn draw(&self, result: &(impl Serialize + Display)) -> io::Result<()> {
        self.print(result, str::to_owned)
    }

    fn print(
        &self,
        result: &(impl Serialize + Display),
        shown: impl Fn(&str) -> String,
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let text = match self.json {
            true => harmless::json(&serde_json::to_string(result)?),
            false => shown(&result.to_string()),
        };
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// Prints one result, and waits until whoever reads it has taken it: what lies in a pipe when `head` ends nobody has seen.
    pub(super) fn hand(&self, result: &(impl Serialize + Display)) -> io::Result<()> {
        self.say(result)?;
        let out = io::stdout();
        if !FileType::from_raw_mode(fstat(&out)?.st_mode).is_fifo() {
            return Ok(());
        }
        while ioctl_fionread(&out)? > 0 {
            // Nothing tells that a pipe is empty; that nobody reads it any more is told at once.
            let mut pipe = [PollFd::new(&out, PollFlags::empty())];
            poll(&mut pipe, Some(&TAKING))?;
            if pipe[0].revents().contains(PollFlags::ERR) && ioctl_fionread(&out)? > 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }

    /// Says what a command is about to do and goes on only when `word` is typed.
    pub(super) fn confirm(&self, question: &str, word: &str) -> Result<(), Error> {
        if self.json || !io::stdin().is_terminal() {
            return Err(Error::CannotAsk);
        }
        let mut out = io::stdout().lock();
        let question = harmless::harmless(question);
        let asked = write!(out, "{question}\nType `{word}` to do it: ").and_then(|()| out.flush());
        asked.map_err(|_| Error::CannotAsk)?;
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
        self.tell(error.name(), &error.to_string());
    }

    /// Prints what is wrong under its stable name.
    pub(super) fn tell(&self, name: &str, message: &str) {
        let told = json!({ "error": name, "message": message }).to_string();
        if !self.json || writeln!(io::stdout(), "{}", harmless::json(&told)).is_err() {
            remark(&message);
        }
    }
}

/// Says something on stderr, beside the results. Nothing is left to tell when even this cannot be printed; the exit code says it.
pub(super) fn remark(message: &impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless::harmless(&message.to_string()));
}

/// The printing of a result that the exit code tells, too: it stands even when nobody reads the text.
pub(super) fn even_unread(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Colours are for terminals of people who did not ask to be spared them (<https://no-color.org>).
pub(super) fn coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
