//! `[xdp]`: what is accepted.

use super::{SMALL, accepted, error, load};
use timeball::settings::XdpMode;

#[test]
fn without_a_word_nothing_is_answered_from_the_driver() {
    assert_eq!(accepted(SMALL).xdp, None);
}

#[test]
fn an_interface_is_enough_and_the_environment_comes_before_the_file() {
    let text = format!("{SMALL}[xdp]\ninterface = \"eth0\"\n");
    let xdp = accepted(&text).xdp.unwrap();
    assert_eq!((xdp.interface.as_str(), xdp.mode), ("eth0", XdpMode::Auto));
    let variables = [
        ("TIMEBALL__XDP__INTERFACE", "lo"),
        ("TIMEBALL__XDP__MODE", "native"),
    ];
    let xdp = load(&text, &variables).unwrap().xdp.unwrap();
    assert_eq!((xdp.interface.as_str(), xdp.mode), ("lo", XdpMode::Native));
}

#[test]
fn what_cannot_be_is_told_with_what_is_accepted() {
    for (xdp, told) in [
        ("xdp = 'eth0'", "xdp = \"eth0\": not a table; write [xdp]"),
        (
            "xdp = { mode = 'auto' }",
            "xdp.interface: missing; accepted: the name of a network interface, 1 to 15 octets",
        ),
        (
            "xdp = { interface = 'a/b' }",
            "xdp.interface = \"a/b\": refused; accepted: the name of a network interface, 1 to 15 octets",
        ),
        (
            "xdp = { interface = 'eth0', mode = 'driver' }",
            "xdp.mode = \"driver\": refused; accepted: `auto`, `native` or `generic`",
        ),
        (
            "xdp = { interface = 'eth0', made = 'auto' }",
            "xdp.made: unknown key; did you mean `mode`?",
        ),
    ] {
        let said = error(&format!("{xdp}\n{SMALL}"));
        assert!(said.contains(told), "{said}");
    }
}
