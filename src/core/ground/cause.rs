//! Why things are as they are, for people.

use core::fmt;

/// The typed reason of a state: displays as its sentence, with WhatsApp's number where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    /// Its stable name; class, sentence and action follow from it.
    pub code: CauseCode,
    /// The number WhatsApp gave, where there is one.
    pub number: Option<u16>,
}

/// The action where a human has nothing to do.
const NONE: &str = "none: Holdfast is handling it";

/// The action about a device that is not linked.
const SCAN: &str = "Scan the code with WhatsApp: Settings, Linked devices.";

/// One row a cause: code, the tail of its stable name, what happened, what a human should do.
macro_rules! causes {
    ($($(#[doc = $about:literal])* $class:ident $prefix:literal {
        $($code:ident $tail:literal: $sentence:literal, $action:expr;)*
    })*) => {
        /// The class of a cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CauseClass {
            $($(#[doc = $about])* $class,)*
        }

        /// The stable name of a cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CauseCode {
            $($(#[doc = $sentence] $code,)*)*
        }

        impl CauseClass {
            /// Every class.
            pub const ALL: &[CauseClass] = &[$(Self::$class,)*];

            /// Describes the class in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$class => concat!($($about),*).trim_ascii(),)* }
            }

            /// The stable name for machines.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$class => $prefix,)* }
            }
        }

        impl CauseCode {
            /// Every code.
            pub const ALL: &[CauseCode] = &[$($(Self::$code,)*)*];

            /// The stable name for machines, its class in front: `network.no-route`.
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$code => concat!($prefix, ".", $tail),)*)* }
            }

            /// Returns its class.
            pub fn class(self) -> CauseClass {
                match self { $($(Self::$code => CauseClass::$class,)*)* }
            }

            /// Says what happened, in one sentence.
            pub fn sentence(self) -> &'static str {
                match self { $($(Self::$code => $sentence,)*)* }
            }

            /// The one thing a human should do, or `none: Holdfast is handling it`.
            pub fn action(self) -> &'static str {
                match self { $($(Self::$code => $action,)*)* }
            }
        }
    };
}

