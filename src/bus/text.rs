//! Text that somebody else chose, as a D-Bus string.

/// The longest one, bytes: far more than the 65,536 characters of a WhatsApp text, and little beside the 32 MiB that a system
/// bus takes at once.
const LONGEST: usize = 2 << 20;

/// Replaces each NUL, with which a D-Bus string cannot be, by U+FFFD, and cuts what is too long.
pub(super) fn text(text: String) -> String {
    let mut text = match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    };
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}
