//! What may go wrong, by name; and what "as ever" means after it.

use anyhow::ensure;

use super::{around, owner, storage};
use crate::vm::machine::Machine;
use crate::vm::scene::{BOOT, Scene};

/// What may be wrong with card, board and surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The cable is out, the router is off, a name is not found, nobody answers.
    Network,
    /// The board's clock starts in the past.
    ClockBehind,
    /// The board's clock starts in the future.
    ClockAhead,
    /// No display and no button.
    Panel,
    /// The data partition is full to the last block.
    Full,
    /// The data partition's superblock is gone, and its copies are not.
    Torn,
    /// The data partition is beyond repair.
    Broken,
    /// The data partition is not in the table.
    Missing,
    /// The root is not what its hash says.
    Slot,
    /// One of the two copies of the identity is destroyed.
    Identity,
    /// The identity is destroyed in both its copies, or the store is of a later version.
    Unopened,
    /// Two cards of one image.
    Twins,
    /// The owner's settings are a mess.
    Settings,
    /// Others are on the board and its bus.
    Others,
}

impl Trouble {
    /// All of it.
    pub const ALL: [Trouble; 14] = [
        Trouble::Network,
        Trouble::ClockBehind,
        Trouble::ClockAhead,
        Trouble::Panel,
        Trouble::Full,
        Trouble::Torn,
        Trouble::Broken,
        Trouble::Missing,
        Trouble::Slot,
        Trouble::Identity,
        Trouble::Unopened,
        Trouble::Twins,
        Trouble::Settings,
        Trouble::Others,
    ];

    /// What holds all the same.
    pub fn claim(self) -> &'static str {
        match self {
            Trouble::Network => {
                "without a network the glass says what is missing, and it connects when that is back"
            }
            Trouble::ClockBehind => {
                "from 1980 it goes on with the time of the last run, and asks for no QR"
            }
            Trouble::ClockAhead => {
                "a run in the future is nothing that the next one waits for, and it asks for no QR"
            }
            Trouble::Panel => {
                "without a panel the link works, and a panel that comes later is used"
            }
            Trouble::Full => {
                "a full data partition costs no message and no key, and heals with room"
            }
            Trouble::Torn => "a superblock that is gone is mended from its copy",
            Trouble::Broken => {
                "a data partition beyond repair is set aside unchanged, and SSH works"
            }
            Trouble::Missing => "a data partition that is missing is made anew",
            Trouble::Slot => "a root that was changed never runs, and harms nothing",
            Trouble::Identity => "one destroyed copy of the identity costs nothing",
            Trouble::Unopened => {
                "keys that cannot be opened are on the glass, in the journal and on the bus, and stay untouched"
            }
            Trouble::Twins => {
                "two cards of one image have nothing in common, and each keeps its own"
            }
            Trouble::Settings => {
                "of settings in a mess the good is used, the bad named, and no secret stays"
            }
            Trouble::Others => {
                "others on the board see and change nothing, and each group does its own and no more"
            }
        }
    }

    /// Lets it happen to a board that is off, whose card is linked, and hands both back in that state.
    ///
    /// # Errors
    /// What did not hold.
    pub async fn strike(self, mut scene: Scene) -> anyhow::Result<Scene> {
        let struck = &mut scene;
        match self {
            Trouble::Network => around::network(struck).await,
            Trouble::ClockBehind => around::clock_behind(struck).await,
            Trouble::ClockAhead => around::clock_ahead(struck).await,
            Trouble::Panel => around::panel(struck).await,
            Trouble::Full => storage::full(struck).await,
            Trouble::Torn => storage::torn(struck).await,
            Trouble::Broken => storage::broken(struck).await,
            Trouble::Missing => storage::missing(struck).await,
            Trouble::Slot => storage::slot(struck).await,
            Trouble::Identity => storage::identity(struck).await,
            Trouble::Unopened => storage::unopened(struck).await,
            Trouble::Twins => owner::twins(struck).await,
            Trouble::Settings => owner::settings(struck).await,
            Trouble::Others => owner::others(struck).await,
        }?;
        Ok(scene)
    }
}

/// The board is Connected, which it only is with the keys it had, for nobody scans a QR here; messages go both ways, and none
/// of its keys was used twice.
pub async fn is_as_ever(scene: &Scene, machine: &Machine, after: &str) -> anyhow::Result<()> {
    scene.operator.is_let_in(machine, BOOT).await?;
    scene.connected(machine, BOOT).await?;
    scene.hears(machine, &format!("after {after}")).await?;
    scene.says(machine, &format!("{after} is over")).await?;
    let crimes = scene.lab.ledger().crimes();
    ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
    Ok(())
}

/// Turns the board on once more, where all must be as ever, and off.
pub async fn goes_on(scene: &Scene, after: &str) -> anyhow::Result<()> {
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, after).await?;
    scene.power_off(machine).await
}
