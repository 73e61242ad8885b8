//! How a client follows signals: each is taken when it comes, whatever else the client waits for.

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;

/// Changes when a signal comes; the signals themselves are dropped. It ends with the connection.
///
/// zbus keeps 64 signals for a stream that nobody polls and then stops reading the connection (`MessageStream`, "max_queued"): a client that
/// awaits a reply meanwhile would wait for ever.
pub fn follow(signals: impl Stream + Send + Unpin + 'static) -> watch::Receiver<()> {
    let (came, news) = watch::channel(());
    tokio::spawn(async move {
        let mut signals = signals;
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Some(_) => drop(came.send(())),
                    None => return,
                },
                () = came.closed() => return,
            }
        }
    });
    news
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_is_taken_and_the_end_is_told() {
        let (signal, signals) = mpsc::channel(1);
        let signals = stream::unfold(signals, async |mut signals| {
            Some((signals.recv().await?, signals))
        });
        let mut news = follow(Box::pin(signals));
        let burst = async {
            for _ in 0..100 {
                // Only a channel that is read takes more than one.
                signal.send(()).await.unwrap();
            }
        };
        timeout(Duration::from_secs(1), burst).await.unwrap();
        news.changed().await.unwrap();
        drop(signal);
        while news.changed().await.is_ok() {}
        let mut ended = follow(stream::empty::<()>());
        assert!(ended.changed().await.is_err());
    }
}
