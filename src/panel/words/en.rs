//! English.

use holdfast_core::{Cause, CauseCode};

use super::{Words, screen};

const NOTHING: &str = "Nothing to do";

// A screen, a line: title, what to do next, what there is to know, further advice.
#[rustfmt::skip]
pub(super) const WORDS: Words = Words {
    starting: screen("Starting", NOTHING, "Holdfast comes up", ""),
    repairing: screen("Repairing", "Do not unplug", "the data is being mended", ""),
    no_link: screen("No network", "Check the cable", "or the Wi-Fi: none joined", ""),
    no_radio: screen("No radio", "Use a cable", "its firmware is missing", ""),
    no_address: screen("No address", "Restart router", "it gives this box none", ""),
    no_route: screen("No internet", "Check the router", "it has no way outside", ""),
    no_name: screen("No internet", "Check the router", "WhatsApp is not found", ""),
    clock: screen("Clock not set", NOTHING, "the network will set it", "press: go on without"),
    connecting: screen("Connecting", NOTHING, "logging in to WhatsApp", ""),
    connected: screen("Connected", NOTHING, "to WhatsApp", ""),
    connected_as: "to WhatsApp as ...{}",
    phone_away: screen("Phone away", "Turn phone on", "else the link will end soon", ""),
    weak_supply: screen("Weak power", "Change supply", "its voltage falls", ""),
    stale: screen("No answer", NOTHING, "WhatsApp is asked again", ""),
    reconnecting: screen("Offline", NOTHING, "connecting, attempt {}", ""),
    degraded: screen("Still offline", "Press to try now", "attempt {}", ""),
    replaced: screen("Taken over", "Unplug the copy", "another box has this link", "press: take it back"),
    logged_out: screen("Logged out?", NOTHING, "WhatsApp is asked again", ""),
    banned: screen("Banned", "Read the phone", "by WhatsApp, for a while", ""),
    blocked: screen("Blocked", "Follow the phone", "WhatsApp has locked it", "then press the button"),
    outdated: screen("Outdated", "Update Holdfast", "WhatsApp wants a newer", ""),

    preparing: screen("Link me", "Get your phone", "a code is on its way", "for: Linked devices"),
    set_number_why: "QR too small? In the file",
    set_number: "set pairing.phone",
    scan: "Scan me",
    scan_where: "WhatsApp: Linked devices",
    enter: screen("", "Type on phone", "WhatsApp: with number", ""),
    too_big: screen("No room", "Set pairing.phone", "the QR is too big here", "in holdfast.toml"),
    paused: screen("Not linked", "Press for a code", "no phone has scanned", ""),
    passkey: screen("Passkey", "Press to retry", "WhatsApp asks for one", "or holdfastctl passkey"),

    full: screen("Disk full", "Use a larger card", "or have bots read theirs", "WhatsApp keeps the rest"),
    outbox_full: screen("Disk full", "Drop unsent", "too much waits to be sent", "holdfastctl outbox"),
    damaged: screen("Damaged", "Call the operator", "the keys, in both copies", ""),
    not_permitted: screen("No access", "Call the operator", "to the data directory", ""),
    wrong_file: screen("Wrong file", "Call the operator", "where the data belongs", ""),
    read_only: screen("Read-only", "Turn it off and on", "nothing can be saved", "if it stays: new card"),
    in_use: screen("Keys in use", "Turn it off and on", "another Holdfast runs", ""),
    set_aside: screen("Unreadable", "Turn it off and on", "it is kept, as it was", "if it stays: new card"),
    failed: screen("Disk error", "Press to try now", "the data cannot be used", "if it stays: new card"),
    no_descriptors: screen("Overloaded", NOTHING, "too many files are open", "the card is sound"),
    no_memory: screen("Overloaded", NOTHING, "no memory is left", "the card is sound"),
    no_threads: screen("Overloaded", NOTHING, "too many processes run", "the card is sound"),

    clean: screen("Stopped", NOTHING, "in order, the last time", ""),
    first_start: screen("Welcome", NOTHING, "this is the first start", ""),
    process_crash: screen("Crashed", NOTHING, "Holdfast has restarted", "see: holdfastctl boot"),
    kernel_crash: screen("Crashed", NOTHING, "the system has restarted", "see: holdfastctl boot"),
    watchdog: screen("Hung", NOTHING, "the watchdog restarted it", "see: holdfastctl boot"),
    power_loss: screen("Power cut", NOTHING, "it ended the last run", "see: holdfastctl boot"),
    unknown_end: screen("Restarted", NOTHING, "the last run broke off", "see: holdfastctl boot"),
    settings: screen("Settings", "Correct the file", "{}", "the rest is used"),
    use_our_file: "Use holdfast.toml",
    boot_partition: "on the boot partition",
    line: "{}, line {}",
    mistakes: "{} mistakes",
    network: screen("Network", "Press for more", "", ""),
    no_key_next: "Set an SSH key",
    no_key_about: "nobody can log in",
    no_key: "No SSH key: nobody can log in.",
    about: screen("About", "Press: go back", "", ""),

    update_sought: screen("Updating", NOTHING, "a newer version is sought", ""),
    updating: screen("Updating", "Do not unplug", "new version: {} % done", ""),
    update_starts: screen("Updating", "Do not unplug", "restarts by itself", ""),
    fell_back: screen("Fell back", "Call the operator", "the new version failed", "holdfastctl update status"),

    relink: screen("Re-link?", "Press for yes", "unlinks ...{}, {}", ""),
    retires: "retires {}",
    holding: screen("Holding", "Let go to re-link", "or hold on to erase all", ""),
    holding_unlinked: screen("Holding", "Let go to go back", "or hold on to erase all", ""),
    reset: screen("Erase all?", "Press for yes", "links, Wi-Fi, keys go", ""),
    resetting: screen("Erasing", "Do not unplug", "it starts again by itself", ""),
    reset_done: screen("Erased", "Set it up anew", "{} links, Wi-Fi, keys", "press: go on"),
    links_gone: "{} links are gone",
    things_left: "{} things are left",
    still_listed: "Unlink {} on phone",
    stopping: screen("Stopping", "Do not unplug", "everything is being saved", ""),
    stopped: screen("Stopped", "Safe to unplug", "everything is saved", ""),

    next_try: "next try {}",
    trying: "trying now",
    restarting: "restarting",
    goes_on: "goes on in {}",
    ends_in: "ends in {}",
    no_in: "no in {}",
    erases_in: "erase all in {}",
    left: "{} left",
    ago: "{} ago",
    now: "now",

    since: "For",
    address: "Address",
    host: "Name",
    wifi: "Wi-Fi",
    good: "good",
    fair: "fair",
    weak: "weak",
    unread: "Unread",
    unsent: "Unsent",
    last_message: "Last message",
    last_run: "Last run",
    version: "Version",
    slot: "Slot",
    generation: "Link",
    audit: "Audit",
    export: "Exported",
    never: "never",
    none: "none",

    cause,
};

/// The core's own.
fn cause(code: CauseCode) -> [&'static str; 2] {
    [
        code.sentence(),
        Cause::from(code).advice().unwrap_or_default(),
    ]
}
