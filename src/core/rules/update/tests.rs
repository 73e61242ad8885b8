//! The rules of updates, each by a story.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::*;
use crate::ground::{MINUTE, SECOND};
use crate::story::{ACCOUNT, Story};
use crate::{Command, Deed, Ending, Event, Face, Facts, GenerationId, Linked, Past, TRIAL_MS, Way};

fn step(step: UpdateStep) -> Event {
    Event::Update(step)
}

/// A start with these facts about updates, linked to an account or not.
fn started(automatic: bool, booted: Booted, account: bool) -> Story {
    woken(
        Updates {
            automatic,
            booted,
            counted: false,
        },
        account,
    )
}

fn woken(updates: Updates, account: bool) -> Story {
    let mut story = Story::woken(Facts {
        updates,
        ..Facts::default()
    });
    story.on(Event::Booted(Linked {
        generation: GenerationId(1),
        account: account.then_some(ACCOUNT),
    }));
    story
}

/// Connected, with updates that come by themselves.
fn automatic() -> Story {
    let mut story = started(true, Booted::Usual, true);
    story.on(Event::LinkUp);
    story
}

fn trial() -> Story {
    let left_ms = TRIAL_MS - MINUTE;
    started(false, Booted::Trial { left_ms }, true)
}

/// A story whose update is installed but for its last percent.
fn installing(mut story: Story) -> Story {
    let accepted = (Reply::Accepted, [Effect::Install].into());
    assert_eq!(story.command(Command::Install), accepted);
    story
}

fn restarts(story: &mut Story, cause: &str) {
    assert_eq!(
        (story.state.name(), story.cause()),
        ("Updating", Some(cause))
    );
    assert_eq!(story.ended(Ending::Asked), [Effect::Restart]);
    assert_eq!(story.wait(DAY), [], "once");
    let stage = Stage::Restarting;
    assert_eq!(story.face(), Face::Updating { stage }, "never called saved");
}

#[test]
fn what_a_client_hands_in_is_installed_and_started_at_once_the_link_first() {
    let mut story = installing(Story::connected());
    let shows = |stage| Face::Updating { stage };
    story.on(step(UpdateStep::Going(40)));
    assert_eq!(story.face(), shows(Stage::Installing(40)));
    assert_eq!(story.state.name(), "Connected", "the link stays up");
    let installed = story.on(step(UpdateStep::Installed));
    assert_eq!(installed, [Effect::Disconnect]);
    restarts(&mut story, "update.installed");
}

#[test]
fn what_was_done_in_the_moment_of_the_restart_is_written_down() {
    let due = Past {
        pulse: Some(0),
        ..Past::default()
    };
    let mut story = Story::woken(Facts {
        past: Some((due, 0)),
        updates: Updates {
            booted: Booted::Installed,
            ..Updates::default()
        },
        ..Facts::default()
    });
    story.on(Event::Booted(Linked {
        generation: GenerationId(1),
        account: Some(ACCOUNT),
    }));
    let up = story.on(Event::LinkUp);
    assert_eq!(up, [Effect::Pulse, Effect::Disconnect]);
    let (past, at) = story.past.clone().expect("written down");
    assert_eq!((past.pulse, at), (Some(DAY), story.now));
}

#[test]
fn a_restart_is_no_way_round_a_wait() {
    let mut story = installing(Story::connected());
    story.ended(Ending::Throttled);
    assert_eq!(story.on(step(UpdateStep::Installed)), [Effect::Restart]);
    let (past, _) = story.past.clone().expect("written down");
    assert!(past.wait.is_some());
    // Of a run that logs in the end is waited for, and what it says counts.
    let mut story = started(false, Booted::Installed, true);
    assert_eq!(story.ended(Ending::Throttled), [Effect::Restart]);
    let (past, _) = story.past.clone().expect("written down");
    assert!(past.wait.is_some());
}

#[test]
fn a_link_that_does_not_end_holds_a_restart_up_no_longer_than_a_stop() {
    let mut story = installing(Story::connected());
    story.on(step(UpdateStep::Installed));
    assert_eq!(story.wait(10 * SECOND - 1), []);
    assert_eq!(story.wait(1), [Effect::Restart]);
}

