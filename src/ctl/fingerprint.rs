//! A public key's fingerprint, as `ssh-keygen -l` prints it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// `SHA256:` and the digest of the key's bytes (sshkey_fingerprint in OpenSSH's sshkey.c) of a line of authorized_keys; of one that is none,
/// the digest of nothing.
pub(super) fn fingerprint(line: &str) -> String {
    let blob = line.split_whitespace().nth(1).unwrap_or_default();
    let bytes = STANDARD.decode(blob).unwrap_or_default();
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ssh_keygen_s() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z kelp@shore";
        assert_eq!(
            fingerprint(key),
            "SHA256:A9ABRrdL59IuT9F1cD36YUtvvOH9Cnky6lHW9xXPoxM"
        );
    }
}
