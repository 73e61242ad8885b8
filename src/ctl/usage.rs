//! Reading the command line, and telling what of it is wrong: exit code 2, as getopt's users have it.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, error::ErrorKind};

use super::{
    Args, Error, Output,
    output::{self, coloured, even_unread},
};

/// Exit code of a command line that cannot be understood.
const USED_WRONGLY: u8 = 2;

/// Reads the command line. `send NUMBER --help` sends: help is asked for where there is no text to be sent.
pub(super) fn parse(arguments: &[OsString]) -> Result<Args, clap::Error> {
    Args::try_parse_from(arguments).or_else(|unparsed| match unparsed.kind() {
        ErrorKind::DisplayHelp => as_text(arguments).map_err(|_| unparsed),
        _ => Err(unparsed),
    })
}

/// Reads the command line with no help in `send`.
fn as_text(arguments: &[OsString]) -> Result<Args, clap::Error> {
    let command = Args::command().mut_subcommand("send", |send| send.disable_help_flag(true));
    Args::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// Tells what was asked for, help or the version, or what is wrong.
pub(super) fn tell(unparsed: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let text = unparsed.render();
    if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = unparsed.kind() {
        let text = match coloured() {
            true => text.ansi().to_string(),
            false => text.to_string(),
        };
        let mut out = io::stdout().lock();
        let told = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        return match even_unread(told).map_err(Error::from) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::remark(&error);
                error.exit_code()
            }
        };
    }
    let options = arguments.iter().take_while(|argument| *argument != "--");
    let json = options.into_iter().any(|argument| argument == "--json");
    Output::new(json).tell("usage", text.to_string().trim_end());
    ExitCode::from(USED_WRONGLY)
}