#[test]
fn what_must_not_be_interrupted_refuses_an_update_and_holds_a_restart_up() {
    type Busy = (Hindrance, fn(&mut Story), fn(&mut Story));
    let busy: [Busy; 4] = [
        (
            Hindrance::Saving,
            |story| drop(story.on(Event::Saving(true))),
            |story| drop(story.on(Event::Saving(false))),
        ),
        (
            Hindrance::Asking,
            |story| drop(story.press(5_000)),
            |story| drop(story.wait(30_000)),
        ),
        (
            Hindrance::Linking,
            |story| {
                story.ended(Ending::RestartRequired);
            },
            |story| drop(story.on(Event::LinkUp)),
        ),
        (
            Hindrance::GivingUp,
            |story| {
                let (deed, nonce, token) = (Deed::Relink, 7, 7);
                story.command(Command::Ask { deed, nonce });
                story.command(Command::Confirm { deed, token });
            },
            |story| {
                story.ended(Ending::Asked);
                story.on(Event::RetireFailed);
                story.on(Event::LinkUp);
            },
        ),
    ];
    for (hindrance, begins, ends) in busy {
        let refused = Reply::Refused(Refusal::NotNow(hindrance));
        let mut story = Story::connected();
        begins(&mut story);
        for command in [Command::Install, Command::LookForUpdate] {
            assert_eq!(story.command(command), (refused, [].into()));
        }

        let mut story = installing(Story::connected());
        begins(&mut story);
        let name = story.state.name();
        assert_eq!(story.on(step(UpdateStep::Installed)), [], "{hindrance:?}");
        assert_eq!(story.state.name(), name);
        ends(&mut story);
        assert_eq!(story.state.name(), "Updating", "{hindrance:?}");
        restarts(&mut story, "update.installed");
    }
}

#[test]
fn while_a_code_is_shown_or_the_start_goes_on_nothing_is_installed() {
    let refusal = |story: &mut Story| story.command(Command::Install).0;
    let refused = |hindrance| Reply::Refused(Refusal::NotNow(hindrance));
    let mut story = Story::booted(None);
    story.on(Event::QrShown { valid_ms: 60_000 });
    assert_eq!(refusal(&mut story), refused(Hindrance::Linking));
    let mut story = Story::new();
    assert_eq!(refusal(&mut story), refused(Hindrance::Repairing));
    let mut story = installing(Story::connected());
    assert_eq!(refusal(&mut story), refused(Hindrance::Updating));
    let mut story = trial();
    story.on(Event::LinkUp);
    assert_eq!(refusal(&mut story), refused(Hindrance::Trial));
    story.command(Command::Stop);
    assert_eq!(refusal(&mut story), Reply::Refused(Refusal::Stopping));
}

#[test]
fn what_is_found_by_itself_waits_for_its_hour_and_is_looked_for_once_a_day() {
    let mut story = automatic();
    assert_eq!(story.wait(50 * MINUTE), []);
    assert_eq!(story.wait(20 * MINUTE), [Effect::LookForUpdate]);
    assert_eq!(story.on(step(UpdateStep::Nothing)), []);
    assert!(!story.wait(21 * HOUR).contains(&Effect::LookForUpdate));
    assert!(story.wait(6 * HOUR).contains(&Effect::LookForUpdate));
    let fell_back = false;
    assert_eq!(story.on(step(UpdateStep::Found { fell_back })), []);
    assert!(!story.wait(2 * DAY).contains(&Effect::LookForUpdate));
    assert_eq!(story.on(Event::UpdateHour(true)), [Effect::Install]);
    story.on(Event::UpdateHour(false));
    assert_eq!(
        story.on(step(UpdateStep::Installed)),
        [],
        "it took too long"
    );
    assert_eq!(story.on(Event::UpdateHour(true)), [Effect::Disconnect]);
    restarts(&mut story, "update.installed");

    let mut story = Story::connected();
    assert!(!story.wait(7 * DAY).contains(&Effect::LookForUpdate));
}

