//! The client of RAUC's service on the system bus (RAUC 1.13, docs/reference.rst, "D-Bus API").
//!
//! RAUC checks signature and compatible, writes the slot that does not run, and tells the boot loader; a bundle that it does not take is
//! refused in its own words.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;
use zbus::proxy::{CacheProperties, OwnerChangedStream, PropertyStream};
use zbus::{Connection, OwnedVariant, Variant, proxy};

use super::{CUT_OFF, UpdateError};

/// How long a call may take to be answered; RAUC may have to be started for it.
const ANSWERS: Duration = Duration::from_secs(30);
/// How long RAUC may be at an installation without getting any further.
const SILENCE: Duration = Duration::from_secs(15 * 60);

#[proxy(
    interface = "de.pengutronix.rauc.Installer",
    default_service = "de.pengutronix.rauc",
    default_path = "/"
)]
trait Installer {
    fn install_bundle(&self, source: &str, args: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;
    fn mark(&self, state: &str, slot_identifier: &str) -> zbus::Result<(String, String)>;
    fn get_slot_status(&self) -> zbus::Result<Vec<(String, HashMap<String, OwnedVariant>)>>;
    fn get_primary(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn operation(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn last_error(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn progress(&self) -> zbus::Result<(i32, String, i32)>;
    #[zbus(property)]
    fn compatible(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn completed(&self, result: i32) -> zbus::Result<()>;
}

/// A slot that the device can boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name for the boot loader, as on the kernel's command line: `A`.
    pub name: String,
    /// It runs.
    pub runs: bool,
    /// The version that RAUC put there; `None` where it did not.
    pub version: Option<String>,
    /// Whether the boot loader would take it; `None` where it does not say.
    pub good: Option<bool>,
}

/// RAUC's service, on the bus where it is.
pub struct Rauc {
    connection: Connection,
}

impl Rauc {
    /// Finds the system bus.
    ///
    /// # Errors
    /// [`UpdateError::NoInstaller`]: there is none.
    pub async fn on_the_system_bus() -> Result<Self, UpdateError> {
        let connection = in_time(Connection::system()).await?;
        Ok(Self { connection })
    }

    /// RAUC on this bus.
    pub fn on(connection: Connection) -> Self {
        Self { connection }
    }

    /// What kind of device this is to RAUC: a bundle has to name the same.
    ///
    /// # Errors
    /// [`UpdateError::NoInstaller`].
    pub async fn compatible(&self) -> Result<String, UpdateError> {
        let rauc = self.proxy().await?;
        in_time(rauc.compatible()).await
    }

    /// The slots that can be booted.
    ///
    /// # Errors
    /// [`UpdateError::NoInstaller`], or RAUC's own.
    pub async fn slots(&self) -> Result<Vec<Slot>, UpdateError> {
        let rauc = self.proxy().await?;
        let slots = in_time(rauc.get_slot_status()).await?;
        Ok(slots
            .into_iter()
            .filter_map(|(_, status)| slot(&status))
            .collect())
    }

    /// Has the version that runs stay: the boot loader goes on with its slot.
    ///
    /// # Errors
    /// [`UpdateError::NoInstaller`], or RAUC's own.
    pub async fn mark_good(&self) -> Result<(), UpdateError> {
        let rauc = self.proxy().await?;
        in_time(rauc.mark("good", "booted")).await.map(drop)
    }

    /// Installs a bundle, and tells how far that is, percent.
    ///
    /// # Errors
    /// [`UpdateError::Refused`] with RAUC's words, [`UpdateError::NoInstaller`].
    pub async fn install(&self, bundle: &Path, tell: impl Fn(u8)) -> Result<(), UpdateError> {
        let followed = self.followed().await?;
        let bundle = bundle.to_string_lossy();
        let begins = followed.rauc.install_bundle(&bundle, HashMap::new());
        in_time(begins).await?;
        followed.follow(tell).await
    }

    /// Follows to its end an installation that somebody else began, and tells how far it is, percent.
    ///
    /// # Errors
    /// As of [`Rauc::install`]; [`UpdateError::NotFetched`] where RAUC is at none, and has left nothing that starts next.
    pub async fn go_on(&self, tell: impl Fn(u8)) -> Result<(), UpdateError> {
        let followed = self.followed().await?;
        if in_time(followed.rauc.operation()).await? == "installing" {
            return followed.follow(tell).await;
        }
        let starts = in_time(followed.rauc.get_primary()).await?;
        let slots = in_time(followed.rauc.get_slot_status()).await?;
        let next = slots.iter().find(|(name, _)| *name == starts);
        match next.and_then(|(_, status)| slot(status)) {
            Some(Slot { runs: false, .. }) => Ok(()),
            _ => Err(UpdateError::NotFetched(CUT_OFF.to_owned())),
        }
    }

    /// Listens before anything begins, so that its end is not missed.
    async fn followed(&self) -> Result<Followed, UpdateError> {
        let rauc = self.proxy().await?;
        let completed = in_time(rauc.receive_completed()).await?;
        let owners = in_time(rauc.inner().receive_owner_changed()).await?;
        let follows = InstallerProxy::builder(&self.connection).build();
        let follows = in_time(follows).await?;
        let progress = follows.receive_progress_changed().await;
        Ok(Followed {
            rauc,
            completed,
            owners,
            progress,
        })
    }

    /// A client that asks RAUC each time.
    async fn proxy(&self) -> Result<InstallerProxy<'static>, UpdateError> {
        let proxy = InstallerProxy::builder(&self.connection);
        in_time(proxy.cache_properties(CacheProperties::No).build()).await
    }
}

/// An installation, as RAUC tells of it.
struct Followed {
    rauc: InstallerProxy<'static>,
    completed: CompletedStream,
    owners: OwnerChangedStream<'static>,
    progress: PropertyStream<'static, (i32, String, i32)>,
}

impl Followed {
    async fn follow(mut self, tell: impl Fn(u8)) -> Result<(), UpdateError> {
        // The name's present owner comes first.
        let mut known = false;
        let result = loop {
            let further = async {
                tokio::select! {
                    done = self.completed.next() => {
                        let done = done.ok_or_else(gone)?;
                        return Ok(Some(done.args().map_err(of_zbus)?.result));
                    }
                    Some(owner) = self.owners.next() => {
                        if owner.is_none() && known {
                            return Err(gone());
                        }
                        known |= owner.is_some();
                    }
                    Some(change) = self.progress.next() => {
                        if let Ok((percent, _, _)) = change.get().await {
                            tell(u8::try_from(percent).unwrap_or(0).min(100));
                        }
                    }
                }
                Ok(None)
            };
            let further = timeout(SILENCE, further).await.map_err(|_| gone())??;
            if let Some(result) = further {
                break result;
            }
        };
        match result {
            0 => Ok(()),
            _ => Err(UpdateError::Refused(in_time(self.rauc.last_error()).await?)),
        }
    }
}

/// Reads one slot; `None` for one that is none of its own: a part of another.
fn slot(status: &HashMap<String, OwnedVariant>) -> Option<Slot> {
    let text = |key: &str| -> Option<String> {
        let value = status.get(key)?.clone();
        String::try_from(value).ok().filter(|text| !text.is_empty())
    };
    Some(Slot {
        name: text("bootname")?,
        runs: text("state").as_deref() == Some("booted"),
        version: text("bundle.version"),
        good: text("boot-status").map(|status| status == "good"),
    })
}

fn gone() -> UpdateError {
    UpdateError::NoInstaller("it went away, or says nothing, in the middle of it".to_owned())
}

async fn in_time<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, UpdateError> {
    let silent = || UpdateError::NoInstaller("it is silent".to_owned());
    let answered = timeout(ANSWERS, call).await.map_err(|_| silent())?;
    answered.map_err(of_zbus)
}

/// RAUC's own errors are words for humans; all others say that it is not there.
fn of_zbus(error: zbus::Error) -> UpdateError {
    match error {
        zbus::Error::MethodError(name, Some(text), _)
            if !name.starts_with("org.freedesktop.DBus.Error.") =>
        {
            UpdateError::Refused(text)
        }
        error => UpdateError::NoInstaller(error.to_string()),
    }
}
