//! Limits of different rooms that lean on each other. None of them imports another for it, so they are added up here.

use std::time::Duration;

use holdfast_core::limits::{ANSWER_MS, LOGIN_MS, STOP_MS};

use super::last_resort::{ENDS, LAST_WORD};
use super::{LEAVE, LEFT_BEHIND};
use crate::desk::TEST_LIMIT;
use crate::link::{ECHO, END_LIMIT, FIRST_LOGIN_LIMIT, LAST_MOMENT, PONG_LIMIT, TEST_ANSWER};
use crate::panel::LAST_PICTURE;

#[test]
fn the_core_waits_longer_than_what_it_waits_for() {
    let outlasts = |limit_ms, inner: Duration| Duration::from_millis(limit_ms) > inner;
    assert!(outlasts(ANSWER_MS, PONG_LIMIT), "a probe");
    assert!(outlasts(LOGIN_MS, FIRST_LOGIN_LIMIT), "a login");
    assert!(outlasts(STOP_MS, END_LIMIT + LAST_MOMENT), "a stop");
}

#[test]
fn a_client_waits_for_both_parts_of_a_self_test() {
    assert!(TEST_LIMIT > TEST_ANSWER + ECHO);
}

#[test]
fn an_orderly_stop_ends_before_the_last_resort_and_that_before_systemd_kills() {
    let unit = include_str!("../../systemd/system/holdfastd.service");
    let seconds = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let killed = Duration::from_secs(seconds.unwrap().parse().unwrap());
    let core = Duration::from_millis(STOP_MS);
    assert!(core + END_LIMIT + LEAVE + LAST_PICTURE + LEFT_BEHIND < ENDS);
    assert!(ENDS + LAST_WORD < killed);
}
