//! A program in the kernel: loaded, run for a test, attached to an interface.

use super::call::{Attributes, Command, bpf, bpf_descriptor};
use super::error::{BpfError, Step};
use super::map::SharedMap;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use timeball_ebpf::{Program, SLOT_LEN};

const PROGRAM_TYPE_XDP: u32 = 6;
/// `BPF_XDP`, as a place to attach to.
const ATTACH_XDP: u32 = 37;
/// Octets of what the verifier may say.
const LOG_LEN: usize = 1 << 20;
/// Lines of it that are kept: the last, which say what is wrong.
const LOG_LINES: usize = 40;
/// Octets of a `struct bpf_link_info`, as far as it goes for XDP, and where in it the
/// interface is.
const LINK_INFO_LEN: usize = 24;
const LINK_INFO_INTERFACE: usize = 16;
/// Octets of a `struct xdp_md`.
const CONTEXT_LEN: usize = 24;

/// Where in its way a frame meets a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// In the driver, before anything is allocated for it.
    Native,
    /// In the network stack of any interface, a little later: slower.
    Generic,
}

impl fmt::Display for AttachMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

impl AttachMode {
    /// `XDP_FLAGS_DRV_MODE` or `XDP_FLAGS_SKB_MODE`.
    const fn flags(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
        }
    }
}

/// An XDP program that the kernel has accepted.
pub struct XdpProgram {
    descriptor: OwnedFd,
}

/// An attached program; it is detached by the drop, unless another descriptor of the same
/// link is open.
pub struct XdpLink {
    descriptor: OwnedFd,
}

impl AsFd for XdpLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What became of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned: `XDP_PASS` is 2, `XDP_TX` 3.
    pub returned: u32,
    /// Octets of the frame that it left.
    pub len: usize,
    /// How long one run took, on average.
    pub duration: Duration,
}

/// Live frames to send through a program.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// What each begins as: 14 octets at least, a page at most.
    pub frame: &'a [u8],
    /// How many.
    pub repeat: u32,
    /// How many at a time: 1 to 256; 0 is the kernel's own number, 64.
    pub batch: u32,
    /// The interface that they seem to come from.
    pub interface: u32,
}

impl XdpProgram {
    /// Loads `program`, whose map of number n is `maps[n]`, under a licence such
    /// as `"MIT"`; `name` is for those who list programs.
    ///
    /// # Errors
    /// [`BpfError::NotPermitted`] without CAP_BPF and CAP_NET_ADMIN, and
    /// [`BpfError::Refused`] with the verifier's words.
    ///
    /// # Panics
    /// When the program uses a map that `maps` does not have.
    pub fn load(
        name: &str,
        program: &Program,
        maps: &[&SharedMap],
        licence: &std::ffi::CStr,
    ) -> Result<Self, BpfError> {
        let descriptors: Vec<i32> = maps.iter().map(|map| map.as_fd().as_raw_fd()).collect();
        let octets = program
            .link(&descriptors)
            .unwrap_or_else(|error| panic!("{error}"));
        Self::load_octets(name, &octets, licence, &mut []).or_else(|first| {
            // Once more, for what the verifier says.
            let mut log = vec![0; LOG_LEN];
            Self::load_octets(name, &octets, licence, &mut log)
                .map_err(|error| BpfError::of(Step::LoadProgram, error, &last_lines(&log)))
                .map_err(|second| match second {
                    BpfError::Other { .. } => BpfError::of(Step::LoadProgram, first, ""),
                    other => other,
                })
        })
    }

    fn load_octets(
        name: &str,
        octets: &[u8],
        licence: &std::ffi::CStr,
        log: &mut [u8],
    ) -> std::io::Result<Self> {
        let count = octets.len() / SLOT_LEN;
        let mut attributes = Attributes::new()
            .number(0, PROGRAM_TYPE_XDP)
            .number(4, u32::try_from(count).unwrap_or(u32::MAX))
            .input(8, octets)
            .input(16, licence.to_bytes_with_nul())
            .name(48, name)
            .number(68, ATTACH_XDP);
        if !log.is_empty() {
            attributes = attributes
                .number(24, 1)
                .number(28, u32::try_from(log.len()).unwrap_or(u32::MAX))
                .output(32, log);
        }
        // SAFETY: the octets are `count` whole instructions, the licence ends
        // with a zero, the log has the length stated; all three are borrowed. A
        // program comes as a descriptor.
        let descriptor = unsafe { bpf_descriptor(Command::ProgramLoad, &mut attributes) }?;
        Ok(Self { descriptor })
    }

    /// Attaches it to the interface of this number, in this mode and no other.
    ///
    /// # Errors
    /// [`BpfError::Occupied`] where a program is attached already, which is left
    /// there; [`BpfError::NoDriverSupport`], [`BpfError::NoSuchInterface`], and
    /// [`BpfError::NotPermitted`] without CAP_NET_ADMIN.
    pub fn attach(&self, interface: u32, mode: AttachMode) -> Result<XdpLink, BpfError> {
        let mut attributes = Attributes::new()
            .descriptor(0, self.descriptor.as_fd())
            .number(4, interface)
            .number(8, ATTACH_XDP)
            .number(12, mode.flags());
        // SAFETY: there is no address in it; a link comes as a descriptor.
        let descriptor = unsafe { bpf_descriptor(Command::LinkCreate, &mut attributes) }
            .map_err(|error| BpfError::of(Step::Attach, error, ""))?;
        Ok(XdpLink { descriptor })
    }