causes! {
    /// The way to WhatsApp.
    Network "network" {
        NoLink "no-link": "No cable is plugged in, and no Wi-Fi is joined.", "Check the cable, or the Wi-Fi's name and password in holdfast.toml.";
        NoRadio "no-radio": "No cable is plugged in, and the radio did not start, most likely for want of its firmware.", "Use a cable, or an image that was built with `--wifi-firmware`.";
        NoAddress "no-address": "The network gives this device no address.", "Restart the router.";
        NoRoute "no-route": "The network has no way to the outside.", "Check that the router is on the internet.";
        DnsFailed "dns-failed": "The name of WhatsApp's server cannot be looked up.", "Check that the router is on the internet.";
        DialFailed "dial-failed": "WhatsApp's server cannot be reached.", NONE;
        ProxyFailed "proxy-failed": "The proxy does not let Holdfast through to WhatsApp.", "Check network.proxy (or HTTPS_PROXY), the proxy's login, and that it lets port 443 through.";
        TlsFailed "tls-failed": "No trusted connection to WhatsApp's server comes about.", "Check the clock, and that no sign-in page or filter stands in the way.";
        HandshakeFailed "handshake-failed": "The handshake with WhatsApp failed.", NONE;
        LoginTimeout "login-timeout": "WhatsApp did not answer in time.", NONE;
        Stale "stale": "Nothing comes from WhatsApp any more, and it does not answer.", NONE;
        Garbled "garbled": "What comes from WhatsApp cannot be decrypted; the connection is made anew.", NONE;
        ConnectionLost "connection-lost": "The connection to WhatsApp was lost.", NONE;
    }
    /// The linked-device session.
    Session "session" {
        NotLinked "not-linked": "This device is not linked to an account.", SCAN;
        Revoked "revoked": "WhatsApp ended the link to the account.", SCAN;
        Relinked "relinked": "A new link was asked for.", SCAN;
        Restoring "restoring": "An archived link is being brought back.", NONE;
        LogoutSuspected "logout-suspected": "WhatsApp says this device is logged out; one more attempt will tell.", NONE;
        QrExhausted "qr-exhausted": "No phone scanned the code.", "Press the button, or run `holdfastctl link`, for a new code.";
        PairingBudget "pairing-budget": "Linking broke off too often; WhatsApp is left alone for a while.", "Press the button, or run `holdfastctl link`, for a new code.";
        PairFailed "pair-failed": "The phone's answer did not check out.", "Scan the next code.";
        CodeTooLong "code-too-long": "What WhatsApp gave to scan is too long for any code.", "Wait for the next code, or link by number: set pairing.phone.";
        PasskeyNeeded "passkey-needed": "WhatsApp asks for a passkey, which this device cannot give.", "Answer it with `holdfastctl passkey` where the passkey is, or press the button to try again.";
        PasskeyUnanswered "passkey-unanswered": "WhatsApp asked for a passkey, and was not answered in time.", "Press the button or run `holdfastctl link`, and answer within two minutes with `holdfastctl passkey`.";
        Replaced "replaced": "Another copy of this device is using the session.", "Stop the other copy, then press the button.";
        Restart "restart": "WhatsApp asked for a restart.", NONE;
        RestartLoop "restart-loop": "WhatsApp asks for a restart again and again.", NONE;
        Restrained "restrained": "There were many attempts within minutes; WhatsApp is left alone for a few.", NONE;
        Throttled "throttled": "WhatsApp asks us to slow down.", NONE;
        ClientOutdated "client-outdated": "WhatsApp no longer accepts this version.", "Update Holdfast: `holdfastctl update`, or set update.automatic.";
        Refused "refused": "WhatsApp refused the connection.", NONE;
        LinkStuck "link-stuck": "The link does not end though it was told to.", "Restart Holdfast if this stays.";
        SelfTestFailed "self-test-failed": "WhatsApp did not answer a test; the connection is made anew.", NONE;
        EchoMissing "echo-missing": "WhatsApp takes messages, but a test message did not reach the phone.", "Check that the phone is on and has a network.";
        ResetAsked "reset-asked": "A factory reset was confirmed at the device; everything is being forgotten.", "Leave the power on until the device has started again.";
        Stopped "stopped": "Holdfast was asked to stop.", "Start it again when it is wanted.";
    }
    /// The account behind it.
    Account "account" {
        AccountLocked "locked": "WhatsApp has locked the account.", "Open WhatsApp on the phone and follow its advice, then press the button.";
        NoNewChats "no-new-chats": "WhatsApp does not let the account write to people with whom it has no conversation.", "Wait until they write first, or until that ends; do not go on writing to strangers.";
        PhoneAway "phone-away": "The phone that this device is linked to was not seen for 12 days; after 14 WhatsApp ends the link.", "Turn that phone on, with a network, and open WhatsApp on it.";
        Banned "banned": "WhatsApp has banned the account for a while.", "Open WhatsApp on the phone and read why; Holdfast waits until the ban ends.";
    }
    /// The wall clock.
    Clock "clock" {
        ClockBehind "behind": "The clock is behind the last run; the network has to set it.", "Check that the router is on the internet and lets NTP (UDP port 123) through.";
        ClockFloor "floor": "The network did not set the clock; Holdfast goes on with the time of the last run.", "Check that the router is on the internet and lets NTP (UDP port 123) through.";
    }
    /// The data partition.
    Storage "storage" {
        LittleSpace "little-space": "The data partition is getting full.", "Let every consumer read its messages, or use a larger card.";
        NoSpace "no-space": "The data partition is full; WhatsApp keeps the messages.", "Have every consumer read its messages, remove from the data partition what is not Holdfast's, or use a larger card.";
        OutboxFull "outbox-full": "Messages that wait to be sent fill the data partition; WhatsApp keeps the received ones.", "Drop what need not be sent: `holdfastctl outbox`.";
        Unread "unread": "Many received messages wait to be read.", "Check that every consumer runs and acknowledges what it has read.";
        ConsumerAway "consumer-away": "Messages are kept for a consumer that has not come for long, though the others have.", "Start it again, or forget it: `holdfastctl inbox consumers`.";
        ConsumerForgotten "consumer-forgotten": "A consumer did not come for too long; messages are no longer kept for it.", "Start it again, or forget it: `holdfastctl inbox consumers`.";
        ManyRecords "many-records": "The keys have become so many that each start takes longer.", "Nothing is wrong; a new link, when it suits, starts with few.";
        OpenFailed "open-failed": "The data partition cannot be opened.", "Press the button to try again; if it stays, replace the card.";
        NotPermitted "not-permitted": "Holdfast may not use its data directory.", "Give the directory to the user that Holdfast runs as; `holdfastctl boot` names the file.";
        WrongFile "wrong-file": "Something else lies where Holdfast keeps its data.", "Move it away; the screen and the log name it.";
        ReadOnly "read-only": "The data partition is read-only.", "Restart to have it checked; if it stays, replace the card.";
        InUse "in-use": "The keys are open in another process, a Holdfast that has not ended; nothing was changed.", "End that process, or turn the device off and on.";
        SetAside "set-aside": "The data partition is beyond repair; it was set aside, and nothing on it was changed.", "Restart to have it tried again; if it stays, replace the card.";
        MediumFailed "medium-failed": "The data partition failed.", "Press the button to try again; if it stays, replace the card.";
        IdentityDamaged "identity-damaged": "The keys of this device are damaged in both copies; nothing was changed.", "Move the generation's directory away; then link anew, or take an exported archive in: `holdfastctl archive import`.";
        VaultFailed "vault-failed": "The keys could not be read or written.", "Check the storage: free space, then the card itself.";
        KeysRepaired "keys-repaired": "Some keys were damaged and have been repaired; the link is intact.", NONE;
        KeysRebuilt "keys-rebuilt": "The session keys were damaged or too old and are being made anew; the link is intact.", NONE;
        KeysRenewed "keys-renewed": "Messages of several contacts could not be decrypted, so the session keys are being made anew; the link is intact.", NONE;
        OlderCopy "older-copy": "An older copy of the data was put back; session keys are being made anew, the link is intact.", "Take a link elsewhere or keep it with `holdfastctl archive export`, never as a copy of the data.";
        Undecryptable "undecryptable": "Messages of several contacts cannot be decrypted, though the session keys were made anew within a day; they are asked for again.", NONE;
        RepairSlow "repair-slow": "The repair of the keys takes longer than it should.", "If this stays, restart Holdfast; if it comes back, replace the card.";
        RetireFailed "retire-failed": "The old link could not be moved to the archive; it is untouched.", "Check the storage: free space, then the card itself.";
        RestoreFailed "restore-failed": "The archived link could not be brought back; the present one is untouched.", "Read the log for the reason; check the storage: free space, then the card itself.";
        ResetFailed "reset-failed": "The factory reset could not be begun; nothing was changed.", "Check the storage: free space, then the card itself.";
        ResetUnfinished "reset-unfinished": "The factory reset was begun and could not be finished; nothing that is left is used.", "Restart to have it tried again; if it stays, write the card anew.";
        RetireSlow "retire-slow": "Moving the old link to the archive takes longer than it should.", "If this stays, restart Holdfast; if it comes back, replace the card.";
    }
    /// The things that the operating system gives a program.
    System "system" {
        NoDescriptors "no-descriptors": "The system has no file descriptor left for Holdfast, which starts again; the card is sound.", "Close programs that keep many files or connections open.";
        NoMemory "no-memory": "The system has no memory left for Holdfast, which starts again; the card is sound.", "Stop other programs, or use a board with more memory.";
        NoThreads "no-threads": "The system starts no thread for Holdfast, which starts again; the card is sound.", "Raise the limit of processes of its user or service (TasksMax).";
    }
    /// The power supply.
    Power "power" {
        UnderVoltage "under-voltage": "The power supply is too weak: its voltage falls below what the board needs.", "Use the power supply that the board's maker names, with a short cable, and unplug what takes its power from the board.";
    }
    /// New versions of the device.
    Update "update" {
        UpdateInstalled "installed": "A new version is installed; the device restarts into it.", "Leave the power on until the device has started again.";
        UpdateUnproved "unproved": "The new version did not get as far as it should in time; the device restarts.", NONE;
        UpdateFellBack "fell-back": "The new version did not prove itself, and the one before runs again.", "Read `holdfastctl update status`; that version is not tried again by itself.";
        UpdateUnreachable "unreachable": "The list of new versions cannot be read.", "Check update.index, and that the router is on the internet.";
        UpdateUntrusted "untrusted": "The list of new versions is not what the key of this device has signed.", "Check update.index and update.key; take nothing from there meanwhile.";
        UpdateNotForUs "not-for-us": "The list of new versions has none for this kind of device.", "Check update.index: it is for other boards.";
        UpdateNoRoom "no-room": "The data partition has no room for a new version.", "Have every consumer read its messages, or use a larger card.";
        UpdateNotFetched "not-fetched": "The new version could not be fetched whole; it is tried again.", NONE;
        UpdateRefused "refused": "The new version was not installed; what runs is untouched.", "Read `holdfastctl update status`: it has the reason in RAUC's words.";
        UpdateNoInstaller "no-installer": "RAUC, which installs new versions, does not answer.", "Run `systemctl status rauc`, and restart the device if it stays.";
    }
    /// The screen, the button and the lamp.
    Panel "panel" {
        DisplayAbsent "display-absent": "The display does not answer.", "Check the display's cable and its power; if its bus hangs, pull the plug for ten seconds.";
        DisplayIsSh1106 "display-is-sh1106": "The display is an SH1106, which the board's description does not say; it is driven as what it is.", "Write board = \"raspberrypi-sh1106\" below [panel] in holdfast.toml.";
        DisplayIsSsd1306 "display-is-ssd1306": "The display is an SSD1306, which the board's description does not say; it is driven as what it is.", "Write board = \"raspberrypi\" below [panel] in holdfast.toml, or nothing.";
        LedAbsent "led-absent": "The lamp's line cannot be set.", "Check the board's description: led.lines.";
        ButtonAbsent "button-absent": "The button's line cannot be read.", "Check the button's wiring and the board's description.";
    }
}

