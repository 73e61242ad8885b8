//! The type that keeps secrets out of every log.

use std::fmt;

/// A value that must never reach a log: keys, JIDs, phone numbers, QR strings, message texts.
///
/// It has no `Display` and its `Debug` prints nothing of it; reading it takes the word [`Secret::expose`].
///
/// ```compile_fail,E0277
/// println!("{}", holdfast_medium::Secret::new("491701234567"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value, for the one place that needs it.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
