//! `prove baileys`, `prove whatsmeow`: the lab is a WhatsApp to clients that nobody here wrote.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;

use super::{Proof, Run};
use crate::ledger::Act;
use crate::peers::lines::{Event, Lines};
use crate::peers::{Foreign, STEP, bare, link};
use crate::phone::inbox::{Content, Received};
use crate::server::{DeviceId, DeviceInfo, Fault, Lab, LabConfig, PhoneId, Target, When};

const OF_FOREIGN: &str = "15550000001";
const OF_BARE: &str = "15550000002";
const OF_NOBODY: &str = "15550000003";

/// A case links a client at most, and waits for a message.
const WITHIN: Duration = Duration::from_secs(150);

/// How long a message is awaited that must not come.
const SILENCE: Duration = Duration::from_secs(3);

/// Cases and controls below.
const CASES: u64 = 14;

/// What a client is told when its link is ended.
const LOGGED_OUT: u16 = 401;

/// The proof, with this client.
pub struct Interoperation(pub Foreign);

#[async_trait(?Send)]
impl Proof for Interoperation {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn claim(&self) -> &'static str {
        match self.0 {
            Foreign::Baileys => {
                "an unmodified Baileys links, exchanges texts with whatsapp-rust both ways, heals a Bad MAC and logs out"
            }
            Foreign::Whatsmeow => {
                "whatsmeow links, exchanges texts with whatsapp-rust both ways, heals a Bad MAC and logs out"
            }
        }
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "tests/lab/src/server",
            "tests/lab/src/phone",
            "tests/lab/src/wire",
            "tests/lab/src/peers",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let it = self.0;
        if let Some(missing) = it.missing().await {
            run.not_run(CASES, missing);
            return;
        }
        let Some(scene) = run.case("the lab is up", WITHIN, Scene::set(it)).await else {
            return;
        };
        run.control(
            format!("{it} links although the phone's answer does not verify"),
            WITHIN,
            scene.link_with_wrong_answer(),
        )
        .await;
        let name = format!("{it} links by QR, is restarted and logs in");
        let linked = run.case(name, WITHIN, scene.link_foreign("first")).await;
        let Some((mut foreign, device)) = linked else {
            return;
        };
        let name = "whatsapp-rust links beside it";
        let Some((mut bare, bare_device)) = run.case(name, WITHIN, scene.link_bare()).await else {
            return;
        };

        run.case(
            format!("a text from {it} to whatsapp-rust"),
            WITHIN,
            text(&mut foreign, &mut bare, OF_BARE, "from a foreign client"),
        )
        .await;
        run.case(
            format!("a text from whatsapp-rust to {it}"),
            WITHIN,
            text(&mut bare, &mut foreign, OF_FOREIGN, "from whatsapp-rust"),
        )
        .await;
        run.case(
            format!("a text from a phone to {it}, and back"),
            WITHIN,
            scene.text_with_phone(&mut foreign),
        )
        .await;
        run.case(
            "texts in a group, from each to the other and a phone",
            WITHIN,
            scene.texts_in_group(&mut foreign, &mut bare),
        )
        .await;
        run.case(
            format!("{it} heals a Bad MAC"),
            WITHIN,
            scene.heal(&mut bare, &mut foreign, OF_FOREIGN, &device),
        )
        .await;
        run.case(
            format!("whatsapp-rust heals a Bad MAC from {it}"),
            WITHIN,
            scene.heal(&mut foreign, &mut bare, OF_BARE, &bare_device),
        )
        .await;
        run.control(
            "a message that the server refuses arrives",
            WITHIN,
            scene.refused(&mut foreign, &device, &mut bare),
        )
        .await;
        run.case(
            format!("{it} logs out, and the server knows the device no more"),
            WITHIN,
            scene.log_out(&mut foreign),
        )
        .await;
        run.case(
            format!("{it} links anew, and hears it when the phone ends the link"),
            WITHIN,
            scene.unlink(),
        )
        .await;
        run.case(
            "no message key was used twice",
            WITHIN,
            std::future::ready(scene.no_crimes()),
        )
        .await;
    }
}

/// The lab with three accounts.
struct Scene {
    foreign: Foreign,
    lab: Lab,
    of_foreign: PhoneId,
    of_bare: PhoneId,
    of_nobody: PhoneId,
    files: tempfile::TempDir,
}

