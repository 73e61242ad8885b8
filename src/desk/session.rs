//! The session: what a human may ask of the link, and news for the owner.

use std::time::Duration;

use holdfast_core::{Cause, Command, Deed, Reception, Reply, Tested};
use holdfast_medium::{Machine, Secret, Stopped, blocking};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;

use super::{Ask, Desk, Refusal, Request, aside};
use crate::history::{HistoryError, LastWord, LastWords};
use crate::link::{PasskeyAnswer, PasskeyStep};
use crate::network::radio;

/// How long a test of the link may take: both of its parts, and a little more.
pub(crate) const TEST_LIMIT: Duration = Duration::from_secs(60);

/// The token of a two-step request, to be repeated in its second step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub token: u64,
    /// How long it is good for, milliseconds.
    pub valid_ms: u64,
}

/// A passkey's request, for a human who holds the key.
pub struct PasskeyPrompt {
    /// The JSON that `navigator.credentials.get` takes.
    pub options: Secret<String>,
    /// The code that the phone has to show as well, once the passkey was used; `None` when there is no need to compare.
    pub code: Option<Secret<String>>,
}

/// The owner's news, as they come.
pub struct News(broadcast::Receiver<Cause>);

impl News {
    /// The next one; `None` when the daemon is gone. A reader that falls far behind misses some.
    pub async fn next(&mut self) -> Option<Cause> {
        loop {
            match self.0.recv().await {
                Ok(cause) => return Some(cause),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Desk {
    /// The proxy to WhatsApp, without its login; `None` where there is none.
    pub fn proxy(&self) -> Option<&str> {
        self.lines.proxy.as_deref()
    }

    /// How well the radio hears its access point; `None` where none is joined. A radio that hangs answers late.
    pub async fn wifi(&self) -> Option<Reception> {
        let heard = blocking(|| Ok::<_, Stopped>(radio::reception(&Machine::this())));
        heard.await.ok().flatten()
    }

    /// Resumes linking when it is paused, or connects now instead of waiting.
    ///
    /// # Errors
    /// The core's refusal.
    pub async fn link(&self) -> Result<(), Refusal> {
        self.check(Ask::Link)?;
        self.command(Command::Link).await.map(drop)
    }

    /// First step of a re-link.
    ///
    /// # Errors
    /// The core's refusal.
    pub async fn relink(&self) -> Result<Token, Refusal> {
        self.check(Ask::Relink)?;
        self.token(Deed::Relink).await
    }

    /// Second step of a re-link: retires the live generation to the archive and starts linking the next.
    ///
    /// # Errors
    /// The core's refusal.
    pub async fn confirm_relink(&self, token: u64) -> Result<(), Refusal> {
        self.check(Ask::Relink)?;
        self.confirm(Deed::Relink, token).await
    }

    /// WhatsApp's request for a passkey.
    ///
    /// # Errors
    /// [`Refusal::NothingToDo`] when there is none.
    pub fn passkey(&self) -> Result<PasskeyPrompt, Refusal> {
        self.check(Ask::Passkey)?;
        let shown = self.lines.credentials.borrow();
        let options = shown.passkey.clone().ok_or(Refusal::NO_PASSKEY)?;
        Ok(PasskeyPrompt {
            options,
            code: shown.passkey_code.clone(),
        })
    }

    /// Hands on an answer to a passkey's request.
    ///
    /// # Errors
    /// [`Refusal::NothingToDo`] when no linking wants it, [`Refusal::InvalidArgument`] when it is of no use.
    pub async fn answer_passkey(&self, what: PasskeyAnswer) -> Result<(), Refusal> {
        self.check(Ask::Passkey)?;
        let (reply, done) = oneshot::channel();
        self.lines
            .requests
            .send(Request::Passkey(PasskeyStep { what, reply }))
            .await
            .map_err(|_| Refusal::Stopping)?;
        match done.await {
            Ok(done) => done.map_err(Refusal::from),
            Err(_) => Err(Refusal::NO_PASSKEY),
        }
    }

    /// Tests the link, and waits for the result.
    ///
    /// # Errors
    /// [`Refusal::NothingToDo`] when it is not connected, or ends meanwhile.
    pub async fn self_test(&self) -> Result<Tested, Refusal> {
        self.check(Ask::SelfTest)?;
        let mut tested = self.lines.tested.subscribe();
        self.command(Command::SelfTest).await?;
        match timeout(TEST_LIMIT, tested.recv()).await {
            Ok(Ok(tested)) => Ok(tested),
            _ => Err(Refusal::NOT_TESTED),
        }
    }

    /// The last `max` (`None`: all that are kept) stanzas by which WhatsApp refused or ended a connection, the newest last.
    /// They may name the account.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn last_words(&self, max: Option<usize>) -> Result<Vec<LastWord>, Refusal> {
        self.check(Ask::LastWords)?;
        let last_words = LastWords::new(&self.lines.data);
        let max = max.unwrap_or(usize::MAX);
        aside(move || last_words.last(max).map_err(HistoryError::LastWords)).await
    }

    /// News for the owner, from now on; a few a day at most.
    pub fn news(&self) -> News {
        News(self.lines.news.subscribe())
    }

    /// First step of a request that takes two: asks the core for a token.
    pub(super) async fn token(&self, deed: Deed) -> Result<Token, Refusal> {
        let nonce = getrandom::u64().map_err(Refusal::no_random)?;
        match self.command(Command::Ask { deed, nonce }).await? {
            Reply::Token { token, valid_ms } => Ok(Token { token, valid_ms }),
            reply => Err(Refusal::Failed(format!(
                "the core answered a question with {reply:?}"
            ))),
        }
    }

    /// Second step: has the core check the token and order the deed.
    pub(super) async fn confirm(&self, deed: Deed, token: u64) -> Result<(), Refusal> {
        let confirm = Command::Confirm { deed, token };
        self.command(confirm).await.map(drop)
    }

    /// Hands a command to the core and returns its answer.
    pub(super) async fn command(&self, command: Command) -> Result<Reply, Refusal> {
        let reply = self.ask(|reply| Request::Command { command, reply });
        match reply.await? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }
}
