//! Who answers: root, oneself or the daemon's user, or nothing is said to it.
//!
//! A socket is whoever's who made it: one in a strange working directory would be told passphrases, and handed open files.

use std::fmt;

use nix::unistd::{Uid, User};

/// The system user that the daemon runs as, by systemd/sysusers.d/holdfast.conf.
const DAEMON: &str = "holdfast";

/// Somebody who is not spoken to.
#[derive(Debug)]
pub struct Stranger {
    /// Its number; none where nobody vouches for one.
    user: Option<Uid>,
}

impl Stranger {
    /// Whoever answers where nobody vouches for anyone.
    pub(super) const UNKNOWN: Self = Self { user: None };

    /// Judges by the number that the kernel (`SO_PEERCRED`, unix(7)) or a trusted message bus vouches for.
    pub(super) fn unless_trusted(user: Option<u32>) -> Result<(), Self> {
        let user = user.map(Uid::from_raw);
        let is_trusted = user.is_some_and(|user| {
            user.is_root() || user == Uid::effective() || named(user).as_deref() == Some(DAEMON)
        });
        if is_trusted {
            Ok(())
        } else {
            Err(Self { user })
        }
    }

    /// How to talk to that one's Holdfast all the same.
    pub(super) fn advice(&self) -> String {
        match self.user.and_then(named) {
            Some(name) => format!(
                " If it is the Holdfast that you mean, ask as its user: `sudo -u {name} holdfastctl ...`."
            ),
            None => String::new(),
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.user {
            None => f.write_str("somebody for whom nobody vouches"),
            Some(user) => match named(user) {
                Some(name) => write!(f, "{name} (uid {user})"),
                None => write!(f, "uid {user}"),
            },
        }
    }
}

fn named(user: Uid) -> Option<String> {
    Some(User::from_uid(user).ok().flatten()?.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_oneself_and_the_daemons_user_are_spoken_to() {
        let own = Uid::effective().as_raw();
        assert!(Stranger::unless_trusted(Some(0)).is_ok());
        assert!(Stranger::unless_trusted(Some(own)).is_ok());
        let stranger = Stranger::unless_trusted(Some(own + 4711)).unwrap_err();
        assert!(stranger.to_string().contains(&(own + 4711).to_string()));
        assert!(Stranger::unless_trusted(None).is_err());
        if let Ok(Some(daemon)) = User::from_name(DAEMON) {
            assert!(Stranger::unless_trusted(Some(daemon.uid.as_raw())).is_ok());
        }
    }
}
