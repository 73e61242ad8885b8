//! A unit on the kernel command line that says on the console what is asked of a board which lets nobody in.

use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::{sleep, timeout};

use crate::vm::machine::Machine;

const UNIT: &str = "bench-teller.service";
/// What a line of it begins with.
const TOLD: &str = "bench-boot:";
/// How often the console is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The words for the kernel command line that bring the unit (systemd-debug-generator(8)). When the board is up it runs a shell's `script`, in
/// which `say WHAT TEXT...` says something; then it has the machine go off, for nobody waits for its power key so early.
pub fn words(script: &str) -> Vec<String> {
    let script = format!("say() {{ echo {TOLD} $*; }}; {script}; systemctl poweroff");
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\nAfter=multi-user.target\n\
         [Service]\nStandardOutput=tty\nTTYPath=/dev/console\nExecStart=/bin/sh -c \"{}\"\n",
        script.replace('\\', "\\\\").replace('$', "$$")
    );
    let unit = BASE64_STANDARD.encode(unit);
    vec![
        format!("systemd.set_credential_binary=systemd.extra-unit.{UNIT}:{unit}"),
        format!("systemd.wants={UNIT}"),
    ]
}

/// Waits for what the unit says of something.
///
/// # Errors
/// It says nothing of it in time.
pub async fn told(machine: &Machine, what: &str, within: Duration) -> anyhow::Result<String> {
    let begin = format!("{TOLD} {what} ");
    let told = async {
        loop {
            let console = machine.console();
            let lines = console.split_inclusive('\n');
            let mut whole = lines.filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.find_map(|line| Some(line.split_once(&begin)?.1.to_owned())) {
                return line.trim().to_owned();
            }
            sleep(LOOK).await;
        }
    };
    timeout(within, told)
        .await
        .with_context(|| format!("the board does not say {what:?}:\n{}", machine.last_lines()))
}
