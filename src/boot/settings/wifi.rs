//! The Wi-Fi as wpa_supplicant wants it (wpa_supplicant.conf(5)).

use holdfast_medium::Secret;
use pbkdf2::pbkdf2_hmac;
use serde::{Deserialize, Serialize};
use sha1::Sha1;

/// A network's name: any 1 to 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ssid(Secret<Vec<u8>>);

impl Ssid {
    /// Checks a name. The error says what a valid one is.
    pub(super) fn new(name: &[u8]) -> Result<Self, &'static str> {
        (1..=32)
            .contains(&name.len())
            .then(|| Self(Secret::new(name.to_owned())))
            .ok_or("must be the network's name, 1 to 32 bytes")
    }

    /// Reads a name from its bytes in hexadecimal.
    pub(super) fn of_hex(digits: &str) -> Result<Self, &'static str> {
        let bytes = hex::decode(digits).map_err(|_| "must be hexadecimal digits")?;
        Self::new(&bytes)
    }

    /// As people read it, where it is text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.0.expose()).into_owned()
    }

    /// As wpa_supplicant takes it without quotes, whatever it holds.
    pub(super) fn hex(&self) -> String {
        hex::encode(self.0.expose())
    }
}

/// How a network is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Security {
    /// By anybody.
    Open,
    /// By WPA2, with a key made of password and name.
    Wpa2,
    /// By WPA3 (SAE), with the password itself.
    Wpa3,
    /// By either: the network has both, or it is not known which.
    Either,
}

impl Security {
    /// The name that `wifi.security` has for it.
    pub(super) fn of_name(name: &str) -> Result<Self, &'static str> {
        match name.to_ascii_lowercase().as_str() {
            "open" => Ok(Self::Open),
            "wpa2" => Ok(Self::Wpa2),
            "wpa3" => Ok(Self::Wpa3),
            "wpa2+wpa3" => Ok(Self::Either),
            _ => Err("must be \"wpa2\", \"wpa3\", \"wpa2+wpa3\" or \"open\""),
        }
    }

    /// That name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Wpa2 => "wpa2",
            Self::Wpa3 => "wpa3",
            Self::Either => "wpa2+wpa3",
        }
    }
}

/// A network's password, or its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Password(Secret<String>);

impl Password {
    /// 8 to 63 printable ASCII characters, or 64 hexadecimal digits, which are the key itself (IEEE 802.11-2020, J.4); what
    /// would be one, where this is neither.
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        let letters = text.as_bytes();
        let good = match letters.len() {
            8..=63 => letters.iter().all(|letter| (0x20..0x7f).contains(letter)),
            64 => letters.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        };
        good.then(|| Self(Secret::new(text.to_owned())))
            .ok_or("must be 8 to 63 characters without accents")
    }

    /// Whether it is the key of WPA2, of which nobody can tell the password.
    pub(super) fn is_key(&self) -> bool {
        self.0.expose().len() == 64
    }

    /// The key of WPA2: the password itself need not be kept.
    fn key(&self, ssid: &Ssid) -> Secret<String> {
        let text = self.0.expose();
        if self.is_key() {
            return Secret::new(text.to_ascii_lowercase());
        }
        let (name, mut key) = (ssid.0.expose(), [0; 32]);
        pbkdf2_hmac::<Sha1>(text.as_bytes(), name, 4096, &mut key);
        Secret::new(hex::encode(key))
    }

    /// The password itself, in hexadecimal; `None` of a key.
    fn plain(&self) -> Option<Secret<String>> {
        (!self.is_key()).then(|| Secret::new(hex::encode(self.0.expose())))
    }
}

/// When another access point of the same network is looked for: every five minutes while the signal is below -75 dBm, and once an hour else.
/// Drivers that roam by themselves (brcmfmac) ignore it.
const ROAMING: &str = "simple:300:-75:3600";
/// Both ways of WPA3 to make a point of the password: looped, and hashed, which newer access points alone take.
const SAE_PWE: &str = "sae_pwe=2\n";

