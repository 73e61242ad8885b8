//! Judges an error of the disk: the cause to blame, and the file to name.

use std::io;
use std::path::Path;

use holdfast_core::CauseCode;
use holdfast_medium::barrier::BarrierError;
use holdfast_medium::{ClaimError, Exhausted, space};

use crate::history::HistoryError;
use crate::mail::MailError;
use crate::vault::VaultError;

/// The cause of an error that keeps the rooms from being opened.
pub(super) fn of_opening(error: &anyhow::Error) -> CauseCode {
    match error.downcast_ref() {
        Some(VaultError::StoreInUse { .. }) => return CauseCode::InUse,
        Some(VaultError::IdentityUnreadable { .. }) => return CauseCode::IdentityDamaged,
        _ => {}
    }
    let causes = error.chain().filter_map(|error| {
        let barrier = error.downcast_ref().and_then(of_barrier);
        barrier.or_else(|| error.downcast_ref().and_then(of_call))
    });
    causes.into_iter().next().unwrap_or(CauseCode::OpenFailed)
}

/// The cause of a failure of the group commit; `None` where it is the medium.
pub(super) fn of_barrier(error: &BarrierError) -> Option<CauseCode> {
    match error {
        BarrierError::Failed(error) => of_call(error),
        BarrierError::Start(_) => Some(CauseCode::NoThreads),
        BarrierError::Stopped => None,
    }
}

/// The cause of a failed system call; `None` where it is the medium.
fn of_call(error: &io::Error) -> Option<CauseCode> {
    if space::is_full(error) {
        return Some(CauseCode::NoSpace);
    }
    match (Exhausted::of(error), error.kind()) {
        (Some(Exhausted::Threads), _) => Some(CauseCode::NoThreads),
        (Some(Exhausted::Descriptors), _) => Some(CauseCode::NoDescriptors),
        (Some(Exhausted::Memory), _) => Some(CauseCode::NoMemory),
        (None, io::ErrorKind::PermissionDenied) => Some(CauseCode::NotPermitted),
        (None, io::ErrorKind::ReadOnlyFilesystem) => Some(CauseCode::ReadOnly),
        (
            None,
            io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists,
        ) => Some(CauseCode::WrongFile),
        (None, _) => None,
    }
}

/// The file that an error is about, and what the system said, for the screen; `None` where the cause says what matters.
pub(super) fn named(code: CauseCode, error: &anyhow::Error) -> Option<String> {
    if !matches!(
        code,
        CauseCode::OpenFailed
            | CauseCode::VaultFailed
            | CauseCode::NotPermitted
            | CauseCode::WrongFile
    ) {
        return None;
    }
    let named = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
    error.chain().find_map(|error| {
        if let Some(
            VaultError::Io { path, error } | VaultError::Claim(ClaimError::Io { path, error }),
        ) = error.downcast_ref()
        {
            Some(named(path, error))
        } else if let Some(ClaimError::Io { path, error }) = error.downcast_ref() {
            Some(named(path, error))
        } else if let Some(MailError::Io { path, source }) = error.downcast_ref() {
            Some(named(path, source))
        } else if let Some(HistoryError::Io { path, source }) = error.downcast_ref() {
            Some(named(path, source))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn only_the_medium_is_blamed_on_the_medium() {
        for (errno, opening, running) in [
            (
                Errno::MFILE,
                CauseCode::NoDescriptors,
                Some(CauseCode::NoDescriptors),
            ),
            (
                Errno::NFILE,
                CauseCode::NoDescriptors,
                Some(CauseCode::NoDescriptors),
            ),
            (Errno::NOMEM, CauseCode::NoMemory, Some(CauseCode::NoMemory)),
            (
                Errno::AGAIN,
                CauseCode::NoThreads,
                Some(CauseCode::NoThreads),
            ),
            (Errno::NOSPC, CauseCode::NoSpace, Some(CauseCode::NoSpace)),
            (
                Errno::ACCESS,
                CauseCode::NotPermitted,
                Some(CauseCode::NotPermitted),
            ),
            (Errno::ROFS, CauseCode::ReadOnly, Some(CauseCode::ReadOnly)),
            (
                Errno::ISDIR,
                CauseCode::WrongFile,
                Some(CauseCode::WrongFile),
            ),
            (Errno::IO, CauseCode::OpenFailed, None),
        ] {
            let call = || io::Error::from(errno);
            assert_eq!(of_barrier(&BarrierError::Failed(Arc::new(call()))), running);
            let error = VaultError::Io {
                path: "/data/holdfast/CURRENT".into(),
                error: call(),
            };
            let error = anyhow::Error::new(error).context("the vault");
            assert_eq!(of_opening(&error), opening);
            let said = named(CauseCode::OpenFailed, &error).unwrap();
            assert_eq!(said, format!("/data/holdfast/CURRENT: {}", call()));
            assert_eq!(named(CauseCode::NoSpace, &error), None);
            let failed = BarrierError::Failed(Arc::new(call()));
            assert_eq!(of_opening(&failed.into()), opening, "{errno}");
        }
        let start = BarrierError::Start(Arc::new(Errno::AGAIN.into()));
        assert_eq!(of_opening(&start.into()), CauseCode::NoThreads);
    }
}
