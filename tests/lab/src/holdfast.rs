//! A Holdfast under test: the real daemon in a process of its own, met as its owner and its bot meet it.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use holdfast::bus::{
    self, InboxMessage, Messages1Proxy, Panel1Proxy, Session1Proxy, Vault1Proxy, follow,
};
use holdfast::panel::Frame;
use holdfast_core::Face;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use zbus::fdo::PropertiesProxy;
use zbus::{Connection, MessageStream};

use crate::camera;
use crate::server::{DeviceId, Lab, PhoneId};
use crate::terminal::Terminal;

/// A directory, a configuration, and the daemon that may run on them.
pub struct Holdfast {
    /// The program and its first arguments, up to the daemon's own.
    program: Vec<PathBuf>,
    directory: PathBuf,
    data: PathBuf,
    runtime: PathBuf,
    /// The runtime directory, where it is none of `directory`'s.
    memory: Option<TempDir>,
    /// The address of a message bus.
    bus: Option<String>,
    /// Its standard error counts as a stream of the journal.
    journal: bool,
    /// The socket of a service manager, and how often it wants to hear of us.
    manager: Option<(PathBuf, Duration)>,
    /// The keys and the screen of its terminal, where its panel is one.
    terminal: Option<[OwnedFd; 2]>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    connection: Connection,
}

impl Holdfast {
    /// Prepares a daemon for a lab's server; nothing runs yet. `program` is `holdfast-lab`.
    pub fn new(program: &Path, directory: &Path, url: &str) -> anyhow::Result<Self> {
        std::fs::write(
            directory.join("holdfast.toml"),
            format!("[server]\nurl = \"{url}\"\n"),
        )?;
        let program = vec![program.to_owned(), "daemon".into()];
        Ok(Self {
            program,
            directory: directory.to_owned(),
            data: directory.join("data"),
            runtime: directory.join("run"),
            memory: None,
            bus: None,
            journal: false,
            manager: None,
            terminal: None,
            running: None,
        })
    }

    /// It is this `holdfastd` from the next start on.
    pub fn is_daemon(&mut self, daemon: &Path) {
        self.program = vec![daemon.to_owned()];
    }

    /// From the next start on it is run by these words.
    pub fn runs_under(&mut self, words: Vec<PathBuf>) {
        self.program.splice(..0, words);
    }

    /// From the next start on it is also on the message bus at this address.
    pub fn joins(&mut self, bus: &str) {
        self.bus = Some(bus.to_owned());
    }

    /// From the next start on it is run by these words, and logs to the journal it finds there.
    pub fn logs_to_journal(&mut self, inside: Vec<PathBuf>) {
        self.runs_under(inside);
        self.journal = true;
    }

    /// Logs at this level from the next start on.
    pub fn logs(&self, level: &str) -> anyhow::Result<()> {
        let file = self.directory.join("holdfast.toml");
        let settings = std::fs::read_to_string(&file)?;
        std::fs::write(file, format!("{settings}[log]\nlevel = \"{level}\"\n"))?;
        Ok(())
    }

    /// Reaches WhatsApp through this proxy from the next start on.
    pub fn goes_through(&self, proxy: &str) -> anyhow::Result<()> {
        let file = self.directory.join("holdfast.toml");
        let settings = std::fs::read_to_string(&file)?;
        std::fs::write(file, format!("{settings}[network]\nproxy = \"{proxy}\"\n"))?;
        Ok(())
    }

    /// Has its data directory elsewhere from the next start on.
    pub fn move_to(&mut self, data: PathBuf) {
        self.data = data;
    }

