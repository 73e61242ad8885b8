//! The ioctls for which no library spares us the `unsafe`: a block device's read-only switch, and the device mapper's
//! (`linux/dm-ioctl.h`).
#![expect(
    unsafe_code,
    reason = "each call names the kernel's own type for its number"
)]

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use rustix::ioctl::{Setter, Updater, ioctl, opcode};

/// `_IO(0x12, 93)`, an `int` behind the pointer all the same.
const BLKROSET: u32 = 0x125d;
const DM_DEV_CREATE: u8 = 3;
const DM_DEV_SUSPEND: u8 = 6;
const DM_TABLE_LOAD: u8 = 9;
const DM_READONLY: u32 = 1;
/// Bytes for one target and its parameters: a verity table takes about 350.
const ROOM: usize = 1024;

/// Makes a block device refuse every write, or take them again.
pub fn set_read_only(device: &Path, read_only: bool) -> io::Result<()> {
    let device = File::open(device)?;
    // SAFETY: BLKROSET reads one int.
    unsafe { ioctl(device, Setter::<BLKROSET, i32>::new(i32::from(read_only)))? };
    Ok(())
}

/// `struct dm_ioctl`.
#[repr(C)]
#[derive(Clone)]
struct Header {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event_nr: u32,
    padding: u32,
    dev: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
}

/// `struct dm_target_spec`.
#[repr(C)]
struct Target {
    sector_start: u64,
    length: u64,
    status: i32,
    next: u32,
    target_type: [u8; 16],
    parameters: [u8; ROOM - 40],
}

/// One call: the header, then what `data_start` points to.
#[repr(C)]
struct Request {
    header: Header,
    target: Target,
}

/// A mapped device in the making.
pub struct Mapping {
    control: File,
    request: Box<Request>,
}

impl Mapping {
    /// Makes the read-only device `name`, without a table yet.
    pub fn create(name: &str) -> io::Result<Self> {
        let header = Header {
            version: [4, 0, 0],
            data_size: size_of::<Request>() as u32,
            data_start: size_of::<Header>() as u32,
            target_count: 0,
            open_count: 0,
            flags: 0,
            event_nr: 0,
            padding: 0,
            dev: 0,
            name: padded(name)?,
            uuid: [0; 129],
            data: [0; 7],
        };
        let target = Target {
            sector_start: 0,
            length: 0,
            status: 0,
            next: 0,
            target_type: [0; 16],
            parameters: [0; ROOM - 40],
        };
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/mapper/control")?;
        let mut mapping = Self {
            control,
            request: Box::new(Request { header, target }),
        };
        mapping.call::<{ opcode::read_write::<Header>(0xfd, DM_DEV_CREATE) }>()?;
        Ok(mapping)
    }

    /// Loads a table of one target over `sectors` sectors of 512 bytes.
    pub fn load(&mut self, kind: &str, sectors: u64, parameters: &str) -> io::Result<()> {
        self.request.target.length = sectors;
        self.request.target.target_type = padded(kind)?;
        self.request.target.parameters = padded(parameters)?;
        self.request.header.target_count = 1;
        self.call::<{ opcode::read_write::<Header>(0xfd, DM_TABLE_LOAD) }>()
    }

    /// Starts the device; its file's path.
    pub fn resume(mut self) -> io::Result<String> {
        self.call::<{ opcode::read_write::<Header>(0xfd, DM_DEV_SUSPEND) }>()?;
        Ok(format!(
            "/dev/dm-{}",
            rustix::fs::minor(self.request.header.dev)
        ))
    }

    fn call<const OPCODE: rustix::ioctl::Opcode>(&mut self) -> io::Result<()> {
        let header = &mut self.request.header;
        // The kernel leaves its answers in there, and refuses a device that is named and numbered.
        (header.flags, header.dev) = (DM_READONLY, 0);
        header.data_size = size_of::<Request>() as u32;
        header.data_start = size_of::<Header>() as u32;
        // SAFETY: device-mapper calls read and write `data_size` bytes, which is the whole request.
        unsafe {
            ioctl(
                &self.control,
                Updater::<OPCODE, Request>::new(&mut self.request),
            )?
        };
        Ok(())
    }
}

/// `text` with at least one NUL behind it.
fn padded<const SIZE: usize>(text: &str) -> io::Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    let room = bytes.get_mut(..text.len()).filter(|_| text.len() < SIZE);
    room.ok_or(io::ErrorKind::ArgumentListTooLong)?
        .copy_from_slice(text.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_have_the_kernels_layout() {
        assert_eq!((size_of::<Header>(), size_of::<Target>()), (312, ROOM));
        assert_eq!(
            opcode::read_write::<Header>(0xfd, DM_DEV_CREATE) as u64,
            0xc138_fd03
        );
    }

    #[test]
    fn text_keeps_its_end() {
        assert_eq!(padded::<4>("abc").unwrap(), *b"abc\0");
        assert!(padded::<4>("abcd").is_err());
    }
}
