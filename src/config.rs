//! From arguments and TOML fragments to one validated [`Config`].
//!
//! Later wins: the vendor's directory, the administrator's, the owner's file on the boot partition, then each
//! `--config FILE`. What is wrong is said with file and line, all of it at once. The owner edits without a console to
//! read errors on, so in that one file a bad key is ignored and becomes a warning.

mod limits;
mod night;
mod proxy;

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use clap::Parser;
use holdfast_core::{Limits, NotANumber, PhoneNumber};
use holdfast_medium::{DataDir, Secret};
use thiserror::Error;
use toml::de::DeValue;
use tracing::Level;

use crate::panel::{Language, glass};
use crate::sheet::{Problem, Sheet, Unclear, walk};
use crate::wires::Board;
pub use night::Night;
pub use proxy::{Proxy, ProxyProtocol};

/// The output of `--version`.
#[cfg(not(feature = "lab"))]
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nfeatures: none");
/// The output of `--version`.
#[cfg(feature = "lab")]
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nfeatures: lab");

/// The host for which the environment's proxy is looked up.
const WHATSAPP: &str = "web.whatsapp.com";

/// Keys and sections of the owner's file that the settings importer reads ([`crate::boot::settings`]).
const IMPORTED: [&str; 7] = [
    "ethernet",
    "hostname",
    "ssh",
    "system",
    "time_zone",
    "wifi",
    "wlan",
];

/// Keeps one WhatsApp linked-device session alive for months, through pulled plugs.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "holdfastd", version = VERSION)]
pub struct Args {
    /// Read one more TOML fragment; it wins over all before it (repeatable)
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Where the session and the messages are kept [default: /data/holdfast where it exists, else ./holdfast-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where sockets and, under a panel drawn in the terminal, the log go [default: $XDG_RUNTIME_DIR/holdfast, else run
    /// in the data directory]
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// The panel: terminal (space bar = button), headless, or a board's name, such as raspberrypi [default:
    /// terminal where there is one, else the board this machine is, else headless]
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
}

/// Where things are looked for when the arguments do not say.
#[derive(Clone, Debug)]
pub struct Places {
    /// Directories of `*.toml` fragments, read in this order, each by file name.
    pub fragments: Vec<PathBuf>,
    /// The owner's file on the boot partition, and what of it was changed since; one that is not there is none.
    pub owner: Vec<PathBuf>,
    /// Where an image has board descriptions, `NAME.toml`.
    pub boards: PathBuf,
    /// Files that say what machine this is.
    pub models: Vec<PathBuf>,
    /// The data directory of an appliance; used where it exists.
    pub appliance_data: PathBuf,
    /// The user's runtime directory, where there is one.
    pub user_runtime: Option<PathBuf>,
    /// The environment's variables that may name a proxy, or the hosts reached without one.
    pub environment: HashMap<String, String>,
}

impl Places {
    /// This machine's.
    pub fn system() -> Self {
        Self {
            fragments: vec![
                "/usr/lib/holdfast/config.d".into(),
                "/etc/holdfast/config.d".into(),
            ],
            owner: vec![
                "/boot/firmware/holdfast.toml".into(),
                "/run/holdfast-settings/config.toml".into(),
            ],
            boards: "/usr/share/holdfast/boards".into(),
            models: vec![
                "/proc/device-tree/model".into(),
                "/sys/class/dmi/id/sys_vendor".into(),
                "/proc/cmdline".into(),
            ],
            appliance_data: "/data/holdfast".into(),
            user_runtime: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            environment: proxy::environment(),
        }
    }

    /// The data directory when none is given.
    pub fn data(&self) -> PathBuf {
        if self.appliance_data.is_dir() {
            self.appliance_data.clone()
        } else {
            "holdfast-data".into()
        }
    }

    /// The runtime directory when none is given.
    pub fn runtime(&self, data: &Path) -> PathBuf {
        self.user_runtime
            .as_ref()
            .map_or_else(|| data.join("run"), |user| user.join("holdfast"))
    }
}

/// Everything the daemon is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the session and the messages are kept.
    pub data: DataDir,
    /// Where sockets and the log of a terminal panel go; not created yet.
    pub runtime: PathBuf,
    /// The kind of panel.
    pub board: Board,
    /// The merged settings of the files.
    pub settings: Settings,
    /// The problems in the owner's file, for the screen and the journal.
    pub ignored: Vec<Problem>,
}

/// Which chats are kept in the inbox, beside those with one other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chats {
    /// `inbox.status`: posts of contacts to their status.
    pub status: bool,
    /// `inbox.newsletters`: posts of newsletters.
    pub newsletters: bool,
    /// `inbox.groups`: messages in groups.
    pub groups: bool,
}