impl Cause {
    /// The cause with the number WhatsApp gave for it.
    pub fn numbered(code: CauseCode, number: u16) -> Self {
        Self {
            code,
            number: Some(number),
        }
    }

    /// Returns its class.
    pub fn class(&self) -> CauseClass {
        self.code.class()
    }

    /// Says what happened, in one sentence.
    pub fn sentence(&self) -> &'static str {
        self.code.sentence()
    }

    /// The one thing a human should do; `None` where Holdfast is handling it.
    pub fn advice(&self) -> Option<&'static str> {
        Some(self.action()).filter(|action| *action != NONE)
    }

    /// The one thing a human should do, or `none: Holdfast is handling it`.
    pub fn action(&self) -> &'static str {
        self.code.action()
    }
}

impl From<CauseCode> for Cause {
    fn from(code: CauseCode) -> Self {
        Self { code, number: None }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())?;
        match self.number {
            Some(number) => write!(f, " (WhatsApp: {number})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_speaks_in_sentences() {
        for (at, code) in CauseCode::ALL.iter().enumerate() {
            let name = code.as_str();
            assert!(
                name.chars()
                    .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.')),
                "{name}"
            );
            assert!(
                CauseCode::ALL[..at]
                    .iter()
                    .all(|other| other.as_str() != name),
                "{name} twice"
            );
            assert!(
                code.sentence().ends_with('.'),
                "{name}: {}",
                code.sentence()
            );
            assert!(
                code.action() == NONE || code.action().ends_with('.'),
                "{name}: {}",
                code.action()
            );
        }
    }

    #[test]
    fn a_number_is_told() {
        let cause = Cause::numbered(CauseCode::Refused, 503);
        assert_eq!(
            alloc::format!("{cause}"),
            "WhatsApp refused the connection. (WhatsApp: 503)"
        );
        assert_eq!(
            (cause.class().as_str(), cause.code.as_str()),
            ("session", "session.refused")
        );
    }
}
