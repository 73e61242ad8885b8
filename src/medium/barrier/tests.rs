//! Tests the barrier with logs and stores that leave a trace.

use std::sync::mpsc;

use futures_util::FutureExt;

use super::*;

/// The writes that reached the files, in order.
type Trace = Arc<Mutex<Vec<&'static str>>>;

struct Tape {
    trace: Trace,
    /// Appends wait here, where there is one.
    gate: Option<mpsc::Receiver<()>>,
    broken: bool,
}

impl Log for Tape {
    fn append(&mut self, _frame: &[u8]) -> io::Result<()> {
        if let Some(gate) = &self.gate {
            gate.recv().map_err(io::Error::other)?;
        }
        if self.broken {
            return Err(io::Error::other("no medium"));
        }
        self.trace.lock().push("append");
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.trace.lock().push("flush");
        Ok(())
    }
}

impl Store for Tape {
    fn apply(&mut self, changes: Vec<Change>, costs: &mut Costs) -> io::Result<()> {
        assert!(!self.broken, "a panic of the store");
        self.trace.lock().push("apply");
        costs.entry(Purpose::Ratchet).or_default().bytes += changes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.trace.lock().push("sync");
        Ok(())
    }
}

fn tape(trace: &Trace) -> Box<Tape> {
    Box::new(Tape {
        trace: Arc::clone(trace),
        gate: None,
        broken: false,
    })
}

fn change() -> Vec<Change> {
    vec![Change {
        key: Arc::from(&b"key"[..]),
        value: None,
        revision: 1,
    }]
}

/// A record of so many bytes.
fn large(bytes: usize) -> Vec<Change> {
    let mut change = change();
    change[0].value = Some(vec![0; bytes].into());
    change
}

fn take(trace: &Trace) -> Vec<&'static str> {
    std::mem::take(&mut *trace.lock())
}

#[tokio::test]
async fn frames_alone_are_flushed_by_their_log_and_with_records_by_the_store() {
    let trace = Trace::default();
    let barrier = Barrier::start().unwrap();
    let log = barrier.add_log(Purpose::Inbox, tape(&trace));
    let store = barrier.add_store(tape(&trace));
    barrier
        .append(log, vec![1], Durability::Awaited)
        .await
        .unwrap();
    assert_eq!(take(&trace), ["append", "flush"]);
    // Lazy changes ride with the next barrier, and the frames go first though they came later.
    let _ = barrier
        .change(store, Purpose::Ratchet, change(), Durability::Lazy)
        .unwrap();
    barrier
        .append(log, vec![2, 3], Durability::Awaited)
        .await
        .unwrap();
    assert_eq!(take(&trace), ["append", "apply", "sync"]);
    assert_eq!(
        barrier.stats(),
        Stats {
            commits: 2,
            barriers: 2,
            bytes: 4
        }
    );
    // The records rode along: both flushes were made for the frames that were awaited.
    let cost = |bytes, barriers| Cost { bytes, barriers };
    assert_eq!(
        barrier.costs(),
        Costs::from([(Purpose::Ratchet, cost(1, 0)), (Purpose::Inbox, cost(3, 2))])
    );
}

#[tokio::test]
async fn what_waits_together_shares_a_barrier() {
    let trace = Trace::default();
    let (open, gate) = mpsc::channel();
    let barrier = Barrier::start().unwrap();
    let log = barrier.add_log(
        Purpose::Inbox,
        Box::new(Tape {
            trace: Arc::clone(&trace),
            gate: Some(gate),
            broken: false,
        }),
    );
    let mut waiters = tokio::task::JoinSet::new();
    for frame in 0..9 {
        let mut append = Box::pin({
            let barrier = barrier.clone();
            async move { barrier.append(log, vec![frame], Durability::Awaited).await }
        });
        // Queued here and now: the writer stands at the gate with the first, or takes it with the others.
        assert!((&mut append).now_or_never().is_none());
        waiters.spawn(append);
    }
    (0..9).for_each(|_| open.send(()).unwrap());
    assert!(waiters.join_all().await.iter().all(Result::is_ok));
    let flushes = take(&trace).iter().filter(|step| **step == "flush").count();
    assert!(flushes <= 2, "{flushes} flushes for nine waiters");
}

#[tokio::test]
async fn a_large_group_takes_several_steps_in_its_order() {
    let trace = Trace::default();
    let barrier = Barrier::start().unwrap();
    let log = barrier.add_log(Purpose::Inbox, tape(&trace));
    let store = barrier.add_store(tape(&trace));
    for _ in 0..3 {
        let half = large(MOST_AT_ONCE / 2);
        let _ = barrier
            .change(store, Purpose::Ratchet, half, Durability::Ordered)
            .unwrap();
    }
    barrier
        .append(log, vec![1], Durability::Awaited)
        .await
        .unwrap();
    assert_eq!(take(&trace), ["apply", "sync", "append", "apply", "sync"]);
    let _ = barrier
        .change(
            store,
            Purpose::Ratchet,
            large(MOST_AT_ONCE),
            Durability::Ordered,
        )
        .unwrap();
    barrier
        .append(log, vec![1], Durability::Awaited)
        .await
        .unwrap();
    assert_eq!(take(&trace), ["apply", "sync", "append", "flush"]);
    assert_eq!(barrier.stats().commits, 2);
}

