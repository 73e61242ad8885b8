//! The Wi-Fi as wpa_supplicant wants it (wpa_supplicant.conf(5)).

use holdfast_medium::Secret;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;

/// A network's name: any 1 to 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ssid(Secret<String>);

impl Ssid {
    /// Checks a name. The error says what a valid one is.
    pub(super) fn new(name: &str) -> Result<Self, &'static str> {
        (1..=32)
            .contains(&name.len())
            .then(|| Self(Secret::new(name.to_owned())))
            .ok_or("must be the network's name, 1 to 32 bytes")
    }

    /// As wpa_supplicant takes it without quotes, whatever it holds.
    pub(super) fn hex(&self) -> String {
        hex::encode(self.0.expose().as_bytes())
    }
}

/// A network's password, or its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Password(Secret<String>);

impl Password {
    /// 8 to 63 printable ASCII characters, or 64 hexadecimal digits, which are the key itself (IEEE 802.11-2020, J.4); what
    /// would be one, where this is neither.
    pub(super) fn new(text: Secret<String>) -> Result<Self, &'static str> {
        let letters = text.expose().as_bytes();
        let good = match letters.len() {
            8..=63 => letters.iter().all(|letter| (0x20..0x7f).contains(letter)),
            64 => letters.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        };
        good.then_some(Self(text))
            .ok_or("must be 8 to 63 characters without accents")
    }

    /// The key of WPA2: the password itself need not be kept.
    pub(super) fn key(&self, ssid: &Ssid) -> Secret<String> {
        let text = self.0.expose();
        if text.len() == 64 {
            return Secret::new(text.to_ascii_lowercase());
        }
        let mut key = [0; 32];
        pbkdf2_hmac::<Sha1>(text.as_bytes(), ssid.0.expose().as_bytes(), 4096, &mut key);
        Secret::new(hex::encode(key))
    }
}

/// A whole network, as it is kept.
pub(super) struct Network {
    /// Its name.
    pub ssid: String,
    /// Its key.
    pub key: Secret<String>,
    /// Where the radio is.
    pub country: Option<String>,
    /// It does not tell its name.
    pub hidden: bool,
}

impl Network {
    /// The file. A rule of every country holds where none is named.
    pub(super) fn conf(&self) -> Secret<String> {
        let country = match &self.country {
            Some(country) => format!("country={country}\n"),
            None => String::new(),
        };
        Secret::new(format!(
            "# Made by `holdfastd boot settings` from the boot partition's holdfast.toml.\n{country}network={{\n\tssid={}\n\tscan_ssid={}\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n\tieee80211w=1\n\tpsk={}\n}}\n",
            self.ssid,
            u8::from(self.hidden),
            self.key.expose(),
        ))
    }

    /// The network of a file made before.
    pub(super) fn of_conf(conf: &str) -> Option<Self> {
        let value = |key: &str| {
            conf.lines()
                .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
                .map(str::to_owned)
        };
        Some(Self {
            ssid: value("ssid")?,
            key: Secret::new(value("psk")?),
            country: value("country"),
            hidden: value("scan_ssid").as_deref() == Some("1"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Option<Password> {
        Password::new(Secret::new(text.to_owned())).ok()
    }

    #[test]
    fn the_standard_s_own_example() {
        // IEEE 802.11-2020, J.4.2.
        let ssid = Ssid::new("IEEE").ok().unwrap();
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
        assert!(Ssid::new("").is_err() && Ssid::new(&"n".repeat(33)).is_err());
    }

    #[test]
    fn a_kept_network_is_read_back() {
        let network = Network {
            ssid: "686f6d65".into(),
            key: Secret::new("00ff".into()),
            country: Some("DE".into()),
            hidden: true,
        };
        let again = Network::of_conf(network.conf().expose()).unwrap();
        assert_eq!(again.conf(), network.conf());
    }
}
