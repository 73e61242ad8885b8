//! `prove baileys`: the lab is a WhatsApp to a client that nobody here wrote.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;

use super::{Proof, Run};
use crate::ledger::Act;
use crate::peers::lines::{Event, Lines};
use crate::peers::{STEP, baileys, bare, link};
use crate::phone::inbox::{Content, Received};
use crate::server::{DeviceId, Fault, Lab, LabConfig, PhoneId, Target, When};

const OF_BAILEYS: &str = "15550000001";
const OF_BARE: &str = "15550000002";
const OF_NOBODY: &str = "15550000003";

/// A case links a client at most, and waits for a message.
const WITHIN: Duration = Duration::from_secs(150);

/// How long a message is awaited that must not come.
const SILENCE: Duration = Duration::from_secs(3);

/// Cases and controls below.
const CASES: u64 = 11;

/// The proof.
pub struct Interoperation;

#[async_trait(?Send)]
impl Proof for Interoperation {
    fn name(&self) -> &'static str {
        "baileys"
    }

    fn claim(&self) -> &'static str {
        "an unmodified Baileys links, exchanges texts with whatsapp-rust both ways and heals a Bad MAC"
    }

    async fn try_on(&self, run: &mut Run) {
        if let Some(missing) = baileys::missing().await {
            run.not_run(CASES, missing);
            return;
        }
        let Some(scene) = run.case("the lab is up", WITHIN, Scene::set()).await else {
            return;
        };
        run.control(
            "Baileys links although the phone's answer does not verify",
            WITHIN,
            scene.link_with_wrong_answer(),
        )
        .await;
        let Some((mut baileys, baileys_device)) = run
            .case(
                "Baileys links by QR, is restarted and logs in",
                WITHIN,
                scene.link_baileys(),
            )
            .await
        else {
            return;
        };
        let Some((mut bare, bare_device)) = run
            .case("whatsapp-rust links beside it", WITHIN, scene.link_bare())
            .await
        else {
            return;
        };

        run.case(
            "a text from Baileys to whatsapp-rust",
            WITHIN,
            text(&mut baileys, &mut bare, OF_BARE, "from Baileys"),
        )
        .await;
        run.case(
            "a text from whatsapp-rust to Baileys",
            WITHIN,
            text(&mut bare, &mut baileys, OF_BAILEYS, "from whatsapp-rust"),
        )
        .await;
        run.case(
            "a text from a phone to Baileys, and back",
            WITHIN,
            scene.text_with_phone(&mut baileys),
        )
        .await;
        run.case(
            "Baileys heals a Bad MAC",
            WITHIN,
            scene.heal(&mut bare, &mut baileys, OF_BAILEYS, &baileys_device),
        )
        .await;
        run.case(
            "whatsapp-rust heals a Bad MAC from Baileys",
            WITHIN,
            scene.heal(&mut baileys, &mut bare, OF_BARE, &bare_device),
        )
        .await;
        run.control(
            "a message that the server refuses arrives",
            WITHIN,
            scene.refused(&mut baileys, &baileys_device, &mut bare),
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
    lab: Lab,
    of_baileys: PhoneId,
    of_bare: PhoneId,
    of_nobody: PhoneId,
    files: tempfile::TempDir,
}

impl Scene {
    async fn set() -> anyhow::Result<Scene> {
        let lab = Lab::start(LabConfig::default()).await?;
        Ok(Scene {
            of_baileys: lab.create_phone(OF_BAILEYS, "Bea").await?,
            of_bare: lab.create_phone(OF_BARE, "Rusty").await?,
            of_nobody: lab.create_phone(OF_NOBODY, "Nobody").await?,
            lab,
            files: tempfile::tempdir()?,
        })
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.files.path()).join(name)
    }

    async fn link_baileys(&self) -> anyhow::Result<(Lines, DeviceId)> {
        let mut baileys = baileys::start(&self.lab, &self.file("baileys"))?;
        let device = link(&self.lab, &self.of_baileys, &mut baileys).await?;
        let restarted = baileys
            .wait("the restart that follows linking", STEP, |event| {
                matches!(event, Event::Close { code: 515 }).then_some(())
            })
            .await;
        restarted?;
        let logged_in =
            self.lab.ledger().entries(0).into_iter().any(|entry| {
                entry.device == device.to_string() && matches!(entry.act, Act::LoggedIn)
            });
        ensure!(
            logged_in,
            "it says it is connected, the server knows nothing of it"
        );
        Ok((baileys, device))
    }

    async fn link_bare(&self) -> anyhow::Result<(Lines, DeviceId)> {
        let mut bare = bare::start(&self.lab, &self.file("bare.db"), false)?;
        let device = link(&self.lab, &self.of_bare, &mut bare).await?;
        Ok((bare, device))
    }

    async fn link_with_wrong_answer(&self) -> anyhow::Result<()> {
        let mut baileys = baileys::start(&self.lab, &self.file("wrong"))?;
        self.lab
            .inject(Target::Linking, Fault::PairError, When::Now, 1)
            .await?;
        link(&self.lab, &self.of_nobody, &mut baileys).await?;
        Ok(())
    }

    async fn text_with_phone(&self, client: &mut Lines) -> anyhow::Result<()> {
        self.lab
            .send_text(&self.of_nobody, OF_BAILEYS, "from a phone")
            .await?;
        client.message("from a phone", STEP).await?;
        client.send(OF_NOBODY, "to a phone").await?;
        self.lab
            .wait_inbox(&self.of_nobody, STEP, says("to a phone"))
            .await?;
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
        baileys: &mut Lines,
        device: &DeviceId,
        bare: &mut Lines,
    ) -> anyhow::Result<()> {
        self.lab
            .inject(device.clone(), Fault::NackSend, When::Now, 1)
            .await?;
        baileys.send(OF_BARE, "refused").await?;
        bare.message("refused", SILENCE).await?;
        Ok(())
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

fn says(text: &str) -> impl Fn(&Received) -> bool {
    move |received| matches!(&received.content, Content::Text(said) if said == text)
}
