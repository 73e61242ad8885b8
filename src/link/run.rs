//! One run of the library's client, from its start to its one ending.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use holdfast_core::{CauseCode, Ending, Event, Todo};
use holdfast_medium::{Stopped, blocking};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use wacore::store::traits::Backend;
use wacore::store::{Device, DevicePropsOverride};
use whatsapp_rust::Client;
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::waproto::whatsapp::device_props::PlatformType;

use super::credentials::Credentials;
use super::dial::{Dialer, settle_identity};
use super::hearing::{self, Answer};
use super::observer::{Listener, Notice, Observer, Phase};
use super::outgoing::Outgoing;
use super::passkey;
use super::self_test::self_test;
use super::version::Version;
use super::{Errand, Parts};
use crate::mail::MailError;

/// Timeout of an orderly end: the library flushes for up to 5 s.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(8);

/// Timeout of the run once everything is flushed. A dial goes on for 20 s whatever it is told.
pub(crate) const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Timeout from the phone's consent to the first login. In between the library reconnects by itself, and reports no failure.
pub(crate) const FIRST_LOGIN_LIMIT: Duration = Duration::from_secs(180);

/// Timeout of a ping; the core waits a little longer.
pub(crate) const PONG_LIMIT: Duration = Duration::from_secs(20);

/// How long the library takes to send presence for a new push name.
const SHOW: Duration = Duration::from_secs(2);

/// How long what follows a login takes memory for: the queue, the upload of pre-keys, what is written a moment later.
const SETTLED: Duration = Duration::from_secs(30);

/// How long the daily presence `available` lasts.
const PULSE: Duration = Duration::from_secs(5);

/// Logs in, or links, and stays connected until the connection ends or `stop` says so.
pub(super) async fn run(
    parts: &Parts,
    backend: Arc<dyn Backend>,
    errands: mpsc::UnboundedReceiver<Errand>,
    mut stop: oneshot::Receiver<()>,
) -> Ending {
    let (notices_tx, notices) = mpsc::unbounded_channel();
    let (intake_tx, intake) = mpsc::unbounded_channel();
    let observer = Observer::new(
        parts.events.clone(),
        notices_tx,
        intake_tx,
        parts.credentials.clone(),
        parts.last_words.clone(),
        (Arc::clone(&parts.peers), parts.clock.clone()),
    );
    let Some(device) = load(&backend).await else {
        return Ending::Storage;
    };
    let version = tokio::select! {
        version = parts.ahead.versions.choose(&device) => version,
        _ = &mut stop => return Ending::Asked,
    };
    let Some(bot) = build(parts, backend, &device, version, &observer).await else {
        return Ending::Storage;
    };
    let client = bot.client();
    // The core owns reconnection. Only from the phone's consent to the first login the library keeps it, because
    // what that login still has to sync lives in the library's memory.
    observer.steer(&client);
    let _stream_errors = client.acquire_raw_node_forwarding();

    let to_inbox = parts.to_inbox();
    let work = async {
        tokio::select! {
            () = carry_mail(parts, &client, notices) => {}
            () = to_inbox.take_in(intake) => {}
            () = run_errands(parts, &client, &observer, errands) => {}
            cause = hearing::deaf(&client, &observer) => {
                cause.into_iter().for_each(|cause| observer.gives_up(cause));
            }
        }
    };
    let asked = serve(bot.spawn(), &client, &observer, work, stop).await;
    observer.close();
    parts.credentials.send_replace(Credentials::default());
    if asked {
        return Ending::Asked;
    }
    let ending = observer.ending().unwrap_or_else(|| {
        let heard = client.stats().frames_received > 0;
        let code = unspoken(observer.unreached(), *observer.phase().borrow(), heard);
        Ending::Network(code.into())
    });
    if ending == Ending::ClientOutdated {
        parts.ahead.versions.refused();
    }
    ending
}

/// Concludes the cause of a run's end about which WhatsApp said nothing; `heard`: something had come from it.
fn unspoken(unreached: Option<CauseCode>, phase: Phase, heard: bool) -> CauseCode {
    match (unreached, phase) {
        (Some(code), _) => code,
        (None, Phase::Paired) => CauseCode::LoginTimeout,
        (None, Phase::Up) => CauseCode::ConnectionLost,
        (None, Phase::Unpaired) if heard => CauseCode::ConnectionLost,
        (None, Phase::Unpaired) => CauseCode::HandshakeFailed,
    }
}

/// Loads the device from the vault, or makes a new one; `None` when the vault does not answer.
pub(super) async fn load(backend: &Arc<dyn Backend>) -> Option<Device> {
    Some(backend.load().await.ok()?.unwrap_or_default())
}

