//! The keys of the panel's terminal.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crossterm::{
    event::{
        self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, KeyboardEnhancementFlags,
        PushKeyboardEnhancementFlags,
    },
    execute,
    terminal::supports_keyboard_enhancement,
};
use tokio::sync::watch;

use super::{Input, Inputs, space_bar::SpaceBar};

/// Timeout of the wait for a key when nothing else is due.
const IDLE: Duration = Duration::from_secs(3600);

/// Sends the meaning of each key to `inputs`, from a thread that ends with the process or with the terminal. `resized`
/// changes when the terminal has another size.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn listen(inputs: Inputs, resized: watch::Sender<()>) -> io::Result<()> {
    thread::Builder::new()
        .name("keyboard".into())
        .spawn(move || {
            // A terminal that goes away takes its keys with it: there is nothing left to do for them.
            let _ = read(&inputs, &resized);
        })?;
    Ok(())
}

fn read(inputs: &Inputs, resized: &watch::Sender<()>) -> io::Result<()> {
    let releases_told = supports_keyboard_enhancement().unwrap_or(false);
    if releases_told {
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
            | KeyboardEnhancementFlags::REPORT_EVENT_TYPES
            | KeyboardEnhancementFlags::REPORT_ALL_KEYS_AS_ESCAPE_CODES;
        execute!(io::stdout(), PushKeyboardEnhancementFlags(flags))?;
    }
    let mut bar = SpaceBar::new(releases_told);
    while !inputs.is_closed() {
        let wait = bar.deadline().map_or(IDLE, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let input = if event::poll(wait)? {
            match event::read()? {
                Event::Key(key) => meaning(key, &mut bar),
                Event::Resize(..) => {
                    resized.send_replace(());
                    None
                }
                _ => None,
            }
        } else {
            bar.tick(Instant::now())
        };
        if let Some(input) = input
            && inputs.send((Instant::now(), input)).is_err()
        {
            break;
        }
    }
    Ok(())
}

fn meaning(key: KeyEvent, bar: &mut SpaceBar) -> Option<Input> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, key.kind) {
        (KeyCode::Char(' '), KeyEventKind::Release) => bar.up(),
        (KeyCode::Char(' '), _) => bar.down(Instant::now()),
        (KeyCode::Char('q'), KeyEventKind::Press) => Some(Input::Stop),
        (KeyCode::Char('c'), KeyEventKind::Press) if control => Some(Input::Stop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_button_and_stop_and_nothing_else() {
        let mut bar = SpaceBar::new(true);
        let mut press = |code, modifiers, kind| {
            meaning(KeyEvent::new_with_kind(code, modifiers, kind), &mut bar)
        };
        let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        assert_eq!(
            press(KeyCode::Char(' '), none, KeyEventKind::Press),
            Some(Input::Pressed)
        );
        assert_eq!(press(KeyCode::Char(' '), none, KeyEventKind::Repeat), None);
        assert_eq!(
            press(KeyCode::Char(' '), none, KeyEventKind::Release),
            Some(Input::Released)
        );
        assert_eq!(
            press(KeyCode::Char('q'), none, KeyEventKind::Press),
            Some(Input::Stop)
        );
        assert_eq!(press(KeyCode::Char('q'), none, KeyEventKind::Release), None);
        assert_eq!(
            press(KeyCode::Char('c'), control, KeyEventKind::Press),
            Some(Input::Stop)
        );
        assert_eq!(press(KeyCode::Char('c'), none, KeyEventKind::Press), None);
    }
}