    /// From the next start on its runtime directory is in memory, as on a card, where there is such a file system here.
    pub fn runs_in_memory(&mut self) -> anyhow::Result<()> {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            let memory = tempfile::Builder::new()
                .prefix("holdfast-run-")
                .tempdir_in(memory)?;
            self.runtime = memory.path().to_owned();
            self.memory = Some(memory);
        }
        Ok(())
    }

    /// From the next start on its panel is this terminal, and its button the space bar there.
    pub fn sits_at(&mut self, terminal: &Terminal) -> anyhow::Result<()> {
        self.runs_under(["setsid", "--ctty"].map(PathBuf::from).to_vec());
        self.terminal = Some([terminal.side()?, terminal.side()?]);
        Ok(())
    }

    /// From the next start on a service manager listens on this socket, and wants the watchdog fed this often (sd_notify(3)).
    pub fn under_a_service_manager(&mut self, socket: &Path, watchdog: Duration) {
        self.manager = Some((socket.to_owned(), watchdog));
    }

    /// Starts the daemon and waits until its start is over.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.begin().await?;
        self.has_started().await
    }

    /// Waits until the start is over, well or with a fault.
    pub async fn has_started(&self) -> anyhow::Result<()> {
        let session = Session1Proxy::new(&self.running()?.connection).await?;
        let mut changes = session.receive_state_changed().await;
        let over = async {
            while matches!(session.state().await?.as_str(), "Starting" | "Repairing") {
                changes.next().await.context("the daemon has left")?;
            }
            anyhow::Ok(())
        };
        within(60, "the start to be over", over).await?
    }

    /// Starts the daemon and waits until it answers, which it does before anything is opened.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let socket = bus::socket_path(&self.runtime);
        let mut child = self
            .command()?
            .spawn()
            .context("the daemon does not start")?;
        let connection = tokio::select! {
            connection = answer(socket) => connection,
            status = child.wait() => bail!("the daemon left with {}; its log says:\n{}", status?, self.read_log()),
        };
        self.running = Some(Running { child, connection });
        Ok(())
    }

    /// Waits until the daemon has left and begun again, in the same process, and its start is over.
    pub async fn begins_again(&mut self) -> anyhow::Result<()> {
        let socket = bus::socket_path(&self.runtime);
        let running = self.running.as_mut().context("no daemon runs")?;
        let mut heard = MessageStream::from(&running.connection);
        let left = async { while heard.next().await.is_some_and(|message| message.is_ok()) {} };
        within(90, "the daemon to leave", left).await?;
        running.connection = tokio::select! {
            connection = answer(socket) => connection,
            status = running.child.wait() => bail!("the daemon left with {}", status?),
        };
        self.has_started().await
    }

    /// The daemon's command line, for those who do not expect it to answer. Its log is appended to.
    pub fn command(&self) -> anyhow::Result<Command> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())?;
        // As the service manager names the stream that it connected (systemd.exec(5)).
        let stream = log.metadata()?;
        let stream = format!("{}:{}", stream.dev(), stream.ino());
        let (board, keys, screen) = match &self.terminal {
            Some([keys, screen]) => (
                "terminal",
                keys.try_clone()?.into(),
                screen.try_clone()?.into(),
            ),
            None => ("headless", Stdio::null(), Stdio::null()),
        };
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(["--board", board, "--config"])
            .arg(self.directory.join("holdfast.toml"))
            .arg("--data")
            .arg(&self.data)
            .arg("--runtime")
            .arg(&self.runtime)
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("WATCHDOG_PID")
            .stdin(keys)
            .stdout(screen)
            .stderr(log)
            .kill_on_drop(true);
        if let Some(bus) = &self.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus);
        }
        if self.journal {
            command.env("JOURNAL_STREAM", stream);
        }
        if let Some((socket, watchdog)) = &self.manager {
            command
                .env("NOTIFY_SOCKET", socket)
                .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        Ok(command)
    }

    /// The daemon's data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where the daemon's log goes.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The daemon's log so far.
    pub fn read_log(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The daemon's process id.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.running()?.child.id().context("the daemon has left")
    }

    /// `kill -9`: no goodbye, no flush.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut running = self.running.take().context("no daemon runs")?;
        running
            .child
            .kill()
            .await
            .context("the daemon cannot be killed")
    }

    /// Asks the daemon to stop (SIGTERM) and waits until it has left in order.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.ends_by(Signal::TERM).await?;
        if !status.success() {
            bail!(
                "the daemon left with {status}; its log says:\n{}",
                self.read_log()
            );
        }
        Ok(())
    }

    /// Sends the daemon a signal, and waits until it has left.
    pub async fn ends_by(&mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        let mut running = self.running.take().context("no daemon runs")?;
        let pid = running.child.id();
        let pid = pid.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        kill_process(pid.context("the daemon has left")?, signal)?;
        Ok(within(45, "the daemon to leave", running.child.wait()).await??)
    }

    /// Waits until the session is in this state.
    pub async fn reaches(&self, state: &str) -> anyhow::Result<()> {
        self.reaches_without(state, "").await
    }

    /// Waits until the session is in this state, and is not in that other one before.
    pub async fn reaches_without(&self, state: &str, never: &str) -> anyhow::Result<()> {
        // Changes are told to a proxy that caches; without a cache their stream ends at once.
        let session = Session1Proxy::new(&self.running()?.connection).await?;
        let mut changes = session.receive_state_changed().await;
        let reached = async {
            loop {
                let now = session.state().await?;
                if now == state {
                    break;
                }
                if now == never {
                    bail!("the session went into {never}, not {state}");
                }
                changes.next().await.context("the daemon has left")?;
            }
            anyhow::Ok(())
        };
        let reached = within(60, &format!("the state {state}"), reached).await;
        reached
            .and_then(|reached| reached)
            .with_context(|| format!("its log says:\n{}", self.read_log()))
    }

    /// Does this, and waits until the session was in this state since, however shortly.
    pub async fn passes(&self, state: &str, work: impl Future<Output = ()>) -> anyhow::Result<()> {
        let properties = self.properties().await?;
        let mut changes = properties.receive_properties_changed().await?;
        work.await;
        let passed = async {
            loop {
                let change = changes.next().await.context("the daemon has left")?;
                let args = change.args()?;
                let now = args.changed_properties().get("State");
                if now.is_some_and(|now| now.downcast_ref::<&str>() == Ok(state)) {
                    return anyhow::Ok(());
                }
            }
        };
        let passed = within(60, &format!("the state {state}"), passed).await;
        passed
            .and_then(|passed| passed)
            .with_context(|| format!("its log says:\n{}", self.read_log()))
    }

    /// Waits until a generation is live.
    pub async fn lives(&self, generation: &str) -> anyhow::Result<()> {
        let session = self.session().await?;
        let properties = self.properties().await?;
        let mut changes = properties.receive_properties_changed().await?;
        let lives = async {
            while session.generation().await? != generation {
                changes.next().await.context("the daemon has left")?;
            }
            anyhow::Ok(())
        };
        let lives = within(60, &format!("{generation} to be live"), lives).await;
        lives
            .and_then(|lives| lives)
            .with_context(|| format!("its log says:\n{}", self.read_log()))
    }

    /// Links it with this phone, by the code on its screen; returns once it is Connected.
    pub async fn links(&self, lab: &Lab, phone: &PhoneId) -> anyhow::Result<DeviceId> {
        let device = lab.scan_qr(phone, &self.scan_screen().await?).await?;
        self.reaches("Connected").await?;
        Ok(device)
    }

    /// Waits until a QR is on the screen, and reads it from the pixels as a phone's camera would.
    pub async fn scan_screen(&self) -> anyhow::Result<String> {
        let panel = self.panel().await?;
        let seen = async {
            loop {
                let (width, height, bits) = panel.frame_with_credential().await?;
                let glass = Frame::from_bits(width, height, &bits);
                if let Some(text) = glass.as_ref().and_then(camera::read) {
                    return anyhow::Ok(text);
                }
                // Frames have no change signal: a credential must not announce itself on the bus.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // One that failed stands for its minute before the next comes.
        within(120, "a QR on the screen", seen).await?
    }

    /// Waits until the screen of a face is shown, as far as it does not count down.
    pub async fn shows(&self, face: &Face) -> anyhow::Result<()> {
        let panel = self.panel().await?;
        let seen = async {
            loop {
                let (width, height, bits) = panel.frame_with_credential().await?;
                let frame = Frame::from_bits(width, height, &bits);
                if frame.is_some_and(|frame| camera::is_of(&frame, face)) {
                    return anyhow::Ok(());
                }
                // See above.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let seen = within(60, face.name(), seen).await;
        seen.and_then(|seen| seen)
            .with_context(|| format!("its log says:\n{}", self.read_log()))
    }

    /// The session, over the bus.
    pub async fn session(&self) -> anyhow::Result<Session1Proxy<'_>> {
        Ok(Session1Proxy::builder(&self.running()?.connection)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?)
    }

    /// The panel, over the bus.
    pub async fn panel(&self) -> anyhow::Result<Panel1Proxy<'_>> {
        Ok(Panel1Proxy::new(&self.running()?.connection).await?)
    }

    /// The vault, over the bus.
    pub async fn vault(&self) -> anyhow::Result<Vault1Proxy<'_>> {
        Ok(Vault1Proxy::new(&self.running()?.connection).await?)
    }

    /// What changes, over the bus.
    pub async fn properties(&self) -> anyhow::Result<PropertiesProxy<'_>> {
        Ok(PropertiesProxy::builder(&self.running()?.connection)
            .destination(bus::NAME)
            .path(bus::PATH)
            .build()
            .await?)
    }

    /// The mail, over the bus.
    pub async fn messages(&self) -> anyhow::Result<Messages1Proxy<'static>> {
        Ok(Messages1Proxy::new(&self.running()?.connection).await?)
    }

    /// Waits until `consumer` has this many unread messages at least, and returns all of them; stubs, which have no content, aside.
    pub async fn receives(
        &self,
        consumer: &str,
        count: usize,
    ) -> anyhow::Result<Vec<InboxMessage>> {
        let messages = self.messages().await?;
        let mut news = follow(messages.receive_received().await?);
        let unread = async {
            loop {
                let read = messages.read(consumer, 0, 0).await?.into_iter();
                let unread: Vec<_> = read.filter(|message| !message.raw.is_empty()).collect();
                if unread.len() >= count {
                    return anyhow::Ok(unread);
                }
                news.changed().await.context("the daemon has left")?;
            }
        };
        let unread = within(60, "a message", unread).await;
        unread
            .and_then(|unread| unread)
            .with_context(|| format!("its log says:\n{}", self.read_log()))
    }

    /// Sends a text and waits until WhatsApp acked it. Returns its id.
    pub async fn sends(&self, to: &str, text: &str) -> anyhow::Result<String> {
        let messages = self.messages().await?;
        let mut changes = follow(messages.receive_outbox_changed().await?);
        let id = messages.send(to, text, "").await?;
        let acked = async {
            loop {
                match messages.state(&id).await?.as_str() {
                    "acked" => return Ok(()),
                    failed if failed.starts_with("failed") => {
                        bail!("WhatsApp refused the message: {failed}")
                    }
                    _ => changes.changed().await.context("the daemon has left")?,
                };
            }
        };
        let acked = within(60, "the server's ack", acked).await;
        acked
            .and_then(|acked| acked)
            .with_context(|| format!("its log says:\n{}", self.read_log()))?;
        Ok(id)
    }

    fn running(&self) -> anyhow::Result<&Running> {
        self.running.as_ref().context("no daemon runs")
    }
}

/// Connects as soon as the daemon listens.
async fn answer(socket: PathBuf) -> Connection {
    loop {
        if let Ok(stream) = tokio::net::UnixStream::connect(&socket).await
            && let Ok(stream) = stream.into_std()
            && let Ok(connection) = zbus::connection::Builder::unix_stream(stream)
                .p2p()
                .build()
                .await
        {
            return connection;
        }
        // A socket file that is not there yet cannot be waited for otherwise.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The future's output, or an error that says what did not come.
pub(crate) async fn within<T>(
    seconds: u64,
    what: &str,
    future: impl Future<Output = T>,
) -> anyhow::Result<T> {
    tokio::time::timeout(Duration::from_secs(seconds), future)
        .await
        .with_context(|| format!("waited {seconds} s for {what}"))
}
