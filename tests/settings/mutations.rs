//! Settings that were damaged at random: an answer every time, never a panic.

use super::{environment, load};
use proptest::prelude::*;
use timeball::settings::{DEFAULT_FILE, Settings, parse_duration};

/// Pieces that are likely to reach somewhere when they are put in.
const PIECES: &[&str] = &[
    "\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\\",
    "-",
    "+",
    "_",
    "0",
    "9999999999",
    "1e308",
    "-1e-308",
    "inf",
    "nan",
    "true",
    "0x",
    "1979-05-27T07:32:00Z",
    "\u{0}",
    "\u{feff}",
    "\u{e9}",
    "%",
    "%Q",
    "kind",
    "mock",
    "listeners",
    "sources",
    "[[listeners]]\n",
    "[sources.wall]\n",
    "listeners[9]",
];

fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        0..12_usize,
        prop::sample::select(PIECES),
    );
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut text: Vec<char> = DEFAULT_FILE.chars().collect();
        for (at, removed, piece) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_settings_never_panic(text in mutated()) {
        match load(&text, &[]) {
            Ok(settings) => prop_assert_eq!(Settings::from_toml(&settings.to_toml()), Ok(settings)),
            Err(errors) => prop_assert!(errors.to_string().lines().all(|line| line.starts_with("settings.toml"))),
        }
    }

    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = load(&text, &[]);
    }

    #[test]
    fn any_variable_is_answered(name in "[A-Z0-9_.]{0,30}", value in ".{0,30}") {
        let name = format!("TIMEBALL__{name}");
        if let Err(errors) = load(DEFAULT_FILE, &[(&name, &value)]) {
            prop_assert!(errors.to_string().contains(&name));
        }
    }

    #[test]
    fn any_value_of_a_declared_variable_is_answered(
        key in prop::sample::select(vec![
            "THREADS", "MAX_QUEUE_DELAY", "LISTENERS__0__ADDRESS", "LISTENERS__0__FORMAT",
            "LISTENERS__0__TIMEZONE", "LISTENERS__0__INTERFACE", "SOURCES__WALL__REFERENCE_ID",
            "SOURCES__WALL__ROOT_DISPERSION", "SOURCES__WALL__KIND",
        ]),
        value in "[-+0-9a-zA-Z.:%\\[\\]\u{e9}]{0,20}",
    ) {
        let name = format!("TIMEBALL__{key}");
        if let Ok(settings) = load(DEFAULT_FILE, &[(&name, &value)]) {
            prop_assert_eq!(Settings::from_toml(&settings.to_toml()), Ok(settings));
        }
    }

    #[test]
    fn any_text_for_a_duration_is_answered(text in "[-+0-9.emsnu\u{b5} ]{0,60}") {
        let _ = parse_duration(&text);
    }
}

#[test]
fn the_environment_of_these_tests_has_a_zone() {
    assert_ne!(environment(&[]), timeball::settings::Environment::default());
}
