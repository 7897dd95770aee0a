//! A host that does not let the sandbox be whole: here, one that forbids seccomp and
//! Landlock, as a container may. It is made by a filter of system calls, which the
//! test takes on before it becomes the program.

use super::{again, told};
use crate::server::process::text_on;
use crate::support::ask;
use crate::support::process::{listeners_of, timeball};
use crate::support::running::Running;
use rustix::process::Signal;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Refuses the calls that a sandbox is made of, to this thread and what it becomes.
fn forbid_sandboxes() {
    let rules = [libc::SYS_seccomp, libc::SYS_landlock_create_ruleset]
        .map(|call| (call, Vec::new()))
        .into_iter()
        .collect();
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        machine,
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&filter).unwrap();
}

/// Becomes `timeball serve` on the settings in `folder`, where there are no sandboxes.
fn become_the_program(folder: &str) -> ! {
    forbid_sandboxes();
    let folder = Path::new(folder);
    let error = timeball()
        .arg("serve")
        .arg("--settings")
        .arg(folder.join("settings.toml"))
        .arg("--ports-file")
        .arg(folder.join("ports.json"))
        .exec();
    panic!("{error}");
}

fn folder_with(sandbox: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{sandbox}\n{}", text_on("127.0.0.1:0"));
    std::fs::write(folder.path().join("settings.toml"), settings).unwrap();
    folder
}

#[test]
fn what_a_host_does_not_give_is_told_once_and_the_server_serves() {
    if let Some(folder) = told() {
        become_the_program(&folder);
    }
    let folder = folder_with("");
    let server = Running::start(&mut again(
        module_path!(),
        "what_a_host_does_not_give_is_told_once_and_the_server_serves",
        folder.path().to_str().unwrap(),
    ));
    let address = listeners_of(&folder.path().join("ports.json"))[0].address;
    ask(address, b"Send time");
    server.signal(Signal::TERM);
    let output = server.end();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    for part in ["Landlock (", "seccomp (", "sandbox.required = true"] {
        assert!(
            warnings[0].contains(part),
            "{part} is not in {}",
            warnings[0]
        );
    }
    assert!(!warnings[0].contains("capabilities ("), "{}", warnings[0]);
}

#[test]
fn a_sandbox_that_is_required_and_not_whole_is_an_error_that_exits_1() {
    if let Some(folder) = told() {
        become_the_program(&folder);
    }
    let folder = folder_with("sandbox.required = true");
    let output = Running::start(&mut again(
        module_path!(),
        "a_sandbox_that_is_required_and_not_whole_is_an_error_that_exits_1",
        folder.path().to_str().unwrap(),
    ))
    .end();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for part in ["error: sandbox.required = true", "Landlock (", "seccomp ("] {
        assert!(errors.contains(part), "{part} is not in {errors}");
    }
    assert!(!errors.contains("listening"), "nothing is served: {errors}");
}

#[test]
fn a_user_that_there_is_not_and_root_exit_2_and_name_the_setting() {
    for user in ["no-such-user", "root", "0"] {
        let folder = folder_with(&format!("sandbox.user = '{user}'"));
        let settings = folder.path().join("settings.toml");
        let output =
            crate::support::running::run(timeball().arg("serve").arg("--settings").arg(&settings));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let expected = format!("{}: sandbox.user = \"{user}\": ", settings.display());
        assert!(errors.starts_with(&expected), "{errors}");
    }
}
