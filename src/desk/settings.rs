//! The owner's settings of the machine: what is set, and changes.

use holdfast_medium::{Secret, blocking};

use super::{Ask, Desk, Refusal};
use crate::boot::settings::{NotAsked, Shown};

impl Desk {
    /// What is set now, without any password, and what became of the last change.
    ///
    /// # Errors
    /// [`Refusal::NothingToDo`] where the machine's settings are not Holdfast's.
    pub async fn settings(&self) -> Result<Shown, Refusal> {
        self.check(Ask::Settings)?;
        let door = self.lines.settings.clone();
        Ok(blocking(move || door.shown()).await?)
    }

    /// Asks for a change: `settings` as in `holdfast.toml`, the networks to leave by their names in hexadecimal; with `force` it is kept
    /// wherever it leads. Returns its number: what becomes of it is told in [`Desk::settings`].
    ///
    /// # Errors
    /// [`Refusal::InvalidArgument`] with everything that is wrong; [`Refusal::NothingToDo`] while another change is tried.
    pub async fn change_settings(
        &self,
        settings: Secret<String>,
        leave: Vec<String>,
        force: bool,
    ) -> Result<u64, Refusal> {
        self.check(Ask::ChangeSettings)?;
        let id = getrandom::u64().map_err(Refusal::no_random)?;
        let door = self.lines.settings.clone();
        let asked = blocking(move || {
            let problems = door.check(&settings).into_iter();
            let wrong: Vec<String> = problems.map(|problem| problem.what).collect();
            if !wrong.is_empty() {
                return Ok(Err(Refusal::InvalidArgument(wrong.join("; "))));
            }
            door.ask(id, &settings, leave, force).map(Ok)
        });
        asked.await??;
        Ok(id)
    }
}

impl From<NotAsked> for Refusal {
    fn from(error: NotAsked) -> Self {
        match error {
            NotAsked::NotOurs => Self::NothingToDo(
                "The settings of this machine are not Holdfast's: it does not run Holdfast's image. Change them as its own system has it.",
            ),
            NotAsked::Busy => Self::NothingToDo(
                "Another change is being tried; it takes two minutes at most. `holdfastctl settings` shows what becomes of it.",
            ),
            NotAsked::Io(error) => {
                Self::Failed(format!("The settings cannot be reached: {error}."))
            }
            NotAsked::Stopped(_) => Self::Stopping,
        }
    }
}
