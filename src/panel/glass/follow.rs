//! The thread that keeps a glass showing the newest picture, so that a bus that hangs holds up nothing else.
//!
//! When it ends the last picture stays on the glass: it says that the plug may be pulled.

use std::{io, sync::Arc, thread, time::Duration};

use holdfast_core::{CauseCode, Light, Part};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{Glass, open, pace};
use crate::{
    panel::{Frame, Picture},
    wires::{Display, Inputs, WireError, Wires, health::Health},
};

/// Interval of checks of a glass whose picture does not change.
const CHECK: Duration = Duration::from_secs(5);

/// Sets a board's display up and shows one picture, which stays.
///
/// # Errors
/// When there is no such display, or it does not answer.
pub fn put(wires: &dyn Wires, display: &Display, frame: &Frame) -> Result<(), WireError> {
    let picture = Picture {
        frame: frame.clone(),
        confidential: false,
        light: Light::Full,
    };
    open(wires, display)?.show(&picture)
}

/// Shows the pictures on a board's display until their sender is gone, again from the start whenever the display fails.
pub(in crate::panel) fn spawn(
    wires: Arc<dyn Wires>,
    display: Display,
    pictures: watch::Receiver<Picture>,
    inputs: Inputs,
    given_back: oneshot::Sender<()>,
) {
    let mut health = Health::new(Part::Display, inputs);
    let mut follower = Follower::new(pictures, None);
    let run = move || {
        let mut is_over = false;
        while let Err(error) = try_on(&*wires, &display, &mut follower, &mut health) {
            let pause = health.failed(&error);
            if is_over {
                break;
            }
            // The last picture is tried once more even then: what it takes off the glass may stay there without power.
            is_over = follower.is_over_within(pause);
        }
        drop(given_back);
    };
    let started: io::Result<_> = thread::Builder::new().name("panel".into()).spawn(run);
    if let Err(error) = started {
        tracing::warn!("{}", WireError::Thread(error));
    }
}

fn try_on(
    wires: &dyn Wires,
    display: &Display,
    follower: &mut Follower,
    health: &mut Health,
) -> Result<(), WireError> {
    let mut glass = open(wires, display)?;
    follower.keep(&mut *glass, pace(display).repaint, |but| health.works(but))
}

/// Knows the pictures, and when the next one is due.
pub(super) struct Follower {
    pictures: watch::Receiver<Picture>,
    /// Tells that the glass should be checked at once.
    nudges: Option<watch::Receiver<()>>,
    runtime: Handle,
}

/// The next thing to do with the glass.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Show,
    Check,
    End,
}

impl Follower {
    pub(super) fn new(
        pictures: watch::Receiver<Picture>,
        nudges: Option<watch::Receiver<()>>,
    ) -> Self {
        Self {
            pictures,
            nudges,
            runtime: Handle::current(),
        }
    }

    /// Keeps a glass showing the newest picture until there are no more; `shown` is called after each, with what is to be
    /// said of it.
    pub(super) fn keep<E>(
        &mut self,
        glass: &mut dyn Glass<Error = E>,
        cadence: Duration,
        mut shown: impl FnMut(Option<CauseCode>),
    ) -> Result<(), E> {
        let runtime = self.runtime.clone();
        let mut light = Light::Full;
        loop {
            let picture = self.pictures.borrow_and_update().clone();
            let due = Instant::now() + cadence;
            if picture.light != light {
                glass.light(picture.light)?;
                light = picture.light;
            }
            glass.show(&picture)?;
            shown(glass.remark());
            loop {
                match runtime.block_on(self.next(due, picture.confidential)) {
                    Next::Show => break,
                    Next::Check => glass.check()?,
                    Next::End => return Ok(()),
                }
            }
        }
    }

