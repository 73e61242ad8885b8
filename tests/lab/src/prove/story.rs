//! `prove story`: the main job end to end, with a simulated phone and with Baileys as the other party.

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;

use super::{Proof, Run};
use crate::peers::baileys;
use crate::story::{self, Friend, Wrong};

/// The story takes seconds; Baileys makes its keys in JavaScript first.
const WITHIN: Duration = Duration::from_secs(300);

/// The proof.
pub struct MainJob;

#[async_trait(?Send)]
impl Proof for MainJob {
    fn name(&self) -> &'static str {
        "story"
    }

    fn claim(&self) -> &'static str {
        "Holdfast links, holds, delivers, survives kill -9 and links anew only when revoked"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src"]
    }

    async fn try_on(&self, run: &mut Run) {
        run.case(
            "with a phone as the other party",
            WITHIN,
            tell(Friend::Phone),
        )
        .await;
        for wrong in Wrong::ALL {
            run.caught(wrong.claim(), wrong.noticed(), WITHIN, tell_wrongly(wrong))
                .await;
        }
        match baileys::missing().await {
            Some(missing) => run.not_run(1, missing),
            None => {
                run.case(
                    "with Baileys as the other party",
                    WITHIN,
                    tell(Friend::Baileys),
                )
                .await;
            }
        }
    }
}

async fn tell(friend: Friend) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program cannot find itself")?;
    story::tell(&program, friend, None, |step| println!("          {step}")).await
}

async fn tell_wrongly(wrong: Wrong) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program cannot find itself")?;
    story::tell(&program, Friend::Phone, Some(wrong), |_| {}).await
}
