//! What is wrong before a change, with it, or while it is tried.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::boot::settings::{ignored, lets_in};
use crate::boot::wifi::is_named;

/// What a change leaves whose step is killed while it is tried.
fn killed(board: &mut Board) {
    board.lead = |_| panic!("killed");
    let sheet = Secret::new(SHORE.to_owned());
    board.door().ask(7, &sheet, Vec::new(), false).unwrap();
    let machine = board.machine.clone();
    let step = AssertUnwindSafe(|| carry_out(&machine, board));
    assert!(catch_unwind(step).is_err());
    board.lead = |_| Lead::Out;
    let change = board.shown().change;
    assert!(change.is_some_and(|tried| tried.standing == Standing::Trying));
}

#[test]
fn a_change_whose_step_is_gone_is_over_and_the_next_one_may_begin() {
    let mut board = Board::booted(HOME);
    let before = board.kept();
    killed(&mut board);
    // The unit starts the step again.
    let machine = board.machine.clone();
    carry_out(&machine, &mut board).unwrap();
    assert_eq!(board.kept(), before);
    let tried = board.shown().change.unwrap();
    assert_eq!((tried.id, tried.standing), (7, Standing::TakenBack));
    assert!(tried.why.join(" ").contains("cut off"), "{:?}", tried.why);
    // Where it does not, who asks next does.
    killed(&mut board);
    let tried = board.change("hostname = \"crab\"\n", &[], false);
    assert_eq!(tried.standing, Standing::Kept, "{:?}", tried.why);
    assert_eq!(board.networks(), ["home"]);
}

#[test]
fn while_a_step_is_at_it_nothing_else_is_asked_for() {
    let mut board = Board::booted(HOME);
    killed(&mut board);
    let sheet = Secret::new(SHORE.to_owned());
    let turn = turn::take(&board.machine).unwrap();
    let busy = board.door().ask(8, &sheet, Vec::new(), false);
    assert!(matches!(busy, Err(NotAsked::Busy)));
    drop(turn);
    board.door().ask(8, &sheet, Vec::new(), false).unwrap();
}

#[test]
fn a_note_that_cannot_be_read_stands_in_no_change_s_way() {
    let mut board = Board::booted(HOME);
    board.put("data/system/before.json", "{\"hostname\"");
    let tried = board.change("hostname = \"crab\"\n", &[], false);
    assert_eq!(tried.standing, Standing::Kept, "{:?}", tried.why);
    let kept = board.read("data/system/before.json.unreadable");
    assert_eq!(kept, "{\"hostname\"");
    board.put("data/system/before.json", "again");
    board.boot();
    assert_eq!(board.read("proc/sys/kernel/hostname"), "crab");
}

#[test]
fn changes_that_cannot_be_read_are_kept_beside_and_told() {
    for is_changed in [false, true] {
        let mut board = Board::booted("hostname = \"kelp\"\n");
        board.put("data/system/settings.json", "[1");
        if is_changed {
            board.change("hostname = \"crab\"\n", &[], false);
        } else {
            board.boot();
            let told = ignored(&board.machine);
            let what = told.iter().map(|problem| &problem.what);
            let is_told = |what: &String| what.contains("settings.json.unreadable");
            assert_eq!(what.filter(|what| is_told(what)).count(), 1, "{told:?}");
        }
        assert_eq!(board.read("data/system/settings.json.unreadable"), "[1");
    }
}

const FIXED: &str = "[ethernet]\naddress = \"192.168.7.20/24\"\ngateway = [\"192.168.7.1\", \"fd00::1\"]\ndns = \"192.168.7.1\"\n";

#[test]
fn a_fixed_address_is_kept_where_its_gateways_answer() {
    let mut board = Board::booted(HOME);
    assert_eq!(board.change(FIXED, &[], false).standing, Standing::Kept);
    let gateways = ["192.168.7.1", "fd00::1"].map(|gateway| gateway.parse().unwrap());
    assert_eq!(board.ways, [(Over::Cable, gateways.to_vec())]);
    let kept = board.kept();
    board.lead = |_| Lead::Silent;
    let other = FIXED.replace(".7.20", ".7.21");
    let tried = board.change(&other, &[], false);
    assert_eq!(tried.standing, Standing::TakenBack);
    assert!(tried.why.join(" ").contains("gateway"), "{:?}", tried.why);
    assert_eq!(board.kept(), kept);
    // Where nobody can tell, nobody waits.
    let now = board.now;
    let unknown = "[wifi]\naddress = \"192.168.7.20/24\"\ndns = \"192.168.7.1\"\n";
    let tried = board.change(unknown, &[], false);
    assert_eq!((tried.standing, board.now), (Standing::Refused, now));
    assert!(tried.why.join(" ").contains("gateway"), "{:?}", tried.why);
    assert_eq!(board.change(unknown, &[], true).standing, Standing::Kept);
    // As the network gives it: whoever that names.
    board.lead = |_| Lead::Out;
    let back = "[ethernet]\naddress = []\n";
    assert_eq!(board.change(back, &[], false).standing, Standing::Kept);
    assert_eq!(board.ways, [(Over::Cable, Vec::new())]);
}

