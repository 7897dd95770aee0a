//! `[sandbox]`: what is accepted, and where it may stand.

use super::{SMALL, accepted, error, load};
use timeball::settings::SandboxSettings;

#[test]
fn without_a_word_there_is_a_sandbox_that_is_not_required() {
    let sandbox = accepted(SMALL).sandbox;
    assert_eq!(sandbox, SandboxSettings::default());
    assert!(sandbox.enabled && !sandbox.required && !sandbox.reload_low_ports);
    assert_eq!(sandbox.user, None);
}

#[test]
fn the_environment_comes_before_the_file() {
    let text = format!("{SMALL}[sandbox]\nuser = \"nobody\"\n");
    let variables = [
        ("TIMEBALL__SANDBOX__ENABLED", "false"),
        ("TIMEBALL__SANDBOX__USER", "timeball"),
    ];
    let sandbox = load(&text, &variables).unwrap().sandbox;
    assert!(!sandbox.enabled);
    assert_eq!(sandbox.user.as_deref(), Some("timeball"));
}

#[test]
fn what_is_wrong_with_it_is_told_with_its_place() {
    for (sandbox, told) in [
        ("sandbox = 3", "sandbox = 3: not a table; write [sandbox]"),
        (
            "sandbox.usr = 'nobody'",
            "sandbox.usr: unknown key; did you mean `user`?",
        ),
        (
            "sandbox = { enabled = false, required = true }",
            "sandbox.required = true: there is none to be required where \
             sandbox.enabled = false; false is accepted",
        ),
    ] {
        assert_eq!(
            error(&format!("{sandbox}\n{SMALL}")),
            format!("settings.toml:1: {told}")
        );
    }
}