/// The way to WhatsApp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// As the environment says; nowhere in a loaded configuration.
    #[default]
    Unset,
    /// No proxy.
    Direct,
    /// Through this proxy.
    Through(Proxy),
    /// None: the owner's file names something that is no proxy, and to do without may be what must not be.
    Unknown,
}

/// The keys of the TOML fragments, as `section.key`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `server.url`: a lab's WebSocket; `None` is WhatsApp. Only with the cargo feature `lab`.
    pub server_url: Option<String>,
    /// `server.version`: the WhatsApp Web version to announce; `None` asks for the current one.
    pub server_version: Option<[u32; 3]>,
    /// `network.proxy`, or else the environment's proxy: the way to WhatsApp, and to a lab's server where it is set here.
    pub route: Route,
    /// `device.name`: shown on the phone under Linked devices.
    pub device_name: String,
    /// `pairing.phone`: the account's number, international digits; with it a pairing code is offered.
    pub pairing_phone: Option<Secret<String>>,
    /// `notify.own_chat`: what the owner should know is written into the chat with oneself.
    pub notify_own_chat: bool,
    /// `notify.hook`: a program that is run with what the owner should know in its environment.
    pub notify_hook: Option<PathBuf>,
    /// `self_test.own_chat`: a test of the link writes into the chat with oneself.
    pub self_test_own_chat: bool,
    /// `storage.*`, `inbox.*` and `outbox.*`: how full the data partition may get, and with what.
    pub limits: Limits,
    /// `inbox.status`, `inbox.newsletters`, `inbox.groups`.
    pub chats: Chats,
    /// `panel.language`: what the screens are written in.
    pub language: Language,
    /// `panel.board`: the board, as `--board` names it, for who has no command line.
    pub board: Option<String>,
    /// `panel.night`: when the glass is darker, where it can be; `None`: never.
    pub night: Option<Night>,
    /// `update.automatic`: newer versions are looked for, installed and started by themselves.
    pub update_automatic: bool,
    /// `update.index`: where the list of new versions lies, over HTTPS.
    pub update_index: Option<String>,
    /// `update.key`: the key that has to have signed it, one line of base64; `None`: the image's.
    pub update_key: Option<String>,
    /// `update.hours`: when a newer version is installed and started.
    pub update_hours: Night,
    /// `log.level`: error, warn, info, debug or trace.
    pub log_level: Level,
    /// The names that `panel.board` may be; those of [`Board::names`].
    pub boards: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_url: None,
            server_version: None,
            route: Route::Unset,
            device_name: "Holdfast".into(),
            pairing_phone: None,
            notify_own_chat: false,
            notify_hook: None,
            self_test_own_chat: false,
            limits: Limits::default(),
            chats: Chats {
                status: true,
                newsletters: true,
                groups: true,
            },
            language: Language::English,
            board: None,
            night: None,
            update_automatic: false,
            update_index: None,
            update_key: None,
            update_hours: Night::EARLY,
            log_level: Level::INFO,
            boards: Vec::new(),
        }
    }
}

