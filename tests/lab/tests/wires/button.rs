//! The button: a line, with the moments it moved.

use super::*;

#[tokio::test]
async fn the_button_is_told_of_with_the_moment_it_moved() {
    let mut rig = Rig::new();
    rig.line(true).await;
    let now = Instant::now();
    let down = now.checked_sub(Duration::from_millis(5_100)).unwrap_or(now);
    let up = down + Duration::from_millis(100);
    // Both are read late, as on a machine that was busy meanwhile.
    rig.wires.press(true, down);
    rig.wires.press(false, up);
    let moves = moves(&mut rig, 2).await;
    assert_eq!(moves, [(down, Input::Pressed), (up, Input::Released)]);
}

/// The next moves of the button.
async fn moves(rig: &mut Rig, count: usize) -> Vec<(Instant, Input)> {
    let mut moves = Vec::new();
    while moves.len() < count {
        match rig.input().await {
            (_, Input::Health { .. }) => {}
            input => moves.push(input),
        }
    }
    moves
}

#[tokio::test]
async fn several_keys_are_one_button_and_two_at_once_one_press() {
    let board = Description::find(
        "/nonexistent".as_ref(),
        &glass::drivers(),
        "raspberrypi-st7789",
    );
    let mut rig = Rig::on(&board.unwrap().unwrap());
    rig.line(true).await;
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let (key_1, key_3, up, nothing_there) = (21, 16, 6, 4);
    for (ms, key, down) in [
        (10, key_3, true),
        (20, key_3, false),
        (30, nothing_there, true),
        (40, key_1, true),
        (50, up, true),
        (60, key_1, false),
        (70, key_1, true),
        (80, up, false),
        (90, key_1, false),
    ] {
        rig.wires.press_key(key, down, at(ms));
    }
    let wanted = [
        (at(10), Input::Pressed),
        (at(20), Input::Released),
        (at(40), Input::Pressed),
        (at(90), Input::Released),
    ];
    assert_eq!(moves(&mut rig, 4).await, wanted);
}

#[tokio::test]
async fn a_key_that_was_down_before_the_line_was_open_has_only_come_up() {
    let mut rig = Rig::new();
    rig.line(true).await;
    let at = Instant::now();
    rig.wires.press(false, at);
    assert_eq!(moves(&mut rig, 1).await, [(at, Input::Released)]);
}

#[tokio::test]
async fn a_press_read_late_is_as_long_as_it_was_and_a_hold_asks_for_a_second_press() {
    let mut rig = Rig::new();
    rig.line(true).await;
    let start = Instant::now();
    let mut core = State::new(1);
    let account = Some(LastFour(*b"1234"));
    let linked = Linked {
        generation: GenerationId(1),
        account,
    };
    step(&mut core, Event::Booted(linked), Now { mono_ms: 0 });
    step(&mut core, Event::LinkUp, Now { mono_ms: 0 });
    // What the finger does, in milliseconds, and what the screen then asks.
    let finger = [
        (1_000, true, false),
        (1_100, false, false),
        (9_000, true, false),
        (14_001, false, true),
        (15_000, true, true),
        (15_100, false, false),
    ];
    for (ms, down, asks) in finger {
        rig.wires.press(down, start + Duration::from_millis(ms));
        let (at, input) = loop {
            match rig.input().await {
                (_, Input::Health { .. }) => {}
                input => break input,
            }
        };
        let event = match input {
            Input::Pressed => Event::Pressed(Hand::Device),
            Input::Released => Event::Released(Hand::Device),
            other => panic!("{other:?}"),
        };
        let mono_ms = at.duration_since(start).as_millis() as u64;
        let effects = step(&mut core, event, Now { mono_ms }).effects;
        let asking = matches!(face(&core, Now { mono_ms }), Face::ConfirmRelink { .. });
        assert_eq!(asking, asks, "at {ms} ms");
        assert_eq!(effects.is_empty(), ms != 15_100, "at {ms} ms: {effects:?}");
    }
    let stop = Event::Command {
        request: 1,
        command: Command::Stop,
    };
    assert!(!step(&mut core, stop, Now { mono_ms: 16_000 }).ignored);
}

#[tokio::test]
async fn a_line_that_goes_away_is_told_of_and_watched_again_when_it_is_back() {
    let mut rig = Rig::new();
    rig.line(true).await;
    rig.wires.plug(false);
    assert_eq!(rig.told(Part::Button).await, None, "it worked");
    assert_eq!(rig.told(Part::Button).await, Some(CauseCode::ButtonAbsent));
    rig.wires.plug(true);
    assert_eq!(rig.told(Part::Button).await, None);
    rig.wires.press(true, Instant::now());
    loop {
        match rig.input().await.1 {
            Input::Pressed => break,
            Input::Health { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
