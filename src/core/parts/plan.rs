//! The plan of a repair: what the vault found at boot, and what is to be done about it before the link.
//!
//! The order of worth: a lost identity costs a human with a phone, a lost ratchet heals by itself on the wire with
//! one round trip a peer, and a *stale* ratchet uses message keys twice. So the identity is never given up, and a
//! ratchet is dropped wherever it is in doubt that it is the newest.

/// The findings of the vault in the live generation: facts, not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Findings {
    /// The identity tier.
    pub identity: IdentityFound,
    /// All other tiers.
    pub store: StoreFound,
    /// Records that pass their checksum and cannot be decoded, by what they cost.
    pub unusable: Unusable,
    /// The work that an earlier repair left for the link.
    pub todo: Todo,
}

/// The state of the identity. One that cannot be read at all is no finding: the vault does not open over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityFound {
    /// Both slots hold the same.
    Sound,
    /// One slot is damaged, missing or one save behind; the other is whole.
    OneSlot,
}

/// The state of the store of the other tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreFound {
    /// Whole, and as new as the witness says; an empty one of a device that was never linked too.
    Sound,
    /// Whole, and exactly one step behind the witness: an unlucky cut, or one step lost.
    OneBehind,
    /// Whole, and further behind: it was rolled back.
    Behind,
    /// Whole, but no witness says how new it should be.
    Unwitnessed,
    /// It does not open, or does not hold what it says it holds.
    Damaged,
    /// There is none, though the device is linked.
    Lost,
    /// It is part of an older copy of everything, identity and all, that was put back.
    Older,
}

/// Records that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unusable {
    /// One-time pre-keys: WhatsApp still hands out their public halves.
    pub pre_keys: u32,
    /// All others.
    pub others: u32,
}

/// The deeds that are left to do once connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Todo {
    /// Upload fresh one-time pre-keys.
    pub refresh_pre_keys: bool,
    /// Ask WhatsApp whether what it has of us is what we have.
    pub check_digest: bool,
}

impl Todo {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The plan of a repair: what is done about the findings, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Write both identity slots anew from the whole one.
    pub slots: bool,
    /// The treatment of the store.
    pub store: Treatment,
    /// Go on with pre-key ids far beyond any that was ever used.
    pub leap: bool,
    /// The work that is left for the link.
    pub todo: Todo,
}

/// The treatment of the store. Nothing is deleted unread: what goes is put into quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// It stays as it is.
    Keep,
    /// Single records go: those that cannot be decoded, and the ratchets that the witness names for its last step.
    Weed,
    /// It is set aside whole, and a new one begun with what is worth keeping and harmless when old. No ratchet is.
    Rebuild,
}

impl Plan {
    /// Nothing is repaired.
    pub const NOTHING: Self = Self {
        slots: false,
        store: Treatment::Keep,
        leap: false,
        todo: Todo {
            refresh_pre_keys: false,
            check_digest: false,
        },
    };

    /// The session keys are made anew, the link stays.
    pub const REBUILD: Self = Self {
        slots: false,
        store: Treatment::Rebuild,
        leap: true,
        todo: Todo {
            refresh_pre_keys: false,
            check_digest: true,
        },
    };

    /// Whether anything is to be repaired.
    pub fn is_empty(&self) -> bool {
        !self.slots && self.store == Treatment::Keep && !self.leap
    }
}

/// Plans a repair from these findings.
pub fn plan(findings: &Findings) -> Plan {
    let Unusable { pre_keys, others } = findings.unusable;
    let store = match findings.store {
        StoreFound::Sound if pre_keys == 0 && others == 0 => Treatment::Keep,
        StoreFound::Sound | StoreFound::OneBehind => Treatment::Weed,
        StoreFound::Behind
        | StoreFound::Unwitnessed
        | StoreFound::Damaged
        | StoreFound::Lost
        | StoreFound::Older => Treatment::Rebuild,
    };
    // Ids that were given out with keys that are gone must never be given out again with others.
    let leap = store == Treatment::Rebuild;
    Plan {
        slots: findings.identity == IdentityFound::OneSlot,
        store,
        leap,
        todo: Todo {
            // After a leap the library uploads by itself.
            refresh_pre_keys: findings.todo.refresh_pre_keys || (pre_keys > 0 && !leap),
            check_digest: findings.todo.check_digest || store != Treatment::Keep,
        },
    }
}