#[test]
fn a_refused_version_has_a_newer_one_looked_for_and_installed_at_once() {
    let refuse = |story: &mut Story| {
        story.ended(Ending::ClientOutdated);
        story.ended(Ending::ClientOutdated)
    };
    let mut story = automatic();
    assert_eq!(refuse(&mut story), [Effect::LookForUpdate]);
    let shows = |stage| Face::Updating { stage };
    assert_eq!(story.state.name(), "ClientOutdated");
    assert_eq!(story.face(), shows(Stage::Looking));
    let fell_back = false;
    let found = story.on(step(UpdateStep::Found { fell_back }));
    assert_eq!(found, [Effect::Install], "whatever the hour");
    assert_eq!(story.on(step(UpdateStep::Installed)), [Effect::Restart]);

    // One that waits for its hour waits no longer.
    let mut story = automatic();
    story.wait(2 * HOUR);
    assert_eq!(story.on(step(UpdateStep::Found { fell_back })), []);
    assert_eq!(refuse(&mut story), [Effect::Install]);
    let mut story = automatic();
    story.wait(2 * HOUR);
    story.on(Event::UpdateHour(true));
    story.on(step(UpdateStep::Found { fell_back }));
    story.on(Event::UpdateHour(false));
    assert_eq!(story.on(step(UpdateStep::Installed)), []);
    assert_eq!(refuse(&mut story), [Effect::Restart]);

    let mut story = Story::connected();
    assert_eq!(refuse(&mut story), [], "the owner has not allowed it");
    assert!(matches!(story.face(), Face::ClientOutdated { .. }));
}

#[test]
fn the_index_is_asked_a_few_times_a_day_at_most() {
    let mut story = automatic();
    let mut looks = 0;
    for _ in 0..24 {
        let mut effects = story.ended(Ending::ClientOutdated);
        effects.extend(story.on(step(UpdateStep::Failed(CauseCode::UpdateUnreachable))));
        effects.extend(story.wait(58 * MINUTE));
        effects.extend(story.wait(2 * MINUTE));
        looks += effects
            .iter()
            .filter(|effect| **effect == Effect::LookForUpdate)
            .count();
    }
    assert_eq!(looks, 6);
}

#[test]
fn without_a_network_nothing_is_asked_and_nothing_used_up() {
    let mut story = started(true, Booted::Usual, true);
    story.on(Event::Network(Way::NoLink));
    assert!(!story.wait(3 * DAY).contains(&Effect::LookForUpdate));
    story.on(Event::Network(Way::Open));
    assert!(story.wait(2 * HOUR).contains(&Effect::LookForUpdate));
}

#[test]
fn what_comes_to_nothing_is_told_and_leaves_everything_as_it_was() {
    let mut story = installing(Story::connected());
    story.on(step(UpdateStep::Failed(CauseCode::UpdateRefused)));
    assert_eq!(story.reports, ["update.refused"]);
    assert_eq!((story.state.name(), story.cause()), ("Connected", None));
    assert_eq!(story.state.update(), Stage::Idle);
    let (late, before) = (story.on(step(UpdateStep::Installed)), story.state.clone());
    assert_eq!((late, &story.state), (Vec::new(), &before));
}

#[test]
fn a_new_version_stays_after_five_minutes_of_connected() {
    let mut story = trial();
    story.wait(3 * MINUTE);
    story.on(Event::LinkUp);
    assert!(!story.wait(5 * MINUTE - 1).contains(&Effect::MarkGood));
    assert_eq!(story.wait(1), [Effect::MarkGood]);
    assert_eq!(story.state.update(), Stage::Trial);
    assert_eq!(story.on(step(UpdateStep::NotKept)), []);
    assert_eq!(story.wait(MINUTE), [Effect::MarkGood], "tried again");
    story.on(step(UpdateStep::Kept));
    assert_eq!(story.state.update(), Stage::Idle);
    assert!(!story.wait(HOUR).contains(&Effect::Restart));
}

