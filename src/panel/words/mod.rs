//! The words of all screens, one table per language: an entry that a language lacks does not compile.
//!
//! They lie in the panel, because nothing else speaks the owner's language: bus, journal and `holdfastctl` are for operators and
//! programs, and stay with the core's English. A cause is named once, in the core; here is what it says in other languages.

mod de;
mod en;
mod es;
mod pt;

use holdfast_core::CauseCode;

/// What the screens are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
    /// Spanish.
    Spanish,
    /// Portuguese.
    Portuguese,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::English, Self::German, Self::Spanish, Self::Portuguese];

    /// Its code (ISO 639-1), as settings name it.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
        }
    }

    /// The language with this code.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// Its table.
    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::English => &en::WORDS,
            Self::German => &de::WORDS,
            Self::Spanish => &es::WORDS,
            Self::Portuguese => &pt::WORDS,
        }
    }
}

/// The words of one screen.
pub(super) struct Screen {
    /// What is the matter: a word or two.
    pub(super) title: &'static str,
    /// What the owner does next.
    pub(super) next: &'static str,
    /// What there is to know; `{}` is a number, a file or an account.
    pub(super) about: &'static str,
    /// Further advice; may be empty.
    pub(super) hint: &'static str,
}

/// Makes the words of a screen: title, what to do next, what there is to know, further advice.
const fn screen(
    title: &'static str,
    next: &'static str,
    about: &'static str,
    hint: &'static str,
) -> Screen {
    Screen {
        title,
        next,
        about,
        hint,
    }
}

macro_rules! table {
    (screens { $($screen:ident)* } texts { $($text:ident)* }) => {
        /// One language.
        pub(super) struct Words {
            $(pub(super) $screen: Screen,)*
            $(pub(super) $text: &'static str,)*
            /// What a cause says, and what a human should do; the latter is empty where there is nothing to do.
            pub(super) cause: fn(CauseCode) -> [&'static str; 2],
        }

        #[cfg(test)]
        impl Words {
            /// Every text.
            pub(super) fn all(&self) -> Vec<&'static str> {
                let screens = [$(&self.$screen,)*].into_iter();
                let screens = screens.flat_map(|screen| {
                    [screen.title, screen.next, screen.about, screen.hint]
                });
                let causes = CauseCode::ALL.iter().flat_map(|code| (self.cause)(*code));
                screens.chain([$(self.$text,)*]).chain(causes).collect()
            }
        }
    };
}

table! {
    screens {
        // The session.
        starting repairing no_link no_radio no_address no_route no_name clock connecting connected phone_away weak_supply stale reconnecting degraded
        replaced logged_out banned blocked outdated
        // Linking.
        preparing enter too_big paused passkey
        // The data partition, and the system.
        full outbox_full damaged not_permitted wrong_file read_only in_use set_aside failed no_descriptors no_memory no_threads
        // In passing.
        clean first_start process_crash kernel_crash watchdog power_loss unknown_end settings network about
        // New versions.
        update_sought updating update_starts fell_back
        // Questions, and the end.
        relink holding holding_unlinked reset resetting reset_done stopping stopped
    }
    texts {
        // In place of a screen's own, where there is more to say: an account, how to set a number, a file that is not ours, no SSH key.
        connected_as set_number_why set_number use_our_file boot_partition line mistakes retires links_gone things_left still_listed
        no_key_next no_key_about no_key
        // Beside the QR.
        scan scan_where
        // Times; `{}` is how long.
        next_try trying restarting goes_on ends_in no_in erases_in left ago now
        // Names of figures, and values of unknown ones.
        since address host wifi good fair weak unread unsent last_message last_run version slot generation audit export never none
    }
}

/// Gives each cause its sentence and its action.
macro_rules! causes {
    ($($code:ident: $sentence:literal, $action:literal;)*) => {
        fn cause(code: holdfast_core::CauseCode) -> [&'static str; 2] {
            match code {
                $(holdfast_core::CauseCode::$code => [$sentence, $action],)*
            }
        }
    };
}
use causes;
