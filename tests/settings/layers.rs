//! The environment over the file, and flags over both.

use super::{SMALL, environment, errors, load};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use timeball::api::Delta;
use timeball::settings::{DEFAULT_FILE, Environment, Loader, ProtocolSettings};

#[test]
fn a_variable_comes_before_the_file() {
    let settings = load(
        SMALL,
        &[
            ("TIMEBALL__THREADS", "3"),
            ("TIMEBALL__MAX_QUEUE_DELAY", "0.25"),
            ("TIMEBALL__LISTENERS__0__ADDRESS", "[::1]:9000"),
            ("TIMEBALL__LISTENERS__0__FREEBIND", "true"),
            ("TIMEBALL__LISTENERS__0__SYMMETRIC", "reply"),
            ("TIMEBALL__SOURCES__WALL__STRATUM", "4"),
            ("TIMEBALL__SOURCES__WALL__ROOT_DISPERSION", "2ms"),
            ("TIMEBALL__LOG__LEVEL", "warn"),
            ("TIMEBALL__ADMISSION__ALLOW", "192.0.2.0/24, 2001:db8::1"),
            ("TIMEBALL__ADMISSION__RATE_LIMIT__BURST", "7"),
            ("TIMEBALLOON__SIZE", "7"),
            ("TIMEBALL_THREADS", "9"),
        ],
    )
    .unwrap();
    assert_eq!(settings.threads, 3);
    assert_eq!(settings.max_queue_delay, Some(Delta::from_millis(250)));
    assert_eq!(settings.log.level, "warn");
    let admission = settings.admission.unwrap();
    assert_eq!((admission.allow.len(), admission.deny.len()), (2, 0));
    assert_eq!(admission.rate_limit.burst, 7);
    assert!(admission.limits_loopback, "it is written");
    let listener = &settings.listeners[0];
    assert_eq!(listener.address.to_string(), "[::1]:9000");
    assert!(listener.freebind);
    let values = &settings.sources["wall"].values;
    assert_eq!(values.integer("stratum"), 4);
    assert_eq!(values.duration("root_dispersion"), Delta::from_millis(2));
}

#[test]
fn a_variable_can_add_a_source_and_a_listener() {
    let settings = load(
        SMALL,
        &[
            ("TIMEBALL__SOURCES__TEST_CLOCK__KIND", "mock"),
            (
                "TIMEBALL__SOURCES__TEST_CLOCK__START",
                "2036-02-07T06:28:16Z",
            ),
            ("TIMEBALL__SOURCES__slow-clock__DRIFT_PPM", "-0.000001"),
            ("TIMEBALL__SOURCES__slow-clock__KIND", "monotonic-offset"),
            ("TIMEBALL__LISTENERS__1__PROTOCOL", "time"),
            ("TIMEBALL__LISTENERS__1__ADDRESS", "127.0.0.1:0"),
            ("TIMEBALL__LISTENERS__1__SOURCE", "test-clock"),
        ],
    )
    .unwrap();
    assert_eq!(settings.listeners.len(), 2);
    assert_eq!(settings.listeners[0].protocol.name(), "ntp");
    assert_eq!(settings.listeners[1].protocol, ProtocolSettings::Time);
    assert_eq!(settings.listeners[1].source, "test-clock");
    assert_eq!(settings.sources["test-clock"].kind.name, "mock");
    assert_eq!(
        settings.sources["slow-clock"]
            .values
            .parts_per_trillion("drift_ppm"),
        -1
    );
}

#[test]
fn an_environment_alone_can_be_all_the_settings() {
    let variables: Vec<(String, String)> = (0..12)
        .flat_map(|index| {
            let key = |name: &str| format!("TIMEBALL__LISTENERS__{index}__{name}");
            [
                (key("PROTOCOL"), "time".to_owned()),
                (key("ADDRESS"), format!("127.0.0.1:{}", 1000 + index)),
                (key("SOURCE"), "wall".to_owned()),
            ]
        })
        .chain([(
            "TIMEBALL__SOURCES__WALL__KIND".to_owned(),
            "system".to_owned(),
        )])
        .collect();
    let settings = Loader::text("", "")
        .environment(variables.into_iter().collect())
        .load()
        .unwrap();
    let ports: Vec<u16> = settings
        .listeners
        .iter()
        .map(|one| one.address.port())
        .collect();
    assert_eq!(ports, (1000..1012).collect::<Vec<u16>>());
}