    /// Waits for the next thing to do. A new picture is shown when it is `due`; but the last one, and the one that takes a credential
    /// off the glass, at once.
    async fn next(&mut self, due: Instant, confidential: bool) -> Next {
        let nudged = async {
            match &mut self.nudges {
                Some(nudges) => nudges.changed().await.is_ok(),
                None => false,
            }
        };
        tokio::select! {
            changed = self.pictures.changed() => if changed.is_err() {
                return Next::End;
            },
            true = nudged => return Next::Check,
            () = sleep(CHECK) => return Next::Check,
        }
        let hides = |picture: &Picture| confidential && !picture.confidential;
        let hurry = self.pictures.wait_for(hides);
        let _ = timeout_at(due, hurry).await;
        Next::Show
    }

    /// Waits this long; true as soon as there are no more pictures.
    fn is_over_within(&mut self, time: Duration) -> bool {
        let pictures = &mut self.pictures;
        let over = async { while pictures.changed().await.is_ok() {} };
        let over = async { timeout(time, over).await.is_ok() };
        self.runtime.block_on(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::frame::PLAIN;

    fn picture(confidential: bool) -> Picture {
        Picture {
            frame: Frame::new(PLAIN),
            confidential,
            light: Light::Full,
        }
    }

    const SLOW: Duration = Duration::from_secs(180);

    /// Measures how long a slow glass takes to show `next` after `first`; `over` when that is the last picture.
    async fn waits(first: bool, next: bool, over: bool) -> Duration {
        let (show, pictures) = watch::channel(picture(first));
        let mut follower = Follower::new(pictures, None);
        let shown = Instant::now();
        follower.pictures.borrow_and_update();
        show.send_replace(picture(next));
        let open = (!over).then_some(show);
        assert_eq!(follower.next(shown + SLOW, first).await, Next::Show);
        drop(open);
        shown.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_glass_waits_for_its_time_but_never_with_a_credential_to_hide() {
        assert_eq!(waits(false, false, false).await, SLOW);
        assert_eq!(waits(false, true, false).await, SLOW);
        assert_eq!(waits(true, true, false).await, SLOW);
        assert_eq!(waits(true, false, false).await, Duration::ZERO);
        assert_eq!(waits(false, false, true).await, Duration::ZERO, "the last");
    }

    #[tokio::test(start_paused = true)]
    async fn a_glass_is_checked_now_and_then_and_when_it_is_nudged() {
        let (_show, pictures) = watch::channel(picture(false));
        let (nudge, nudges) = watch::channel(());
        let mut follower = Follower::new(pictures, Some(nudges));
        let begun = Instant::now();
        assert_eq!(follower.next(begun, false).await, Next::Check);
        assert_eq!(begun.elapsed(), CHECK);
        nudge.send_replace(());
        assert_eq!(follower.next(begun, false).await, Next::Check);
        assert_eq!(begun.elapsed(), CHECK);
        drop(nudge);
        assert_eq!(follower.next(begun, false).await, Next::Check);
        assert_eq!(begun.elapsed(), CHECK * 2, "nobody nudges any more");
    }

    /// A glass that notes its lights.
    #[derive(Default)]
    struct Noted(Vec<Light>);

    impl Glass for Noted {
        type Error = ();

        fn show(&mut self, _: &Picture) -> Result<(), ()> {
            Ok(())
        }

        fn light(&mut self, light: Light) -> Result<(), ()> {
            self.0.push(light);
            Ok(())
        }

        fn check(&mut self) -> Result<(), ()> {
            Ok(())
        }
    }

    #[test]
    fn a_glass_is_told_of_its_light_when_that_changes() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let lit = |light| Picture {
            light,
            ..picture(false)
        };
        let (show, pictures) = watch::channel(lit(Light::Full));
        let mut follower = runtime.block_on(async { Follower::new(pictures, None) });
        let mut glass = Noted::default();
        let mut next = [Light::Full, Light::Dim, Light::Dim, Light::Full].into_iter();
        let mut show = Some(show);
        let shown = |_| match next.next() {
            Some(light) => _ = show.as_ref().map(|show| show.send_replace(lit(light))),
            None => show = None,
        };
        let kept = follower.keep(&mut glass, Duration::ZERO, shown);
        assert_eq!((kept, glass.0), (Ok(()), vec![Light::Dim, Light::Full]));
    }
}