#[test]
fn the_daemon_hears_of_the_first_network_and_the_first_key_at_once() {
    let mut board = Board::booted("");
    let heard = |board: &Board| {
        let machine = &board.machine;
        let lets_in = lets_in(machine);
        (is_named(machine), lets_in)
    };
    assert_eq!(heard(&board), (false, Some(false)));
    board.change(SHORE, &[], false);
    assert_eq!(heard(&board), (true, Some(false)));
    let key = format!("[ssh]\nauthorized_keys = [\"{KEY}\"]\n");
    board.change(&key, &["shore"], false);
    assert_eq!(heard(&board), (false, Some(true)));
}

#[test]
fn networks_that_no_file_tells_of_any_more_stay_beside_those_that_come_and_go() {
    let file = "boot/firmware/wpa_supplicant.conf";
    let own = "network={\n\tssid=\"bay\"\n\tpsk=\"tide table 9\"\n\tscan_ssid=1\n}\n";
    for is_gone in [false, true] {
        let mut board = Board::booted("");
        board.put(file, own);
        board.boot_with(HOME);
        assert_eq!(board.networks(), ["home", "bay"]);
        if is_gone {
            fs::remove_file(board.at(file)).unwrap();
            board.boot_with("");
        }
        let locks = |board: &Board| board.read("data/system/wifi/wpa_supplicant.conf");
        let psk = |conf: &str| {
            let lines = conf.lines().filter(|line| line.contains("psk="));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = psk(&locks(&board));
        assert_eq!(board.change(SHORE, &[], false).standing, Standing::Kept);
        assert_eq!(board.networks(), ["shore", "home", "bay"], "{is_gone}");
        assert_eq!(psk(&locks(&board))[1..], before, "{is_gone}");
        assert_eq!(locks(&board).matches("scan_ssid=1").count(), 1);
        board.boot();
        assert_eq!(board.networks(), ["shore", "home", "bay"], "{is_gone}");
        assert_eq!(board.change("", &["home"], false).standing, Standing::Kept);
        board.boot();
        assert_eq!(board.networks(), ["shore", "bay"], "{is_gone}");
    }
}

#[test]
fn what_is_no_key_is_refused_with_its_place() {
    let mut board = Board::booted(&format!("[ssh]\nauthorized_keys = [\"{KEY}\"]\n"));
    let before = board.kept();
    for none in [
        "",
        "me",
        "ssh-ed25519 AAAA me",
        &KEY.replace("nR7TfGk2Z", "nR7T"),
    ] {
        let sheet = format!("[ssh]\nauthorized_keys = [\"{KEY}\", \"{none}\"]\n");
        let tried = board.change(&sheet, &[], false);
        assert_eq!(tried.standing, Standing::Refused, "{none}");
        let why = tried.why.join(" ");
        assert!(
            why.contains("ssh.authorized_keys: number 2 is no public key"),
            "{why}"
        );
        assert_eq!(board.kept(), before);
    }
}

#[test]
fn what_cannot_outlive_a_restart_is_said_to_be_so() {
    let mut board = Board::booted("");
    let tried = board.change("hostname = \"crab\"\n", &[], false);
    assert_eq!((tried.standing, tried.why), (Standing::Kept, Vec::new()));
    board.put("run/holdfast/set-aside.json", "\"it is not mounted\"");
    let tried = board.change("hostname = \"reef\"\n", &[], false);
    assert_eq!(tried.standing, Standing::Kept);
    assert!(
        tried.why.join(" ").contains("until the machine restarts"),
        "{:?}",
        tried.why
    );
}

#[test]
fn a_password_that_the_card_still_holds_is_named_before_it_wins() {
    let mut board = Board::booted("");
    board.put("boot/firmware/holdfast.toml", HOME);
    let other = HOME.replace("correct horse", "drift wood 42");
    for (sheet, leave) in [(other.as_str(), None), ("", Some("home"))] {
        let leave: Vec<&str> = leave.into_iter().collect();
        let tried = board.change(sheet, &leave, true);
        assert_eq!(tried.standing, Standing::Refused, "{leave:?}");
        let why = tried.why.join(" ");
        assert!(
            why.contains("holdfast.toml:3: the card still holds a password"),
            "{why}"
        );
        assert!(!why.contains("correct") && !why.contains("drift"), "{why}");
    }
    assert_eq!(board.change(SHORE, &[], false).standing, Standing::Kept);
    // The next boot takes it over, and out.
    board.boot();
    assert_eq!(board.change(&other, &[], false).standing, Standing::Kept);
}
