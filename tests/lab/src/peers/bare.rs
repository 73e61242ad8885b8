//! A whatsapp-rust client with its SQLite store and nothing else: what Holdfast is measured against.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use tokio::process::Command as Process;
use tokio::sync::mpsc;
use wacore::proto_helpers::MessageExt;
use whatsapp_rust::InboundDurabilityHook;
use whatsapp_rust::prelude::{Bot, Client, Event as Said, Jid};
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::types::events::InboundMessage;
use whatsapp_rust_sqlite_storage::{SqliteStore, SqliteStoreConfig, Synchronous};

use super::PeerError;
use super::lines::{Command, Event, Lines, MARK};
use crate::server::Lab;

/// What it is called in a complaint.
const PEER: &str = "whatsapp-rust";

/// Any version will do for the lab; naming one keeps the client from asking the internet.
const VERSION: (u32, u32, u32) = (2, 3000, 1_030_000_000);

/// What a `bare-client` process is told on its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server.
    #[arg(long)]
    pub url: String,
    /// The SQLite file.
    #[arg(long)]
    pub store: PathBuf,
    /// A message is on the medium before it is acked, as with Holdfast: the library's durability hook over SQLite with
    /// `synchronous=FULL`.
    #[arg(long)]
    pub durable: bool,
}

/// Starts a client that keeps its session in `store`; with `durable` no message is acked before it is on the medium.
///
/// # Errors
/// [`PeerError::Process`].
pub fn start(lab: &Lab, store: &Path, durable: bool) -> Result<Lines, PeerError> {
    let failed = |source| PeerError::Process { peer: PEER, source };
    let mut process = command(lab, store, durable).map_err(failed)?;
    Lines::start(PEER, &mut process)
}

/// Its command line.
pub(super) fn command(lab: &Lab, store: &Path, durable: bool) -> io::Result<Process> {
    let mut process = Process::new(std::env::current_exe()?);
    process
        .args(["bare-client", "--url", &lab.url(), "--store"])
        .arg(store)
        .args(durable.then_some("--durable"));
    Ok(process)
}

/// Runs the client in this process until it is told to stop.
///
/// # Errors
/// The store or the client cannot be made.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let store = options
        .store
        .to_str()
        .context("the path of the store must be UTF-8")?;
    let mut config = SqliteStoreConfig::default();
    if options.durable {
        config.synchronous = Synchronous::Full;
    }
    let mut bot = Bot::builder()
        .with_backend(SqliteStore::with_config(store, config).await?)
        .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(options.url))
        .with_version(VERSION)
        .on_qr_code(|qr, _| async move { say(&Event::Qr { qr }) })
        .on_connected(|_| async { say(&Event::Open) })
        .on_message(|context| async move {
            if let Some(text) = context.message.text_content() {
                say(&Event::Message {
                    id: context.info.id.to_string(),
                    from: context.info.source.sender.to_string(),
                    text: text.to_owned(),
                });
            }
        })
        .on_event(|event, _| async move {
            match &*event {
                Said::UndecryptableMessage(message) => say(&Event::Undecryptable {
                    id: message.info.id.to_string(),
                }),
                Said::Disconnected(_) => say(&Event::Close { code: 0 }),
                _ => {}
            }
        });
    if options.durable {
        bot = bot.with_inbound_durability_hook(Printed);
    }
    let bot = bot.build().await?.spawn();
    obey(bot.client()).await;
    bot.shutdown().await;
    Ok(())
}

/// Takes every message: that it is printed is all that this client does with it.
struct Printed;

#[async_trait]
impl InboundDurabilityHook for Printed {
    async fn on_messages(
        &self,
        _client: Arc<Client>,
        _batch: &[InboundMessage],
    ) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Carries out commands until `stop`, or until nobody is left to give any.
async fn obey(client: Arc<Client>) {
    let (read, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if read.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        match serde_json::from_str(&line) {
            Ok(Command::Send { to, text }) => say(&send(&client, &to, &text).await),
            Ok(Command::Logout) => client.logout().await,
            Ok(Command::Stop) => break,
            Err(error) => say(&Event::Failed {
                error: error.to_string(),
            }),
        }
    }
}

async fn send(client: &Client, to: &str, text: &str) -> Event {
    let sent = match to
        .parse()
        .or_else(|_| format!("{to}@s.whatsapp.net").parse())
    {
        Ok(to) => send_to(client, to, text).await,
        Err(error) => Err(anyhow::Error::new(error)),
    };
    match sent {
        Ok(id) => Event::Sent { id },
        Err(error) => Event::Failed {
            error: format!("{error:#}"),
        },
    }
}

async fn send_to(client: &Client, to: Jid, text: &str) -> anyhow::Result<String> {
    Ok(client.send_text(to, text).await?.message_id)
}

fn say(event: &Event) {
    match serde_json::to_string(event) {
        Ok(json) => println!("{MARK}{json}"),
        Err(error) => eprintln!("bare-client: {error}"),
    }
}