#[test]
fn waiting_for_what_is_no_fault_of_its_own_is_as_good() {
    let honest: [fn() -> Story; 5] = [
        || {
            let mut story = trial();
            story.on(Event::Network(Way::NoLink));
            story.ended(Ending::Network(CauseCode::DialFailed.into()));
            story
        },
        || {
            let mut story = trial();
            story.ended(Ending::Banned { expires_ms: None });
            story
        },
        || {
            let mut story = trial();
            story.ended(Ending::AccountLocked);
            story
        },
        || {
            let mut story = trial();
            story.ended(Ending::Replaced);
            story
        },
        || {
            let mut story = Story::woken(Facts {
                clock_behind: true,
                updates: Updates {
                    booted: Booted::Trial { left_ms: TRIAL_MS },
                    ..Updates::default()
                },
                ..Facts::default()
            });
            story.on(Event::Booted(Linked {
                generation: GenerationId(1),
                account: Some(ACCOUNT),
            }));
            story
        },
    ];
    for (row, waiting) in honest.into_iter().enumerate() {
        let mut story = waiting();
        let effects = story.wait(10 * MINUTE);
        assert!(effects.contains(&Effect::MarkGood), "{row}: {effects:?}");
    }
    let left_ms = TRIAL_MS;
    let mut unlinked = started(false, Booted::Trial { left_ms }, false);
    let shown = (0..20).flat_map(|_| {
        unlinked.on(Event::QrShown { valid_ms: 20_000 });
        unlinked.wait(20 * SECOND)
    });
    assert_eq!(shown.collect::<Vec<_>>(), [Effect::MarkGood], "once");
}

#[test]
fn a_new_version_that_does_not_get_there_in_time_has_the_machine_restart() {
    for ending in [
        Ending::Network(CauseCode::TlsFailed.into()),
        Ending::Network(CauseCode::HandshakeFailed.into()),
        Ending::Refused { code: 503 },
        Ending::Storage,
    ] {
        let mut story = trial();
        let mut effects = Vec::new();
        let since = story.now;
        while !effects.contains(&Effect::Restart) && story.now < since + HOUR {
            effects.extend(story.ended(ending.clone()));
            effects.extend(story.wait(SECOND));
        }
        assert!(!effects.contains(&Effect::MarkGood), "{ending:?}");
        let lasted = story.now - since;
        let left = TRIAL_MS - MINUTE;
        assert!((left..left + MINUTE).contains(&lasted), "{lasted}");
        assert_eq!(story.cause(), Some("update.unproved"));
    }
    let mut story = trial();
    story.on(Event::StorageFailed(CauseCode::OpenFailed));
    assert_eq!(story.wait(MINUTE), [Effect::ExitFailed], "it tries again");
    let booted = Booted::Trial { left_ms: SECOND };
    let mut story = started(false, booted, true);
    story.on(Event::StorageFailed(CauseCode::OpenFailed));
    assert_eq!(story.wait(SECOND), [Effect::Restart]);
}

#[test]
fn a_version_that_does_well_when_its_time_is_over_may_finish() {
    let mut story = trial();
    story.wait(18 * MINUTE);
    let lost = Ending::Network(CauseCode::LoginTimeout.into());
    story.ended(lost);
    story.wait_for(Effect::Connect);
    story.on(Event::LinkUp);
    assert!(!story.wait(4 * MINUTE).contains(&Effect::Disconnect));
    assert_eq!(story.wait(MINUTE), [Effect::MarkGood]);
}

/// A slot that somebody has to call good: it panicked, or was installed by hand.
fn counted() -> Story {
    let updates = Updates {
        automatic: true,
        counted: true,
        ..Updates::default()
    };
    woken(updates, true)
}

