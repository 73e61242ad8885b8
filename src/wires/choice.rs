//! Chooses the panel of this process: the terminal, a board's wires, or none.

use std::{
    fmt,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use super::{Description, Driver};
use crate::sheet::Problem;

/// The kind of panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Board {
    /// Screen drawn in the terminal, space bar = button.
    Terminal,
    /// Frames only on request, no button.
    Headless,
    /// A display and a button on wires.
    Wired(Box<Description>),
}

impl Board {
    /// Finds the board of this name, in the directory `boards` or built in. With none given it is a terminal where standard
    /// output is one that can be drawn on, else the board that one of the `models` files names. A display's driver is
    /// one of `drivers`.
    ///
    /// # Errors
    /// No board has this name, or its description is wrong.
    pub fn choose(
        name: Option<&str>,
        boards: &Path,
        drivers: &[Driver],
        models: &[PathBuf],
    ) -> Result<Self, Vec<Problem>> {
        let board = match name {
            Some("terminal") => return Ok(Self::Terminal),
            Some("headless") => return Ok(Self::Headless),
            Some(name) => match Description::find(boards, drivers, name)? {
                None => return Err(vec![unknown(name, boards)]),
                board => board,
            },
            None if terminal_to_draw_in() => return Ok(Self::Terminal),
            None => Description::detect(boards, drivers, models)?,
        };
        Ok(board.map_or(Self::Headless, |board| Self::Wired(Box::new(board))))
    }

    /// Lists every name that [`Board::choose`] knows.
    pub fn names(boards: &Path) -> Vec<String> {
        let built_in = ["terminal", "headless"].map(str::to_owned).into_iter();
        built_in.chain(Description::names(boards)).collect()
    }
}

/// Prints the panel's name, as bus and operator know it.
impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal => f.write_str("terminal"),
            Self::Headless => f.write_str("none"),
            Self::Wired(board) => match &board.display {
                Some(display) => write!(f, "{display} ({})", board.name),
                None => write!(f, "none ({})", board.name),
            },
        }
    }
}

fn terminal_to_draw_in() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stdout().is_terminal() && !dumb
}

fn unknown(name: &str, boards: &Path) -> Problem {
    let known = Board::names(boards).join(", ");
    Problem {
        file: "--board".into(),
        line: None,
        what: format!("no board `{name}`; known are {known}"),
    }
}
