//! E-paper: what must not stay on it, and how it is driven.

use super::{boot::FirstPicture, *};

/// Of a display that keeps its pictures none is left but this one, and it was driven as a whole.
pub(super) fn is_without_trace(wires: &Simulated, wanted: &Frame) {
    let held = wires.held();
    assert_eq!(held.len(), 3, "the paper and two memories");
    assert!(held.iter().all(|held| held == wanted) && wires.is_clean());
}

#[tokio::test]
async fn a_code_is_wiped_from_paper_at_pairing_expiry_stop_and_the_next_start() {
    let board = &on_paper()[1];
    let display = board.display.as_ref().unwrap();
    let show_qr = async |rig: &Rig| {
        rig.shows(QR_FACE, Some(qr(&payload(239)))).await;
    };
    let rig = Rig::on(board);
    show_qr(&rig).await;
    rig.shows(Face::Connecting, None).await;
    is_without_trace(&rig.wires, &rig.frame(&Face::Connecting, None));

    let short = Face::Pairing(PairingFace::Qr { left_ms: 2_000 });
    rig.shows(short, Some(qr(&payload(239)))).await;
    let expired = rig.frame(&Face::Pairing(PairingFace::Preparing), None);
    rig.reaches(expired.clone()).await;
    is_without_trace(&rig.wires, &expired);

    show_qr(&rig).await;
    let stopped = rig.frame(&Face::Stopped { saved: true }, None);
    rig.show
        .send_replace(Showing::new(Face::Stopped { saved: true }, None));
    drop(rig.show);
    rig.panel.stop().await;
    is_without_trace(&rig.wires, &stopped);

    // The plug is pulled with a QR on the paper: the first picture of the next boot wipes it, whatever is left in the controller.
    let mut code = Frame::new(glass::format(display));
    let Ok(()) = draw(&QR_FACE, Some(&qr(&payload(239))), &mut code);
    let picture = Picture {
        frame: code.clone(),
        confidential: true,
        light: Light::Full,
    };
    let wires = rig.wires;
    glass::open(&wires, display)
        .unwrap()
        .show(&picture)
        .unwrap();
    wires.lose_power();
    assert!(wires.picture() == code, "paper keeps it");
    let first = FirstPicture::of(board, wires.clone());
    first.evidence(false);
    assert!(matches!(first.ends(), Ok(true)));
    let mut starting = Frame::new(glass::format(display));
    let Ok(()) = draw(&Face::Starting, None, &mut starting);
    is_without_trace(&wires, &starting);
}

#[test]
fn paper_is_driven_as_a_whole_after_fifty_parts_and_not_at_all_for_the_same_picture() {
    let board = &on_paper()[1];
    let display = board.display.as_ref().unwrap();
    let wires = wires(board);
    let mut glass = glass::open(&wires, display).unwrap();
    let format = glass::format(display);
    let mut show = |at: u32| {
        let frame = Frame::of_levels(format, |x, _| u16::from(x == at));
        let confidential = false;
        let picture = Picture {
            frame,
            confidential,
            light: Light::Full,
        };
        let before = wires.written();
        glass.show(&picture).unwrap();
        (wires.is_clean(), wires.written() - before)
    };
    let clean = (0..54).filter(|at| show(*at).0);
    assert_eq!(clean.collect::<Vec<_>>(), [0, 51]);
    assert_eq!(show(53), (false, 0));
}

#[tokio::test]
async fn paper_that_is_busy_for_ever_is_told_of_and_used_when_it_is_free() {
    let board = &on_paper()[1];
    let wires = wires(board);
    wires.busy(Some(true));
    let mut rig = Rig::start(wires, board);
    let fault = Some(CauseCode::DisplayAbsent);
    assert_eq!(rig.told(Part::Display).await, fault);
    rig.wires.busy(None);
    assert_eq!(rig.told(Part::Display).await, None);
    rig.reaches(rig.frame(&Face::Starting, None)).await;
}

#[tokio::test]
async fn paper_that_is_not_there_is_noticed_by_its_busy_line() {
    let board = &on_paper()[0];
    let wires = wires(board);
    wires.set(Fault::Absent);
    let mut rig = Rig::start(wires, board);
    let fault = Some(CauseCode::DisplayAbsent);
    assert_eq!(rig.told(Part::Display).await, fault);
}

#[tokio::test]
async fn paper_that_was_pulled_out_is_noticed_though_only_a_part_of_it_changes() {
    let board = &on_paper()[1];
    let mut rig = Rig::on(board);
    rig.shows(Face::Connecting, None).await;
    assert_eq!(rig.told(Part::Display).await, None);
    rig.wires.set(Fault::Absent);
    rig.show.send_replace(Showing::new(Face::Starting, None));
    let fault = Some(CauseCode::DisplayAbsent);
    assert_eq!(rig.told(Part::Display).await, fault);
}

#[tokio::test]
async fn a_code_goes_from_paper_at_a_stop_though_its_wires_failed_just_before() {
    let board = &on_paper()[1];
    let mut rig = Rig::on(board);
    rig.shows(QR_FACE, Some(qr(&payload(239)))).await;
    assert_eq!(rig.told(Part::Display).await, None);
    rig.wires.set(Fault::Short);
    rig.show.send_replace(Showing::new(Face::Connecting, None));
    let fault = Some(CauseCode::DisplayAbsent);
    assert_eq!(rig.told(Part::Display).await, fault);
    // It waits before it tries again.
    rig.wires.set(Fault::None);
    let stopped = rig.frame(&Face::Stopped { saved: true }, None);
    rig.show
        .send_replace(Showing::new(Face::Stopped { saved: true }, None));
    drop(rig.show);
    rig.panel.stop().await;
    is_without_trace(&rig.wires, &stopped);
}
