//! What the kernel refused, and what that means.

use std::fmt;
use std::io;
use thiserror::Error;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Making a map.
    CreateMap,
    /// Mapping it into this process.
    ShareMap,
    /// Loading a program.
    LoadProgram,
    /// Attaching it to an interface.
    Attach,
    /// Putting it in the place of another that is attached.
    Replace,
    /// Running it for a test.
    TestRun,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateMap => "make a map",
            Self::ShareMap => "share a map's memory",
            Self::LoadProgram => "load a program",
            Self::Attach => "attach a program to an interface",
            Self::Replace => "replace a program that is attached",
            Self::TestRun => "run a program for a test",
        })
    }
}

/// What the kernel refused, and what that means.
#[derive(Debug, Error)]
pub enum BpfError {
    /// The process may not, or nobody may.
    #[error(
        "not permitted to {step}: it takes the capabilities CAP_BPF and CAP_NET_ADMIN, in the \
         user namespace of the host, and a sandbox that allows bpf(2)"
    )]
    NotPermitted {
        /// What was being done.
        step: Step,
    },
    /// There is no bpf(2) in this kernel, or it is too old for what is asked.
    #[error("this kernel cannot {step} ({error}): it takes Linux 5.12 or later, with bpf(2)")]
    NotInThisKernel {
        /// What was being done.
        step: Step,
        /// The operating system's.
        error: io::Error,
    },
    /// The verifier did not accept the program.
    #[error("the kernel's verifier refuses the program ({error}):\n{log}")]
    Refused {
        /// The operating system's.
        error: io::Error,
        /// The last lines of what the verifier says.
        log: String,
    },
    /// Another program is attached to the interface, which is left alone.
    #[error("another XDP program is attached to this interface, and stays there")]
    Occupied,
    /// The driver of the interface has no XDP of its own, or not as it is set up.
    #[error("the driver of this interface cannot do XDP in this mode ({error})")]
    NoDriverSupport {
        /// The operating system's.
        error: io::Error,
    },
    /// There is no such interface.
    #[error("there is no interface of this number in this network namespace")]
    NoSuchInterface,
    /// Anything else.
    #[error("cannot {step}: {error}")]
    Other {
        /// What was being done.
        step: Step,
        /// The operating system's.
        error: io::Error,
    },
}

impl BpfError {
    /// What `error` means at this step; of a program that was refused, with what
    /// the verifier said.
    pub(super) fn of(step: Step, error: io::Error, log: &str) -> Self {
        /// ENOTSUPP, which the kernel keeps to itself but for mistakes.
        const ENOTSUPP: i32 = 524;
        match (step, error.raw_os_error().unwrap_or(0)) {
            (Step::LoadProgram, _) if !log.is_empty() => Self::Refused {
                error,
                log: log.to_owned(),
            },
            (_, libc::EPERM) | (Step::CreateMap | Step::LoadProgram, libc::EACCES) => {
                Self::NotPermitted { step }
            }
            (_, libc::ENOSYS) | (Step::CreateMap, libc::EINVAL) => {
                Self::NotInThisKernel { step, error }
            }
            (Step::Attach, libc::EBUSY | libc::EEXIST) => Self::Occupied,
            (Step::Attach, libc::ENODEV) => Self::NoSuchInterface,
            (
                Step::Attach,
                libc::EOPNOTSUPP
                | ENOTSUPP
                | libc::EINVAL
                | libc::ENOMEM
                | libc::ERANGE
                | libc::ENOSPC,
            ) => Self::NoDriverSupport { error },
            _ => Self::Other { step, error },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(step: Step, errno: i32, log: &str) -> String {
        BpfError::of(step, io::Error::from_raw_os_error(errno), log).to_string()
    }

    #[test]
    fn each_refusal_says_what_is_missing() {
        for step in [Step::CreateMap, Step::LoadProgram, Step::Attach] {
            let text = meaning(step, libc::EPERM, "");
            assert!(text.contains("CAP_BPF and CAP_NET_ADMIN"), "{text}");
        }
        let old = meaning(Step::CreateMap, libc::EINVAL, "");
        assert!(old.contains("Linux 5.12"), "{old}");
        let refused = meaning(Step::LoadProgram, libc::EACCES, "R1 !read_ok");
        assert!(refused.ends_with("\nR1 !read_ok"), "{refused}");
        let busy = meaning(Step::Attach, libc::EBUSY, "");
        assert!(busy.contains("another XDP program"), "{busy}");
        let driver = meaning(Step::Attach, libc::EOPNOTSUPP, "");
        assert!(driver.contains("driver"), "{driver}");
        let gone = meaning(Step::Attach, libc::ENODEV, "");
        assert!(gone.contains("no interface"), "{gone}");
        let other = meaning(Step::TestRun, libc::EFAULT, "");
        assert!(
            other.starts_with("cannot run a program for a test"),
            "{other}"
        );
    }
}