/// The configuration cannot be used. One line per problem.
#[derive(Clone, Debug, Error)]
pub struct ConfigError(
    /// At least one.
    pub Vec<Problem>,
);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Config {
    /// Reads every fragment in order.
    ///
    /// # Errors
    /// With all that is wrong outside the owner's file.
    pub fn load(args: &Args, places: &Places) -> Result<Self, ConfigError> {
        let mut wrong = Vec::new();
        let (mut settings, ignored) = Settings::of_files(places, &mut wrong);
        args.config
            .iter()
            .for_each(|file| wrong.extend(settings.read(file)));
        wrong.extend(settings.ask_environment(places).err());
        let board = Board::choose(
            args.board.as_deref().or(settings.board.as_deref()),
            &places.boards,
            &glass::drivers(),
            &places.models,
        )
        .map_err(|problems| wrong.extend(problems))
        .ok()
        .filter(|_| wrong.is_empty());
        let Some(board) = board else {
            return Err(ConfigError(wrong));
        };
        let data = args.data.clone().unwrap_or_else(|| places.data());
        Ok(Self {
            runtime: args
                .runtime
                .clone()
                .unwrap_or_else(|| places.runtime(&data)),
            data: DataDir::new(data),
            board,
            settings,
            ignored,
        })
    }
}

/// The `*.toml` files of a directory by name; none where there is no such directory.
fn fragments(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    Ok(files)
}

/// The board that the files name, for the first picture, which comes before the daemon.
pub(crate) fn named_board(places: &Places) -> Option<String> {
    Settings::of_files(places, &mut Vec::new()).0.board
}

/// What is wrong in an owner's file, of the keys that are the daemon's, where an image has its boards in this directory. Whether the daemon may
/// talk to a lab is for it to say: another program may be built otherwise.
pub(crate) fn ignored(file: &Path, boards: &Path) -> Vec<Problem> {
    let mut settings = Settings {
        boards: Board::names(boards),
        ..Settings::default()
    };
    match file.try_exists() {
        Ok(false) => Vec::new(),
        _ => {
            let mut problems = settings.read_owner(file);
            problems.retain(|problem| !is_for_the_daemon(problem));
            problems
        }
    }
}

/// Whether a mistake is one of this build alone.
pub(crate) fn is_for_the_daemon(problem: &Problem) -> bool {
    problem.what.ends_with(NEEDS_LAB)
}

impl Settings {
    /// Reads the fragments and the owner's file in order, and tells what is ignored in the latter.
    fn of_files(places: &Places, wrong: &mut Vec<Problem>) -> (Self, Vec<Problem>) {
        let mut settings = Self {
            boards: Board::names(&places.boards),
            ..Self::default()
        };
        for directory in &places.fragments {
            match fragments(directory) {
                Ok(files) => files
                    .iter()
                    .for_each(|file| wrong.extend(settings.read(file))),
                Err(error) => wrong.push(Problem::unreadable(directory, &error)),
            }
        }
        let owner = places
            .owner
            .iter()
            .filter(|file| !matches!(file.try_exists(), Ok(false)));
        let ignored = owner.flat_map(|file| settings.read_owner(file)).collect();
        (settings, ignored)
    }

