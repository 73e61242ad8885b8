//! What is wrong with the card: no room, damage, a partition that is gone.

use anyhow::{Context, ensure};
use holdfast::journal::MessageId;
use holdfast_core::{CauseCode, Face};

use super::trouble::{goes_on, is_as_ever};
use crate::ledger::Act;
use crate::vm::machine::Machine;
use crate::vm::scene::{self, BOOT, SOON, Scene};

/// Distance of an ext4's block groups, or a whole fraction of it: its superblocks are at their beginnings.
const GROUP: usize = 8 << 20;

fn fault(code: CauseCode) -> Face {
    Face::StorageFault {
        code,
        next_ms: None,
    }
}

/// The fault has a journal entry under its own MESSAGE_ID, and the bus serves it to the operator.
async fn is_told(scene: &Scene, machine: &Machine, code: CauseCode) -> anyhow::Result<()> {
    let id = MessageId::of_cause(code);
    let id = id.as_str();
    let entries = format!("journalctl --no-pager -q -b -o cat MESSAGE_ID={id}");
    let entries = ask(scene, machine, &entries).await?;
    let name = code.as_str();
    ensure!(
        !entries.trim().is_empty(),
        "{name} is not in the journal under {id}"
    );
    let status = ask(scene, machine, "holdfastctl status || true").await?;
    ensure!(
        status.contains("StorageFault") && status.contains(name),
        "{name} is not in: {status}"
    );
    Ok(())
}

async fn ask(scene: &Scene, machine: &Machine, command: &str) -> anyhow::Result<String> {
    scene.operator.run(machine, command).await
}

pub async fn full(scene: &mut Scene) -> anyhow::Result<()> {
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "plenty of room").await?;
    // Root's own share of the blocks, too.
    let fill = "fallocate -l $(($(stat -f -c %f*%S /data))) /data/ballast; cat /dev/zero >>/data/ballast; sync";
    ask(scene, &machine, fill).await?;
    scene
        .shows(&machine, &fault(CauseCode::NoSpace), SOON)
        .await?;
    let text = "sent to a full card";
    let id = scene
        .lab
        .send_text(&scene.friend, scene::OWNER, text)
        .await?;
    scene.power_off(machine).await?;

    let machine = scene.power_on().await?;
    scene
        .shows(&machine, &fault(CauseCode::NoSpace), BOOT)
        .await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    let status = ask(scene, &machine, "holdfastctl status || true").await?;
    let code = CauseCode::NoSpace.as_str();
    ensure!(status.contains(code), "{code} is not in: {status}");
    let entries = scene.lab.ledger().entries(0);
    ensure!(
        !entries
            .iter()
            .any(|entry| matches!(&entry.act, Act::Acked { id: acked, .. } if *acked == id)),
        "a message was taken that there is no room for"
    );
    ask(scene, &machine, "rm /data/ballast").await?;
    scene.connected(&machine, SOON).await?;
    scene.has(&machine, &id, text).await?;
    is_as_ever(scene, &machine, "no room").await?;
    scene.power_off(machine).await
}

pub async fn torn(scene: &mut Scene) -> anyhow::Result<()> {
    scene.card.wound("data", 1024, usize::MAX, 1024)?;
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "a torn superblock").await?;
    let report = ask(scene, &machine, "holdfastctl boot").await?;
    ensure!(
        report.contains("there is no ext4 here"),
        "the boot report does not tell of it: {report}"
    );
    scene.power_off(machine).await
}

pub async fn broken(scene: &mut Scene) -> anyhow::Result<()> {
    let whole = scene.card.copy(&scene.path("whole"))?;
    scene.card.wound("data", 0, GROUP, 1 << 20)?;
    let found = scene.card.copy(&scene.path("found"))?;

    let machine = scene.power_on().await?;
    scene
        .shows(&machine, &fault(CauseCode::SetAside), BOOT)
        .await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    let journal = "journalctl --no-pager -q -b -o cat -u holdfast-card -u holdfastd";
    let journal = ask(scene, &machine, journal).await?;
    for told in ["is set aside, unchanged", "it was set aside"] {
        ensure!(
            journal.contains(told),
            "the journal does not say {told:?}: {journal}"
        );
    }
    is_told(scene, &machine, CauseCode::SetAside).await?;
    let state = ask(
        scene,
        &machine,
        "systemctl is-active holdfastd emergency.target || true",
    )
    .await?;
    ensure!(
        state.split_whitespace().eq(["active", "inactive"]),
        "holdfastd and emergency.target: {state}"
    );
    scene.power_off(machine).await?;
    ensure!(
        scene.card.has_the_same("data", &found)?,
        "the partition was written to"
    );

    scene.card.become_again(&whole)?;
    goes_on(scene, "a broken partition").await
}