/// Builds the client of one run.
pub(super) async fn build(
    parts: &Parts,
    backend: Arc<dyn Backend>,
    device: &Device,
    version: Version,
    observer: &Arc<Observer>,
) -> Option<Bot> {
    let settings = &parts.settings;
    let dialer = Dialer::new(Arc::clone(&parts.ahead), Arc::clone(observer));
    // The name and kind shown under "Linked devices"; WhatsApp knows browsers and a few apps, no appliances.
    let props = DevicePropsOverride::new()
        .with_os(&settings.device_name)
        .with_platform_type(PlatformType::CHROME);
    let mut builder = Bot::builder()
        .with_backend_arc(backend)
        .with_transport_factory(dialer)
        .with_http_client(parts.ahead.http.clone())
        .with_version(version)
        .with_device_props(props)
        .with_event_handler(Listener(Arc::clone(observer)))
        .with_inbound_durability_hook(parts.to_inbox())
        .skip_history_sync();
    if let (Some(phone), None) = (&settings.pairing_phone, &device.pn) {
        builder = builder.with_pair_code(PairCodeOptions {
            phone_number: phone.expose().clone(),
            ..PairCodeOptions::default()
        });
    }
    builder.build().await.ok()
}

/// Runs the client until its end; true when the end was asked for.
async fn serve(
    mut running: BotHandle,
    client: &Arc<Client>,
    observer: &Observer,
    work: impl Future<Output = ()>,
    stop: oneshot::Receiver<()>,
) -> bool {
    let asked = tokio::select! {
        () = &mut running => false,
        _ = stop => true,
        () = first_login_overdue(observer.phase()) => false,
        () = work => false,
    };
    end(client, running).await;
    asked
}

/// Resolves when a phone consented and the first login then timed out.
async fn first_login_overdue(mut phase: watch::Receiver<Phase>) {
    let up = async {
        let _ = phase.wait_for(|phase| *phase == Phase::Paired).await;
        timeout(
            FIRST_LOGIN_LIMIT,
            phase.wait_for(|phase| *phase == Phase::Up),
        )
        .await
        .is_ok()
    };
    if up.await {
        std::future::pending::<()>().await;
    }
}

/// How much goes on beside the notices.
const BESIDE: usize = 64;
/// How many notices are taken together.
const NOTICES: usize = 256;

/// Moves messages between the library and the mail, until the mail fails.
async fn carry_mail(parts: &Parts, client: &Arc<Client>, notices: mpsc::UnboundedReceiver<Notice>) {
    let reach = Arc::clone(&parts.reach);
    let outgoing = Outgoing::new(parts.outbox.clone(), Arc::clone(client), reach);
    let (up, mut is_up) = watch::channel(false);
    let sends = async {
        let _ = is_up.wait_for(|up| *up).await;
        outgoing.run().await
    };
    let kept = tokio::select! {
        kept = heed(parts, client, &outgoing, notices, &up) => kept,
        kept = sends => kept,
    };
    if let Err(error) = kept {
        tracing::error!(%error, "mail could not be kept; the connection ends");
    }
}

/// Does what each notice asks for; `up` becomes true when messages may be sent. Acks that come together are kept together.
async fn heed(
    parts: &Parts,
    client: &Arc<Client>,
    outgoing: &Outgoing,
    mut notices: mpsc::UnboundedReceiver<Notice>,
    up: &watch::Sender<bool>,
) -> Result<(), MailError> {
    // Beside the notices, which wait for nothing of it.
    let mut beside: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    loop {
        let mut taken = Vec::new();
        tokio::select! {
            count = notices.recv_many(&mut taken, NOTICES) => if count == 0 {
                std::future::pending::<()>().await;
            },
            Some(()) = beside.next() => {}
        }
        let mut acks = Vec::new();
        for notice in taken {
            match notice {
                Notice::Up => {
                    // The first login brought the owner's name.
                    settle_identity(client).await;
                    // A companion that is available mutes the phone's notifications.
                    let _ = client.presence().set_unavailable().await;
                    outgoing.begin().await?;
                    up.send_replace(true);
                    beside.push(give_memory_back().boxed());
                }
                Notice::Acked(ack) => acks.push(ack),
                Notice::Named => beside.push(hush(client).boxed()),
                Notice::AskedAgain(asked) if beside.len() < BESIDE => {
                    beside.push(outgoing.answer(asked).boxed());
                }
                // It may ask again.
                Notice::AskedAgain(_) => {}
                Notice::Drained => {}
            }
        }
        let strangers = outgoing.acked(acks).await?;
        if !strangers.is_empty() {
            let told = async {
                let told = outgoing.refused(strangers).await;
                told.into_iter()
                    .for_each(|event| drop(parts.events.send(event)));
            };
            beside.push(told.boxed());
        }
    }
}

