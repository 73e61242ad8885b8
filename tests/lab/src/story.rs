//! The main job, told once: link, hold, deliver, survive, and ask for a new QR only when WhatsApp revoked the link.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::timeout;

use crate::holdfast::Holdfast;
use crate::peers::lines::Lines;
use crate::peers::{self, baileys};
use crate::phone::inbox::{Content, Received};
use crate::server::{Fault, Lab, LabConfig, PhoneId, When};

/// The owner's number, whose phone Holdfast is linked to, and a friend's.
const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// How long a message may take to a phone.
const DELIVERY: Duration = Duration::from_secs(30);

/// How long a QR may take to the glass, once Holdfast wants to be linked.
const ON_GLASS: Duration = Duration::from_secs(10);

/// Reads the QR from the screen, which has to show it in time.
async fn reads_qr(holdfast: &Holdfast) -> anyhow::Result<String> {
    let shown = timeout(ON_GLASS, holdfast.scan_screen()).await;
    shown.with_context(|| format!("no QR is on the glass after {} s", ON_GLASS.as_secs()))?
}

/// Who the other party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Friend {
    /// A simulated phone.
    Phone,
    /// An unmodified Baileys, linked to the friend's account.
    Baileys,
}

/// What is wrong with the world, or with Holdfast, in a story that must not come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Another message arrives than the friend sent.
    Words,
    /// The answer goes out twice, under two ids.
    Echo,
    /// Holdfast has lost its keys when it is started again, so that it asks for a QR.
    Memory,
    /// The message sent meanwhile arrives twice.
    Repeat,
    /// The phone has not unlinked the device, and its QR is asked for nevertheless.
    Grip,
    /// The log has the owner's number.
    Leak,
}

impl Wrong {
    /// All of it.
    pub const ALL: [Wrong; 6] = [
        Wrong::Words,
        Wrong::Echo,
        Wrong::Memory,
        Wrong::Repeat,
        Wrong::Grip,
        Wrong::Leak,
    ];

    /// The story as nobody may tell it.
    pub fn claim(self) -> &'static str {
        match self {
            Wrong::Words => "another message arrives than the friend's",
            Wrong::Echo => "the friend has the answer twice",
            Wrong::Memory => "Holdfast asks for a QR after a restart",
            Wrong::Repeat => "the message sent meanwhile arrives twice",
            Wrong::Grip => "Holdfast gives up a link that was not revoked",
            Wrong::Leak => "the owner's number is in the log",
        }
    }

    /// What is said where it is noticed.
    pub fn noticed(self) -> &'static str {
        match self {
            Wrong::Words => "another message than the friend's",
            Wrong::Echo => "the friend has it 2 times",
            Wrong::Memory => "went into Pairing, not Connected",
            Wrong::Repeat => "2 messages arrived instead of the one",
            Wrong::Grip => "went into Connected, not Pairing",
            Wrong::Leak => "a secret is in the log",
        }
    }
}

/// Tells the story with the daemon of `program` (`holdfast-lab`); `say` hears each step as it happens. With something `wrong`
/// it must not come true.
///
/// # Errors
/// At the first step that does not come true.
pub async fn tell(
    program: &Path,
    friend: Friend,
    wrong: Option<Wrong>,
    mut say: impl FnMut(&str),
) -> anyhow::Result<()> {
    let is = |what: Wrong| wrong == Some(what);
    let directory = tempfile::tempdir()?;
    let lab = Lab::start(LabConfig::default()).await?;
    let owner = lab.create_phone(OWNER, "Owner").await?;
    let mut friend = Party::join(&lab, friend, directory.path()).await?;
    say("a WhatsApp of our own is up, with two phones");

    let mut holdfast = Holdfast::new(program, directory.path(), &lab.url())?;
    holdfast.start().await?;
    holdfast.reaches("Pairing").await?;
    say("Holdfast is up and shows a QR");

    let qr = reads_qr(&holdfast).await?;
    lab.scan_qr(&owner, &qr)
        .await
        .context("the phone does not take the QR read from the screen")?;
    say("the owner's phone read the QR from the pixels of the screen");
    holdfast.reaches("Connected").await?;
    say("Connected");

    let words = if is(Wrong::Words) {
        "is this you?"
    } else {
        "are you there?"
    };
    friend.sends(&lab, words).await?;
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
    if is(Wrong::Echo) {
        holdfast.sends(FRIEND, "always").await?;
    }
    holdfast.sends(FRIEND, "always").await?;
    friend.receives_once(&lab, "always").await?;
    say("an answer went out, and the friend has it");

    holdfast.kill().await?;
    say("kill -9");
    friend.sends(&lab, "still there?").await?;
    if is(Wrong::Repeat) {
        friend.sends(&lab, "still there?").await?;
    }
    if is(Wrong::Memory) {
        holdfast.move_to(directory.path().join("another"));
    }
    say("a message is sent meanwhile");
    holdfast.start().await?;
    holdfast.reaches_without("Connected", "Pairing").await?;
    let generation = holdfast.session().await?.generation().await?;
    ensure!(generation == "gen-0001", "the restart began {generation}");
    say("restarted: Connected, and no QR was asked for");
    let wanted = if is(Wrong::Repeat) { 2 } else { 1 };
    let received = holdfast.receives("bot", wanted).await?;
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
        if is(Wrong::Grip) {
            let once = lab.inject(device.id, Fault::Spurious401, When::Now, 1);
            once.await?;
        } else {
            lab.unlink(&device.id).await?;
        }
    }
    say("the owner unlinks the device on the phone");
    holdfast.reaches("LogoutSuspected").await?;
    say("Holdfast suspects a logout, and asks WhatsApp once more before it believes it");
    holdfast.reaches_without("Pairing", "Connected").await?;
    let again = reads_qr(&holdfast).await?;
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
    let mut log = holdfast.read_log();
    if is(Wrong::Leak) {
        log += OWNER;
    }
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

    async fn receives_once(&mut self, lab: &Lab, text: &str) -> anyhow::Result<()> {
        let wanted = Content::Text(text.to_owned());
        let on_phone = |message: &Received| message.content == wanted;
        lab.wait_inbox(&self.phone, DELIVERY, on_phone).await?;
        let inbox = lab.inbox(&self.phone).await?;
        let copies = inbox.iter().filter(|message| on_phone(message)).count();
        ensure!(copies == 1, "the friend has it {copies} times");
        if let Some(client) = &mut self.client {
            client.message(text, DELIVERY).await?;
        }
        Ok(())
    }
}
