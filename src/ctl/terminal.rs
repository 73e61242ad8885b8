//! The terminal, left as it was found, also when a signal ends the command while it asks something there.

use std::fs::File;
use std::io;
use std::thread;

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The signals by which a terminal, or whoever closes it, ends a command.
const ENDS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Asks something on the terminal, with whatever modes that takes.
///
/// rpassword leaves its raw mode when it returns; a signal that ends the process does not let it, and its Ctrl-C is one.
pub(super) fn ask<T>(question: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    restore_at_the_end()?;
    match question() {
        // The signal is on its way to its watcher: the process ends by it, and does not go on until then.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            emulate_default_handler(SIGINT)?;
            Err(error)
        }
        answer => answer,
    }
}

/// From now on a signal that ends the process restores the modes first. For good: signal-hook does not give the default back.
fn restore_at_the_end() -> io::Result<()> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let modes = tcgetattr(&terminal)?;
    let mut signals = Signals::new(ENDS)?;
    thread::spawn(move || {
        for signal in &mut signals {
            // Best effort, as the process ends: a terminal that is gone has no modes.
            let _ = tcsetattr(&terminal, OptionalActions::Now, &modes);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}
