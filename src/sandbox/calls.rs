//! Calls into the kernel that are still allowed, by seccomp. Any other gets `EPERM`.
//!
//! The list was made by looking (`strace -f`) at servers that serve, are controlled,
//! run out of descriptors, panic and stop; beside that stand the calls that
//! another C library, or aarch64, has for the same things. docs/sandbox.md has it with
//! the reasons, and a test holds the two together.
//!
//! # What a filter cannot see
//! It sees numbers, not what is behind a pointer. `adjtimex` sets the clock or only
//! reads its state, by a field of its structure; the `system` source reads with it. So
//! it is allowed here, and CAP_SYS_TIME, which is gone, is what protects the clock
//! there. `clone3` takes a structure, too: it gets `ENOSYS`, upon which C libraries call
//! `clone`, whose flags can be seen.

use libc::{
    SYS_accept4, SYS_adjtimex, SYS_bind, SYS_brk, SYS_capget, SYS_clock_adjtime, SYS_clock_getres,
    SYS_clock_gettime, SYS_clock_nanosleep, SYS_clone, SYS_clone3, SYS_close, SYS_connect, SYS_dup,
    SYS_dup3, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2, SYS_exit,
    SYS_exit_group, SYS_faccessat, SYS_fcntl, SYS_fstat, SYS_futex, SYS_getcwd, SYS_getdents64,
    SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getpeername, SYS_getpid, SYS_getppid, SYS_getrandom,
    SYS_getrusage, SYS_getsockname, SYS_getsockopt, SYS_gettid, SYS_gettimeofday, SYS_getuid,
    SYS_ioctl, SYS_listen, SYS_lseek, SYS_madvise, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap,
    SYS_nanosleep, SYS_newfstatat, SYS_openat, SYS_pipe2, SYS_ppoll, SYS_prctl, SYS_pread64,
    SYS_prlimit64, SYS_read, SYS_readlinkat, SYS_readv, SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg,
    SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_yield, SYS_sendmmsg, SYS_sendmsg,
    SYS_sendto, SYS_set_robust_list, SYS_set_tid_address, SYS_setsockopt, SYS_shutdown,
    SYS_sigaltstack, SYS_socket, SYS_socketpair, SYS_statx, SYS_tgkill, SYS_timerfd_create,
    SYS_timerfd_gettime, SYS_timerfd_settime, SYS_uname, SYS_write, SYS_writev, c_int, c_long,
};
#[cfg(target_arch = "x86_64")]
use libc::{
    SYS_access, SYS_dup2, SYS_epoll_wait, SYS_lstat, SYS_open, SYS_pipe, SYS_poll, SYS_readlink,
    SYS_stat, SYS_time,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// The numbers and the names of calls.
macro_rules! calls {
    ($($call:ident)+) => { &[$(($call, stringify!($call))),+] };
}

type Call = (c_long, &'static str);

/// Allowed whatever the arguments, by what they are for.
const FREE: &[&[Call]] = &[
    // Sockets that are there: datagrams, and HTTP.
    calls! {
        SYS_recvmmsg SYS_sendmmsg SYS_recvmsg SYS_sendmsg SYS_recvfrom SYS_sendto SYS_bind
        SYS_listen SYS_accept4 SYS_connect SYS_shutdown SYS_getsockname SYS_getpeername
        SYS_getsockopt SYS_setsockopt
    },
    // Waiting.
    calls! {
        SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_timerfd_create
        SYS_timerfd_settime SYS_timerfd_gettime SYS_ppoll SYS_futex SYS_nanosleep
        SYS_clock_nanosleep SYS_sched_yield SYS_restart_syscall
    },
    // Descriptors.
    calls! {
        SYS_read SYS_readv SYS_pread64 SYS_write SYS_writev SYS_lseek SYS_close SYS_dup SYS_dup3
        SYS_fcntl SYS_pipe2 SYS_fstat
    },
    // Files by path: those that Landlock lets be read.
    calls! {
        SYS_newfstatat SYS_statx SYS_faccessat SYS_readlinkat SYS_getdents64 SYS_getcwd
    },
    // Memory.
    calls! { SYS_brk SYS_munmap SYS_mremap SYS_madvise },
    // Threads and signals.
    calls! {
        SYS_set_robust_list SYS_rseq SYS_set_tid_address SYS_sched_getaffinity
        SYS_sched_setaffinity SYS_gettid SYS_exit SYS_exit_group SYS_rt_sigaction
        SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack
    },
    // Clocks, read.
    calls! { SYS_clock_gettime SYS_clock_getres SYS_gettimeofday SYS_adjtimex },
    // What this process is.
    calls! {
        SYS_getpid SYS_getppid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_capget
        SYS_getrusage SYS_uname SYS_getrandom
    },
    OLDER,
];

/// What x86-64 has beside them, from before they were there.
#[cfg(target_arch = "x86_64")]
const OLDER: &[Call] = calls! {
    SYS_epoll_wait SYS_poll SYS_pipe SYS_dup2 SYS_stat SYS_lstat SYS_access SYS_readlink
    SYS_time
};
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[Call] = &[];

/// Allowed with these arguments.
struct Bounded {
    call: Call,
    /// What is allowed, for people.
    only: &'static str,
    rules: fn() -> Vec<Vec<Argument>>,
}

/// Opening a file for anything but reading has one of these flags.
const WRITES: c_int = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
/// A process, or a namespace, of its own.
const CLONE_KINDS: c_int = libc::CLONE_THREAD
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;
/// `PR_SET_VMA`: a name for a piece of memory, which allocators give.
const PR_SET_VMA: c_int = 0x5356_4d41;

const BOUNDED: &[Bounded] = &[
    Bounded {
        call: (SYS_socket, "SYS_socket"),
        only: "UDP and TCP over IPv4 and IPv6; Unix sockets, for a service manager and a log",
        rules: || {
            let mut rules = Vec::new();
            for family in [libc::AF_INET, libc::AF_INET6] {
                for (kind, protocol) in [
                    (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
                    (libc::SOCK_STREAM, libc::IPPROTO_TCP),
                ] {
                    // 0 is the kind's own protocol.
                    for protocol in [0, protocol] {
                        rules.push(vec![
                            Argument(0, Test::Is(family)),
                            Argument(1, kind_is(kind)),
                            Argument(2, Test::Is(protocol)),
                        ]);
                    }
                }
            }
            for kind in [libc::SOCK_DGRAM, libc::SOCK_STREAM] {
                rules.push(vec![
                    Argument(0, Test::Is(libc::AF_UNIX)),
                    Argument(1, kind_is(kind)),
                ]);
            }
            rules
        },
    },
    Bounded {
        call: (SYS_socketpair, "SYS_socketpair"),
        only: "of Unix sockets",
        rules: || vec![vec![Argument(0, Test::Is(libc::AF_UNIX))]],
    },
    Bounded {
        call: (SYS_openat, "SYS_openat"),
        only: "for reading",
        rules: || vec![vec![Argument(2, Test::Bits(WRITES, libc::O_RDONLY))]],
    },
    #[cfg(target_arch = "x86_64")]
    Bounded {
        call: (SYS_open, "SYS_open"),
        only: "for reading",
        rules: || vec![vec![Argument(1, Test::Bits(WRITES, libc::O_RDONLY))]],
    },
    Bounded {
        call: (SYS_mmap, "SYS_mmap"),
        only: "not executable",
        rules: || vec![vec![Argument(2, Test::Bits(libc::PROT_EXEC, 0))]],
    },
    Bounded {
        call: (SYS_mprotect, "SYS_mprotect"),
        only: "not executable",
        rules: || vec![vec![Argument(2, Test::Bits(libc::PROT_EXEC, 0))]],
    },
    Bounded {
        call: (SYS_clone, "SYS_clone"),
        only: "a thread of this process",
        rules: || {
            vec![vec![Argument(
                0,
                Test::Bits(CLONE_KINDS, libc::CLONE_THREAD),
            )]]
        },
    },
    Bounded {
        call: (SYS_clone3, "SYS_clone3"),
        only: "gets ENOSYS, so that C libraries call clone",
        rules: || vec![vec![]],
    },
    Bounded {
        call: (SYS_tgkill, "SYS_tgkill"),
        only: "a thread of this process: it may abort itself",
        rules: || vec![vec![Argument(0, Test::IsThisProcess)]],
    },
    Bounded {
        call: (SYS_prctl, "SYS_prctl"),
        only: "names of threads and of memory",
        rules: || {
            let options = [libc::PR_SET_NAME, libc::PR_GET_NAME, PR_SET_VMA];
            let rule = |option| vec![Argument(0, Test::Is(option))];
            options.map(rule).into()
        },
    },
    Bounded {
        call: (SYS_prlimit64, "SYS_prlimit64"),
        only: "to read a limit",
        rules: || vec![vec![Argument(2, Test::IsNull)]],
    },
    Bounded {
        call: (SYS_ioctl, "SYS_ioctl"),
        only: "not to block; to close on exec; how much can be read; whether it is a terminal",
        rules: || {
            // The C libraries do not agree whether the number has a sign.
            let requests = [
                libc::FIONBIO as c_int,
                libc::FIOCLEX as c_int,
                libc::FIONREAD as c_int,
                libc::TCGETS as c_int,
                libc::TIOCGWINSZ as c_int,
            ];
            let rule = |request| vec![Argument(1, Test::Is(request))];
            requests.map(rule).into()
        },
    },
    Bounded {
        call: (SYS_clock_adjtime, "SYS_clock_adjtime"),
        only: "of the realtime clock, which without CAP_SYS_TIME can only be read",
        rules: || vec![vec![Argument(0, Test::Is(libc::CLOCK_REALTIME))]],
    },
];

/// The number of an argument, and what it must be.
struct Argument(u8, Test);

enum Test {
    Is(c_int),
    IsNull,
    IsThisProcess,
    /// Those bits of it.
    Bits(c_int, c_int),
}

/// Of a socket's kind, without the flags that may stand beside it.
fn kind_is(kind: c_int) -> Test {
    const KIND: c_int = 0xf;
    Test::Bits(KIND, kind)
}

impl Argument {
    fn condition(&self) -> Result<SeccompCondition, seccompiler::BackendError> {
        /// As the kernel takes an `int`: 32 bits, whatever stands above them.
        fn bits(number: c_int) -> u64 {
            u64::from(number.cast_unsigned())
        }
        let (len, operator, value) = match self.1 {
            Test::Is(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, bits(value)),
            Test::IsNull => (SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0),
            Test::IsThisProcess => (
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Eq,
                std::process::id().into(),
            ),
            Test::Bits(mask, value) => (
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(bits(mask)),
                bits(value),
            ),
        };
        SeccompCondition::new(self.0, len, operator, value)
    }
}

/// Every call that is allowed, with what it is allowed for if that is not
/// everything. For who documents it.
pub fn allowed() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let name = |name: &'static str| name.trim_start_matches("SYS_");
    let free = FREE.iter().copied().flatten();
    let free = free.map(move |call| (name(call.1), None));
    let bounded = BOUNDED.iter();
    free.chain(bounded.map(move |bounded| (name(bounded.call.1), Some(bounded.only))))
}

/// Refuses every other call, to all threads of this process, for good.
///
/// # Errors
/// Why that cannot be had.
pub(super) fn restrict() -> Result<(), String> {
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Err(format!(
            "not known for the machine {}",
            std::env::consts::ARCH
        ));
    };
    let told = |error: seccompiler::BackendError| error.to_string();
    let filters = [
        without_clone3(machine).map_err(told)?,
        all_but_these(machine).map_err(told)?,
    ];
    // Of what two filters say, the kernel takes the stricter.
    for filter in &filters {
        apply_filter_all_threads(filter).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What is not on the list gets `EPERM`.
fn all_but_these(machine: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (number, _) in FREE.iter().copied().flatten() {
        rules.insert(*number, Vec::new());
    }
    for bounded in BOUNDED {
        let alternatives = (bounded.rules)();
        let mut built = Vec::new();
        for arguments in alternatives
            .iter()
            .filter(|arguments| !arguments.is_empty())
        {
            let conditions = arguments.iter().map(Argument::condition);
            built.push(SeccompRule::new(conditions.collect::<Result<_, _>>()?)?);
        }
        rules.insert(bounded.call.0, built);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine)?.try_into()
}

/// `clone3` is as if the kernel did not know it.
fn without_clone3(machine: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let rules = [(SYS_clone3, Vec::new())].into_iter().collect();
    let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, unknown, machine)?.try_into()
}
