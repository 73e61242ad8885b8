//! The index: which version is the newest, and where its bundle lies for each kind of device. A TOML file that is signed.
//!
//! The signature is Ed25519 (RFC 8032) over the file's bytes, 64 bytes in a file of the same name with `.sig` behind it; the key is what
//! `openssl pkey -pubout` writes. RAUC checks the bundle once more, with a key of its own: this signature keeps whoever has the web server
//! from having devices fetch what they then refuse, and from naming an older version as the newest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use semver::Version;
use serde::Deserialize;

use super::UpdateError;

/// The head of an Ed25519 key as SubjectPublicKeyInfo (RFC 8410, section 4); the 32 bytes of the key follow.
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The key whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// Reads a key: PEM as `openssl pkey -pubout` writes it, or its one line of base64 alone.
    ///
    /// # Errors
    /// It is no Ed25519 key.
    pub fn parse(text: &str) -> Result<Self, UpdateError> {
        const WRONG: UpdateError =
            UpdateError::Untrusted("the key is no Ed25519 key as `openssl pkey -pubout` writes it");
        let lines = text.lines().map(str::trim);
        let base64: String = lines.filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(base64).map_err(|_| WRONG)?;
        let key = der.strip_prefix(&SPKI).ok_or(WRONG)?;
        Ok(Self(key.try_into().map_err(|_| WRONG)?))
    }
}

/// An index whose signature was good.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    version: String,
    minimum: Option<String>,
    #[serde(default)]
    bundle: Vec<Entry>,
}

/// The bundle of one kind of device.
#[derive(Clone, Debug, Deserialize)]
struct Entry {
    compatible: String,
    url: String,
    size: u64,
    sha256: String,
}

/// A newer version, for this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub version: String,
    /// Where its bundle lies.
    pub url: String,
    /// The bundle's size, bytes.
    pub size: u64,
    /// The bundle's SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

impl Index {
    /// Reads an index, if this key has signed it.
    ///
    /// # Errors
    /// [`UpdateError::Untrusted`].
    pub fn read(bytes: &[u8], signature: &[u8], key: &Key) -> Result<Self, UpdateError> {
        let key = UnparsedPublicKey::new(&ED25519, key.0);
        key.verify(bytes, signature).map_err(|_| {
            UpdateError::Untrusted("its signature is not by the key that this device knows")
        })?;
        let unclear = |_| UpdateError::Untrusted("it is signed, and no list that can be read");
        toml::from_slice(bytes).map_err(unclear)
    }

    /// The newer version for this kind of device, where there is one. One that is as old as what runs, or older, is none.
    ///
    /// # Errors
    /// There is a newer version, and not for this device; or the index says what is no version.
    pub fn offer(&self, compatible: &str, running: &str) -> Result<Option<Offer>, UpdateError> {
        let newest = version(&self.version)?;
        let runs = Version::parse(running).map_err(|_| {
            UpdateError::Untrusted("the version that runs cannot be compared with it")
        })?;
        if newest <= runs {
            return Ok(None);
        }
        if let Some(minimum) = &self.minimum
            && runs < version(minimum)?
        {
            return Err(UpdateError::TooLarge {
                version: self.version.clone(),
                minimum: minimum.clone(),
            });
        }
        let entry = self.bundle.iter().find(|it| it.compatible == compatible);
        let entry = entry.ok_or_else(|| UpdateError::NotForUs {
            compatible: compatible.to_owned(),
        })?;
        let is_hash = hex::decode(&entry.sha256).is_ok_and(|hash| hash.len() == 32);
        if !is_hash || entry.size == 0 {
            return Err(UpdateError::Untrusted(
                "a bundle in it has no size, or no SHA-256",
            ));
        }
        Ok(Some(Offer {
            version: self.version.clone(),
            url: entry.url.clone(),
            size: entry.size,
            sha256: entry.sha256.to_ascii_lowercase(),
        }))
    }
}

fn version(text: &str) -> Result<Version, UpdateError> {
    Version::parse(text).map_err(|_| UpdateError::Untrusted("a version in it is none, as 1.2.3 is"))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn pair() -> (Ed25519KeyPair, Key) {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let der = [&SPKI[..], pair.public_key().as_ref()].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(&der)
        );
        let key = Key::parse(&pem).unwrap();
        assert_eq!(Key::parse(&STANDARD.encode(der)).unwrap(), key);
        (pair, key)
    }

    fn text(version: &str, minimum: &str) -> String {
        let hash = "AB".repeat(32);
        format!(
            "version = \"{version}\"\nminimum = \"{minimum}\"\nlater = true\n[[bundle]]\ncompatible = \"holdfast-x\"\n\
             url = \"https://example.org/x\"\nsize = 5\nsha256 = \"{hash}\"\n"
        )
    }

    fn read(text: &str) -> Index {
        let (pair, key) = pair();
        let signature = pair.sign(text.as_bytes());
        Index::read(text.as_bytes(), signature.as_ref(), &key).unwrap()
    }

    #[test]
    fn only_what_the_key_has_signed_is_read() {
        let (pair, key) = pair();
        let text = text("0.2.0", "0.1.0");
        let signature = pair.sign(text.as_bytes());
        assert!(Index::read(text.as_bytes(), signature.as_ref(), &key).is_ok());
        let mut flipped = text.clone().into_bytes();
        flipped[11] ^= 1;
        let (_, other) = self::pair();
        for (bytes, signature, key) in [
            (&flipped[..], signature.as_ref(), &key),
            (text.as_bytes(), signature.as_ref(), &other),
            (text.as_bytes(), &signature.as_ref()[1..], &key),
            (text.as_bytes(), &[], &key),
        ] {
            let refused = Index::read(bytes, signature, key).unwrap_err();
            assert_eq!(refused.code().as_str(), "update.untrusted");
        }
        for wrong in [
            "",
            "no key",
            "MCowBQYDK2VuAyEA",
            "-----BEGIN PUBLIC KEY-----\n",
        ] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_older_version_is_never_the_newest_and_a_foreign_one_never_ours() {
        let offered = |version: &str, runs: &str| {
            let offer = read(&text(version, "0.1.0")).offer("holdfast-x", runs);
            offer.unwrap().map(|offer| offer.version)
        };
        for (version, runs, newer) in [
            ("0.2.0", "0.1.0", true),
            ("0.2.0", "0.2.0-rc.1", true),
            ("0.10.0", "0.9.0", true),
            ("0.2.0", "0.2.0", false),
            ("0.1.9", "0.2.0", false),
            ("0.2.0-rc.1", "0.2.0", false),
        ] {
            let wanted = newer.then(|| version.to_owned());
            assert_eq!(offered(version, runs), wanted, "{version} over {runs}");
        }
        let index = read(&text("0.3.0", "0.2.0"));
        let offer = index.offer("holdfast-x", "0.2.1").unwrap().unwrap();
        assert_eq!((offer.size, offer.sha256), (5, "ab".repeat(32)));
        let code = |compatible, runs| {
            let refused = index.offer(compatible, runs).unwrap_err();
            refused.code().as_str()
        };
        assert_eq!(code("holdfast-y", "0.2.0"), "update.not-for-us");
        assert_eq!(code("holdfast-x", "0.1.0"), "update.refused");
        assert_eq!(code("holdfast-x", "yesterday's"), "update.untrusted");
        let odd = read(&text("0.3", "0.2.0"));
        assert!(odd.offer("holdfast-x", "0.2.0").is_err());
    }
}
