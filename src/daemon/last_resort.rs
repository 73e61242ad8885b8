//! The last resort: a thread that ends the process when nothing else does.
//!
//! The store is foreign code and has been seen never to come back from a call; the loop, or the way out of `main`, may stand behind
//! it, and then no timeout of the runtime is worth anything. This thread takes no lock that a hanging call could hold: it has a
//! socket, on which signals and the loop ring, and a clock.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_core::limits::FAILED_MS;
use holdfast_medium::barrier::Watch;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::low_level;

/// The exit code of a process that was ended so (EX_IOERR, sysexits.h).
const EXIT: i32 = 74;

/// How long an end may take from the moment it was asked for: an orderly one is over before, and systemd kills a little later.
pub(super) const ENDS: Duration = Duration::from_secs(38);

/// The same from the failure of the data partition on, which is shown for a while first.
const ENDS_FAILED: Duration = ENDS.saturating_add(Duration::from_millis(FAILED_MS));

/// How long a commit may take on a card that is only slow. One that takes longer never ends.
const COMMIT: Duration = Duration::from_secs(60);

/// How often the barrier is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How long the last word may take: the log may hang, too.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);

/// The bell by which an end is asked for.
pub(super) struct LastResort(UnixStream);

impl LastResort {
    /// Begins to watch the barrier, and to listen for signals that ask us to stop.
    ///
    /// # Errors
    /// The system has no thread or socket left for it.
    pub(super) fn begin(barrier: Watch) -> io::Result<Self> {
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            low_level::pipe::register(signal, bell.try_clone()?)?;
        }
        let guard = Guard {
            barrier,
            look: LOOK,
            commit: COMMIT,
            ends: ENDS,
            ends_failed: ENDS_FAILED,
        };
        thread::Builder::new()
            .name("last-resort".into())
            .spawn(move || {
                if guard.outlasts(&rung) {
                    tell();
                    low_level::exit(EXIT);
                }
            })?;
        Ok(Self(bell))
    }

    /// An end is asked for.
    pub(super) fn ring(&self) {
        // A bell so full of rings that it takes no more was heard.
        let _ = (&self.0).write(&[1]);
    }
}

/// What the thread knows of time.
struct Guard {
    barrier: Watch,
    look: Duration,
    commit: Duration,
    ends: Duration,
    ends_failed: Duration,
}

impl Guard {
    /// Returns true when the process should be over and is not; false when nobody can ring any more.
    fn outlasts(&self, mut rung: &UnixStream) -> bool {
        let mut over: Option<Instant> = None;
        let mut failed = false;
        loop {
            let left = over.map(|over| over.saturating_duration_since(Instant::now()));
            let wait = left.map_or(self.look, |left| left.min(self.look));
            // No timeout at all is what zero means there.
            let wait = wait.max(Duration::from_millis(1));
            let heard = rung
                .set_read_timeout(Some(wait))
                .and_then(|()| rung.read(&mut [0; 64]));
            match heard {
                Ok(0) => return false,
                Ok(_) => over = sooner(over, self.ends),
                Err(error) if is_timeout(&error) => {}
                Err(_) => thread::sleep(self.look),
            }
            if self.barrier.busy().is_some_and(|busy| busy > self.commit) && !failed {
                let why = "it does not come back from a write";
                self.barrier.fail(io::Error::new(ErrorKind::TimedOut, why));
            }
            if self.barrier.has_failed() && !failed {
                failed = true;
                over = sooner(over, self.ends_failed);
            }
            if over.is_some_and(|over| over <= Instant::now()) {
                return true;
            }
        }
    }
}

/// The earlier of two ends: the one known, and one so long from now.
fn sooner(over: Option<Instant>, after: Duration) -> Option<Instant> {
    let then = Instant::now() + after;
    Some(over.map_or(then, |over| over.min(then)))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Says it in the log, from a thread of its own.
fn tell() {
    let (told, heard) = mpsc::channel();
    let telling = thread::Builder::new().spawn(move || {
        tracing::error!(
            "Holdfast does not come to its end and is ended as by a power cut; the data partition, or its card, is the likely cause"
        );
        // Who has given up waiting does not mind.
        let _ = told.send(());
    });
    if telling.is_ok() {
        // Without an answer there is nothing else to do, either.
        let _ = heard.recv_timeout(LAST_WORD);
    }
}

#[cfg(test)]
mod tests {
    use holdfast_medium::barrier::{Barrier, Durability, Log};
    use holdfast_medium::wear::Purpose;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(600);

    /// Has a thread guard a barrier, and says what came of it once it is over.
    fn guarding(
        barrier: &Barrier,
        commit: Duration,
        failed: Duration,
    ) -> (UnixStream, mpsc::Receiver<bool>) {
        let (bell, rung) = UnixStream::pair().unwrap();
        let guard = Guard {
            barrier: barrier.watch(),
            look: Duration::from_millis(10),
            commit,
            ends: SOON,
            ends_failed: failed,
        };
        let (ended, over) = mpsc::channel();
        thread::spawn(move || ended.send(guard.outlasts(&rung)));
        (bell, over)
    }

    /// A log that never comes back from a write.
    struct Hangs(mpsc::Receiver<()>);

    impl Log for Hangs {
        fn append(&mut self, _frame: &[u8]) -> io::Result<()> {
            self.0.recv().map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_ended_that_is_well_and_a_ring_is_heard() {
        let barrier = Barrier::start().unwrap();
        let (mut bell, over) = guarding(&barrier, NEVER, NEVER);
        assert!(over.recv_timeout(4 * SOON).is_err());
        bell.write_all(&[1]).unwrap();
        assert!(over.recv_timeout(NEVER).unwrap());

        let (bell, over) = guarding(&barrier, NEVER, NEVER);
        drop(bell);
        assert!(!over.recv_timeout(NEVER).unwrap(), "who rings is gone");
    }

    #[test]
    fn a_partition_that_failed_gets_its_time_and_a_ring_shortens_it() {
        let barrier = Barrier::start().unwrap();
        barrier.fail(io::ErrorKind::StorageFull.into());
        let (_bell, over) = guarding(&barrier, NEVER, SOON);
        assert!(over.recv_timeout(NEVER).unwrap());
        let (mut bell, over) = guarding(&barrier, NEVER, NEVER);
        bell.write_all(&[1]).unwrap();
        assert!(over.recv_timeout(NEVER).unwrap());
    }

    #[tokio::test]
    async fn a_write_that_never_comes_back_is_a_failure_of_the_partition() {
        let barrier = Barrier::start().unwrap();
        let (_hang, gate) = mpsc::channel();
        let log = barrier.add_log(Purpose::Inbox, Box::new(Hangs(gate)));
        let appending = barrier.clone();
        let appending =
            tokio::spawn(async move { appending.append(log, vec![0], Durability::Awaited).await });
        let (_bell, over) = guarding(&barrier, SOON, SOON);
        let mut failure = barrier.failure();
        let failed = failure.wait_for(Option::is_some).await.unwrap().clone();
        assert!(failed.unwrap().to_string().contains("does not come back"));
        assert!(over.recv_timeout(NEVER).unwrap());
        appending.abort();
    }
}