impl Scene {
    async fn set(foreign: Foreign) -> anyhow::Result<Scene> {
        let lab = Lab::start(LabConfig::default()).await?;
        Ok(Scene {
            foreign,
            of_foreign: lab.create_phone(OF_FOREIGN, "Bea").await?,
            of_bare: lab.create_phone(OF_BARE, "Rusty").await?,
            of_nobody: lab.create_phone(OF_NOBODY, "Nobody").await?,
            lab,
            files: tempfile::tempdir()?,
        })
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.files.path()).join(name)
    }

    /// Links a client that keeps its session under this name.
    async fn link_foreign(&self, name: &str) -> anyhow::Result<(Lines, DeviceId)> {
        let mut client = self.foreign.start(&self.lab, &self.file(name))?;
        let device = link(&self.lab, &self.of_foreign, &mut client).await?;
        // A device logs in on a connection of its own, after the restart that follows linking.
        let logged_in =
            self.lab.ledger().entries(0).into_iter().any(|entry| {
                entry.device == device.to_string() && matches!(entry.act, Act::LoggedIn)
            });
        ensure!(
            logged_in,
            "it says it is connected, the server knows nothing of it"
        );
        Ok((client, device))
    }

    async fn link_bare(&self) -> anyhow::Result<(Lines, DeviceId)> {
        let mut bare = bare::start(&self.lab, &self.file("bare.db"), false)?;
        let device = link(&self.lab, &self.of_bare, &mut bare).await?;
        Ok((bare, device))
    }

    async fn link_with_wrong_answer(&self) -> anyhow::Result<()> {
        let mut client = self.foreign.start(&self.lab, &self.file("wrong"))?;
        self.lab
            .inject(Target::Linking, Fault::PairError, When::Now, 1)
            .await?;
        link(&self.lab, &self.of_nobody, &mut client).await?;
        Ok(())
    }

    async fn text_with_phone(&self, client: &mut Lines) -> anyhow::Result<()> {
        self.lab
            .send_text(&self.of_nobody, OF_FOREIGN, "from a phone")
            .await?;
        client.message("from a phone", STEP).await?;
        client.send(OF_NOBODY, "to a phone").await?;
        self.lab
            .wait_inbox(&self.of_nobody, STEP, says("to a phone"))
            .await?;
        Ok(())
    }

    async fn texts_in_group(&self, foreign: &mut Lines, bare: &mut Lines) -> anyhow::Result<()> {
        let members = [self.of_foreign.clone(), self.of_bare.clone()];
        let group = self.lab.create_group(&self.of_nobody, "All", &members);
        let group = group.await?.to_string();
        text(foreign, bare, &group, "to the group").await?;
        text(bare, foreign, &group, "and back to it").await?;
        for said in ["to the group", "and back to it"] {
            self.lab
                .wait_inbox(&self.of_nobody, STEP, says(said))
                .await?;
        }
        Ok(())
    }

    /// One text whose ciphertext is corrupted on its way; the receiver asks again and gets it.
    async fn heal(
        &self,
        from: &mut Lines,
        to: &mut Lines,
        number: &str,
        device: &DeviceId,
    ) -> anyhow::Result<()> {
        let before = self.lab.ledger().entries(0).len() as u64;
        self.lab
            .inject(device.clone(), Fault::BadMac, When::Now, 1)
            .await?;
        let body = format!("corrupted on its way to {number}");
        let id = text(from, to, number, &body).await?;
        let asked_again = self.lab.ledger().entries(before).iter().any(|entry| {
            entry.device == device.to_string()
                && matches!(&entry.act, Act::Accepted { stanza }
                    if stanza.id == id && stanza.tag == "receipt" && stanza.kind.as_deref() == Some("retry"))
        });
        ensure!(
            asked_again,
            "it arrived without a retry: nothing was corrupted"
        );
        Ok(())
    }

    async fn refused(
        &self,
        foreign: &mut Lines,
        device: &DeviceId,
        bare: &mut Lines,
    ) -> anyhow::Result<()> {
        self.lab
            .inject(device.clone(), Fault::NackSend, When::Now, 1)
            .await?;
        foreign.send(OF_BARE, "refused").await?;
        bare.message("refused", SILENCE).await?;
        Ok(())
    }

    async fn log_out(&self, foreign: &mut Lines) -> anyhow::Result<()> {
        foreign.log_out().await?;
        is_logged_out(foreign).await?;
        let gone = |devices: &[DeviceInfo]| devices.is_empty();
        self.lab.wait_devices(&self.of_foreign, STEP, gone).await?;
        Ok(())
    }

    async fn unlink(&self) -> anyhow::Result<()> {
        let (mut foreign, device) = self.link_foreign("second").await?;
        self.lab.unlink(&device).await?;
        is_logged_out(&mut foreign).await
    }

    fn no_crimes(&self) -> anyhow::Result<()> {
        let crimes = self.lab.ledger().crimes();
        ensure!(crimes.is_empty(), "{crimes:?}");
        Ok(())
    }
}

/// Sends a text to `number` and waits until `to` has it, under the id its sender gave it.
async fn text(
    from: &mut Lines,
    to: &mut Lines,
    number: &str,
    body: &str,
) -> anyhow::Result<String> {
    let sent = from.send(number, body).await?;
    let received = to.message(body, STEP).await?;
    ensure!(sent == received, "it arrived under another id");
    Ok(sent)
}

async fn is_logged_out(client: &mut Lines) -> anyhow::Result<()> {
    let told = client.wait("word that it is logged out", STEP, |event| {
        matches!(event, Event::Close { code: LOGGED_OUT }).then_some(())
    });
    Ok(told.await?)
}

fn says(text: &str) -> impl Fn(&Received) -> bool {
    move |received| matches!(&received.content, Content::Text(said) if said == text)
}
