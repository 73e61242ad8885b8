//! The lab's hand on a virtual panel: one line a command, one line an answer, over whatever carries lines.
//!
//! `frame` answers `ok`, the picture's width, its height and its bits in hexadecimal digits, `png` and a PNG in base64. `press LINE MS` holds
//! a line low for so many milliseconds and answers when the kernel has seen it up again; `fault none|absent|wedged` breaks and
//! mends the display's wires; `unplug` and `plug` take the whole bridge. `times` answers milliseconds since the kernel's start: when the
//! panel was plugged in first, when the first picture was whole (`-` before that), and now. What is not understood is answered with `error` and why.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use holdfast::panel::{Format, Frame};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines, split};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

use super::bus::Fault;
use super::{Panel, uptime};

/// Interval of polling a virtio port that nobody has opened on the other side.
const LOOK: Duration = Duration::from_millis(100);
/// Pixels of a PNG for one of the display.
const SCALE: u8 = 4;

/// An endpoint of the control: commands come from it, or go to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// TCP.
    Address(SocketAddr),
    /// A Unix socket, or a device file that carries bytes both ways.
    Path(PathBuf),
}

/// Moments of a panel, since the kernel's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// It was plugged in, for the first time.
    pub plugged: Duration,
    /// The first picture was whole, where there was one.
    pub drawn: Option<Duration>,
    /// This was said.
    pub now: Duration,
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::Path(text.into()), Self::Address))
    }
}

/// Serves a panel's control; returns only with an error. A device file that is not there yet is waited for.
///
/// # Errors
/// When the place is not to be had.
pub async fn serve(place: Place, panel: Panel) -> anyhow::Result<()> {
    if let Place::Path(path) = &place
        && path.starts_with("/dev")
    {
        while !path.exists() {
            sleep(LOOK).await;
        }
    }
    match place {
        Place::Address(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))?;
            println!("control {}", listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(attend(stream, panel.clone()));
            }
        }
        Place::Path(path) if is_device(&path) => {
            let stream = bridge(&path).with_context(|| format!("cannot use {}", path.display()))?;
            attend(stream, panel).await;
            bail!("{} carries nothing any more", path.display())
        }
        Place::Path(path) => {
            let listener = UnixListener::bind(&path)
                .with_context(|| format!("cannot listen on {}", path.display()))?;
            println!("control {}", path.display());
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(attend(stream, panel.clone()));
            }
        }
    }
}

fn is_device(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_char_device())
}

/// A stream to a device file, which is read and written by threads: it knows no waiting for both.
fn bridge(path: &Path) -> io::Result<UnixStream> {
    let mut from_port = OpenOptions::new().read(true).write(true).open(path)?;
    let mut to_port = from_port.try_clone()?;
    let (ours, mut to_us) = Blocking::pair()?;
    let mut from_us = to_us.try_clone()?;
    thread::Builder::new().spawn(move || -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            match from_port.read(&mut bytes)? {
                // Nobody has opened the other side.
                0 => thread::sleep(LOOK),
                length => to_us.write_all(&bytes[..length])?,
            }
        }
    })?;
    thread::Builder::new().spawn(move || io::copy(&mut from_us, &mut to_port))?;
    ours.set_nonblocking(true)?;
    UnixStream::from_std(ours)
}

/// Answers one caller until it is gone.
async fn attend(stream: impl AsyncRead + AsyncWrite, panel: Panel) {
    let (read, mut write) = split(stream);
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match obey(&line, &panel).await {
            Ok(answer) => format!("ok {answer}\n"),
            Err(error) => format!("error {error:#}\n"),
        };
        if write.write_all(answer.as_bytes()).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

async fn obey(line: &str, panel: &Panel) -> anyhow::Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["frame"] => {
            let picture = panel.chip().bus.chip.picture();
            let Format { width, height, .. } = picture.format();
            return Ok(format!("{width} {height} {}", hex::encode(picture.bits())));
        }
        ["png"] => {
            return Ok(BASE64_STANDARD.encode(panel.chip().bus.chip.picture().to_png(SCALE)));
        }
        ["press", line, ms] => {
            let line = line.parse().context("the line is a number from 0 to 7")?;
            let ms = ms.parse().context("how long is a number of milliseconds")?;
            if line > 7 {
                bail!("the line is a number from 0 to 7");
            }
            panel.press(line, Duration::from_millis(ms)).await?;
        }
        ["fault", fault] => {
            let fault = match fault {
                "none" => Fault::None,
                "absent" => Fault::Absent,
                "wedged" => Fault::Wedged,
                _ => bail!("there are the faults none, absent and wedged"),
            };
            panel.chip().bus.set(fault);
        }
        ["unplug"] => panel.unplug()?,
        ["plug"] => panel.replug()?,
        ["times"] => {
            let ms = |time: Option<&Duration>| {
                time.map_or_else(|| "-".to_owned(), |time| time.as_millis().to_string())
            };
            let (plugged, drawn) = (panel.times.plugged.get(), panel.times.drawn.get());
            return Ok([ms(plugged), ms(drawn), ms(Some(&uptime()))].join(" "));
        }
        _ => bail!("there are: frame, png, press LINE MS, fault FAULT, unplug, plug, times"),
    }
    Ok(String::new())
}

