//! What a factory reset did, for its owner.

/// What a factory reset did, and what it could not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Emptied {
    /// Links whose keys are gone, archived ones among them.
    pub links: u32,
    /// Of these, links that WhatsApp may go on listing: only the phone can remove them now.
    pub listed: u32,
    /// The machine's own settings went, too: Wi-Fi, name, and who may come in.
    pub system: bool,
    /// Things that are not Holdfast's or could not be removed, and were left.
    pub left: u32,
}
