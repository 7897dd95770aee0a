//! The program: its log, its files, its signals and its exit codes.

use super::burst::FOUR;
use crate::support::process::{Serve, listeners_of, timeball, timeball_without, wait_for_lines};
use crate::support::running::{Running, run};
use crate::support::{ask, client_of, receive};
use rustix::net::sockopt::{set_socket_recv_buffer_size, socket_recv_buffer_size};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::process::Stdio;

fn exit_code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

/// Settings with one listener at `address`.
pub fn text_on(address: impl std::fmt::Display) -> String {
    format!(
        "max_queue_delay = 0\n\
         listeners = [{{ protocol = 'text', address = '{address}', source = 'wall' }}]\n\
         [sources.wall]\nkind = 'monotonic-offset'\n"
    )
}

#[test]
fn one_log_line_a_listener_and_the_ports_file_say_the_same() {
    let mut server = Serve::start(FOUR, &[]);
    let listeners = server.listeners();
    let protocols: Vec<_> = listeners
        .iter()
        .map(|listener| listener.protocol.as_str())
        .collect();
    assert_eq!(protocols, ["text", "daytime", "time", "ntp"]);
    for listener in &listeners {
        assert_ne!(listener.address.port(), 0);
        let line = server.wait_for_log("listening");
        for part in [
            format!("protocol={}", listener.protocol),
            format!("address={}", listener.address),
            format!("source={}", listener.source),
        ] {
            assert!(line.contains(&part), "{part} in {line}");
        }
    }
}

#[test]
fn by_default_no_datagram_has_a_log_line_and_with_v_each_request_served_has_one() {
    for (arguments, expected) in [(&[][..], 0), (&["-v"][..], 5)] {
        let server = Serve::start(&text_on("127.0.0.1:0"), arguments);
        let address = server.listeners()[0].address;
        let client = client_of(address);
        for _ in 0..5 {
            client.send_to(b"rubbish", address).unwrap();
            client.send_to(b"Send time", address).unwrap();
            receive(&client);
        }
        let (_, _, log) = server.end(Signal::TERM);
        let served: Vec<_> = log.iter().filter(|line| line.contains("client=")).collect();
        assert_eq!(served.len(), expected, "{log:?}");
        for line in served {
            let client = client.local_addr().unwrap();
            assert!(line.contains(&format!("client={client}")), "{line}");
            assert!(
                line.contains("protocol=text") && line.contains("time=20"),
                "{line}"
            );
        }
    }
}

/// A server with `-v` that has just answered 3,000 requests: many more than it
/// writes lines in a second.
fn chatty() -> Serve {
    let server = Serve::start(&text_on("127.0.0.1:0"), &["-v"]);
    let address = server.listeners()[0].address;
    let client = client_of(address);
    for _ in 0..3_000 {
        client.send_to(b"Send time", address).unwrap();
        receive(&client);
    }
    server
}

