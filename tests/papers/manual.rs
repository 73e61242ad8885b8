//! The manual and the completions of the shells are what the command line is; `HOLDFAST_WRITE=1` writes them anew.

use std::{env, fs, process::Command as Process};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use holdfast::{boot, config, ctl};

use super::super::{at, read};

/// Where they lie; systemd/install puts them where a system looks.
const MANUAL: &str = "systemd/man";
const COMPLETIONS: &str = "systemd/completions";

/// Holds a file against what it should be, or writes it.
fn check(path: &str, text: &str) {
    let path = at(path);
    if env::var_os("HOLDFAST_WRITE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let path_name = path.display();
    assert_eq!(
        read(&path),
        text,
        "{path_name} is not what the command line says; write it anew with HOLDFAST_WRITE=1"
    );
}

/// What a part of a page is rendered to.
fn rendered(part: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut text = Vec::new();
    part(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// One page with every command of a program, as systemctl(1) has it.
fn page(command: Command, section: &str) -> String {
    let command = command
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true);
    let man = Man::new(command.clone())
        .section(section)
        .manual("Holdfast");
    let mut page = rendered(|text| {
        man.render_title(text)?;
        man.render_name_section(text)?;
        man.render_synopsis_section(text)?;
        man.render_options_section(text)
    });
    if command.has_subcommands() {
        page += ".SH COMMANDS\n";
        page += &commands(&command, command.get_name());
    }
    if command.get_after_help().is_some() {
        let extra = rendered(|text| man.render_extra_section(text));
        page += &extra.replace(".SH EXTRA", ".SH NOTES");
    }
    page
}

/// Every command below this one that does something by itself.
fn commands(parent: &Command, above: &str) -> String {
    let mut text = String::new();
    for command in parent.get_subcommands() {
        let name = format!("{above} {}", command.get_name());
        if !command.is_subcommand_required_set() {
            let alone = command
                .clone()
                .bin_name(&name)
                .disable_help_flag(true)
                .disable_help_subcommand(true);
            let man = Man::new(alone.clone());
            let synopsis = rendered(|text| man.render_synopsis_section(text));
            text += &synopsis.replace(".SH SYNOPSIS", ".SS");
            text += &rendered(|text| man.render_description_section(text))
                .replace(".SH DESCRIPTION\n", "");
            if alone.get_arguments().next().is_some() {
                text +=
                    &rendered(|text| man.render_options_section(text)).replace(".SH OPTIONS\n", "");
            }
            if alone.get_after_help().is_some() {
                text +=
                    &rendered(|text| man.render_extra_section(text)).replace(".SH EXTRA", ".PP");
            }
        }
        text += &commands(command, &name);
    }
    text
}

/// Every command line of a program, without its options.
fn names(parent: &Command, above: &str) -> Vec<String> {
    let below = parent.get_subcommands().flat_map(|command| {
        let name = format!("{above} {}", command.get_name());
        names(command, &name)
    });
    match parent.is_subcommand_required_set() {
        true => below.collect(),
        false => std::iter::once(above.to_owned()).chain(below).collect(),
    }
}

#[test]
fn the_manual_is_what_the_programs_take() {
    check(
        &format!("{MANUAL}/holdfastctl.1"),
        &page(ctl::Args::command(), "1"),
    );
    let daemon = config::Args::command().after_help(
        "How it ends, and what its settings are, is in docs/operating.md. What went wrong is in the journal: journalctl -u holdfastd.",
    );
    check(&format!("{MANUAL}/holdfastd.8"), &page(daemon, "8"));
    let steps = boot::Boot::command()
        .after_help("What a step did is in the journal: journalctl -t holdfast-boot.");
    check(&format!("{MANUAL}/holdfast-boot.8"), &page(steps, "8"));
}

#[test]
fn the_manual_names_every_command_and_exit_code() {
    let page = read(&at(&format!("{MANUAL}/holdfastctl.1")));
    let text = page
        .replace("\\fB", "")
        .replace("\\fR", "")
        .replace("\\-", "-");
    for name in names(&ctl::Args::command(), "holdfastctl") {
        assert!(text.contains(&name), "{name}: {text}");
    }
    assert!(text.contains("5 it does not answer"), "{text}");
}

#[test]
fn the_shells_complete_what_the_program_takes() {
    for (shell, file) in [
        (Shell::Bash, "holdfastctl"),
        (Shell::Zsh, "_holdfastctl"),
        (Shell::Fish, "holdfastctl.fish"),
    ] {
        let mut text = Vec::new();
        generate(shell, &mut ctl::Args::command(), "holdfastctl", &mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("PairingPaused"),
            "{shell}: the states are offered"
        );
        check(&format!("{COMPLETIONS}/{shell}/{file}"), &text);
    }
    // What bash offers after these words; a shell that cannot read the file says so.
    let offered = |words: &str| {
        let script = format!(
            "set -eu; . {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); set +u; \
             _holdfastctl holdfastctl \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             echo \"${{COMPREPLY[*]}}\"",
            at(&format!("{COMPLETIONS}/bash/holdfastctl")).display()
        );
        let said = Process::new("bash").args(["-c", &script]).output().unwrap();
        let complaints = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "{complaints}");
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(offered("holdfastctl rel"), "relink");
    assert_eq!(offered("holdfastctl inbox forg"), "forget");
    assert_eq!(
        offered("holdfastctl wait --state Pairing"),
        "Pairing PairingPaused"
    );
}
