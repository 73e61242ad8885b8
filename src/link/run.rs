//! One run of the library's client, from its start to its one ending.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{CauseCode, Ending, Event, Todo};
use tokio::sync::{mpsc, oneshot, watch};
use wacore::store::DevicePropsOverride;
use wacore::store::traits::Backend;
use whatsapp_rust::Client;
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::waproto::whatsapp::device_props::PlatformType;

use super::Parts;
use super::credentials::Credentials;
use super::dial::{DialFailure, Dialer, settle_identity};
use super::inbound::ToInbox;
use super::observer::{Listener, Notice, Observer, Phase};
use super::outgoing::{self, Outgoing};

/// How long an orderly end may take: the library flushes for up to 5 s.
const END_LIMIT: Duration = Duration::from_secs(8);

/// From the phone's consent to the first login. In between the library reconnects by itself, and reports no failure.
const FIRST_LOGIN_LIMIT: Duration = Duration::from_secs(180);

/// Logs in, or links, and stays until the connection ends or `stop` says so.
pub(super) async fn run(
    parts: &Parts,
    backend: Arc<dyn Backend>,
    errands: mpsc::UnboundedReceiver<Todo>,
    stop: oneshot::Receiver<()>,
) -> Ending {
    let (notices_tx, notices) = mpsc::unbounded_channel();
    let observer = Observer::new(parts.events.clone(), notices_tx, parts.credentials.clone());
    let (dialer, dials) = Dialer::new(parts.settings.server_url.as_deref());
    let Some(bot) = build(parts, backend, Arc::clone(&observer), dialer).await else {
        return Ending::Storage;
    };
    let client = bot.client();
    // Nobody else sets it.
    let _ = dials.client.set(Arc::downgrade(&client));
    // The core owns reconnection. Only from the phone's consent to the first login the library keeps it, because
    // what that login still has to sync lives in the library's memory.
    observer.steer(Arc::clone(&client.enable_auto_reconnect));
    let _stream_errors = client.acquire_raw_node_forwarding();

    let work = async {
        tokio::select! {
            () = carry_mail(parts, &client, notices) => {}
            () = catch_up(parts, &client, errands) => {}
        }
    };
    let asked = serve(bot.spawn(), &client, &observer, work, stop).await;
    parts.credentials.send_replace(Credentials::default());
    if asked {
        return Ending::Asked;
    }
    let dial = *dials
        .last
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let ending = observer
        .ending()
        .unwrap_or_else(|| Ending::Network(unspoken(dial, *observer.phase().borrow()).into()));
    if ending == Ending::ClientOutdated {
        parts.versions.refused();
    }
    ending
}

/// Why a run ended of which WhatsApp said nothing.
fn unspoken(dial: Option<DialFailure>, phase: Phase) -> CauseCode {
    match (dial, phase) {
        (Some(DialFailure::NoAddress), _) => CauseCode::DnsFailed,
        (Some(DialFailure::NoAnswer), _) => CauseCode::DialFailed,
        (None, Phase::Up) => CauseCode::ConnectionLost,
        (None, Phase::Paired) => CauseCode::LoginTimeout,
        (None, Phase::Unpaired) => CauseCode::HandshakeFailed,
    }
}

async fn build(
    parts: &Parts,
    backend: Arc<dyn Backend>,
    observer: Arc<Observer>,
    dialer: Dialer,
) -> Option<Bot> {
    let device = backend.load().await.ok()?.unwrap_or_default();
    let version = parts.versions.choose(&device).await;
    let settings = &parts.settings;
    // The name and kind shown under "Linked devices"; WhatsApp knows browsers and a few apps, no appliances.
    let props = DevicePropsOverride::new()
        .with_os(&settings.device_name)
        .with_platform_type(PlatformType::CHROME);
    let mut builder = Bot::builder()
        .with_backend_arc(backend)
        .with_transport_factory(dialer)
        .with_version(version)
        .with_device_props(props)
        .with_event_handler(Listener(observer))
        .with_inbound_durability_hook(ToInbox(parts.inbox.clone()))
        .skip_history_sync();
    if let (Some(phone), None) = (&settings.pairing_phone, &device.pn) {
        builder = builder.with_pair_code(PairCodeOptions {
            phone_number: phone.expose().clone(),
            ..PairCodeOptions::default()
        });
    }
    builder.build().await.ok()
}

/// Runs until the end; true when the end was asked for.
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

/// Resolves when a phone consented and the login that has to follow did not.
async fn first_login_overdue(mut phase: watch::Receiver<Phase>) {
    let up = async {
        let _ = phase.wait_for(|phase| *phase == Phase::Paired).await;
        tokio::time::timeout(
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

/// Moves messages between the library and the mail, until mail can no longer be kept.
async fn carry_mail(
    parts: &Parts,
    client: &Arc<Client>,
    mut notices: mpsc::UnboundedReceiver<Notice>,
) {
    let mut outgoing: Option<Outgoing> = None;
    let mut accepted = parts.outbox.changed();
    loop {
        let kept = tokio::select! {
            Some(notice) = notices.recv() => match notice {
                Notice::Up => {
                    // The first login brought the owner's name.
                    settle_identity(client).await;
                    // A companion that is available mutes the phone's notifications.
                    let _ = client.presence().set_unavailable().await;
                    outgoing.insert(Outgoing::new(parts.outbox.clone(), Arc::clone(client))).drain().await
                }
                Notice::Acked(ack) => outgoing::acked(&parts.outbox, &ack).await,
                Notice::Bypassed(batch) => ToInbox(parts.inbox.clone()).commit(&batch).await,
            },
            Ok(()) = accepted.changed() => match &mut outgoing {
                Some(outgoing) => outgoing.drain().await,
                None => Ok(()),
            },
        };
        if let Err(error) = kept {
            tracing::error!(%error, "mail could not be kept; the connection ends");
            return;
        }
    }
}

/// Does what a repair left to do, when asked, and never ends by itself. What fails is asked for again after the next
/// login.
async fn catch_up(parts: &Parts, client: &Arc<Client>, mut errands: mpsc::UnboundedReceiver<Todo>) {
    while let Some(todo) = errands.recv().await {
        let done = async {
            if todo.refresh_pre_keys {
                client.refresh_pre_keys().await?;
            }
            if todo.check_digest {
                client.validate_digest_key().await?;
            }
            anyhow::Ok(())
        };
        match done.await {
            Ok(()) => {
                let _ = parts.events.send(Event::CaughtUp);
            }
            Err(_) => {
                tracing::warn!(
                    "fresh keys could not be uploaded; tried again after the next login"
                );
            }
        }
    }
    std::future::pending().await
}

/// Ends the run in order, within a limit, so that nothing of it writes to the vault afterwards.
async fn end(client: &Arc<Client>, running: BotHandle) {
    if tokio::time::timeout(END_LIMIT, client.disconnect())
        .await
        .is_err()
    {
        running.abort();
    }
}