#[test]
fn a_slot_whose_starts_are_counted_is_called_good_as_a_new_version_is() {
    let mut story = counted();
    assert_eq!(story.state.update(), Stage::Idle);
    story.wait(3 * MINUTE);
    story.on(Event::LinkUp);
    assert!(!story.wait(5 * MINUTE - 1).contains(&Effect::MarkGood));
    assert_eq!(story.wait(1), [Effect::MarkGood]);
    story.on(step(UpdateStep::NotKept));
    assert_eq!(story.wait(MINUTE), [Effect::MarkGood], "tried again");
    story.on(step(UpdateStep::Kept));
    let then = story.wait(DAY);
    assert!(!then.contains(&Effect::MarkGood) && then.contains(&Effect::LookForUpdate));
    let booted = Booted::FellBack;
    let updates = Updates {
        booted,
        counted: true,
        ..Updates::default()
    };
    let mut story = woken(updates, true);
    story.on(Event::LinkUp);
    assert!(story.wait(5 * MINUTE).contains(&Effect::MarkGood));
}

#[test]
fn a_slot_whose_starts_are_counted_is_never_left_and_holds_no_update_up() {
    let mut story = counted();
    let mut effects = Vec::new();
    let since = story.now;
    while story.now < since + 2 * HOUR {
        effects.extend(story.ended(Ending::Network(CauseCode::TlsFailed.into())));
        effects.extend(story.wait(SECOND));
    }
    assert!(!effects.contains(&Effect::Restart) && !effects.contains(&Effect::MarkGood));
    assert!(effects.contains(&Effect::LookForUpdate));
    let mut story = counted();
    story.on(Event::LinkUp);
    let mut story = installing(story);
    let installed = story.on(step(UpdateStep::Installed));
    assert_eq!(installed, [Effect::Disconnect]);
    restarts(&mut story, "update.installed");
}

#[test]
fn a_phone_that_has_just_linked_is_given_three_minutes() {
    let mut story = Story::booted(None);
    story.on(Event::QrShown { valid_ms: 60_000 });
    story.on(Event::Paired(ACCOUNT));
    story.ended(Ending::RestartRequired);
    story.wait(MINUTE);
    story.on(Event::LinkUp);
    let accepted = (Reply::Accepted, [Effect::Install].into());
    assert_eq!(story.command(Command::Install), accepted);
    assert_eq!(story.on(step(UpdateStep::Installed)), []);
    assert!(!story.wait(3 * MINUTE - 1).contains(&Effect::Disconnect));
    assert_eq!(story.wait(1), [Effect::Disconnect]);
    restarts(&mut story, "update.installed");
}

#[test]
fn a_version_that_fell_back_is_told_of_once_and_not_tried_again_by_itself() {
    let mut story = started(true, Booted::FellBack, true);
    assert!(matches!(story.face(), Face::FellBack { left_ms: MINUTE }));
    assert_eq!(story.reports, ["update.fell-back"]);
    story.on(Event::LinkUp);
    story.wait(MINUTE);
    assert!(matches!(story.face(), Face::Connected { .. }));
    story.wait(2 * HOUR);
    assert_eq!(story.state.update(), Stage::Looking);
    story.on(step(UpdateStep::Found { fell_back: true }));
    assert_eq!(story.state.update(), Stage::Idle);
    assert_eq!(story.reports, ["update.fell-back"], "once");
    assert_eq!(story.on(Event::UpdateHour(true)), []);
    assert_eq!(story.command(Command::Install).1, [Effect::Install]);
}

#[test]
fn a_daemon_that_starts_again_after_an_installation_goes_on_to_the_restart() {
    let mut story = started(false, Booted::Installed, true);
    assert_eq!(story.on(Event::LinkUp), [Effect::Disconnect]);
    restarts(&mut story, "update.installed");
    // One that is still being installed is waited for.
    let mut story = started(false, Booted::Installing, true);
    assert_eq!(story.on(Event::LinkUp), []);
    assert_eq!(story.state.update(), Stage::Installing(0));
    let installed = story.on(step(UpdateStep::Installed));
    assert_eq!(installed, [Effect::Disconnect]);
    let facts = Facts {
        updates: Updates {
            automatic: true,
            ..Updates::default()
        },
        ..Facts::default()
    };
    let mut story = Story::connected();
    let woke = Event::Woke(Box::new(facts));
    assert_eq!(story.on(woke), [], "it wakes once");
}
