//! The self-test: whether a message gets through, asked after each repair, and when the operator wants to know.

/// The result of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tested {
    /// WhatsApp answered what it was asked.
    pub answered: bool,
    /// A message in the chat with oneself reached the phone; `None` where none may be written.
    pub echoed: Option<bool>,
}

/// The progress of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum SelfTest {
    /// None is wanted.
    #[default]
    Idle,
    /// One is due as soon as there is a link, and nothing is left to catch up with.
    Due,
    /// The link is at it.
    Running,
}

impl SelfTest {
    /// A repair was made, so that one is due.
    pub(crate) fn want(&mut self) {
        *self = Self::Due;
    }

    pub(crate) fn is_due(&self) -> bool {
        *self == Self::Due
    }

    /// Begins. Whether it did not run already.
    pub(crate) fn begin(&mut self) -> bool {
        core::mem::replace(self, Self::Running) != Self::Running
    }

    /// It is over. Whether one ran.
    pub(crate) fn finish(&mut self) -> bool {
        let ran = *self == Self::Running;
        if ran {
            *self = Self::Idle;
        }
        ran
    }

    /// The run of the link ended over it: the next one is tested.
    pub(crate) fn cut_short(&mut self) {
        if *self == Self::Running {
            *self = Self::Due;
        }
    }
}
