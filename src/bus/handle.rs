//! What the daemon hands to the bus: the way in for requests, and what is to be shown.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use holdfast_core::{Cause, CauseCode, Command, Deed, Linked, Part, Reply, State, Tested};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use super::{Error, error::no_random};
use crate::{
    boot::Report,
    history::{Archive, Audit},
    link::{Credentials, PasskeyAnswer, PasskeyStep},
    mail::{Inbox, Outbox},
    panel::Picture,
    vault::{DataDir, barrier::Barrier, wear::Card},
};

/// How long a test of the link may take: both of its parts, and a little more.
const TEST_LIMIT: Duration = Duration::from_secs(60);

/// The daemon as the bus knows it. Cheap to clone: every connection has its own.
#[derive(Clone)]
pub struct Handle {
    /// The daemon's loop.
    pub requests: mpsc::Sender<Request>,
    /// The session, as it is now.
    pub status: watch::Receiver<Status>,
    /// What the glass is.
    pub glass: String,
    /// What a phone can link us by.
    pub credentials: watch::Receiver<Credentials>,
    /// What is on the glass.
    pub picture: watch::Receiver<Picture>,
    /// Received messages.
    pub inbox: Inbox,
    /// Messages to be sent.
    pub outbox: Outbox,
    /// Knows what was asked of the disk.
    pub barrier: Barrier,
    /// The disk; `None` where it cannot be looked at.
    pub card: Option<Card>,
    /// How this start went, and the last run ended.
    pub boot: Arc<Report>,
    /// Retired generations.
    pub archive: Archive,
    /// Who had them retired.
    pub audit: Audit,
    /// What the owner should know.
    pub news: broadcast::Sender<Cause>,
    /// What came of tests.
    pub tested: broadcast::Sender<Tested>,
    /// Where all of it is.
    pub data: DataDir,
}

/// Something the bus wants of the daemon's loop.
pub enum Request {
    /// A command for the core, and where its reply goes.
    Command {
        /// What is asked.
        command: Command,
        /// Takes the core's answer.
        reply: oneshot::Sender<Reply>,
    },
    /// The simulated button goes down, or comes up.
    Button {
        /// Whether it is down now.
        down: bool,
    },
    /// What answers a passkey's request.
    Passkey(PasskeyStep),
    /// How many records of each tier the live generation holds.
    Records {
        /// Takes the counts by tier, or what a human is told when they cannot be read.
        reply: oneshot::Sender<Result<BTreeMap<String, u64>, String>>,
    },
}

/// The session as the bus shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The state's stable name ([`holdfast_core::State::name`]).
    pub state: &'static str,
    /// Why the session is not connected, when it is not.
    pub cause: Option<Cause>,
    /// The live generation and the account it is linked to.
    pub linked: Linked,
    /// Which attempt is planned or under way; 0 when none is counted.
    pub attempt: u32,
    /// When the next attempt is due.
    pub next_attempt: Option<Instant>,
    /// Why the display does not work, when it does not.
    pub display: Option<CauseCode>,
    /// Why the button does not work, when it does not.
    pub button: Option<CauseCode>,
}

impl Status {
    /// What the core says, whose clock began at `started`.
    pub fn of(state: &State, started: Instant) -> Self {
        Self {
            state: state.name(),
            cause: state.cause(),
            linked: state.linked(),
            attempt: state.attempt(),
            next_attempt: state
                .next_attempt()
                .map(|due_ms| started + Duration::from_millis(due_ms)),
            display: state.panel_fault(Part::Display),
            button: state.panel_fault(Part::Button),
        }
    }
}

impl Handle {
    /// Hands a command to the core and returns its answer.
    ///
    /// # Errors
    /// [`Error::Stopping`] when the daemon's loop is gone, or what the core refused the command with.
    pub async fn command(&self, command: Command) -> Result<Reply, Error> {
        match self
            .ask(|reply| Request::Command { command, reply })
            .await?
        {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    /// First step of what takes two: the token, and for how many milliseconds it is good.
    ///
    /// # Errors
    /// As [`Handle::command`].
    pub(super) async fn token(&self, deed: Deed) -> Result<(u64, u64), Error> {
        let nonce = getrandom::u64().map_err(no_random)?;
        match self.command(Command::Ask { deed, nonce }).await? {
            Reply::Token { token, valid_ms } => Ok((token, valid_ms)),
            reply => Err(zbus::Error::Failure(format!(
                "the core answered a question with {reply:?}"
            ))
            .into()),
        }
    }

    /// Second step: do it.
    ///
    /// # Errors
    /// As [`Handle::command`].
    pub(super) async fn confirm(&self, deed: Deed, token: u64) -> Result<(), Error> {
        self.command(Command::Confirm { deed, token })
            .await
            .map(drop)
    }

    /// Tests the link, and waits for what comes of it.
    ///
    /// # Errors
    /// [`Error::NothingToDo`] when it is not connected, or ends meanwhile.
    pub(super) async fn self_test(&self) -> Result<Tested, Error> {
        let mut tested = self.tested.subscribe();
        self.command(Command::SelfTest).await?;
        match timeout(TEST_LIMIT, tested.recv()).await {
            Ok(Ok(tested)) => Ok(tested),
            _ => Err(Error::not_tested()),
        }
    }

    /// Hands on what answers a passkey's request.
    ///
    /// # Errors
    /// [`Error::NothingToDo`] when no linking wants it, [`Error::InvalidArgument`] when it is of no use.
    pub(super) async fn passkey(&self, what: PasskeyAnswer) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.requests
            .send(Request::Passkey(PasskeyStep { what, reply }))
            .await
            .map_err(|_| Error::stopping())?;
        match done.await {
            Ok(done) => done.map_err(Error::from),
            Err(_) => Err(Error::no_passkey()),
        }
    }

    /// Sends a request that has an answer, and waits for it.
    pub(super) async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| Error::stopping())?;
        answer.await.map_err(|_| Error::stopping())
    }
}
