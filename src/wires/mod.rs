//! The nerves: what the owner's hand does. On a workstation the space bar is the button.

pub(crate) mod keyboard;
mod space_bar;

/// What the owner's hand did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The button went down.
    Pressed,
    /// The button came up.
    Released,
    /// `q` or Ctrl-C in the panel's terminal: stop in order.
    Stop,
}
