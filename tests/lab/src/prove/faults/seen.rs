//! What the bus tells of the session, and how long each state lasted.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use holdfast_core::STAYS;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::holdfast::Holdfast;

/// State and cause, as the bus tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub at: Instant,
    pub state: String,
    pub cause: String,
}

/// Keeps what the bus tells of the session.
pub(super) async fn watch_session(
    holdfast: &Holdfast,
) -> anyhow::Result<(watch::Receiver<Vec<Seen>>, JoinHandle<()>)> {
    let properties = holdfast.properties().await?;
    let mut changes = properties.receive_properties_changed().await?;
    let session = holdfast.session().await?;
    let mut last = Seen {
        at: Instant::now(),
        state: session.state().await?,
        cause: session.cause().await?.0,
    };
    let (tell, told) = watch::channel(vec![last.clone()]);
    let watching = tokio::spawn(async move {
        while let Some(change) = changes.next().await {
            let Ok(args) = change.args() else { continue };
            let changed = args.changed_properties();
            if let Some(state) = changed
                .get("State")
                .and_then(|state| state.downcast_ref().ok())
            {
                last.state = state;
            }
            if let Some(cause) = changed
                .get("Cause")
                .and_then(|cause| cause.try_clone().ok())
                && let Ok((code, _, _)) = <(String, String, String)>::try_from(cause)
            {
                last.cause = code;
            }
            last.at = Instant::now();
            tell.send_modify(|all| all.push(last.clone()));
        }
    });
    Ok((told, watching))
}

/// The state that lasted longer than `docs/causes.md` allows. Connected may last for ever: a silence in it is what the
/// faults are noticed by.
pub(super) fn overstayed(seen: &[Seen], since: Instant) -> Option<(String, Duration)> {
    let mut entered = seen.first()?;
    for now in seen {
        if now.state == entered.state {
            continue;
        }
        let lasted = now.at.saturating_duration_since(entered.at.max(since));
        let stay = STAYS.iter().find(|stay| stay.state == entered.state);
        let longest = stay.and_then(|stay| stay.longest_ms);
        if let Some(longest) = longest.map(Duration::from_millis)
            && lasted > longest
            && entered.state != "Connected"
        {
            return Some((entered.state.clone(), lasted));
        }
        entered = now;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_lasts_too_long_is_noticed() {
        let begun = Instant::now();
        let seen = |after, state: &str| Seen {
            at: begun + Duration::from_secs(after),
            state: state.to_owned(),
            cause: String::new(),
        };
        let lived = |seconds: u64| {
            [
                seen(0, "Connected"),
                seen(1_000, "Connecting"),
                seen(1_001, "Connecting"),
                seen(1_000 + seconds, "Connected"),
            ]
        };
        assert_eq!(overstayed(&lived(299), begun), None);
        let late = begun + Duration::from_secs(1_100);
        assert_eq!(overstayed(&lived(301), late), None);
        let (state, lasted) = overstayed(&lived(301), begun).unwrap();
        assert_eq!((state.as_str(), lasted.as_secs()), ("Connecting", 301));
    }
}