#[test]
fn the_lines_of_v_are_capped_and_those_left_out_are_counted() {
    let (_, _, log) = chatty().end(Signal::TERM);
    let lines = log.iter().filter(|line| line.contains("client=")).count();
    let left_out: usize = log
        .iter()
        .filter_map(|line| {
            line.split_once("left_out=")?
                .1
                .split_whitespace()
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum();
    assert_eq!(lines + left_out, 3_000);
    assert!(left_out > 0, "3000 requests in a moment make {lines} lines");
}

#[test]
fn the_lines_of_v_that_are_left_out_are_told_though_nobody_asks_again() {
    chatty().wait_for_log("left_out=");
}

#[test]
fn a_second_server_on_the_same_address_exits_1_and_names_listener_and_remedy() {
    let first = Serve::start(&text_on("127.0.0.1:0"), &[]);
    let address = first.listeners()[0].address;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, text_on(address)).unwrap();
    let second = run(timeball().arg("serve").arg("--settings").arg(&file));
    let errors = String::from_utf8(second.stderr.clone()).unwrap();
    assert_eq!(exit_code(&second), Some(1), "{errors}");
    assert!(
        errors.contains(&format!("listeners[0] (text on {address})")),
        "{errors}"
    );
    assert!(errors.contains("choose another address"), "{errors}");
    assert!(second.stdout.is_empty());
}

#[test]
fn a_receive_buffer_that_the_kernel_does_not_grant_is_told_with_its_remedy() {
    // Who asks for all there is gets the limit, which the kernel tells doubled.
    let socket = client_of(([127, 0, 0, 1], 0).into());
    set_socket_recv_buffer_size(&socket, 1 << 30).unwrap();
    let limit = socket_recv_buffer_size(&socket).unwrap() / 2;
    let asked = limit + 1;
    let listener = |buffer: usize| {
        format!(
            "{{ protocol = 'time', address = '127.0.0.1:0', source = 'wall', \
             receive_buffer = {buffer} }}"
        )
    };
    let settings = format!(
        "listeners = [{}, {}]\n[sources.wall]\nkind = 'monotonic-offset'\n",
        listener(4096),
        listener(asked)
    );
    if timeball::Settings::from_toml(&settings).is_err() {
        // A host that grants all that can be asked for.
        return;
    }
    let mut server = Serve::start_as(&mut timeball_without("net_admin"), &settings);
    let hint = server.wait_for_log("receive_buffer");
    for part in [
        format!("listeners[1].receive_buffer = {asked}"),
        format!("granted {limit} octets"),
        format!("`sysctl -w net.core.rmem_max={asked}`"),
        "CAP_NET_ADMIN".to_owned(),
        "WARN".to_owned(),
    ] {
        assert!(hint.contains(&part), "{part} is not in {hint}");
    }
    let (_, _, log) = server.end(Signal::TERM);
    let hints = log.iter().filter(|line| line.contains("receive_buffer"));
    assert_eq!(hints.count(), 1, "{log:?}");
}

#[test]
fn a_port_that_is_not_permitted_exits_1_and_names_listener_and_remedy() {
    let unprivileged_from: u16 =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
            .unwrap()
            .trim()
            .parse()
            .unwrap();
    if unprivileged_from <= 1 {
        // A container often lets anybody bind any port: nothing is refused there.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, text_on(SocketAddr::from(([127, 0, 0, 1], 1)))).unwrap();
    let output = run(timeball_without("net_bind_service")
        .arg("serve")
        .arg("--settings")
        .arg(&file));
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(exit_code(&output), Some(1), "{errors}");
    assert!(
        errors.contains("listeners[0] (text on 127.0.0.1:1)"),
        "{errors}"
    );
    assert!(errors.contains("CAP_NET_BIND_SERVICE"), "{errors}");
}

#[test]
fn wrong_settings_exit_2_and_bind_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let ports = folder.path().join("ports.json");
    std::fs::write(&file, text_on("127.0.0.1:0") + "stratom = 3\n").unwrap();
    let output = run(timeball()
        .arg("serve")
        .arg("--settings")
        .arg(&file)
        .arg("--ports-file")
        .arg(&ports));
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(exit_code(&output), Some(2), "{errors}");
    assert!(errors.contains("sources.wall.stratom"), "{errors}");
    assert!(!ports.exists());
}

#[test]
fn a_ports_file_that_cannot_be_had_exits_2_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, text_on("127.0.0.1:0")).unwrap();
    let ports = folder.path().join("nosuch").join("ports.json");
    let output = run(timeball()
        .arg("serve")
        .arg("--settings")
        .arg(&file)
        .arg("--ports-file")
        .arg(&ports));
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(exit_code(&output), Some(2), "{errors}");
    assert!(errors.contains(ports.to_str().unwrap()), "{errors}");
    assert!(!errors.contains("listening"), "nothing is bound: {errors}");
}

#[test]
fn a_ports_file_that_is_no_regular_file_is_written_to_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let server = Running::start(
        serve_in(folder.path(), &[])
            .arg("--ports-file")
            .arg(&link)
            .stderr(Stdio::null()),
    );
    wait_for_lines(&real);
    assert!(link.is_symlink());
    terminate(server);
}

/// `timeball serve` on settings in `folder`, with `arguments` before it.
pub fn serve_in(folder: &std::path::Path, arguments: &[&str]) -> std::process::Command {
    let file = folder.join("settings.toml");
    std::fs::write(&file, text_on("127.0.0.1:0")).unwrap();
    let mut command = timeball();
    command
        .args(arguments)
        .arg("serve")
        .arg("--settings")
        .arg(file);
    command
}

/// Ends a server as a service manager does, and expects that it ends well.
fn terminate(server: Running) {
    server.signal(Signal::TERM);
    assert_eq!(server.end().status.code(), Some(0));
}

#[test]
fn a_log_that_nobody_takes_ends_neither_the_server_nor_a_responder() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports.json");
    // A pipe whose reading end is closed: `timeball -v serve 2>&1 | head -0`.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let server = Running::start(
        serve_in(folder.path(), &["-v"])
            .arg("--ports-file")
            .arg(&ports)
            .stderr(writer),
    );
    let address = listeners_of(&ports)[0].address;
    for _ in 0..3 {
        ask(address, b"Send time");
    }
    terminate(server);
}

#[test]
fn an_error_that_nobody_takes_is_still_told_by_the_exit_code() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = timeball();
    command
        .args(["serve", "--settings", "/nosuch/settings.toml"])
        .stderr(writer);
    assert_eq!(exit_code(&Running::start(&mut command).end()), Some(2));
}

#[test]
fn a_ports_file_of_an_earlier_run_is_gone_before_anything_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports.json");
    std::fs::write(&ports, "old").unwrap();
    let first = Serve::start(&text_on("127.0.0.1:0"), &[]);
    let taken = first.listeners()[0].address;
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, text_on(taken)).unwrap();
    let output = run(timeball()
        .arg("serve")
        .arg("--settings")
        .arg(&file)
        .arg("--ports-file")
        .arg(&ports));
    assert_eq!(exit_code(&output), Some(1));
    assert!(!ports.exists(), "a server that did not start has no ports");
}

#[test]
fn a_mock_under_serve_says_in_the_log_that_its_time_is_test_time() {
    let mut server = Serve::start(
        "listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'lab' }]\n\
         [sources.lab]\nkind = 'mock'\n",
        &[],
    );
    let line = server.wait_for_log("listening");
    assert!(
        line.contains("mode=\"test\"") && line.contains("WARN"),
        "{line}"
    );
}
