//! The way to the outside.

use super::CauseCode;

/// How far the way to the outside goes, as seen from this machine. Whether names are looked up and WhatsApp answers, only
/// an attempt tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// No cable is plugged in, and no Wi-Fi is joined.
    NoLink,
    /// No cable is plugged in, and the radio that is there did not start.
    NoRadio,
    /// The network gives no address.
    NoAddress,
    /// No route leads out of the network.
    NoRoute,
    /// To the outside.
    Open,
}

impl Way {
    /// The causes of a way that ends early.
    pub(crate) const CAUSES: [CauseCode; 4] = [
        CauseCode::NoLink,
        CauseCode::NoRadio,
        CauseCode::NoAddress,
        CauseCode::NoRoute,
    ];

    /// Returns the part that is missing; `None` when nothing is.
    pub(crate) fn cause(self) -> Option<CauseCode> {
        match self {
            Self::NoLink => Some(CauseCode::NoLink),
            Self::NoRadio => Some(CauseCode::NoRadio),
            Self::NoAddress => Some(CauseCode::NoAddress),
            Self::NoRoute => Some(CauseCode::NoRoute),
            Self::Open => None,
        }
    }
}
