//! `org.holdfast.Settings1`: the owner's settings of the machine, changed without the card being taken out.

use zbus::interface;

use super::passed::{Wanted, read};
use super::{Error, text::text};
use crate::desk::{Desk, Refusal};

/// Settings longer than this are a mistake, bytes. A pipe has room for them (pipe(7)), so that whoever writes them need not wait.
pub(crate) const LONGEST_SETTINGS: u64 = 32 << 10;

/// The settings object.
pub struct Settings1 {
    desk: Desk,
}

impl Settings1 {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

#[interface(
    name = "org.holdfast.Settings1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Settings1 {
    /// What is set now, as JSON, without any password: name, time zone, language, networks, addresses, public keys; and under `change`
    /// the last change since the boot, by its number, with what became of it: `trying`, `kept`, `taken-back` or `refused`, and why.
    #[zbus(out_args("settings"))]
    async fn show(&self) -> Result<String, Error> {
        let shown = self.desk.settings().await?;
        let json = serde_json::to_string(&shown);
        Ok(text(json.map_err(|error| {
            zbus::Error::Failure(format!("the settings: {error}"))
        })?))
    }

    /// Changes settings: `settings` is read to its end, TOML as in `holdfast.toml`, for there may be a password in it; the networks in
    /// `leave` are left, by their names in hexadecimal. What concerns the network is tried for two minutes and taken back where it does not
    /// come up; with `force` it is kept all the same. Answers with the number of the change at once; see `Show`.
    #[zbus(out_args("change"))]
    async fn change(
        &self,
        settings: zbus::OwnedFd,
        leave: Vec<String>,
        force: bool,
    ) -> Result<u64, Error> {
        let pipe = self.desk.pipe().await;
        let wanted = Wanted {
            what: "The settings",
            longest: LONGEST_SETTINGS,
            refuse: |why| Refusal::InvalidArgument(why).into(),
        };
        let settings = read(settings, wanted).await?;
        drop(pipe);
        Ok(self.desk.change_settings(settings, leave, force).await?)
    }
}
