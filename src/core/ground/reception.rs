//! How well a radio hears its access point.

/// The level at which a radio receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reception {
    /// In dBm: -30 is beside the access point, -90 next to nothing.
    pub dbm: i8,
}

/// What people make of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// Enough for everything.
    Good,
    /// Enough for messages.
    Fair,
    /// It comes and goes with a door that is closed.
    Weak,
}

impl Reception {
    /// What to make of it. From -67 dBm on networks are made for voice (Cisco, "Voice over Wireless LAN design guide"); below -75 the access
    /// points that there are hand over.
    pub fn quality(self) -> Quality {
        match self.dbm {
            -67.. => Quality::Good,
            -75..=-68 => Quality::Fair,
            _ => Quality::Weak,
        }
    }
}

impl Quality {
    /// The stable word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Weak => "weak",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_what_people_make_of_it() {
        let made = [-20, -67, -68, -75, -76, -128].map(|dbm| Reception { dbm }.quality().as_str());
        assert_eq!(made, ["good", "good", "fair", "fair", "weak", "weak"]);
    }
}