/// What opens a network, as it is kept: in hexadecimal, so that nothing in it means anything to wpa_supplicant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// Nothing needs to.
    Open,
    /// The key of WPA2.
    Key(Secret<String>),
    /// The password, for WPA3.
    Password(Secret<String>),
    /// Either of them.
    Both {
        /// The key of WPA2.
        key: Secret<String>,
        /// The password, for WPA3.
        password: Secret<String>,
    },
}

impl Lock {
    /// Makes what a network of this security needs, and no more; `None` where what is known does not suffice: a key for WPA3, or
    /// no password at all.
    pub(super) fn new(
        security: Security,
        ssid: &Ssid,
        password: Option<&Password>,
        kept: Option<&Self>,
    ) -> Option<Self> {
        let key = || match (password, kept) {
            (Some(password), _) => Some(password.key(ssid)),
            (None, Some(Self::Key(key) | Self::Both { key, .. })) => Some(key.clone()),
            (None, Some(Self::Password(plain))) => of_plain(plain).map(|plain| plain.key(ssid)),
            (None, Some(Self::Open) | None) => None,
        };
        let plain = || match (password, kept) {
            (Some(password), _) => password.plain(),
            (
                None,
                Some(
                    Self::Password(plain)
                    | Self::Both {
                        password: plain, ..
                    },
                ),
            ) => Some(plain.clone()),
            (None, _) => None,
        };
        match security {
            Security::Open => Some(Self::Open),
            Security::Wpa2 => key().map(Self::Key),
            Security::Wpa3 => plain().map(Self::Password),
            Security::Either => match (key(), plain()) {
                (Some(key), Some(password)) => Some(Self::Both { key, password }),
                (key, _) => key.map(Self::Key),
            },
        }
    }
}

impl Lock {
    /// How a network with it is joined.
    pub(super) fn security(&self) -> Security {
        match self {
            Self::Open => Security::Open,
            Self::Key(_) => Security::Wpa2,
            Self::Password(_) => Security::Wpa3,
            Self::Both { .. } => Security::Either,
        }
    }
}

fn of_plain(plain: &Secret<String>) -> Option<Password> {
    let text = String::from_utf8(hex::decode(plain.expose()).ok()?).ok()?;
    Password::new(&text).ok()
}

/// A whole network, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Its name in hexadecimal.
    pub ssid: String,
    /// It does not tell its name.
    pub hidden: bool,
    /// What opens it.
    pub lock: Lock,
    /// Of several that are there, the one with the highest is joined.
    pub priority: usize,
}

impl Network {
    /// Its block in the file. Frames that end a connection are protected where the network can do it, as WPA3 demands.
    fn block(&self, several: bool) -> String {
        let lock = match &self.lock {
            Lock::Open => "\tkey_mgmt=NONE\n".to_owned(),
            Lock::Key(key) => format!(
                "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n\tieee80211w=1\n\tpsk={}\n",
                key.expose()
            ),
            Lock::Password(password) => format!(
                "\tkey_mgmt=SAE\n\tieee80211w=2\n\tsae_password={}\n",
                password.expose()
            ),
            Lock::Both { key, password } => format!(
                "\tkey_mgmt=SAE WPA-PSK WPA-PSK-SHA256\n\tieee80211w=1\n\tpsk={}\n\tsae_password={}\n",
                key.expose(),
                password.expose()
            ),
        };
        let priority = match several {
            true => format!("\tpriority={}\n", self.priority),
            false => String::new(),
        };
        format!(
            "network={{\n\tssid={}\n\tscan_ssid={}\n\tbgscan=\"{ROAMING}\"\n{priority}{lock}}}\n",
            self.ssid,
            u8::from(self.hidden),
        )
    }
}

/// The file of these networks. A rule of every country holds where none is named.
pub(super) fn conf(country: Option<&str>, networks: &[Network]) -> Secret<String> {
    let country = country.map_or_else(String::new, |country| format!("country={country}\n"));
    let blocks: String = networks
        .iter()
        .map(|network| network.block(networks.len() > 1))
        .collect();
    Secret::new(format!(
        "# Made by `holdfast-boot settings` from the files of the boot partition.\n{country}{SAE_PWE}{blocks}"
    ))
}