#[tokio::test]
async fn ordered_and_lazy_writes_reach_the_medium_unasked() {
    for wait in [Durability::Ordered, Durability::Lazy] {
        let trace = Trace::default();
        let patience = Patience {
            ordered: Duration::from_millis(50),
            lazy: Duration::from_millis(100),
            rides: Duration::ZERO,
        };
        let barrier = Barrier::with(patience).unwrap();
        let store = barrier.add_store(tape(&trace));
        let began = Instant::now();
        barrier
            .change(store, Purpose::Ratchet, change(), wait)
            .unwrap()
            .done()
            .await
            .unwrap();
        while trace.lock().len() < 2 {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{wait:?} never came"
            );
            tokio::task::yield_now().await;
        }
        assert!(
            began.elapsed() >= patience.of(wait),
            "{wait:?} did not wait for company"
        );
    }
}

#[tokio::test]
async fn of_frames_that_supersede_each_other_one_is_written_late_or_along() {
    let far = Duration::from_secs(3600);
    for (rides, along) in [
        (far, ["append", "flush"].as_slice()),
        (Duration::ZERO, &["append", "append", "flush", "flush"]),
    ] {
        let trace = Trace::default();
        let patience = Patience {
            ordered: far,
            lazy: far,
            rides,
        };
        let barrier = Barrier::with(patience).unwrap();
        let [log, other] = [(); 2].map(|()| barrier.add_log(Purpose::Cursors, tape(&trace)));
        for number in 0..10 {
            barrier.supersede(log, vec![number; 3]).unwrap();
        }
        barrier
            .append(other, vec![1], Durability::Awaited)
            .await
            .unwrap();
        assert_eq!(take(&trace), along);
        barrier.supersede(log, vec![1; 3]).unwrap();
        barrier.settle().await.unwrap();
        assert_eq!(
            take(&trace),
            ["append", "flush"],
            "who waits for all waits for it"
        );
        barrier.supersede(log, vec![2; 3]).unwrap();
        barrier.stop().await.unwrap();
        assert_eq!(take(&trace), ["append", "flush"]);
        assert!(barrier.supersede(log, vec![3; 3]).is_err());
    }
}

#[tokio::test]
async fn after_an_error_nothing_is_ever_acknowledged() {
    let trace = Trace::default();
    let barrier = Barrier::start().unwrap();
    let sound = barrier.add_log(Purpose::Inbox, tape(&trace));
    let broken = barrier.add_log(
        Purpose::Inbox,
        Box::new(Tape {
            trace: Arc::clone(&trace),
            gate: None,
            broken: true,
        }),
    );
    let mut failure = barrier.failure();
    let failed = barrier.append(broken, vec![0], Durability::Awaited).await;
    assert!(matches!(failed, Err(BarrierError::Failed(_))), "{failed:?}");
    assert!(matches!(
        &*failure.wait_for(Option::is_some).await.unwrap(),
        Some(BarrierError::Failed(_))
    ));
    for wait in [Durability::Awaited, Durability::Ordered, Durability::Lazy] {
        assert!(matches!(
            barrier.append(sound, vec![0], wait).await,
            Err(BarrierError::Failed(_))
        ));
    }
    assert!(barrier.stop().await.is_err());
    assert_eq!(take(&trace), [""; 0]);
}

#[tokio::test]
async fn a_panic_of_the_store_is_a_failure_of_the_medium() {
    let barrier = Barrier::start().unwrap();
    let store = barrier.add_store(Box::new(Tape {
        trace: Trace::default(),
        gate: None,
        broken: true,
    }));
    let failed = barrier
        .change(store, Purpose::Ratchet, change(), Durability::Awaited)
        .unwrap()
        .done()
        .await;
    assert!(matches!(failed, Err(BarrierError::Failed(_))), "{failed:?}");
    assert!(barrier.failure().borrow().is_some());
}

#[tokio::test]
async fn stopping_commits_what_is_queued_and_lets_go_of_the_files() {
    let trace = Trace::default();
    let barrier = Barrier::start().unwrap();
    let store = barrier.add_store(tape(&trace));
    let _ = barrier
        .change(store, Purpose::Ratchet, change(), Durability::Lazy)
        .unwrap();
    barrier.stop().await.unwrap();
    assert_eq!(take(&trace), ["apply", "sync"]);
    assert_eq!(Arc::strong_count(&trace), 1, "the store is dropped");
    assert!(matches!(barrier.settle().await, Err(BarrierError::Stopped)));
    assert!(
        barrier.failure().borrow().is_none(),
        "stopping is no failure"
    );
}

#[tokio::test]
async fn a_writer_that_never_comes_back_is_seen_and_holds_up_nobody_who_gives_up() {
    let (open, gate) = mpsc::channel();
    let barrier = Barrier::start().unwrap();
    let watch = barrier.watch();
    let log = barrier.add_log(
        Purpose::Inbox,
        Box::new(Tape {
            trace: Trace::default(),
            gate: Some(gate),
            broken: false,
        }),
    );
    let store = barrier.add_store(tape(&Trace::default()));
    assert_eq!(watch.busy(), None, "nothing to write");
    let append = barrier.append(log, vec![0], Durability::Awaited);
    let mut append = Box::pin(append);
    assert!((&mut append).now_or_never().is_none());
    let deadline = Instant::now() + Duration::from_secs(30);
    while watch.busy().is_none() {
        assert!(Instant::now() < deadline, "the group was never begun");
        tokio::task::yield_now().await;
    }
    assert!(!watch.has_failed());
    watch.fail(io::ErrorKind::TimedOut.into());
    assert!(watch.has_failed());
    // It stands at the gate with the files: who wants his back goes without.
    assert!(matches!(
        barrier.remove_store(store).await,
        Err(BarrierError::Failed(_))
    ));
    open.send(()).unwrap();
    append.await.unwrap();
    let _ = barrier.stop().await;
    assert_eq!(watch.busy(), None);
}