    /// Takes over every good key of one file and says what is wrong with the others.
    fn read(&mut self, file: &Path) -> Vec<Problem> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return vec![Problem::unreadable(file, &error)],
        };
        let before = self.limits;
        let mut problems = walk(file, &text, |section, key, value| {
            self.set(section, key, value)
        });
        problems.extend(self.disorder(before, file));
        problems
    }

    /// What is wrong with the limits after a file, which then are what they were `before`.
    fn disorder(&mut self, before: Limits, file: &Path) -> Option<Problem> {
        let why = limits::in_order(&self.limits).err()?;
        self.limits = before;
        Some(Problem {
            file: file.to_owned(),
            line: None,
            what: why.to_owned(),
        })
    }

    /// As [`Settings::read`] for a file that was written without a console to check it on. What the settings importer
    /// reads is left to it.
    fn read_owner(&mut self, file: &Path) -> Vec<Problem> {
        let sheet = match fs::read(file) {
            Ok(bytes) => Sheet::new(&bytes),
            Err(error) => return vec![Problem::unreadable(file, &error)],
        };
        let problem = |line, what| Problem {
            file: file.to_owned(),
            line: Some(line),
            what,
        };
        let before = self.limits;
        let (entries, unclear) = sheet.read();
        let mut problems: Vec<Problem> = unclear
            .into_iter()
            .map(|Unclear(line, what)| problem(line, what))
            .collect();
        for entry in entries {
            let first = entry.section.split('.').next().unwrap_or_default();
            let outer = if first.is_empty() { &entry.key } else { first };
            if IMPORTED.contains(&outer) {
                continue;
            }
            if let Err(why) = self.set(&entry.section, &entry.key, &entry.value) {
                if (entry.section.as_str(), &*entry.key) == ("network", "proxy") {
                    self.route = Route::Unknown;
                }
                let what = format!("{}: {why}", entry.name());
                problems.push(problem(entry.line, what));
            }
        }
        problems.extend(self.disorder(before, file));
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    /// The proxy to WhatsApp, where there is one.
    pub fn proxy(&self) -> Option<&Proxy> {
        match &self.route {
            Route::Through(proxy) => Some(proxy),
            Route::Unset | Route::Direct | Route::Unknown => None,
        }
    }

    /// Takes the environment's proxy, unless a file has said how WhatsApp is reached. A lab's server is not WhatsApp.
    fn ask_environment(&mut self, places: &Places) -> Result<(), Problem> {
        if self.route != Route::Unset || self.server_url.is_some() {
            return Ok(());
        }
        let named = proxy::of_environment(&places.environment, WHATSAPP);
        let named = named.map_err(|(variable, why)| Problem {
            file: format!("${variable}").into(),
            line: None,
            what: format!("{why}; or set network.proxy"),
        })?;
        self.route = named.map_or(Route::Direct, Route::Through);
        Ok(())
    }

    fn set(&mut self, section: &str, key: &str, value: &DeValue<'_>) -> Result<(), &'static str> {
        match (section, key) {
            ("server", "url") => self.server_url = Some(server_url(value)?),
            ("server", "version") => self.server_version = Some(server_version(value)?),
            ("network", "proxy") => self.route = route(value)?,
            ("device", "name") => self.device_name = device_name(value)?,
            ("pairing", "phone") => self.pairing_phone = Some(phone(value)?),
            ("notify", "own_chat") => self.notify_own_chat = yes_or_no(value)?,
            ("notify", "hook") => self.notify_hook = Some(hook(value)?),
            ("self_test", "own_chat") => self.self_test_own_chat = yes_or_no(value)?,
            ("storage", "warn_below") => self.limits.little_bytes = Some(limits::size(value)?),
            ("storage", "give_back_below") => self.limits.scarce_bytes = Some(limits::size(value)?),
            ("storage", "link_below") => self.limits.none_bytes = Some(limits::link_size(value)?),
            ("storage", "warn_records") => self.limits.records = Some(limits::number(value)?),
            ("inbox", "forget_after") => self.limits.forget_after_ms = Some(limits::days(value)?),
            ("inbox", "warn_messages") => self.limits.unread = Some(limits::number(value)?),
            ("inbox", "status") => self.chats.status = yes_or_no(value)?,
            ("inbox", "newsletters") => self.chats.newsletters = yes_or_no(value)?,
            ("inbox", "groups") => self.chats.groups = yes_or_no(value)?,
            ("outbox", "most") => self.limits.outgoing_bytes = Some(limits::size(value)?),
            ("panel", "language") => self.language = language(value)?,
            ("panel", "board") => self.board = Some(board(value, &self.boards)?),
            ("panel", "night") => self.night = Some(night::night(value)?),
            ("update", "automatic") => self.update_automatic = yes_or_no(value)?,
            ("update", "index") => self.update_index = Some(index(value)?),
            ("update", "key") => self.update_key = Some(index_key(value)?),
            ("update", "hours") => self.update_hours = night::night(value)?,
            ("log", "level") => self.log_level = log_level(value)?,
            _ => {
                return Err(
                    "no such key; known are server.url, server.version, network.proxy, device.name, pairing.phone, notify.own_chat, notify.hook, self_test.own_chat, storage.warn_below, storage.give_back_below, storage.link_below, storage.warn_records, inbox.warn_messages, inbox.forget_after, inbox.status, inbox.newsletters, inbox.groups, outbox.most, panel.board, panel.language, panel.night, update.automatic, update.index, update.key, update.hours, log.level",
                );
            }
        }
        Ok(())
    }
}

const NEEDS_LAB: &str =
    "needs a build with the cargo feature `lab`; this one talks to WhatsApp alone";

fn server_url(value: &DeValue<'_>) -> Result<String, &'static str> {
    if !cfg!(feature = "lab") {
        return Err(NEEDS_LAB);
    }
    let url = value
        .as_str()
        .filter(|url| url.starts_with("ws://") || url.starts_with("wss://"));
    url.map(str::to_owned)
        .ok_or("must be a WebSocket address, such as \"ws://127.0.0.1:8080/ws/chat\"")
}

fn route(value: &DeValue<'_>) -> Result<Route, &'static str> {
    match value.as_str() {
        Some("none") => Ok(Route::Direct),
        Some(address) => Proxy::parse(address).map(Route::Through),
        None => Err("must stand in quotes: a proxy's address, or \"none\""),
    }
}

fn server_version(value: &DeValue<'_>) -> Result<[u32; 3], &'static str> {
    const WANTED: &str = "must be three whole numbers, such as [2, 3000, 1023223821]";
    let numbers = value.as_array().ok_or(WANTED)?.iter().map(|number| {
        let number = number.get_ref().as_integer().ok_or(WANTED)?;
        u32::from_str_radix(number.as_str(), number.radix()).map_err(|_| WANTED)
    });
    numbers
        .collect::<Result<Vec<_>, _>>()?
        .try_into()
        .map_err(|_| WANTED)
}

fn device_name(value: &DeValue<'_>) -> Result<String, &'static str> {
    let good = |name: &&str| {
        !name.trim().is_empty() && name.chars().count() <= 50 && !name.contains(char::is_control)
    };
    value
        .as_str()
        .filter(good)
        .map(str::to_owned)
        .ok_or("must be a name of 1 to 50 characters on one line, in quotes")
}

fn yes_or_no(value: &DeValue<'_>) -> Result<bool, &'static str> {
    value
        .as_bool()
        .ok_or("must be true or false, without quotes")
}

fn hook(value: &DeValue<'_>) -> Result<PathBuf, &'static str> {
    let path = value.as_str().map(PathBuf::from);
    path.filter(|path| path.is_absolute())
        .ok_or("must be the whole path of a program, such as \"/data/hook\"")
}

fn phone(value: &DeValue<'_>) -> Result<Secret<String>, &'static str> {
    let text = value
        .as_str()
        .ok_or("must be the international number in quotes: country code, then the rest")?;
    let number = PhoneNumber::parse(text).map_err(NotANumber::sentence)?;
    Ok(Secret::new(number.into_digits()))
}

fn language(value: &DeValue<'_>) -> Result<Language, &'static str> {
    let language = value.as_str().and_then(Language::of);
    language.ok_or("must be \"en\", \"de\", \"es\" or \"pt\"")
}

fn board(value: &DeValue<'_>, known: &[String]) -> Result<String, &'static str> {
    let name = value.as_str().map(str::to_owned);
    name.filter(|name| known.contains(name))
        .ok_or("must be a board of docs/hardware.md in quotes, such as \"raspberrypi-epd2in13-v4\"")
}

fn index(value: &DeValue<'_>) -> Result<String, &'static str> {
    let url = value.as_str().filter(|url| url.starts_with("https://"));
    url.map(str::to_owned)
        .ok_or("must be the address of a list, such as \"https://example.org/holdfast/index.toml\"")
}

fn index_key(value: &DeValue<'_>) -> Result<String, &'static str> {
    // An Ed25519 key as SubjectPublicKeyInfo is 44 bytes long.
    let key = value
        .as_str()
        .filter(|key| key.len() == 60 && key.is_ascii());
    key.map(str::to_owned)
        .ok_or("must be the middle line of what `openssl pkey -pubout` writes of an Ed25519 key, in quotes")
}

fn log_level(value: &DeValue<'_>) -> Result<Level, &'static str> {
    match value.as_str() {
        Some("error") => Ok(Level::ERROR),
        Some("warn") => Ok(Level::WARN),
        Some("info") => Ok(Level::INFO),
        Some("debug") => Ok(Level::DEBUG),
        Some("trace") => Ok(Level::TRACE),
        _ => Err("must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\""),
    }
}
