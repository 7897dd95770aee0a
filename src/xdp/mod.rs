//! Answers from the network driver: a program in the kernel answers the plain
//! requests, and everything else goes on to the sockets.
//!
//! | module | what it holds |
//! |---|---|
//! | [`interface`] | the interface, and what addresses it has |
//! | [`setup`] | who listens where, who is let in, what is too much: as memory |
//! | `clock` | a source's forecast, as memory |
//! | [`counters`] | what the program counted |
//! | `layout` | the places in that memory |
//! | `program` | the program itself |
//!
//! ```text
//!   frame -> driver -> program --- plain request ---> reply, out of the same interface
//!                         | \----- not let in, too often ---> dropped, counted
//!                         +------- anything else ---> network stack -> socket -> server
//! ```
//!
//! The program decides as the sockets do, from the same things: the lists, the
//! table of clients (one table, in memory that both write), the source's own
//! forecast, the protocol's own reply. Server and program share memory alone: after
//! [`Accelerator::attach`] there is no call into the kernel any more, so a sandbox
//! may forbid them. A program that is not fed falls silent, within [`VALID`], and
//! the sockets answer; it goes with the process.
//!
//! # Why no tries, hashes and per-processor maps
//! The kernel's other maps take a system call for each change. An array is
//! memory.

mod clock;
pub mod counters;
pub mod interface;
mod layout;
mod memory;
mod program;
pub mod setup;

pub use counters::Counts;
pub use interface::Interface;
pub use setup::{Listener, NotAccelerated};

use crate::admission::limiter::{SharedWords, WAYS};
use crate::api::{Delta, HostInstant, Source};
use crate::protocol::ntp::Ntp;
use crate::transport::bpf::{
    AttachMode, BpfError, SharedMap, TestRun, XdpLink, XdpProgram, possible_processors,
};
use layout::{
    LISTENERS, clock as clock_words, counters as counter_words, networks, setup as words,
};
use program::{Shape, program};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use thiserror::Error;

/// How long the program answers after it was fed last.
pub const VALID: Delta = Delta::from_millis(500);

/// Why there is no acceleration at all.
#[derive(Debug, Error)]
pub enum XdpError {
    /// The kernel refuses.
    #[error(transparent)]
    Bpf(#[from] BpfError),
    /// What the machine is like cannot be seen.
    #[error("cannot tell how many processors there may be: {0}")]
    Processors(io::Error),
    /// The program is for machines that put the lowest octet first.
    #[error("answers from the driver are for little-endian machines")]
    BigEndian,
}

/// Where in its way a frame meets the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// In the driver of a device if that can, else in the network stack: a veth
    /// takes the program and then loses every reply if there is none at its other end.
    #[default]
    Auto,
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
}

/// The table of clients, in memory that the program uses too.
#[derive(Clone)]
pub struct Clients(Arc<SharedMap>);

impl Clients {
    /// A table of so many clients at least: for
    /// [`Limiter::on`](crate::admission::limiter::Limiter::on).
    ///
    /// # Errors
    /// The kernel's, as for [`SharedMap::new`].
    pub fn new(entries: usize) -> Result<Self, BpfError> {
        let sets = entries.div_ceil(WAYS).max(1);
        Ok(Self(Arc::new(SharedMap::new("clients", WAYS, sets)?)))
    }

    /// The memory that it lies in.
    #[must_use]
    pub fn memory(&self) -> Arc<dyn SharedWords> {
        Arc::<SharedMap>::clone(&self.0)
    }
}

impl SharedWords for SharedMap {
    fn words(&self) -> &[AtomicU64] {
        self.words()
    }
}

/// What is shared with the program.
struct Maps {
    setup: SharedMap,
    clocks: SharedMap,
    networks: SharedMap,
    counters: SharedMap,
    clients: Clients,
}

/// The program in the kernel, and what it is fed with. Its end detaches it.
pub struct Accelerator {
    program: XdpProgram,
    link: Option<(XdpLink, AttachMode)>,
    maps: Maps,
    interface: Interface,
    /// Whose clock each place is fed with.
    fed: Vec<Option<(Source, Ntp)>>,
}

impl Accelerator {
    /// Loads the program for `interface`, with this table of clients. It is
    /// attached to nothing yet and answers nobody.
    ///
    /// # Errors
    /// [`XdpError::Bpf`] with what is missing, most often a capability.
    pub fn load(interface: Interface, clients: &Clients) -> Result<Self, XdpError> {
        if cfg!(target_endian = "big") {
            return Err(XdpError::BigEndian);
        }
        let processors = possible_processors().map_err(XdpError::Processors)?;
        let lines = processors * LISTENERS;
        let maps = Maps {
            setup: SharedMap::new("setup", words::COPIES + 2 * words::WORDS, 1)?,
            clocks: SharedMap::new("clocks", LISTENERS * clock_words::WORDS, 1)?,
            networks: SharedMap::new("networks", 2 * networks::LISTS * networks::WORDS, 1)?,
            counters: SharedMap::new("counters", lines * counter_words::WORDS, 1)?,
            clients: clients.clone(),
        };
        let program = program(Shape {
            is_loopback: interface.is_loopback,
            processors,
            sets: clients.0.words().len() / WAYS,
        });
        let shared = [
            &maps.setup,
            &maps.clocks,
            &maps.networks,
            &maps.counters,
            &*clients.0,
        ];
        Ok(Self {
            program: XdpProgram::load("timeball", &program, &shared, c"MIT")?,
            link: None,
            maps,
            interface,
            fed: Vec::new(),
        })
    }

