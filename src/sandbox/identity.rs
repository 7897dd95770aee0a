//! The user that a server becomes which was started as root.

use nix::sys::prctl::{get_pdeathsig, set_pdeathsig};
use nix::unistd::{Gid, Uid, User, geteuid, setgroups, setresgid, setresuid};
use std::fmt;

/// Who takes the place of root where the settings name nobody, in this order.
const CANDIDATES: [&str; 2] = ["timeball", "nobody"];
/// Whom every system knows as nobody, where there is no list of users (an empty
/// container).
const NOBODY: u32 = 65_534;

/// A user and its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: Uid,
    group: Gid,
}

/// The settings name a user that cannot take root's place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchUser {
    /// There is none of that name.
    #[error("there is no such user; the name or the number of a user other than root is accepted")]
    Unknown,
    /// It is root itself.
    #[error(
        "this user is root, whose rights are what is given up; another user is accepted, or \
         sandbox.enabled = false"
    )]
    Root,
}

impl Identity {
    /// The user that the settings name, or whom they mean where they name nobody.
    /// A number that no user has stands for itself, with the group of that number.
    ///
    /// # Errors
    /// [`NoSuchUser`] for a name that nobody has, and for root.
    pub fn find(named: Option<&str>) -> Result<Self, NoSuchUser> {
        let Some(named) = named else {
            return Ok(Self::by_default());
        };
        let found = match named.parse::<u32>() {
            Ok(number) => {
                let user = User::from_uid(Uid::from_raw(number)).ok().flatten();
                user.map_or_else(|| Self::numbered(number), |user| Self::from(&user))
            }
            Err(_) => Self::named(named).ok_or(NoSuchUser::Unknown)?,
        };
        match found.user.is_root() {
            true => Err(NoSuchUser::Root),
            false => Ok(found),
        }
    }

    fn by_default() -> Self {
        let mut found = CANDIDATES.into_iter().filter_map(Self::named);
        let found = found.find(|found| !found.user.is_root());
        found.unwrap_or_else(|| Self::numbered(NOBODY))
    }

    fn named(name: &str) -> Option<Self> {
        let user = User::from_name(name).ok().flatten();
        user.as_ref().map(Self::from)
    }

    fn numbered(number: u32) -> Self {
        Self {
            user: Uid::from_raw(number),
            group: Gid::from_raw(number),
        }
    }

    /// Becomes it, with no other group, in every thread of the process. What is in the
    /// permitted set stays there, in this thread alone, if `keeps_permitted`. Whoever
    /// wanted to take the process with it (`setpriv --pdeathsig`) still does.
    ///
    /// # Errors
    /// The kernel's, where root may not become others (CAP_SETUID, CAP_SETGID).
    pub(super) fn assume(&self, keeps_permitted: bool) -> nix::Result<()> {
        if keeps_permitted {
            rustix::thread::set_keep_capabilities(true)
                .map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error()))?;
        }
        let with_parent = get_pdeathsig()?;
        // What one of them refuses does not keep the others from being done.
        let groups = setgroups(&[]);
        let group = setresgid(self.group, self.group, self.group);
        let user = setresuid(self.user, self.user, self.user);
        // The kernel forgets it when a process becomes another user's.
        groups.and(group).and(user).and(set_pdeathsig(with_parent))
    }
}

impl From<&User> for Identity {
    fn from(user: &User) -> Self {
        Self {
            user: user.uid,
            group: user.gid,
        }
    }
}

/// Whoever this process is now.
pub(super) fn of_this_process() -> This {
    This(geteuid())
}

/// A user, by name if it has one.
pub(super) struct This(Uid);

impl This {
    pub(super) fn is_root(&self) -> bool {
        self.0.is_root()
    }
}

impl fmt::Display for This {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number_and_root_is_refused_as_either() {
        let nobody = Identity::find(Some("nobody")).unwrap();
        let number = nobody.user.to_string();
        assert_eq!(Identity::find(Some(&number)), Ok(nobody));
        for root in ["root", "0"] {
            assert_eq!(Identity::find(Some(root)), Err(NoSuchUser::Root));
        }
        for nobody in ["no-such-user", "-1", "4294967296", ""] {
            assert_eq!(Identity::find(Some(nobody)), Err(NoSuchUser::Unknown));
        }
    }

    #[test]
    fn a_number_that_no_user_has_stands_for_itself_and_its_group() {
        let expected = Identity::numbered(3_999_999_999);
        assert_eq!(Identity::find(Some("3999999999")), Ok(expected));
    }

    #[test]
    fn whoever_takes_roots_place_by_default_is_not_root() {
        assert!(!Identity::find(None).unwrap().user.is_root());
    }
}
