//! Blocking work, kept off the async runtime's own threads.

use std::io;

use tokio::task::spawn_blocking;

/// The work was not finished: it panicked, or Holdfast is stopping. A panic's own text is dropped, for it may hold records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not finished, for Holdfast is stopping")]
pub struct Stopped;

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        io::Error::other(stopped)
    }
}

/// Runs a blocking call on a thread of its own.
///
/// It begins at once and runs to its end, whether the returned future is awaited, polled or dropped.
pub fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> impl Future<Output = Result<T, E>>
where
    T: Send + 'static,
    E: From<Stopped> + Send + 'static,
{
    let running = spawn_blocking(work);
    async move { running.await.unwrap_or_else(|_| Err(Stopped.into())) }
}
