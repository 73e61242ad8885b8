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

    /// What happened, in one sentence.
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
    use crate::story::{ACCOUNT, Story};
    use crate::{Effect, Event, Face, Facts, Linked, PairingFace};

    fn started(end: LastEnd) -> Story {
        let last_end = end;
        Story::woken(Facts {
            last_end,
            ..Facts::default()
        })
    }

    fn boot(story: &mut Story, account: bool) -> alloc::vec::Vec<Effect> {
        story.on(Event::Booted(Linked {
            generation: crate::GenerationId(1),
            account: account.then_some(ACCOUNT),
        }))
    }

    #[test]
    fn an_end_out_of_order_is_told_for_ten_seconds_and_changes_nothing_else() {
        for end in LastEnd::ALL {
            let mut story = started(end);
            let told = |left_ms| Face::LastEnd { end, left_ms };
            let tells = !end.is_in_order();
            assert_eq!(story.face() == told(10_000), tells);
            assert_eq!(boot(&mut story, true), [Effect::Connect]);
            assert_eq!(story.state.name(), "Connecting");
            story.wait(9_999);
            assert_eq!(story.face() == told(1), tells);
            story.wait(1);
            assert_eq!(story.face(), Face::Connecting);
        }
    }

    #[test]
    fn a_code_that_can_be_scanned_goes_before_the_notice() {
        let mut story = started(LastEnd::PowerLoss);
        assert_eq!(boot(&mut story, false), [Effect::Pair]);
        assert!(matches!(story.face(), Face::LastEnd { .. }));
        story.on(Event::QrShown { valid_ms: 60_000 });
        assert_eq!(
            story.face(),
            Face::Pairing(PairingFace::Qr { left_ms: 60_000 })
        );
    }

    #[test]
    fn a_question_goes_before_the_notice() {
        let mut story = started(LastEnd::Unknown);
        boot(&mut story, true);
        story.press(5_000);
        assert!(matches!(story.face(), Face::ConfirmRelink { .. }));
    }

    #[test]
    fn every_end_has_a_name_of_its_own_and_a_sentence() {
        for (at, end) in LastEnd::ALL.iter().enumerate() {
            assert!(end.sentence().ends_with('.'));
            let before = &LastEnd::ALL[..at];
            assert!(before.iter().all(|other| other.as_str() != end.as_str()));
        }
    }
}
