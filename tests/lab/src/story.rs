//! The main job, told once: link, hold, deliver, survive, and ask for a new QR only when WhatsApp revoked the link.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::holdfast::Holdfast;
use crate::peers::lines::Lines;
use crate::peers::{self, baileys};
use crate::phone::inbox::{Content, Received};
use crate::server::{Lab, LabConfig, PhoneId};

/// The owner's number, whose phone Holdfast is linked to, and a friend's.
const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// How long a message may take to a phone.
const DELIVERY: Duration = Duration::from_secs(30);

/// Who the other party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Friend {
    /// A simulated phone.
    Phone,
    /// An unmodified Baileys, linked to the friend's account.
    Baileys,
}

/// Tells the story with the daemon of `program` (`holdfast-lab`); `say` hears each step as it happens.
///
/// # Errors
/// At the first step that does not come true.
pub async fn tell(program: &Path, friend: Friend, mut say: impl FnMut(&str)) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let lab = Lab::start(LabConfig::default()).await?;
    let owner = lab.create_phone(OWNER, "Owner").await?;
    let mut friend = Party::join(&lab, friend, directory.path()).await?;
    say("a WhatsApp of our own is up, with two phones");

    let mut holdfast = Holdfast::new(program, directory.path(), &lab.url())?;
    holdfast.start().await?;
    holdfast.reaches("Pairing").await?;
    say("Holdfast is up and shows a QR");

    let qr = holdfast.scan_screen().await?;
    lab.scan_qr(&owner, &qr)
        .await
        .context("the phone does not take the QR read from the screen")?;
    say("the owner's phone read the QR from the pixels of the screen");
    holdfast.reaches("Connected").await?;
    say("Connected");

    friend.sends(&lab, "are you there?").await?;
    let received = holdfast.receives("bot", 1).await?;
    ensure!(
        received.len() == 1 && received[0].text == "are you there?",
        "another message than the friend's arrived"
    );
    say("a message came in");
    holdfast
        .messages()
        .await?
        .acknowledge("bot", received[0].seq)
        .await?;
    holdfast.sends(FRIEND, "always").await?;
    friend.receives(&lab, "always").await?;
    say("an answer went out, and the friend has it");

    holdfast.kill().await?;
    say("kill -9");
    friend.sends(&lab, "still there?").await?;
    say("a message is sent meanwhile");
    holdfast.start().await?;
    holdfast.reaches("Connected").await?;
    let generation = holdfast.session().await?.generation().await?;
    ensure!(generation == "gen-0001", "the restart began {generation}");
    say("restarted: Connected, and no QR was asked for");
    let received = holdfast.receives("bot", 1).await?;
    let texts: Vec<_> = received
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    ensure!(
        texts == ["still there?"],
        "{} messages arrived instead of the one sent meanwhile",
        texts.len()
    );
    say("the message sent meanwhile arrived, once");

    for device in lab.devices(&owner).await? {
        lab.unlink(&device.id).await?;
    }
    say("the owner unlinks the device on the phone");
    holdfast.reaches("LogoutSuspected").await?;
    say("Holdfast suspects a logout, and asks WhatsApp once more before it believes it");
    holdfast.reaches("Pairing").await?;
    let again = holdfast.scan_screen().await?;
    ensure!(again != qr, "the old QR is on the screen again");
    let generation = holdfast.session().await?.generation().await?;
    ensure!(
        generation == "gen-0002",
        "{generation} is live after the re-link"
    );
    say("revoked: the old keys are in the archive, and a new QR is on the screen");

    let crimes = lab.ledger().crimes();
    ensure!(
        crimes.is_empty(),
        "the ledger saw crimes against the protocol: {crimes:?}"
    );
    holdfast.stop().await?;
    say("stopped in order; the ledger saw no key used twice");
    let log = holdfast.read_log();
    for secret in [
        OWNER,
        FRIEND,
        qr.as_str(),
        again.as_str(),
        "are you there?",
        "always",
        "still there?",
    ] {
        ensure!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}

/// The friend, as it sends and receives.
struct Party {
    phone: PhoneId,
    client: Option<Lines>,
}

impl Party {
    async fn join(lab: &Lab, friend: Friend, directory: &Path) -> anyhow::Result<Self> {
        let phone = lab.create_phone(FRIEND, "Friend").await?;
        let client = match friend {
            Friend::Phone => None,
            Friend::Baileys => {
                let mut client = baileys::start(lab, &directory.join("baileys"))?;
                peers::link(lab, &phone, &mut client).await?;
                Some(client)
            }
        };
        Ok(Self { phone, client })
    }

    async fn sends(&mut self, lab: &Lab, text: &str) -> anyhow::Result<()> {
        match &mut self.client {
            None => lab.send_text(&self.phone, OWNER, text).await.map(drop)?,
            Some(client) => client.send(OWNER, text).await.map(drop)?,
        }
        Ok(())
    }

    async fn receives(&mut self, lab: &Lab, text: &str) -> anyhow::Result<()> {
        let wanted = Content::Text(text.to_owned());
        let on_phone = |message: &Received| message.content == wanted;
        lab.wait_inbox(&self.phone, DELIVERY, on_phone).await?;
        if let Some(client) = &mut self.client {
            client.message(text, DELIVERY).await?;
        }
        Ok(())
    }
}