/// A hand on a panel that is somewhere else.
pub struct Remote {
    answers: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    commands: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Remote {
    /// Reaches for a panel's control: its address, its socket, or the socket QEMU has for a virtio port.
    ///
    /// # Errors
    /// When nobody is there.
    pub async fn connect(place: &Place) -> anyhow::Result<Self> {
        Ok(match place {
            Place::Address(address) => Self::over(TcpStream::connect(address).await?),
            Place::Path(path) => Self::over(UnixStream::connect(path).await?),
        })
    }

    fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (read, write) = split(stream);
        let read: Box<dyn AsyncRead + Send + Unpin> = Box::new(read);
        Self {
            answers: BufReader::new(read).lines(),
            commands: Box::new(write),
        }
    }

    /// Fetches the picture on the glass.
    ///
    /// # Errors
    /// When nobody answers, or something else.
    pub async fn frame(&mut self) -> anyhow::Result<Frame> {
        let told = self.ask("frame").await?;
        let [width, height, digits] = told.split(' ').collect::<Vec<_>>()[..] else {
            bail!("no picture: {told}");
        };
        let bytes = hex::decode(digits)?;
        Frame::from_bits(width.parse()?, height.parse()?, &bytes).context("not a whole picture")
    }

    /// Fetches the panel's moments.
    ///
    /// # Errors
    /// As [`Remote::ask`].
    pub async fn times(&mut self) -> anyhow::Result<Times> {
        let told = self.ask("times").await?;
        let mut times = told.split(' ').map(|ms| ms.parse().ok());
        let mut next = || times.next().flatten().map(Duration::from_millis);
        Ok(Times {
            plugged: next().context("the panel was never plugged in")?,
            drawn: next(),
            now: next().context("the panel does not know the time")?,
        })
    }

    /// Holds a line low for so long.
    ///
    /// # Errors
    /// As [`Remote::ask`].
    pub async fn press(&mut self, line: u8, time: Duration) -> anyhow::Result<()> {
        let ms = time.as_millis();
        self.ask(&format!("press {line} {ms}")).await.map(drop)
    }

    /// Sends any command and waits for its answer.
    ///
    /// # Errors
    /// When nobody answers, or the answer is an error.
    pub async fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        self.commands
            .write_all(format!("{command}\n").as_bytes())
            .await?;
        self.commands.flush().await?;
        let answer = self.answers.next_line().await?;
        let answer = answer.context("the panel's control is gone")?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("ok", answer) => Ok(answer.to_owned()),
            (_, error) => bail!("the panel refuses `{command}`: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdfast::panel::PLAIN;
    use parking_lot::Mutex;
    use tokio::sync::watch;

    use super::*;
    use crate::wires::bus::Bus;
    use crate::wires::cp2112::{Cp2112, LEVELS};
    use crate::wires::ssd1306::Ssd1306;
    use crate::wires::uhid::{Uhid, Wanted};

    /// A panel nobody has plugged in.
    fn panel() -> Panel {
        Panel {
            chip: Arc::new(Mutex::new(Cp2112::new(Bus::new(
                0x3c,
                Box::<Ssd1306>::default(),
            )))),
            uhid: Arc::new(Uhid::open(Path::new("/dev/null")).unwrap()),
            times: Arc::default(),
            looks: watch::Sender::default(),
        }
    }

    #[tokio::test]
    async fn a_remote_hand_sees_the_picture_and_presses() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Path(dir.path().join("wires"));
        let panel = panel();
        let served = tokio::spawn(serve(place.clone(), panel.clone()));
        let mut remote = loop {
            match Remote::connect(&place).await {
                Ok(remote) => break remote,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert!(remote.frame().await.unwrap() == Frame::new(PLAIN));
        // The noise of a memory that nothing was written to.
        panel.chip().bus.chip.write(&[0x00, 0xaf, 0x8d, 0x14]);
        let lit = panel.chip().bus.chip.picture();
        assert!(lit != Frame::new(PLAIN) && remote.frame().await.unwrap() == lit);
        assert!(remote.times().await.is_err(), "nobody has plugged it in");
        panel.times.plugged.set(Duration::from_millis(7)).unwrap();
        let times = remote.times().await.unwrap();
        assert_eq!((times.plugged.as_millis(), times.drawn), (7, None));
        let png = BASE64_STANDARD
            .decode(remote.ask("png").await.unwrap())
            .unwrap();
        assert_eq!(png, lit.to_png(SCALE));

        // The kernel polls the lines; whatever it misses did not happen.
        let (mut saw_it_down, mut up) = (0, 0);
        let mut pressing = Box::pin(remote.press(2, Duration::ZERO));
        loop {
            tokio::select! {
                done = &mut pressing => break done.unwrap(),
                () = tokio::task::yield_now() => {}
            }
            let (request, id) = (1, LEVELS);
            panel.answer(Wanted::Get { request, id }).unwrap();
            match *panel.looks.borrow() {
                0xff if saw_it_down > 0 => up += 1,
                0xff => {}
                levels => {
                    assert_eq!(levels, 0xfb);
                    saw_it_down += 1;
                }
            }
        }
        assert!(saw_it_down > 1 && up > 1, "{saw_it_down} {up}");
        drop(pressing);

        remote.ask("fault absent").await.unwrap();
        assert!(panel.chip().bus.write(0x3c, &[0]).is_err());
        for wrong in [
            "press 1",
            "press x 1",
            "press 8 1",
            "fault bad",
            "",
            "unheard of",
        ] {
            assert!(remote.ask(wrong).await.is_err(), "{wrong}");
        }
        served.abort();
    }

    #[test]
    fn a_place_is_an_address_or_a_path() {
        assert_eq!(
            "127.0.0.1:80".parse(),
            Ok(Place::Address(([127, 0, 0, 1], 80).into()))
        );
        assert_eq!("/run/wires".parse(), Ok(Place::Path("/run/wires".into())));
    }
}