#[test]
fn a_bad_variable_is_named() {
    for (variable, value, part) in [
        (
            "TIMEBALL__THREADS",
            "many",
            "threads = \"many\": not a whole number in 0..=1024",
        ),
        (
            "TIMEBALL__THREADS",
            "-1",
            "threads = \"-1\": outside 0..=1024",
        ),
        (
            "TIMEBALL__THREADS",
            "",
            "threads = \"\": not a whole number",
        ),
        (
            "TIMEBALL__THRAEDS",
            "1",
            "thraeds: unknown key; did you mean `threads`?",
        ),
        ("TIMEBALL__THREADS__NOW", "1", "names no setting"),
        ("TIMEBALL__", "1", "cannot be part of a setting's name"),
        ("TIMEBALL__LISTENERS", "1", "names no setting"),
        ("TIMEBALL__LISTENERS__0", "1", "names no setting"),
        (
            "TIMEBALL__LISTENERS__FIRST__ADDRESS",
            "1",
            "`first` is not the number of a listener",
        ),
        (
            "TIMEBALL__LISTENERS__-1__ADDRESS",
            "1",
            "`-1` is not the number of a listener",
        ),
        (
            "TIMEBALL__LISTENERS__3__ADDRESS",
            "1",
            "there is no listener 3; 0 to 1 is accepted (1 adds one)",
        ),
        (
            "TIMEBALL__LISTENERS__99999999999999999999__ADDRESS",
            "1",
            "is not the number",
        ),
        (
            "TIMEBALL__LISTENERS__0__ADDRESS",
            "x:1",
            "listeners[0].address = \"x:1\": not an IP address",
        ),
        (
            "TIMEBALL__LISTENERS__0__FREEBIND",
            "maybe",
            "accepted: `true` or `false`",
        ),
        (
            "TIMEBALL__SOURCES__WALL__STRATUM",
            "99",
            "sources.wall.stratum = \"99\": outside 1..=15",
        ),
        ("TIMEBALL__SOURCES__WALL", "99", "names no setting"),
        (
            "TIMEBALL__SOURCES__W.X__KIND",
            "mock",
            "cannot be part of a setting's name",
        ),
        (
            "TIMEBALL__SOURCES__OTHER__STRATUM",
            "9",
            "sources.other.kind: missing",
        ),
    ] {
        let errors = errors(SMALL, &[(variable, value)]);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        let start = format!("environment variable {variable}: ");
        assert!(
            errors[0].starts_with(&start) && errors[0].contains(part),
            "{errors:#?}"
        );
    }
}

#[test]
fn two_spellings_of_one_variable_are_an_error() {
    let errors = errors(
        SMALL,
        &[("TIMEBALL__THREADS", "1"), ("timeball__threads", "2")],
    );
    assert!(
        errors[0].contains("TIMEBALL__THREADS is the same setting"),
        "{errors:#?}"
    );
}

#[test]
fn a_variable_that_is_not_utf8_is_named() {
    let bad = OsString::from_vec(vec![0xff]);
    let environment: Environment = [(OsString::from("TIMEBALL__THREADS"), bad)]
        .into_iter()
        .collect();
    let errors = Loader::text("", SMALL)
        .environment(environment)
        .load()
        .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "environment variable TIMEBALL__THREADS: its value is not UTF-8"
    );
}

#[test]
fn a_mistake_in_the_file_is_not_hidden_by_a_variable() {
    let errors = errors(
        "listeners = 3\nsources = 4\n",
        &[
            ("TIMEBALL__LISTENERS__0__ADDRESS", "127.0.0.1:1"),
            ("TIMEBALL__SOURCES__WALL__KIND", "system"),
        ],
    );
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(
        errors
            .iter()
            .all(|error| error.starts_with("settings.toml:")),
        "{errors:#?}"
    );
}

#[test]
fn a_flag_comes_before_a_variable() {
    let loader = Loader::text("", SMALL).environment(environment(&[("TIMEBALL__THREADS", "3")]));
    let settings = loader
        .clone()
        .set("threads", 2, "--threads")
        .load()
        .unwrap();
    assert_eq!(settings.threads, 2);
    let errors = loader
        .set("threads", "two", "--threads")
        .load()
        .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "--threads: threads = \"two\": not a whole number in 0..=1024"
    );
}

#[test]
fn local_is_the_zone_of_the_variable_tz() {
    let zone = |tz: &str| {
        let environment: Environment = [("TZ", tz)].into_iter().collect();
        Loader::text("", DEFAULT_FILE)
            .environment(environment)
            .load()
    };
    for tz in ["Europe/Paris", ":Europe/Paris"] {
        let settings = zone(tz).unwrap();
        let ProtocolSettings::Text { timezone, .. } = settings.listeners[0].protocol else {
            panic!("the first listener of the default file is text");
        };
        assert_eq!(timezone.name(), "Europe/Paris");
    }
    let errors = zone("CET-1CEST").unwrap_err().to_string();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for part in [
        "environment variable TZ: ",
        "\"CET-1CEST\"",
        "TZ=Europe/Paris",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn a_bad_tz_does_no_harm_where_no_listener_is_local() {
    load(SMALL, &[("TZ", "CET-1CEST")]).unwrap();
}
