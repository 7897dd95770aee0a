//! An array of the kernel's that lies in the memory of this process too.

use super::call::{Attributes, Command, bpf_descriptor};
use super::error::{BpfError, Step};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

const MAP_TYPE_ARRAY: u32 = 2;
/// `BPF_F_MMAPABLE`.
const MAPPABLE: u32 = 1 << 10;

/// An array map whose values are words of 64 bits, shared with the programs that
/// use it: they and this process read and write the same memory, and no call into
/// the kernel is needed for it.
///
/// It begins with zeros. It stays as long as a value of this type or a program
/// that uses it does.
pub struct SharedMap {
    descriptor: OwnedFd,
    memory: NonNull<AtomicU64>,
    /// Octets that are mapped: whole pages.
    mapped_len: usize,
    /// Words that are the map's.
    words: usize,
}

// SAFETY: the memory is the map's own and stays where it is until the drop, and
// all that is given out of it is atomics.
unsafe impl Send for SharedMap {}
// SAFETY: as above.
unsafe impl Sync for SharedMap {}

impl SharedMap {
    /// An array of `count` values of `value_words` words each, at least one of
    /// both; `name` is for those who list maps.
    ///
    /// # Errors
    /// [`BpfError::NotPermitted`] without CAP_BPF, [`BpfError::NotInThisKernel`]
    /// before Linux 5.5, the operating system's where there is no memory.
    pub fn new(name: &str, value_words: usize, count: usize) -> Result<Self, BpfError> {
        let too_large = |step| {
            let error = io::Error::from_raw_os_error(libc::E2BIG);
            BpfError::Other { step, error }
        };
        let step = Step::CreateMap;
        let number = |it: Option<usize>| it.and_then(|it| u32::try_from(it).ok());
        let value_len = number(value_words.checked_mul(8)).ok_or_else(|| too_large(step))?;
        let entries = number(Some(count)).ok_or_else(|| too_large(step))?;
        let words = value_words
            .checked_mul(count)
            .ok_or_else(|| too_large(step))?;
        let mut attributes = Attributes::new()
            .number(0, MAP_TYPE_ARRAY)
            .number(4, 4) // the key is an index
            .number(8, value_len)
            .number(12, entries)
            .number(16, MAPPABLE)
            .name(28, name);
        // SAFETY: there is no address in it; a map comes as a descriptor.
        let descriptor = unsafe { bpf_descriptor(Command::MapCreate, &mut attributes) }
            .map_err(|error| BpfError::of(step, error, ""))?;
        Self::mapped(descriptor, words).map_err(|error| BpfError::of(Step::ShareMap, error, ""))
    }

    fn mapped(descriptor: OwnedFd, words: usize) -> io::Result<Self> {
        let mapped_len = (words * size_of::<AtomicU64>()).next_multiple_of(page_len());
        // SAFETY: a new mapping at an address of the kernel's choice touches no
        // memory of ours; the descriptor is open.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped_len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                descriptor.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).expect("a mapping does not begin at zero");
        Ok(Self {
            descriptor,
            memory,
            mapped_len,
            words,
        })
    }

    /// All of its words, value after value.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins on a page, has these words at least, lives
        // as long as `self`, and is only ever reached through atomics, here and
        // by programs.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.words) }
    }
}

impl AsFd for SharedMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it any longer.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.mapped_len) };
    }
}

fn page_len() -> usize {
    rustix::param::page_size()
}
