//! Watches the surroundings: the network, the clock, and the power supply.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use holdfast_core::{Event, Way};
use tokio::sync::mpsc;
use tokio::time::sleep;

use holdfast_medium::{Machine, blocking};
use parking_lot::Mutex;

use crate::boot::{self, LastKnownGood};
use crate::config::Config;
use crate::link;
use crate::network::{self, Aim};
use crate::supply;

/// How often a clock that is behind is looked at.
const CLOCK: Duration = Duration::from_secs(1);

/// The network and the clock. Cheap to clone.
#[derive(Clone)]
pub(super) struct Around {
    good: Arc<Mutex<LastKnownGood>>,
}

impl Around {
    /// Looks around: how far the way to the outside goes, where that matters, and whether the clock is behind. Changes go to
    /// `events` from now on.
    pub(super) fn look(
        config: &Config,
        events: &mpsc::UnboundedSender<Event>,
    ) -> (Self, (Option<Way>, bool)) {
        let (machine, mut way) = (Machine::this(), None);
        // A lab, or a proxy, on this very machine is reached without a network.
        if !link::is_near(&config.settings) {
            let aim = match config.settings.proxy() {
                Some(_) => Aim::Proxy,
                None => Aim::Internet,
            };
            let first = network::way(&machine, aim);
            way = Some(first);
            let (machine, events) = (machine.clone(), events.clone());
            let joins = boot::wifi::is_named;
            tokio::spawn(network::watch(machine, aim, joins, first, events));
        }
        tokio::spawn(supply::watch(machine.clone(), events.clone()));
        let good = LastKnownGood::read(&config.data);
        let behind = boot::is_behind(&machine, &good);
        if behind {
            tokio::spawn(await_clock(machine, good.clone(), events.clone()));
        }
        let good = Arc::new(Mutex::new(good));
        (Self { good }, (way, behind))
    }

    /// Whether the wall clock is known to be behind. Blocks.
    pub(super) fn clock_is_behind(&self) -> bool {
        boot::is_behind(&Machine::this(), &self.good.lock())
    }

    /// Keeps the time of WhatsApp's clock for the next start. Our own may be ahead of it, and would be waited for then.
    pub(super) async fn is_good(&self, time: SystemTime) {
        let good = Arc::clone(&self.good);
        if let Err(error) = blocking(move || good.lock().keep(time)).await {
            tracing::warn!("the time cannot be kept for the next start: {error}");
        }
    }
}

/// Says when somebody has set the clock.
async fn await_clock(machine: Machine, good: LastKnownGood, events: mpsc::UnboundedSender<Event>) {
    while boot::is_behind(&machine, &good) {
        sleep(CLOCK).await;
    }
    // Without a loop there is nobody to tell.
    let _ = events.send(Event::Clock { behind: false });
}