/// Sends presence `unavailable` after the library, in a task of its own, has sent `available`: that would mute the phone.
async fn hush(client: &Arc<Client>) {
    tokio::time::sleep(SHOW).await;
    let _ = client.presence().set_unavailable().await;
}

/// Carries out requests concurrently, and never ends by itself.
async fn run_errands(
    parts: &Parts,
    client: &Arc<Client>,
    observer: &Observer,
    mut errands: mpsc::UnboundedReceiver<Errand>,
) {
    let mut doing = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(errand) = errands.recv() => doing.push(async {
                match errand {
                    Errand::CatchUp(todo) => catch_up(parts, client, todo).await,
                    Errand::Probe => probe(parts, client).await,
                    Errand::AskPhone => ask_phone(client).await,
                    Errand::SelfTest => self_test(parts, client, observer).await,
                    Errand::Pulse => pulse(client).await,
                    Errand::Renegotiate(peer) => renegotiate(client, observer, peer).await,
                    Errand::Passkey(step) => passkey::answer(client, step).await,
                }
            }),
            Some(()) = doing.next() => {}
            else => std::future::pending().await,
        }
    }
}

/// Finishes over the link what a repair left to do. A failed part is retried after the next login.
async fn catch_up(parts: &Parts, client: &Arc<Client>, todo: Todo) {
    let done = async {
        if todo.check_digest {
            client.validate_digest_key().await?;
        }
        // The library uploads by itself after a leap, once a login; what was refused then is made up for here.
        let device = client.persistence_manager().get_device_snapshot();
        if todo.refresh_pre_keys || !device.server_has_prekeys {
            client.refresh_pre_keys().await?;
        }
        anyhow::Ok(())
    };
    match done.await {
        Ok(()) => {
            let _ = parts.events.send(Event::CaughtUp);
        }
        Err(_) => {
            tracing::warn!("fresh keys could not be uploaded; tried again after the next login");
        }
    }
}

/// Asks WhatsApp whether it is there. Only its answer counts, whatever else comes.
async fn probe(parts: &Parts, client: &Arc<Client>) {
    if hearing::ask(client, PONG_LIMIT).await == Answer::Came {
        let _ = parts.events.send(Event::Heard);
    }
}

/// Asks the phone for the newest message of the chat with oneself: its receipt shows the phone's presence, at little cost to it.
async fn ask_phone(client: &Arc<Client>) {
    let Some(own) = client.pn() else { return };
    let own = own.to_non_ad();
    let asked = client.fetch_message_history(&own, "", true, 0, 1);
    if asked.await.is_err() {
        tracing::warn!("the phone could not be asked whether it is there");
    }
}

/// Sends presence `available`, and `unavailable` after a moment.
async fn pulse(client: &Arc<Client>) {
    if client.presence().set_available().await.is_ok() {
        tokio::time::sleep(PULSE).await;
    }
    // Also where nobody knows what became of the first.
    let _ = client.presence().set_unavailable().await;
}

/// Gives back what a login took, a first one above all, once what follows it is over. Nothing rests on it.
async fn give_memory_back() {
    tokio::time::sleep(SETTLED).await;
    let given = blocking(|| {
        holdfast_medium::give_memory_back();
        Ok::<_, Stopped>(())
    });
    let _ = given.await;
}

/// Drops the Signal sessions with a peer. Its next message cannot be decrypted either, and the retry makes new ones.
async fn renegotiate(client: &Arc<Client>, observer: &Observer, peer: u64) {
    let devices = observer.take_peer(peer);
    if client.signal().delete_sessions(&devices).await.is_err() {
        tracing::warn!("the sessions with a peer could not be given up");
    }
}

/// Ends the run in order, within a timeout, so that nothing of it writes to the vault afterwards.
///
/// A run that cannot even be cut off is waited for, so that nobody touches a file beside it.
pub(super) async fn end(client: &Arc<Client>, mut running: BotHandle) {
    let in_order = async {
        client.disconnect().await;
        timeout(LAST_MOMENT, &mut running).await.is_ok()
    };
    if !timeout(END_LIMIT, in_order).await.unwrap_or(false) {
        running.abort();
        running.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_told_from_how_far_the_connection_came() {
        use CauseCode::{ConnectionLost, HandshakeFailed, LoginTimeout, TlsFailed};
        for (unreached, phase, heard, cause) in [
            (Some(TlsFailed), Phase::Unpaired, false, TlsFailed),
            (Some(TlsFailed), Phase::Paired, true, TlsFailed),
            (None, Phase::Unpaired, false, HandshakeFailed),
            (None, Phase::Unpaired, true, ConnectionLost),
            (None, Phase::Paired, true, LoginTimeout),
            (None, Phase::Up, true, ConnectionLost),
        ] {
            assert_eq!(unspoken(unreached, phase, heard), cause, "{phase:?}");
        }
    }
}