    /// Attaches it to its interface, and says how; the last call into the kernel.
    ///
    /// # Errors
    /// As for [`XdpProgram::attach`], of the last mode that was tried.
    pub fn attach(&mut self, mode: Mode) -> Result<AttachMode, BpfError> {
        let modes: &[AttachMode] = match mode {
            Mode::Auto if self.interface.is_device => &[AttachMode::Native, AttachMode::Generic],
            Mode::Auto => &[AttachMode::Generic],
            Mode::Native => &[AttachMode::Native],
            Mode::Generic => &[AttachMode::Generic],
        };
        let mut attached = Err(BpfError::NoSuchInterface);
        for &mode in modes {
            attached = self
                .program
                .attach(self.interface.index, mode)
                .map(|link| (link, mode));
            if !matches!(attached, Err(BpfError::NoDriverSupport { .. })) {
                break;
            }
        }
        attached.map(|(link, mode)| {
            self.link = Some((link, mode));
            mode
        })
    }

    /// Attaches it in the place of the one that `link` holds, of a server that this one
    /// follows: in its mode.
    ///
    /// # Errors
    /// As for [`XdpProgram::replace`].
    pub fn replace(&mut self, link: OwnedFd, mode: AttachMode) -> Result<(), BpfError> {
        let link = self.program.replace(self.interface.index, link)?;
        self.link = Some((link, mode));
        Ok(())
    }

    /// What holds it, and how, for a server that is to follow this one; `None` if it is
    /// not attached.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub fn link(&self) -> io::Result<Option<(OwnedFd, AttachMode)>> {
        let Some((link, mode)) = &self.link else {
            return Ok(None);
        };
        Ok(Some((link.as_fd().try_clone_to_owned()?, *mode)))
    }

    /// Answers for these listeners from now on, and for no others; says of each
    /// why not, if so. May be called again at any time: requests in between are
    /// passed to the sockets.
    ///
    /// A listener's place in the list is that of its [`counts`](Self::counts), so
    /// keep it where it is, and leave the place of one that is gone empty. `random`
    /// gives random words.
    pub fn serve(
        &mut self,
        listeners: &[Option<Listener<'_>>],
        now: HostInstant,
        random: impl FnMut() -> u64,
    ) -> Vec<Option<Result<(), NotAccelerated>>> {
        for place in 0..LISTENERS {
            clock::silence(&self.maps.clocks, place);
        }
        let outcomes = setup::write(&self.maps, &self.interface, listeners, now, random);
        let served = listeners.iter().zip(&outcomes);
        self.fed = served
            .map(|(listener, outcome)| match (listener, outcome) {
                (Some(it), Some(Ok(()))) => Some((it.source.clone(), it.ntp)),
                _ => None,
            })
            .collect();
        self.feed(now);
        outcomes
    }

    /// Tells the program what time it is and will be, as of `now`: to be called
    /// several times in [`VALID`], and at once when the host's clock was stepped.
    /// Nothing but stores to memory.
    pub fn feed(&self, now: HostInstant) {
        for (place, fed) in self.fed.iter().enumerate() {
            if let Some((source, ntp)) = fed {
                clock::feed(&self.maps.clocks, place, source, ntp, now);
            }
        }
    }

    /// Makes the program pass on everything, until it is fed again.
    pub fn pause(&self) {
        for place in 0..LISTENERS {
            clock::silence(&self.maps.clocks, place);
        }
    }

    /// Takes it off its interface again, unless a server that follows has its place: the
    /// sockets get everything.
    pub fn detach(&mut self) {
        self.pause();
        self.link = None;
    }

    /// The interface that it is for.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Has other addresses stand for the unspecified one, and another hardware
    /// address, from the next [`serve`](Self::serve) on.
    pub fn set_addresses(&mut self, interface: Interface) {
        self.interface.addresses = interface.addresses;
        self.interface.hardware_address = interface.hardware_address;
    }

    /// What the program counted for the listener at `place`, since it was loaded.
    #[must_use]
    pub fn counts(&self, place: usize) -> Counts {
        Counts::read(&self.maps.counters, place)
    }

    /// Runs the program on `frame`, as often as said, and puts what it leaves into
    /// `room`.
    ///
    /// # Errors
    /// As for [`XdpProgram::test_run`].
    pub fn test_run(
        &self,
        frame: &[u8],
        repeat: u32,
        room: &mut [u8],
    ) -> Result<TestRun, BpfError> {
        self.program.test_run(frame, repeat, room)
    }
}
