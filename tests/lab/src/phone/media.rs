//! Images by reference: encrypted for the media store, described in the message.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wacore::download::{DownloadUtils, MediaType};
use wacore::upload::encrypt_media_with_key;
use waproto::whatsapp as wa;

use super::blob::Blob;
use super::{Phone, PhoneError};

/// An image encrypted for the media store.
pub struct SealedImage {
    /// What the media store keeps: `AES-256-CBC ‖ MAC (10)`.
    pub file: Vec<u8>,
    /// SHA-256 of `file`: the media store's name for it.
    pub file_enc_sha256: [u8; 32],
    media_key: [u8; 32],
    file_sha256: [u8; 32],
    length: u64,
}

impl SealedImage {
    /// The message that refers to the file. Clients join `direct_path` with a host from `media_conn`, or take `url`.
    pub fn message(
        &self,
        url: &str,
        direct_path: &str,
        mimetype: &str,
        caption: Option<&str>,
    ) -> wa::Message {
        wa::Message {
            image_message: buffa::MessageField::some(wa::message::ImageMessage {
                url: Some(url.to_owned()),
                direct_path: Some(direct_path.to_owned()),
                mimetype: Some(mimetype.to_owned()),
                caption: caption.map(str::to_owned),
                media_key: Some(self.media_key.to_vec()),
                file_sha256: Some(self.file_sha256.to_vec()),
                file_enc_sha256: Some(self.file_enc_sha256.to_vec()),
                file_length: Some(self.length),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}

/// Where a received image is, and what opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageReference {
    /// The full URL, when the sender gave one.
    pub url: Option<String>,
    /// The path on a media host, when the sender gave one.
    pub direct_path: Option<String>,
    /// The caption.
    pub caption: Option<String>,
    /// Length of the image in bytes.
    pub length: u64,
    media_key: Blob,
    file_sha256: Blob,
    file_enc_sha256: Blob,
}

impl ImageReference {
    pub(super) fn of(image: &wa::message::ImageMessage) -> ImageReference {
        let blob = |bytes: &Option<Vec<u8>>| Blob(bytes.clone().unwrap_or_default());
        ImageReference {
            url: image.url.clone(),
            direct_path: image.direct_path.clone(),
            caption: image.caption.clone(),
            length: image.file_length.unwrap_or_default(),
            media_key: blob(&image.media_key),
            file_sha256: blob(&image.file_sha256),
            file_enc_sha256: blob(&image.file_enc_sha256),
        }
    }

    /// The image in `file`, the file that the reference points to.
    ///
    /// # Errors
    /// [`PhoneError::BadMedia`] when a hash, the MAC, the padding or the length does not fit the reference.
    pub fn open(&self, file: &[u8]) -> Result<Vec<u8>, PhoneError> {
        if Sha256::digest(file)[..] != self.file_enc_sha256.0[..] {
            return Err(bad_media("the file is not the one referred to"));
        }
        let image = DownloadUtils::verify_and_decrypt(file, &self.media_key.0, MediaType::Image)
            .map_err(bad_media)?;
        if Sha256::digest(&image)[..] != self.file_sha256.0[..] {
            return Err(bad_media("the image is not the one referred to"));
        }
        if image.len() as u64 != self.length {
            return Err(bad_media("the image has another length"));
        }
        Ok(image)
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageReference")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Phone {
    /// Encrypts an image for the media store.
    ///
    /// # Errors
    /// [`PhoneError::BadMedia`] when the encryption fails.
    pub fn seal_image(&mut self, image: &[u8]) -> Result<SealedImage, PhoneError> {
        let media_key = self.dice.bytes();
        let sealed =
            encrypt_media_with_key(image, MediaType::Image, Some(&media_key)).map_err(bad_media)?;
        Ok(SealedImage {
            file: sealed.data_to_upload,
            file_enc_sha256: sealed.file_enc_sha256,
            media_key,
            file_sha256: sealed.file_sha256,
            length: image.len() as u64,
        })
    }
}

fn bad_media(why: impl fmt::Display) -> PhoneError {
    PhoneError::BadMedia(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::inbox::Content;
    use super::*;

    fn reference(sealed: &SealedImage) -> ImageReference {
        let message = sealed.message("http://127.0.0.1/i", "/i", "image/png", Some("a seal"));
        let Content::Image(reference) = Content::of(&message) else {
            panic!("the message is no image");
        };
        reference
    }

    #[test]
    fn an_image_comes_back() {
        let mut phone = Phone::new("15550000001", "Ann", 1).unwrap();
        let sealed = phone.seal_image(b"not really a PNG").unwrap();
        let reference = reference(&sealed);
        assert_eq!(reference.open(&sealed.file).unwrap(), b"not really a PNG");
        assert_eq!(reference.caption.as_deref(), Some("a seal"));
        assert_eq!(reference.direct_path.as_deref(), Some("/i"));
    }

    #[test]
    fn another_file_is_refused() {
        let mut phone = Phone::new("15550000001", "Ann", 1).unwrap();
        let sealed = phone.seal_image(b"one").unwrap();
        let other = phone.seal_image(b"two").unwrap();
        let mut flipped = sealed.file.clone();
        flipped[0] ^= 1;
        for wrong in [&other.file[..], &flipped[..], &sealed.file[1..], b""] {
            assert!(matches!(
                reference(&sealed).open(wrong),
                Err(PhoneError::BadMedia(_))
            ));
        }
    }
}
