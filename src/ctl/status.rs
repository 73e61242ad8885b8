//! `status` and `wait`.

use std::{fmt, process::ExitCode, time::Duration};

use clap::builder::PossibleValuesParser;
use futures_util::StreamExt;
use holdfast_core::{AuditEnd, STAYS};
use holdfast_medium::Stamp;
use serde::Serialize;
use tokio::time;

use super::{
    Error, Output,
    daemon::Daemon,
    find::Finder,
    harmless::harmless,
    output::{coloured, even_unread},
};

/// The state in which the session is usable.
pub(super) const CONNECTED: &str = "Connected";
/// Exit code of `status` when the session is not connected; systemctl's for a unit that is not active.
const NOT_CONNECTED: u8 = 3;
/// How often a daemon that is not there is looked for.
const LOOK: Duration = Duration::from_millis(200);

/// The output of `status`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StatusOutput {
    pub(super) state: String,
    pub(super) cause: Option<Cause>,
    pub(super) account_fault: Option<AccountFault>,
    pub(super) generation: String,
    pub(super) account: Option<String>,
    pub(super) attempt: u32,
    pub(super) next_attempt_ms: u64,
    /// The fault of the power supply, where it has one.
    pub(super) supply_fault: Option<SupplyFault>,
    pub(super) last_end: String,
    /// The last entry of the audit and the first digits of its hash; none while nothing is open, or was ever done.
    pub(super) audit: Option<String>,
    /// Which archive left whole last; none while nothing is open.
    pub(super) last_export: Option<LastExport>,
    pub(super) panel: PanelOutput,
    /// How well the radio hears its access point, where one is joined.
    pub(super) wifi: Option<Wifi>,
    /// The proxy to WhatsApp, where there is one.
    pub(super) proxy: Option<String>,
    /// What of the owner's settings was not taken, and what to do instead.
    pub(super) ignored_settings: Vec<String>,
    pub(super) bus: String,
}

/// The panel, and what of it does not work.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PanelOutput {
    pub(super) glass: String,
    pub(super) faults: Vec<Cause>,
}

/// Why the session is not connected, or a part does not work.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cause {
    pub(super) code: String,
    pub(super) sentence: String,
    pub(super) action: String,
}

/// What WhatsApp does not let the account do.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AccountFault {
    #[serde(flatten)]
    pub(super) cause: Cause,
    pub(super) ends_in_ms: u64,
}

/// How well the radio hears its access point.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Wifi {
    pub(super) dbm: i32,
    /// What to make of it: `good`, `fair` or `weak`.
    pub(super) quality: String,
}

/// Why the power supply is no good.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SupplyFault {
    #[serde(flatten)]
    pub(super) cause: Cause,
    /// How often its voltage fell too low.
    pub(super) dips: u32,
}

/// The last archive that left whole.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LastExport {
    /// Its name; none where none ever did.
    pub(super) archive: Option<String>,
    /// When, milliseconds since 1970.
    pub(super) at_ms: u64,
}

impl fmt::Display for LastExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(archive) = &self.archive else {
            return f.write_str("never");
        };
        let at = Stamp {
            boot: None,
            wall_ms: self.at_ms,
            mono_ms: None,
        };
        write!(f, "{archive}, {at}")
    }
}

impl Cause {
    /// As the bus has it: empty texts when there is none.
    fn of((code, sentence, action): (String, String, String)) -> Option<Self> {
        (!code.is_empty()).then_some(Self {
            code,
            sentence,
            action,
        })
    }
}

/// Short enough to be written down and compared by eye, also with the screen; none while nothing is open.
async fn audit(daemon: &Daemon) -> Result<Option<String>, Error> {
    let head = daemon.vault().await?.audit_head().await;
    let end = head.ok().and_then(|(seq, hash)| AuditEnd::of(seq, &hash));
    Ok(end.map(|end| end.to_string()))
}

/// None while nothing is open.
async fn last_export(daemon: &Daemon) -> Result<Option<LastExport>, Error> {
    let last = daemon.vault().await?.last_export().await.ok();
    Ok(last.map(|(archive, at_ms)| LastExport {
        archive: Some(archive).filter(|archive| !archive.is_empty()),
        at_ms,
    }))
}

impl StatusOutput {
    /// Asks the daemon.
    pub(super) async fn read(daemon: &Daemon) -> Result<Self, Error> {
        let session = daemon.session().await?;
        let panel = daemon.panel().await?;
        let (code, sentence, action, ends_in_ms) = session.account_fault().await?;
        let supply = session.supply_fault().await?;
        let (dbm, quality) = session.wifi().await?;
        let faults = [panel.glass_fault().await?, panel.button_fault().await?];
        Ok(Self {
            state: session.state().await?,
            cause: Cause::of(session.cause().await?),
            account_fault: Cause::of((code, sentence, action))
                .map(|cause| AccountFault { cause, ends_in_ms }),
            generation: session.generation().await?,
            account: Some(session.account().await?).filter(|digits| !digits.is_empty()),
            attempt: session.attempt().await?,
            next_attempt_ms: session.next_attempt().await?,
            supply_fault: Cause::of((supply.0, supply.1, supply.2)).map(|cause| SupplyFault {
                cause,
                dips: supply.3,
            }),
            last_end: daemon.vault().await?.last_end().await?,
            audit: audit(daemon).await?,
            last_export: last_export(daemon).await?,
            panel: PanelOutput {
                glass: panel.glass().await?,
                faults: faults.into_iter().filter_map(Cause::of).collect(),
            },
            wifi: (dbm != 0).then_some(Wifi { dbm, quality }),
            proxy: Some(session.proxy().await?).filter(|proxy| !proxy.is_empty()),
            ignored_settings: session.ignored_settings().await?,
            bus: daemon.place.clone(),
        })
    }

