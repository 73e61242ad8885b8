//! The two slots, by the names that bootloader, updater and partition table have for them.

/// One of the two places for a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// The slot of this name, as bootloader and updater know it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "A" => Some(Slot::A),
            "B" => Some(Slot::B),
            _ => None,
        }
    }

    /// The one beside it.
    pub fn other(self) -> Self {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    /// How many tries it has left is the value of this, in the bootloader's environment.
    pub fn tries(self) -> &'static str {
        match self {
            Slot::A => "BOOT_A_LEFT",
            Slot::B => "BOOT_B_LEFT",
        }
    }

    /// The labels of its partitions: the file system, the verity tree.
    pub fn labels(self) -> [&'static str; 2] {
        match self {
            Slot::A => ["root-a", "root-a-verity"],
            Slot::B => ["root-b", "root-b-verity"],
        }
    }
}
