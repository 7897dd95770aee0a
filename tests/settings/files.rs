//! Files that are there, are not, or are something else.

use super::{SMALL, environment, errors};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use timeball::settings::{DEFAULT_FILE, Loader};

#[track_caller]
fn refused(file: &Path) -> String {
    let errors = Loader::file(Some(file))
        .environment(environment(&[]))
        .load()
        .unwrap_err();
    let shown = errors.to_string();
    assert!(shown.starts_with(&file.display().to_string()), "{shown}");
    shown
}

#[test]
fn a_file_that_cannot_be_settings_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    assert!(refused(&folder.path().join("none.toml")).contains("there is no such file"));
    assert!(refused(folder.path()).contains("a directory"));
    assert!(
        refused(&file("latin.toml", b"a = 1\nb = \"\xe9\"\n"))
            .contains("latin.toml:2: not UTF-8: octet 0xe9 at offset 11")
    );
    assert!(refused(Path::new("/dev/zero")).contains("longer than"));
    for (name, text, line) in [
        ("open.toml", "a = 1\n[b\n", 2),
        ("twice.toml", "threads = 1\nthreads = 2\n", 2),
        ("prose.toml", "Please serve the time.\n", 1),
    ] {
        let shown = refused(&file(name, text.as_bytes()));
        assert!(
            shown.contains(&format!("{name}:{line}: not TOML: ")),
            "{shown}"
        );
    }
}

#[test]
fn the_name_of_a_file_cannot_steer_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a\nb\u{1b}[2J\u{202e}é'\"\\.toml");
    let shown = "/a\\nb\\u{1b}[2J\\u{202e}é'\"\\.toml";
    let load = || Loader::file(Some(&file)).environment(environment(&[]));
    for (text, error) in [
        (None, ": there is no such file"),
        (
            Some(format!("threads = -1\n{SMALL}")),
            ":1: threads = -1: outside",
        ),
        (Some("a b\n".to_owned()), ":1: not TOML: "),
    ] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let errors = load().load().unwrap_err().to_string();
        let first = errors.lines().next().unwrap();
        assert!(first.contains(&format!("{shown}{error}")), "{first}");
    }
}

#[test]
fn the_name_of_a_variable_cannot_steer_a_terminal() {
    let errors = errors(SMALL, &[("TIMEBALL__A\n\u{1b}", "1")]);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let shown = "environment variable TIMEBALL__A\\n\\u{1b}: `a\\n\\u{1b}` cannot be part";
    assert!(errors[0].starts_with(shown), "{errors:#?}");
}

#[test]
fn an_empty_file_is_told_what_it_needs() {
    for text in [
        "",
        "\n# nothing yet\n",
        "[sources.wall]\nkind = \"system\"\n",
        "listeners = []\n",
    ] {
        let errors = errors(text, &[]);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        for part in ["listeners: missing", "[[listeners]]", "`timeball settings`"] {
            assert!(errors[0].contains(part), "{errors:#?}");
        }
    }
}

#[test]
fn a_file_that_may_not_be_read_names_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.toml");
    fs::write(&file, SMALL).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&file).is_ok() {
        return; // this user may read everything
    }
    assert!(refused(&file).contains("permission denied; the user that runs timeball"));
}

#[test]
fn without_a_named_file_the_folder_or_the_program_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Loader::folder(folder.path()).environment(environment(&[]));
    assert_eq!(load().name(), "<built-in settings>");
    let built_in = load().load().unwrap();
    assert_eq!(built_in, super::accepted(DEFAULT_FILE));

    let file = folder.path().join("settings.toml");
    fs::write(&file, SMALL).unwrap();
    assert_eq!(load().name(), file.display().to_string());
    assert_eq!(load().load().unwrap(), super::accepted(SMALL));

    fs::remove_file(&file).unwrap();
    symlink(folder.path().join("nowhere"), &file).unwrap();
    assert!(
        load()
            .load()
            .unwrap_err()
            .to_string()
            .contains("there is no such file")
    );
    // What cannot be looked at is not the same as nothing.
    let hidden = Loader::folder(std::path::Path::new("/dev/null"));
    assert_eq!(hidden.name(), "/dev/null/settings.toml");
    let refused = hidden.load().unwrap_err().to_string();
    assert!(
        refused.starts_with("/dev/null/settings.toml: "),
        "{refused}"
    );
}
