//! `settings`: the owner's settings of the machine, changed without the card being taken out.

mod asked;

use std::fmt;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Error, Output, find::Finder, fingerprint::fingerprint, output, passphrase};
use crate::boot::settings::{Network, Shown, Standing, Tried};
use asked::Asked;

/// How often it is asked what became of a change.
const LOOK: Duration = Duration::from_millis(500);
/// A change is known to hold, or taken back, well before.
const PATIENCE: Duration = Duration::from_secs(180);

/// The subcommands of `settings`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Name the machine, as it is found on the network: NAME.local.
    Name {
        /// 1 to 63 letters, digits and hyphens.
        name: String,
    },
    /// Say in which time zone the times of the journal are read.
    TimeZone {
        /// Such as Europe/Berlin, or UTC.
        zone: String,
    },
    /// Choose what the screen is written in.
    Language {
        /// en, de, es or pt.
        code: String,
    },
    /// Join a Wi-Fi, or leave one.
    #[command(subcommand)]
    Wifi(Wifi),
    /// Give the cable or the Wi-Fi a fixed address, or take it back.
    Address(Address),
    /// Who may come in over SSH.
    #[command(subcommand)]
    Key(Key),
}

/// The subcommands of `settings wifi`.
#[derive(Debug, Subcommand)]
pub(super) enum Wifi {
    /// Join a network; its password is asked for, or read from standard input. The others stay, for where this one is not.
    Join {
        /// Its name.
        ssid: String,
        /// How: wpa2, wpa3, wpa2+wpa3, or open for one without a password.
        #[arg(long, default_value = "wpa2")]
        security: String,
        /// It does not tell its name.
        #[arg(long)]
        hidden: bool,
        /// The country whose rules the radio keeps to, such as DE.
        #[arg(long, value_name = "COUNTRY")]
        country: Option<String>,
        #[command(flatten)]
        force: Force,
    },
    /// Leave a network.
    Leave {
        /// Its name.
        ssid: String,
        #[command(flatten)]
        force: Force,
    },
}

/// `settings address`.
#[derive(Args, Debug)]
pub(super) struct Address {
    /// Of which.
    link: Link,
    /// The address and its network's bits, such as 192.168.7.20/24; several are several. With none: as the network gives it.
    address: Vec<String>,
    /// Who passes on to other networks.
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Vec<String>,
    /// Who knows names.
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    dns: Vec<String>,
    #[command(flatten)]
    force: Force,
}

/// A way out.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Link {
    /// The cable.
    Ethernet,
    /// The Wi-Fi.
    Wifi,
}

/// The subcommands of `settings key`.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List them by their fingerprints.
    List,
    /// Let one more in.
    Add {
        /// The line of its .pub file; `-` reads it from standard input.
        key: String,
        /// To look, and change nothing.
        #[arg(long)]
        diagnosis: bool,
    },
    /// Let one in no more.
    Remove {
        /// Its fingerprint, as `list` has it.
        fingerprint: String,
        #[command(flatten)]
        force: Force,
    },
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Force {
    /// Keep it wherever it leads: to a network that is not here, or to nobody who could come in.
    #[arg(long)]
    force: bool,
}

/// Shows what is set, or changes it.
pub(super) async fn run(
    finder: &Finder,
    command: Option<Command>,
    output: &Output,
) -> Result<(), Error> {
    let shown = show(finder).await?;
    let Some(command) = command else {
        return Ok(output.say(&Report(shown))?);
    };
    let Some(asked) = Asked::of(command, &shown)? else {
        let of = |keys: &[String], may| keys.iter().map(move |key| Listed::of(key, may)).collect();
        let mut keys: Vec<Listed> = of(&shown.authorized_keys, "everything");
        keys.extend::<Vec<Listed>>(of(&shown.diagnosis_keys, "look"));
        return keys.iter().try_for_each(|key| Ok(output.say(key)?));
    };
    let daemon = finder.find().await?;
    let settings = daemon.settings().await?;
    let sheet = passphrase::piped(&asked.sheet)?;
    let id = settings.change(sheet, asked.leave, asked.force).await?;
    if asked.is_tried && !asked.force {
        output::remark(
            &"It is tried for two minutes, and taken back if the network does not come up. This connection may be lost meanwhile.",
        );
    }
    let tried = end(finder, id).await?;
    match tried.standing {
        Standing::Kept => Ok(output.say(&Kept {
            done: "settings",
            but: tried.why,
        })?),
        standing => Err(Error::NotChanged {
            taken_back: standing == Standing::TakenBack,
            why: tried.why.join(" "),
        }),
    }
}