    /// The account as far as it may be shown.
    pub(super) fn account(&self) -> String {
        self.account
            .as_ref()
            .map_or_else(|| "none".into(), |digits| format!("••{digits}"))
    }

    fn dot(&self) -> String {
        let (dot, colour) = match self.state.as_str() {
            CONNECTED => ('●', 32),
            "Stopped" => ('○', 37),
            "Banned" | "ClientOutdated" | "StorageFault" => ('●', 31),
            _ => ('●', 33),
        };
        if coloured() {
            format!("\x1b[1;{colour}m{dot}\x1b[0m")
        } else {
            dot.into()
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("Holdfast: {}", self.state)];
        if let Some(cause) = &self.cause {
            lines.push(format!("       Cause: {} ({})", cause.sentence, cause.code));
            lines.push(format!("      Action: {}", cause.action));
        }
        match (self.attempt, self.next_attempt_ms.div_ceil(1000)) {
            (0, _) => {}
            (attempt, 0) => lines.push(format!("     Attempt: {attempt}")),
            (attempt, wait_s) => lines.push(format!("     Attempt: {attempt}, in {wait_s} s")),
        }
        lines.push(format!("  Generation: {}", self.generation));
        lines.push(format!("     Account: {}", self.account()));
        if let Some(AccountFault { cause, ends_in_ms }) = &self.account_fault {
            let hours = ends_in_ms.div_ceil(3_600_000);
            lines.push(format!("              {} ({})", cause.sentence, cause.code));
            lines.push(format!(
                "              {} It ends within {hours} h.",
                cause.action
            ));
        }
        if let Some(SupplyFault { cause, dips }) = &self.supply_fault {
            lines.push(format!("      Supply: {} ({})", cause.sentence, cause.code));
            lines.push(format!("              {} (dips: {dips})", cause.action));
        }
        lines.push(format!("    Last end: {}", self.last_end));
        if let Some(audit) = &self.audit {
            lines.push(format!("       Audit: {audit}"));
        }
        if let Some(export) = &self.last_export {
            lines.push(format!(" Last export: {export}"));
        }
        lines.push(format!("       Panel: {}", self.panel.glass));
        for fault in &self.panel.faults {
            let Cause {
                code,
                sentence,
                action,
            } = fault;
            lines.push(format!("              {sentence} ({code}) {action}"));
        }
        if let Some(Wifi { dbm, quality }) = &self.wifi {
            lines.push(format!("       Wi-Fi: {dbm} dBm, {quality}"));
        }
        if let Some(proxy) = &self.proxy {
            lines.push(format!("       Proxy: {proxy}"));
        }
        for (at, ignored) in self.ignored_settings.iter().enumerate() {
            let title = if at == 0 { "Not taken:" } else { "" };
            lines.push(format!("{title:>13} {ignored}"));
        }
        lines.push(format!("         Bus: {}", self.bus));
        lines.join("\n")
    }
}

impl fmt::Display for StatusOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dot(), harmless(&self.text()))
    }
}

/// Prints how the session is.
pub(super) async fn status(daemon: &Daemon, output: &Output) -> Result<ExitCode, Error> {
    let report = StatusOutput::read(daemon).await?;
    even_unread(output.draw(&report))?;
    Ok(if report.state == CONNECTED {
        ExitCode::SUCCESS
    } else {
        NOT_CONNECTED.into()
    })
}

/// The names of the states that `wait` takes: another one would be waited for for ever.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(STAYS.iter().map(|stay| stay.state))
}

/// Waits until the session is in the state `wanted`, across restarts of the daemon, and prints how it is then.
pub(super) async fn wait(
    finder: &Finder,
    wanted: &str,
    timeout: Option<Duration>,
    output: &Output,
) -> Result<(), Error> {
    let mut last = None;
    let waiting = across_restarts(finder, wanted, &mut last);
    let Some(after) = timeout else {
        return Ok(output.draw(&waiting.await?)?);
    };
    let report = match time::timeout(after, waiting).await {
        Ok(report) => report?,
        Err(_) => match last {
            Some(report) => report,
            // The time was too short for one look, or nobody was there, and then this says where it was looked for.
            None => StatusOutput::read(&finder.find().await?).await?,
        },
    };
    if report.state == wanted {
        return Ok(output.draw(&report)?);
    }
    Err(Error::TimedOut {
        state: report.state,
        sentence: report.cause.map(|cause| cause.sentence),
        after,
    })
}

async fn across_restarts(
    finder: &Finder,
    wanted: &str,
    last: &mut Option<StatusOutput>,
) -> Result<StatusOutput, Error> {
    loop {
        match finder.find().await {
            Ok(daemon) => match daemon.while_it_answers(until(&daemon, wanted, last)).await {
                Err(Error::Gone) => {}
                ended => return ended,
            },
            Err(Error::NoDaemon { .. } | Error::HungUp { .. }) => {}
            Err(error) => return Err(error),
        }
        time::sleep(LOOK).await;
    }
}

/// Waits for a state at one daemon; `last` is what was seen on the way.
async fn until(
    daemon: &Daemon,
    wanted: &str,
    last: &mut Option<StatusOutput>,
) -> Result<StatusOutput, Error> {
    let departure = daemon.departure().await?;
    tokio::pin!(departure);
    let session = daemon.session().await?;
    let mut changes = session.receive_state_changed().await;
    loop {
        let report = StatusOutput::read(daemon).await?;
        if report.state == wanted {
            return Ok(report);
        }
        *last = Some(report);
        tokio::select! {
            () = &mut departure => return Err(Error::Gone),
            Some(_) = changes.next() => {}
        }
    }
}
