//! A file that may be a pipe, read and written with a timeout.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A client's file, which may be a pipe: its other end is waited for, and not for ever, so that it holds no thread for ever either.
#[derive(Debug)]
pub struct Patient {
    file: File,
    silence: Duration,
    until: Instant,
}

impl Patient {
    /// Waits `silence` for the next byte to move, and `whole` for all of them. Each call may block for so long.
    pub fn new(file: File, silence: Duration, whole: Duration) -> Self {
        Self {
            file,
            silence,
            until: Instant::now() + whole,
        }
    }

    /// Waits until the file can be read or written.
    fn wait(&self, what: PollFlags) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left.min(self.silence)).ok();
        let mut polled = [PollFd::from_borrowed_fd(self.file.as_fd(), what)];
        match poll(&mut polled, limit.as_ref())? {
            0 => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "nothing moved at its other end for too long",
            )),
            _ => Ok(()),
        }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN)?;
        self.file.read(buffer)
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT)?;
        // A pipe that has room for something takes a page without waiting for more: pipe(7).
        let page = bytes.len().min(4096);
        self.file.write(&bytes[..page])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    const WHOLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_pipe_is_waited_for_and_not_for_ever() {
        let (reader, mut writer) = io::pipe().unwrap();
        let silence = Duration::from_millis(20);
        let mut patient = Patient::new(OwnedFd::from(reader).into(), silence, WHOLE);
        let mut byte = [0];
        writer.write_all(b"a").unwrap();
        assert_eq!(patient.read(&mut byte).unwrap(), 1);
        let silent = patient.read(&mut byte).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        drop(writer);
        assert_eq!(patient.read(&mut byte).unwrap(), 0, "its end is no silence");

        let (_reader, writer) = io::pipe().unwrap();
        let mut patient = Patient::new(OwnedFd::from(writer).into(), silence, WHOLE);
        let full = patient.write_all(&[0; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
    }
}