async fn show(finder: &Finder) -> Result<Shown, Error> {
    let daemon = finder.find().await?;
    let json = daemon.settings().await?.show().await?;
    serde_json::from_str(&json).map_err(|_| Error::ForeignReport)
}

/// Waits for the end of a change, whoever goes away meanwhile: the network of this very connection may, and so may the daemon.
async fn end(finder: &Finder, id: u64) -> Result<Tried, Error> {
    let since = Instant::now();
    loop {
        match show(finder).await {
            Ok(shown) => {
                let is_over = |tried: &Tried| tried.id == id && tried.standing != Standing::Trying;
                if let Some(tried) = shown.change.filter(is_over) {
                    return Ok(tried);
                }
            }
            Err(Error::Gone | Error::NoDaemon { .. } | Error::HungUp { .. }) => {}
            Err(error) => return Err(error),
        }
        if since.elapsed() > PATIENCE {
            return Err(Error::Gone);
        }
        sleep(LOOK).await;
    }
}

/// The output of a change that holds.
#[derive(Serialize)]
struct Kept {
    done: &'static str,
    /// What is to be said of it besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    but: Vec<String>,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.but[..] {
            [] => f.write_str(
                "Done. It holds until somebody changes it again, here or in the card's files.",
            ),
            but => write!(f, "Done. {}", but.join(" ")),
        }
    }
}

/// A key in `settings key list`.
#[derive(Serialize)]
struct Listed {
    fingerprint: String,
    comment: String,
    may: &'static str,
}

impl Listed {
    fn of(key: &str, may: &'static str) -> Self {
        Self {
            fingerprint: fingerprint(key),
            comment: key.split_whitespace().skip(2).collect::<Vec<_>>().join(" "),
            may,
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fingerprint,
            comment,
            may,
        } = self;
        write!(f, "{fingerprint}  may {may:<10}  {comment}")
    }
}

/// The output of `settings`.
#[derive(Serialize)]
#[serde(transparent)]
struct Report(Shown);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(shown) = self;
        let own =
            |value: &Option<String>, else_: &str| value.clone().unwrap_or_else(|| else_.to_owned());
        let address = |lines: &[String]| match lines {
            [] => "as the network gives it".to_owned(),
            lines => lines.join(", "),
        };
        let network = |network: &Network| format!("{} ({})", network.ssid, network.security);
        let wifi: Vec<String> = shown.wifi.iter().map(network).collect();
        writeln!(f, "       Name: {}", shown.hostname)?;
        writeln!(f, "  Time zone: {}", own(&shown.time_zone, "UTC"))?;
        writeln!(f, "   Language: {}", own(&shown.language, "en"))?;
        writeln!(
            f,
            "      Wi-Fi: {}",
            match wifi.is_empty() {
                true => "none".to_owned(),
                false => wifi.join(", "),
            }
        )?;
        writeln!(f, "    Country: {}", own(&shown.country, "not named"))?;
        writeln!(f, "      Cable: {}", address(&shown.ethernet_address))?;
        writeln!(f, "   On Wi-Fi: {}", address(&shown.wifi_address))?;
        let (all, look) = (shown.authorized_keys.len(), shown.diagnosis_keys.len());
        write!(f, "   SSH keys: {all}, and {look} that may only look")?;
        match &shown.change {
            None => Ok(()),
            Some(Tried { standing, why, .. }) => {
                let became = match standing {
                    Standing::Trying => "is being tried",
                    Standing::Kept => "holds",
                    Standing::TakenBack => "was taken back",
                    Standing::Refused => "was refused",
                };
                write!(f, "\nLast change: {became}")?;
                why.iter().try_for_each(|why| write!(f, ". {why}"))
            }
        }
    }
}