/// The networks of a file made before.
pub(super) fn of_conf(conf: &str) -> Vec<Network> {
    let blocks = conf.split("network={").skip(1);
    blocks
        .filter_map(|block| {
            let value = |key: &str| {
                block
                    .lines()
                    .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
                    .map(str::to_owned)
            };
            let secret = |key| value(key).map(Secret::new);
            let lock = match (secret("psk"), secret("sae_password")) {
                (Some(key), Some(password)) => Lock::Both { key, password },
                (Some(key), None) => Lock::Key(key),
                (None, Some(password)) => Lock::Password(password),
                (None, None) => Lock::Open,
            };
            let priority = value("priority").and_then(|priority| priority.parse().ok());
            Some(Network {
                ssid: value("ssid")?,
                hidden: value("scan_ssid").as_deref() == Some("1"),
                lock,
                priority: priority.unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Option<Password> {
        Password::new(text).ok()
    }

    #[test]
    fn the_standard_s_own_example() {
        // IEEE 802.11-2020, J.4.2.
        let ssid = Ssid::new(b"IEEE").ok().unwrap();
        assert_eq!(
            password("password").unwrap().key(&ssid).expose(),
            "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
        );
        let key = "F42C6FC52DF0EBEF9EBB4B90B38A5F902E83FE1B135A70E23AED762E9710A12E";
        assert_eq!(
            *password(key).unwrap().key(&ssid).expose(),
            key.to_lowercase()
        );
    }

    #[test]
    fn what_no_network_takes_is_no_password() {
        for bad in ["", "short12", "pässwörd", "line\nbreak", &"x".repeat(64)] {
            assert_eq!(password(bad), None, "{bad}");
        }
        assert!(Ssid::new(b"").is_err() && Ssid::new(&[b'n'; 33]).is_err());
    }

    #[test]
    fn no_more_is_kept_than_the_network_needs() {
        let ssid = Ssid::new(b"IEEE").ok().unwrap();
        let [plain, key] = ["password", &"0f".repeat(32)].map(|text| password(text).unwrap());
        let lock = |security, password| Lock::new(security, &ssid, password, None);
        assert_eq!(lock(Security::Open, Some(&plain)), Some(Lock::Open));
        for security in [Security::Wpa2, Security::Either] {
            let kept = Lock::Key(Secret::new("0f".repeat(32)));
            assert_eq!(lock(security, Some(&key)), Some(kept));
            assert_eq!(lock(security, None), None);
        }
        assert_eq!(lock(Security::Wpa3, Some(&key)), None);
        let Some(Lock::Password(hex)) = lock(Security::Wpa3, Some(&plain)) else {
            panic!("WPA3 needs the password");
        };
        assert_eq!(*hex.expose(), hex::encode("password"));
        // What is kept of a network serves whatever can be made of it.
        let both = lock(Security::Either, Some(&plain)).unwrap();
        for security in [Security::Wpa2, Security::Wpa3, Security::Either] {
            let again = Lock::new(security, &ssid, None, Some(&both));
            assert_eq!(again, lock(security, Some(&plain)));
        }
        let again = Lock::new(Security::Wpa2, &ssid, None, Some(&Lock::Password(hex)));
        assert_eq!(again, lock(Security::Wpa2, Some(&plain)));
    }

    #[test]
    fn kept_networks_are_read_back() {
        let (key, password) = (Secret::new("00ff".into()), Secret::new("ff00".into()));
        let locks = [
            Lock::Open,
            Lock::Key(key.clone()),
            Lock::Password(password.clone()),
            Lock::Both { key, password },
        ];
        let networks: Vec<Network> = (0..)
            .zip(locks)
            .map(|(priority, lock)| Network {
                ssid: format!("686f6d65{priority:02}"),
                hidden: priority == 1,
                lock,
                priority,
            })
            .collect();
        assert_eq!(of_conf(conf(Some("DE"), &networks).expose()), networks);
    }
}