    /// Takes the place of the program that is attached to the interface of this number by
    /// `link`, a link of another process: in the mode in which that one is. Every frame
    /// meets the one or the other.
    ///
    /// # Errors
    /// [`BpfError::NoSuchInterface`] for a link to another interface, or to one that is gone;
    /// the operating system's, for what is no link of an XDP program.
    pub fn replace(&self, interface: u32, link: OwnedFd) -> Result<XdpLink, BpfError> {
        let is_at = interface_of(&link).map_err(|error| BpfError::of(Step::Replace, error, ""))?;
        if is_at != interface {
            return Err(BpfError::NoSuchInterface);
        }
        let mut attributes = Attributes::new()
            .descriptor(0, link.as_fd())
            .descriptor(4, self.descriptor.as_fd());
        // SAFETY: there is no address in it.
        unsafe { bpf(Command::LinkUpdate, &mut attributes) }
            .map_err(|error| BpfError::of(Step::Replace, error, ""))?;
        Ok(XdpLink { descriptor: link })
    }

    /// Runs it `repeat` times, once at least, on a copy of `frame` that seems to
    /// come from loopback, and puts the frame that it leaves into `room`. (A run
    /// after the first gets what the one before left.)
    ///
    /// # Errors
    /// The operating system's: `ENOSPC` where `room` is too short, `EINVAL` for
    /// a frame of less than 14 octets or more than a page less some hundred.
    pub fn test_run(
        &self,
        frame: &[u8],
        repeat: u32,
        room: &mut [u8],
    ) -> Result<TestRun, BpfError> {
        if room.is_empty() {
            // The kernel takes a length of zero for no limit.
            let error = std::io::Error::from_raw_os_error(libc::ENOSPC);
            return Err(BpfError::of(Step::TestRun, error, ""));
        }
        let room_len = u32::try_from(room.len()).unwrap_or(u32::MAX);
        let mut attributes = self
            .test_attributes(frame, repeat)
            .number(12, room_len)
            .output(24, room);
        // SAFETY: the frame and the room have the lengths stated, that of the room is
        // not zero, and both are borrowed, the room mutably.
        unsafe { bpf(Command::ProgramTestRun, &mut attributes) }
            .map_err(|error| BpfError::of(Step::TestRun, error, ""))?;
        Ok(TestRun {
            returned: attributes.answer(4),
            len: attributes.answer(12) as usize,
            duration: Duration::from_nanos(attributes.answer(36).into()),
        })
    }

    /// Runs it on live frames (`BPF_F_TEST_XDP_LIVE_FRAMES`): what it returns is
    /// done with them, so they pass into the network stack, or go out of the
    /// interface that they are redirected to. Blocks until all are through.
    ///
    /// # Errors
    /// The operating system's: `EINTR` when a signal came in between, `EINVAL`
    /// before Linux 5.18.
    pub fn run_live(&self, load: &Load<'_>) -> Result<(), BpfError> {
        /// `BPF_F_TEST_XDP_LIVE_FRAMES`.
        const LIVE_FRAMES: u32 = 1 << 1;
        let frame_len = u32::try_from(load.frame.len()).unwrap_or(u32::MAX);
        let mut context = [0; CONTEXT_LEN];
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, ...
        context[4..8].copy_from_slice(&frame_len.to_ne_bytes());
        context[12..16].copy_from_slice(&load.interface.to_ne_bytes());
        let mut attributes = self
            .test_attributes(load.frame, load.repeat)
            .number(40, CONTEXT_LEN as u32)
            .input(48, &context)
            .number(64, LIVE_FRAMES)
            .number(72, load.batch);
        // SAFETY: the frame and the context have the lengths stated, and both
        // are borrowed.
        unsafe { bpf(Command::ProgramTestRun, &mut attributes) }
            .map(|_| ())
            .map_err(|error| BpfError::of(Step::TestRun, error, ""))
    }

    /// What all test runs say: the program, the frame, how often.
    fn test_attributes(&self, frame: &[u8], repeat: u32) -> Attributes {
        Attributes::new()
            .descriptor(0, self.descriptor.as_fd())
            .number(8, u32::try_from(frame.len()).unwrap_or(u32::MAX))
            .input(16, frame)
            .number(32, repeat)
    }
}

/// The interface that `link` attaches a program to; zero once that is gone.
fn interface_of(link: &OwnedFd) -> std::io::Result<u32> {
    let mut info = [0; LINK_INFO_LEN];
    let mut attributes = Attributes::new()
        .descriptor(0, link.as_fd())
        .number(4, LINK_INFO_LEN as u32)
        .output(8, &mut info);
    // SAFETY: what is asked for has the length stated, and is borrowed.
    unsafe { bpf(Command::ObjectInfo, &mut attributes) }?;
    let number = info[LINK_INFO_INTERFACE..][..4].try_into();
    Ok(u32::from_ne_bytes(number.expect("four octets")))
}

/// The end of what the verifier said.
fn last_lines(log: &[u8]) -> String {
    let len = log.iter().position(|&it| it == 0).unwrap_or(log.len());
    let text = String::from_utf8_lossy(&log[..len]);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
