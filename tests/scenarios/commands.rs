//! `timeball play --check` and `--list`, as a shell runs them.

use super::LEAST;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};
use timeball::scenario::{Scenario, library};

fn play(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_timeball"))
        .arg("play")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn the_list_has_a_line_for_each_with_the_name_first() {
    let folder = tempfile::tempdir().unwrap();
    let output = play(folder.path(), &["--list"]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), library().len());
    for (line, built_in) in lines.iter().zip(library()) {
        let scenario = Scenario::builtin(built_in.name).unwrap();
        let (name, rest) = line.split_once(' ').unwrap();
        assert_eq!(name, built_in.name);
        let expected = format!("{} ({})", scenario.description, scenario.rows());
        assert_eq!(rest.trim_start(), expected);
    }
}

#[test]
fn a_right_file_and_a_built_in_scenario_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "{LEAST}seed = 7\ncovers = [5, 9]\n[time]\nrate = 60\n\
         [[endpoints]]\nname = \"good\"\naddress = \"127.0.0.1:8123\"\n\
         [[endpoints]]\nname = \"false\"\nprotocol = \"time\"\n\
         [endpoints.clock]\nevents = [{{ step = \"1s\" }}]\n\
         [[endpoints]]\nname = \"far\"\nupstream = \"time.example.net\"\n\
         [[rules]]\nkiss = {{ code = \"RATE\" }}\n"
    );
    fs::write(folder.path().join("mine.toml"), file).unwrap();
    let output = play(folder.path(), &["--check", "mine.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "least: Nothing happens\n\
         seed          7\n\
         covers        rows 5, 9\n\
         time          2030-01-01T00:00:00Z, then 60 x host time since the first request\n\
         endpoint      good (ntp) on 127.0.0.1:8123, 0 clock events\n\
         endpoint      false (time) on 127.0.0.1:0, 1 clock event\n\
         endpoint      far (ntp) on 127.0.0.1:0, asks time.example.net:123\n\
         rules         1\n\
         expectations  0\n"
    );
    let output = play(folder.path(), &["leap-2016", "--check"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("leap-2016: "));
}

#[test]
fn a_check_binds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file = format!("{LEAST}[[endpoints]]\naddress = \"{address}\"\n");
    fs::write(folder.path().join("taken.toml"), file).unwrap();
    let output = play(folder.path(), &["--check", "taken.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_name_that_is_nothing_gets_the_nearest_ones() {
    let folder = tempfile::tempdir().unwrap();
    let output = play(folder.path(), &["--check", "leap-2061"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    let nearest = "leap-2061: neither a file nor a built-in scenario; \
                   the nearest of those that `timeball play --list` lists: `leap-2016`";
    assert!(said.starts_with(nearest), "{said}");
    let output = play(folder.path(), &["--check", "gone.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("gone.toml: there is no such file; "),
        "{said}"
    );
}

#[test]
fn a_built_in_name_is_not_a_file_of_that_name_unless_it_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("leap-2016"), LEAST).unwrap();
    fs::write(folder.path().join("mine"), LEAST).unwrap();
    for (word, name) in [
        ("leap-2016", "leap-2016"),
        ("./leap-2016", "least"),
        ("mine", "least"),
    ] {
        let output = play(folder.path(), &["--check", word]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.starts_with(&format!("{name}: ")), "{said}");
    }
}

#[test]
fn a_scenario_and_something_to_do_with_it_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--check"][..],
        &["--check", "--list"],
        &["leap-2016", "--list"],
        &["leap-2016", "--check", "--duration", "1s"],
        &["--list", "--json"],
        &[],
    ] {
        let output = play(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
