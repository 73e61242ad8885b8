//! A card that takes seconds for an fsync: the daemon's deeds wait for it, and nothing else does.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command as Tracer};
use tokio::time::sleep;

use crate::holdfast::{Holdfast, within};
use crate::server::{Fault, Lab, LabConfig, When};

/// The time of one fsync.
pub(super) const SLOW: Duration = Duration::from_secs(3);
/// The most that anything else may take: far less than one fsync.
const PROMPT: Duration = Duration::from_millis(1500);
/// How often the service manager wants the watchdog fed.
const WATCHDOG: Duration = Duration::from_millis(400);

/// Names what is missing here: the kernel delays a system call for a tracer.
pub(super) fn missing() -> Option<String> {
    let strace = Command::new("strace")
        .args(["-qq", "-e", "trace=none", "true"])
        .stderr(Stdio::null())
        .status();
    match strace {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("strace may not trace here: {status}")),
        Err(error) => Some(format!("strace: {error}")),
    }
}

/// While a deed waits for the card the bus answers, the watchdog is fed and the picture moves.
pub(super) async fn goes_on(fsync: Duration) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let lab = Lab::start(LabConfig::default()).await?;
    let owner = lab.create_phone("15550000001", "Owner").await?;
    let mut holdfast = Holdfast::new(&std::env::current_exe()?, directory.path(), &lab.url())?;
    let notify = directory.path().join("notify");
    let watchdog = UnixDatagram::bind(&notify)?;
    holdfast.under_a_service_manager(&notify, WATCHDOG);
    let past = holdfast.data().join("past");
    let notes = |line: &str| fs::read_to_string(&past).is_ok_and(|past| past.contains(line));
    let mut device = None;
    let linked = async {
        holdfast.start().await?;
        device = Some(holdfast.links(&lab, &owner).await?);
        let settled = async {
            // A file of another process cannot be waited for otherwise.
            while !notes("pulse") {
                sleep(Duration::from_millis(20)).await;
            }
        };
        within(60, "the login to be written down", settled).await
    };
    // Heard from the beginning: whoever feeds a watchdog that nobody listens to waits for it before long.
    longest_pause(&watchdog, linked).await?;
    let device = device.context("nothing was linked")?;

    // WhatsApp's patience is at an end, which the next start has to know: it is written down.
    let tracer = slow_card(holdfast.pid()?, fsync).await?;
    lab.inject(device, Fault::Stream429, When::Now, 1).await?;
    holdfast.reaches("Reconnecting").await?;
    let since = Instant::now();
    ensure!(!notes("throttled"), "the card is not slow");
    let (session, panel) = (holdfast.session().await?, holdfast.panel().await?);
    let (mut pictures, mut slowest) = (Vec::new(), Duration::ZERO);
    let written = async {
        while !notes("throttled") {
            let asked = Instant::now();
            session.state().await?;
            let (_, _, picture) = panel.frame().await?;
            slowest = slowest.max(asked.elapsed());
            if pictures.last() != Some(&picture) {
                pictures.push(picture);
            }
            // A picture has no other way to say that it moved.
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    let pause = within(60, "it to be written", longest_pause(&watchdog, written)).await??;
    let took = since.elapsed();
    drop(tracer);
    ensure!(
        took > SLOW - PROMPT,
        "nothing waited for the card: {took:?}"
    );
    ensure!(slowest < PROMPT, "the bus waited for the card: {slowest:?}");
    ensure!(
        pause < PROMPT,
        "the watchdog waited for the card: {pause:?}"
    );
    ensure!(pictures.len() > 1, "the picture stood still for {took:?}");
    Ok(())
}

/// Delays every flush of a process and its threads in the kernel, until it is dropped.
async fn slow_card(pid: u32, fsync: Duration) -> anyhow::Result<Child> {
    let delay = fsync.as_micros();
    let mut tracer = Tracer::new("strace")
        .args(["--follow-forks", "--trace=fsync,fdatasync"])
        .arg(format!("--inject=fsync,fdatasync:delay_enter={delay}us"))
        .arg(format!("--attach={pid}"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let said = tracer.stderr.as_mut().context("it is piped")?;
    let attached = async {
        let (mut heard, mut buffer) = (String::new(), [0; 256]);
        while !heard.contains("attached") {
            let length = said.read(&mut buffer).await?;
            ensure!(length > 0, "strace left: {heard}");
            heard += &String::from_utf8_lossy(&buffer[..length]);
        }
        Ok(())
    };
    within(30, "strace to attach", attached).await??;
    Ok(tracer)
}

/// Measures the longest pause between two feedings of the watchdog, until `over`.
async fn longest_pause(
    watchdog: &UnixDatagram,
    over: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Duration> {
    let (mut longest, mut last, mut buffer) = (Duration::ZERO, Instant::now(), [0; 4096]);
    let mut over = std::pin::pin!(over);
    loop {
        tokio::select! {
            length = watchdog.recv(&mut buffer) => {
                if buffer[..length?].starts_with(b"WATCHDOG=1") {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
            }
            ended = &mut over => return ended.map(|()| longest.max(last.elapsed())),
        }
    }
}
