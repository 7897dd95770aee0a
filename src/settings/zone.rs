//! Which time zone `local` is, found once and named.
//!
//! # Why
//! chrono's own local zone has no name (`%Z` prints an offset) and reads
//! `/etc/localtime` when it is used, which a sandbox forbids. So `local` is
//! settled when the settings are read: after that every zone is one of the
//! IANA database, and `timeball check` shows which.

use super::errors::nearest;
use chrono_tz::{TZ_VARIANTS, Tz};
use std::path::Path;

/// Where the database of zones stands on Linux; `TZ` may give a file in it.
const ZONEINFO: &str = "/usr/share/zoneinfo/";
const LOCALTIME: &str = "/etc/localtime";

/// The IANA zone of this name.
///
/// # Errors
/// A sentence with the nearest name there is.
pub(super) fn named(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let hint = nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()))
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        format!("unknown time zone; {hint}accepted: `local`, `UTC` or an IANA name such as `Europe/Paris`")
    })
}

/// Why `local` cannot be told, and where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoLocalZone {
    /// Whether the variable `TZ` is to blame, rather than the host.
    pub(super) from_variable: bool,
    /// One sentence, with the remedy.
    pub(super) problem: String,
}

/// The local zone: of the variable `TZ` if it is set, else of the host.
pub(super) fn local(
    tz: Option<&str>,
    host: impl Fn() -> Result<Tz, String>,
) -> Result<Tz, NoLocalZone> {
    let from_host = || {
        host().map_err(|problem| NoLocalZone {
            from_variable: false,
            problem,
        })
    };
    let Some(value) = tz else {
        return from_host();
    };
    // POSIX lets a colon stand before a name that is not a rule of its own.
    let name = value.strip_prefix(':').unwrap_or(value);
    match name.strip_prefix(ZONEINFO).unwrap_or(name) {
        // The C library takes an empty variable for UTC.
        "" => Ok(Tz::UTC),
        LOCALTIME => from_host(),
        name => name.parse().map_err(|_| NoLocalZone {
            from_variable: true,
            problem: if looks_like_a_rule(name) {
                "a POSIX rule has no name to show; set TZ to an IANA name (TZ=Europe/Paris), \
                 or set `timezone` of the listener"
                    .to_owned()
            } else {
                named(name).err().unwrap_or_default() + "; or set `timezone` of the listener"
            },
        }),
    }
}

/// Whether `name` reads as `CET-1CEST` rather than as `Europe/Pairs`.
fn looks_like_a_rule(name: &str) -> bool {
    !name.contains('/') && name.contains(|c: char| c.is_ascii_digit() || c == ',' || c == '<')
}

/// The zone that the host is set to; UTC where it is not set to any.
///
/// # Errors
/// A sentence with the remedy, when it is set to something without a name.
pub(super) fn of_the_host() -> Result<Tz, String> {
    let unnamed = |what: String| {
        format!(
            "the host's time zone cannot be told ({what}); set the variable TZ \
             (TZ=Europe/Paris), or `timezone` of the listener"
        )
    };
    match iana_time_zone::get_timezone() {
        Ok(name) => {
            let name = name.trim();
            name.strip_prefix("posix/")
                .unwrap_or(name)
                .parse()
                .map_err(|_| unnamed(format!("`{name}` is not an IANA name")))
        }
        Err(_) if Path::new(LOCALTIME).symlink_metadata().is_err() => Ok(Tz::UTC),
        Err(_) => Err(unnamed(format!(
            "{LOCALTIME} does not point to a named zone"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokyo() -> Result<Tz, String> {
        Ok(Tz::Asia__Tokyo)
    }

    #[test]
    fn the_variable_comes_before_the_host() {
        assert_eq!(local(None, tokyo), Ok(Tz::Asia__Tokyo));
        for value in [
            "Europe/Paris",
            ":Europe/Paris",
            "/usr/share/zoneinfo/Europe/Paris",
            ":/usr/share/zoneinfo/Europe/Paris",
        ] {
            assert_eq!(local(Some(value), tokyo), Ok(Tz::Europe__Paris), "{value}");
        }
        assert_eq!(local(Some(""), tokyo), Ok(Tz::UTC));
        assert_eq!(local(Some(":/etc/localtime"), tokyo), Ok(Tz::Asia__Tokyo));
    }

    #[test]
    fn a_posix_rule_names_the_remedy() {
        for rule in ["CET-1CEST", "<+03>-3", "CET-1CEST,M3.5.0,M10.5.0/3"] {
            let error = local(Some(rule), tokyo).unwrap_err();
            assert!(error.from_variable);
            assert!(
                error.problem.contains("IANA name"),
                "{rule}: {}",
                error.problem
            );
        }
        let error = local(Some("Europe/Pariss"), tokyo).unwrap_err();
        assert!(
            error.problem.contains("did you mean `Europe/Paris`?"),
            "{}",
            error.problem
        );
    }

    #[test]
    fn a_host_without_a_name_is_an_error_of_the_host() {
        let error = local(None, || Err("no name".to_owned())).unwrap_err();
        assert_eq!(
            (error.from_variable, error.problem.as_str()),
            (false, "no name")
        );
    }

    #[test]
    fn this_host_has_a_zone_or_says_why_not() {
        if let Err(problem) = of_the_host() {
            assert!(problem.contains("TZ=Europe/Paris"), "{problem}");
        }
    }
}
