//! The two-step token: the first step answers with it, the second one spends it.

use crate::ground::{ArchiveId, MINUTE, Moments};

/// How long a token is good for.
pub(crate) const TOKEN_MS: u64 = MINUTE;

/// A command that takes two steps, because it cannot be taken back or costs the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Give the live generation up and link anew.
    Relink,
    /// Give the live generation up and bring an archived one back.
    Restore(ArchiveId),
    /// Hand an archive out: it is not restored here any more.
    Export(ArchiveId),
}

/// The one token that is good, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    issued: Option<Issued>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Issued {
    token: u64,
    deed: Deed,
    until: u64,
}

impl Token {
    /// Issues a token for this deed; the one before is good for nothing any more.
    pub(crate) fn issue(&mut self, token: u64, deed: Deed, now: u64) {
        let until = now.saturating_add(TOKEN_MS);
        self.issued = Some(Issued { token, deed, until });
    }

    /// Spends the token. Whether it was this one, for this deed, and still good; it has one try, right or wrong.
    pub(crate) fn spend(&mut self, token: u64, deed: Deed, now: u64) -> bool {
        self.issued
            .take()
            .is_some_and(|known| known.token == token && known.deed == deed && known.until > now)
    }

    /// No token is good any more.
    pub(crate) fn void(&mut self) {
        self.issued = None;
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some(issued) = &mut self.issued {
            moments.due(&mut issued.until);
        }
    }
}
