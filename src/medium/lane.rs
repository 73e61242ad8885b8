//! One queue of deeds on the disk, done in order beside everything else.

use std::pin::Pin;

use tokio::sync::{mpsc, oneshot};

use crate::work::Stopped;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Given {
    Job(Job),
    /// Nothing after this is done.
    Close(oneshot::Sender<()>),
}

/// A queue of jobs that run strictly one after another, in the order they were given.
///
/// A job is a future, and what blocks in it goes through [`blocking`](crate::blocking), so that no thread of the runtime waits
/// for the card. Handles are clones of each other; when the last is dropped, the jobs already given still run.
#[derive(Clone, Debug)]
pub struct Lane {
    queue: mpsc::UnboundedSender<Given>,
}

impl Lane {
    /// Starts an empty lane as a task of the current runtime.
    #[expect(
        clippy::new_without_default,
        reason = "it spawns a task, which no default value should do"
    )]
    pub fn new() -> Self {
        let (queue, mut given) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(next) = given.recv().await {
                match next {
                    // A task of its own: one that panics takes neither the lane nor its followers along.
                    Given::Job(job) => drop(tokio::spawn(job).await),
                    Given::Close(closed) => {
                        // The caller may have gone.
                        let _ = closed.send(());
                        return;
                    }
                }
            }
        });
        Self { queue }
    }

    /// Queues a job now and returns its result when it is done.
    ///
    /// Dropping the returned future does not take the job back.
    ///
    /// # Errors
    /// The lane was closed before, or the job panicked.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Stopped>> + Send + 'static {
        let (done, result) = oneshot::channel();
        self.post(async move {
            // The caller may no longer wait.
            let _ = done.send(job.await);
        });
        async move { result.await.map_err(|_| Stopped) }
    }

    /// Queues a job and does not wait for it; after [`Lane::close`] it is dropped.
    pub fn post(&self, job: impl Future<Output = ()> + Send + 'static) {
        let _ = self.queue.send(Given::Job(Box::pin(job)));
    }

    /// Returns when every job given before is done; jobs given later are not run.
    pub async fn close(&self) {
        let (closed, done) = oneshot::channel();
        if self.queue.send(Given::Close(closed)).is_ok() {
            // An error: another handle closed it first.
            let _ = done.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc::channel};
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::blocking;

    #[tokio::test(start_paused = true)]
    async fn jobs_run_one_at_a_time_in_the_order_they_were_given() {
        let lane = Lane::new();
        let done = Arc::new(Mutex::new(Vec::new()));
        for (name, seconds) in [("slow", 9), ("slower", 60), ("quick", 0)] {
            let done = Arc::clone(&done);
            lane.post(async move {
                done.lock().push((name, "begun"));
                sleep(Duration::from_secs(seconds)).await;
                done.lock().push((name, "done"));
            });
        }
        let begun = Instant::now();
        assert_eq!(lane.run(async { 7 }).await, Ok(7));
        assert_eq!(begun.elapsed().as_secs(), 69);
        let expected: Vec<_> = ["slow", "slower", "quick"]
            .into_iter()
            .flat_map(|name| [(name, "begun"), (name, "done")])
            .collect();
        assert_eq!(*done.lock(), expected);
    }

    #[tokio::test]
    async fn a_job_that_waits_for_the_disk_holds_no_thread_of_the_runtime() {
        let lane = Lane::new();
        let (card, slow) = channel::<()>();
        let written = lane.run(blocking(move || Ok::<_, Stopped>(slow.recv().is_ok())));
        // This is the runtime's only thread: were it held, nobody would ever send.
        tokio::task::yield_now().await;
        card.send(()).unwrap();
        assert_eq!(written.await, Ok(Ok(true)));
    }

    #[tokio::test]
    async fn a_job_that_nobody_awaits_is_done_and_a_panic_stops_nobody_else() {
        let lane = Lane::new();
        let (done, seen) = oneshot::channel();
        drop(lane.run(async move { done.send(()).is_ok() }));
        assert_eq!(seen.await, Ok(()));
        let panicked = lane.run(async { assert_eq!(1, 2, "on purpose") });
        let next = lane.run(async { 3 });
        assert_eq!((panicked.await, next.await), (Err(Stopped), Ok(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_what_was_given_before_and_refuses_what_comes_after() {
        let lane = Lane::new();
        let slow = lane.run(sleep(Duration::from_secs(5)));
        let begun = Instant::now();
        lane.clone().close().await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert_eq!(slow.await, Ok(()));
        assert_eq!(lane.run(async {}).await, Err(Stopped));
        lane.close().await;
    }
}
