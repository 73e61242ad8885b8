//! How the last run of the daemon ended.

/// How the last run of the daemon ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LastEnd {
    /// It stopped in order.
    #[default]
    Clean,
    /// The process died, the machine went on.
    ProcessCrash,
    /// The kernel crashed.
    KernelCrash,
    /// The machine hung, and its watchdog reset it.
    Watchdog,
    /// The power went.
    PowerLoss,
    /// There was none.
    FirstStart,
    /// It did not end in order, and the signals do not say how.
    Unknown,
}

impl LastEnd {
    /// Every end.
    pub const ALL: [Self; 7] = [
        Self::Clean,
        Self::ProcessCrash,
        Self::KernelCrash,
        Self::Watchdog,
        Self::PowerLoss,
        Self::FirstStart,
        Self::Unknown,
    ];

    /// The stable name for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::ProcessCrash => "process-crash",
            Self::KernelCrash => "kernel-crash",
            Self::Watchdog => "watchdog",
            Self::PowerLoss => "power-loss",
            Self::FirstStart => "first-start",
            Self::Unknown => "unknown",
        }
    }

    /// Says what happened, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Clean => "The last run was stopped in order.",
            Self::ProcessCrash => "The last run of Holdfast crashed or was killed.",
            Self::KernelCrash => "The last run ended when the system crashed.",
            Self::Watchdog => "The last run ended when the watchdog reset a hung machine.",
            Self::PowerLoss => "The last run ended when the power went.",
            Self::FirstStart => "This is the first start.",
            Self::Unknown => "The last run did not end in order, and nothing says why.",
        }
    }

    /// Whether nothing has to be told: the run was stopped in order, or there was none.
    pub fn is_in_order(self) -> bool {
        matches!(self, Self::Clean | Self::FirstStart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_name_of_its_own_and_a_sentence() {
        for (at, end) in LastEnd::ALL.iter().enumerate() {
            assert!(end.sentence().ends_with('.'));
            let before = &LastEnd::ALL[..at];
            assert!(before.iter().all(|other| other.as_str() != end.as_str()));
        }
    }
}
