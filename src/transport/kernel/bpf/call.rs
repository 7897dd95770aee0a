//! `bpf(2)` itself.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What is asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Command {
    MapCreate = 0,
    ProgramLoad = 5,
    ProgramTestRun = 10,
    ObjectInfo = 15,
    LinkCreate = 28,
    LinkUpdate = 29,
}

/// `union bpf_attr`: numbers at the places that `linux/bpf.h` gives them for a
/// command. What is not set is zero, as the kernel wants it.
pub(super) struct Attributes([u64; 16]);

impl Attributes {
    pub(super) const fn new() -> Self {
        Self([0; 16])
    }

    /// Sets four octets at `place`, a multiple of four below 128.
    pub(super) fn number(mut self, place: usize, value: u32) -> Self {
        let mut word = self.0[place / 8].to_ne_bytes();
        word[place % 8..][..4].copy_from_slice(&value.to_ne_bytes());
        self.0[place / 8] = u64::from_ne_bytes(word);
        self
    }

    /// Sets a file descriptor at `place`.
    pub(super) fn descriptor(self, place: usize, descriptor: BorrowedFd<'_>) -> Self {
        self.number(place, descriptor.as_raw_fd().cast_unsigned())
    }

    /// Sets eight octets at `place`, a multiple of eight, to the address of
    /// `octets`, which the kernel reads.
    pub(super) fn input(mut self, place: usize, octets: &[u8]) -> Self {
        self.0[place / 8] = octets.as_ptr().expose_provenance() as u64;
        self
    }

    /// Sets eight octets at `place`, a multiple of eight, to the address of
    /// `octets`, which the kernel writes to.
    pub(super) fn output(mut self, place: usize, octets: &mut [u8]) -> Self {
        self.0[place / 8] = octets.as_mut_ptr().expose_provenance() as u64;
        self
    }

    /// Sets sixteen octets at `place`, a multiple of four, to a name: at most 15
    /// letters, digits, dots and underscores.
    pub(super) fn name(self, place: usize, name: &str) -> Self {
        let mut octets = [0; 16];
        let fitting = name
            .bytes()
            .filter(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.'));
        for (octet, letter) in octets[..15].iter_mut().zip(fitting) {
            *octet = letter;
        }
        let (parts, _) = octets.as_chunks::<4>();
        let places = (place..).step_by(4);
        places.zip(parts).fold(self, |attributes, (place, part)| {
            attributes.number(place, u32::from_ne_bytes(*part))
        })
    }

    /// Four octets at `place` of what the kernel put there.
    pub(super) fn answer(&self, place: usize) -> u32 {
        let word = self.0[place / 8].to_ne_bytes();
        u32::from_ne_bytes(
            word[place % 8..][..4]
                .try_into()
                .expect("four of eight octets"),
        )
    }
}

/// Asks the kernel.
///
/// # Safety
/// Every address in `attributes` is that of memory which lives and is borrowed,
/// mutably where the kernel writes to it, until this returns; and every length
/// beside it is no greater than that memory.
pub(super) unsafe fn bpf(command: Command, attributes: &mut Attributes) -> io::Result<i32> {
    // SAFETY: the pointer and the length are those of `attributes`; what is
    // behind the addresses in it is as the caller promises.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_int,
            attributes.0.as_mut_ptr(),
            size_of_val(&attributes.0),
        )
    };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks the kernel for something that comes as a file descriptor.
///
/// # Safety
/// As for [`bpf`]; and `command` is one that returns a new descriptor.
pub(super) unsafe fn bpf_descriptor(
    command: Command,
    attributes: &mut Attributes,
) -> io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    let descriptor = unsafe { bpf(command, attributes) }?;
    // SAFETY: the kernel has just made it for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