pub async fn missing(scene: &mut Scene) -> anyhow::Result<()> {
    let whole = scene.card.copy(&scene.path("whole"))?;
    scene.card.forget("data")?;
    let mut machine = scene.power_on().await?;
    scene.shows_qr(&mut machine, None, BOOT).await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    let report = ask(scene, &machine, "holdfastctl status || true").await?;
    ensure!(report.contains("first-start"), "it is not new: {report}");
    scene.power_off(machine).await?;
    scene.card.become_again(&whole)
}

pub async fn slot(scene: &mut Scene) -> anyhow::Result<()> {
    let whole = scene.card.copy(&scene.path("whole"))?;
    let from = scene.lab.ledger().entries(0).len() as u64;
    // A byte in every eighth block: whatever program is read first, it is not what it was.
    scene.card.wound("root-a", 4096, 8 * 4096, 1)?;
    let machine = scene.power_on().await?;
    // Twice: it starts anew, and is not let through then either. Another slot to start from comes with signed updates.
    machine
        .says("dm-verity device corrupted", 2, 2 * BOOT)
        .await?;
    drop(machine);
    ensure!(
        scene.lab.ledger().entries(from).is_empty(),
        "it ran all the same"
    );
    ensure!(
        scene.card.has_the_same("data", &whole)?,
        "the data partition was written to"
    );
    scene.card.become_again(&whole)?;
    goes_on(scene, "a changed root").await
}

pub async fn identity(scene: &mut Scene) -> anyhow::Result<()> {
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "two copies").await?;
    for slot in ["identity.a", "identity.b"] {
        let destroy = format!(
            "set -e; systemctl stop holdfastd; cd /data/holdfast/$(cat /data/holdfast/CURRENT); \
             dd if=/dev/urandom of={slot} bs=64 count=1 conv=notrunc status=none; systemctl start holdfastd"
        );
        ask(scene, &machine, &destroy).await?;
        is_as_ever(scene, &machine, slot).await?;
        let report = ask(scene, &machine, "holdfastctl boot").await?;
        ensure!(
            report.contains("identity"),
            "the boot report does not tell of it: {report}"
        );
        let whole = "cd /data/holdfast/$(cat /data/holdfast/CURRENT) && test $(sha256sum identity.? | cut -c1-64 | uniq | wc -l) = 1";
        let whole = ask(scene, &machine, whole).await;
        whole.context("the copy was not made anew")?;
    }
    let audit = ask(scene, &machine, "holdfastctl audit verify").await;
    audit.context("the audit chain is broken")?;
    scene.power_off(machine).await
}

pub async fn unopened(scene: &mut Scene) -> anyhow::Result<()> {
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "a store that opens").await?;
    for (code, break_it, mend_it) in [
        (
            CauseCode::IdentityDamaged,
            "cd $live; cp -p identity.? /data/; for slot in identity.a identity.b; do \
             dd if=/dev/urandom of=$slot bs=64 count=1 conv=notrunc status=none; done",
            "mv /data/identity.? $live/",
        ),
        (
            CauseCode::OpenFailed,
            "mkdir -m 700 $live/store.v99; chown holdfast: $live/store.v99",
            "rmdir $live/store.v99",
        ),
    ] {
        let stopped = |deed| {
            format!(
                "set -e; systemctl stop holdfastd; cd /data/holdfast; live=$PWD/$(cat CURRENT); {deed}; systemctl start holdfastd"
            )
        };
        ask(scene, &machine, &stopped(break_it)).await?;
        scene.shows(&machine, &fault(code), SOON).await?;
        is_told(scene, &machine, code).await?;
        ask(scene, &machine, &stopped(mend_it)).await?;
        is_as_ever(scene, &machine, code.as_str()).await?;
    }
    scene.power_off(machine).await
}
