//! What packages are made of that the program writes itself: manual pages and
//! completions.

use crate::support::process::timeball;
use crate::support::running::run;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The subcommands that `timeball WORDS --help` lists.
fn subcommands(words: &[&str]) -> Vec<String> {
    let output = run(timeball().args(words).arg("--help"));
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    list.lines()
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| {
            // The first word of a line that is not the continuation of another.
            let name = line.strip_prefix("  ")?.split(' ').next()?;
            (!name.is_empty() && name != "help").then(|| name.to_owned())
        })
        .collect()
}

/// The page of each subcommand, as it ought to be called.
fn expected_pages(words: &[&str], pages: &mut BTreeSet<String>) {
    let name = ["timeball"].iter().chain(words).copied();
    pages.insert(name.collect::<Vec<_>>().join("-") + ".1");
    for subcommand in subcommands(words) {
        let words: Vec<&str> = words.iter().copied().chain([&*subcommand]).collect();
        expected_pages(&words, pages);
    }
}

#[test]
fn every_subcommand_has_a_manual_page_and_nothing_else_has() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share").join("man1");
    let output = run(timeball()
        .arg("man")
        .arg(&pages)
        .env("SOURCE_DATE_EPOCH", "1700000000"));
    assert!(output.status.success(), "{output:?}");
    let written: BTreeSet<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected = BTreeSet::new();
    expected_pages(&[], &mut expected);
    assert!(expected.contains("timeball-serve.1"), "{expected:?}");
    assert!(expected.contains("timeball-ctl-advance.1"), "{expected:?}");
    assert_eq!(written, expected);
    for page in &written {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        let name = page.strip_suffix(".1").unwrap();
        let title = format!(".TH {name} 1 2023-11-14 \"timeball ");
        for part in [&*title, ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n"] {
            assert!(text.contains(part), "{part:?} is not in {page}");
        }
        // What `whatis` shows: a name, a dash, a line.
        let whatis = text.split(".SH NAME\n").nth(1).unwrap();
        let whatis = whatis.lines().next().unwrap();
        assert!(whatis.contains(" \\- "), "{page}: {whatis}");
    }
    let serve = fs::read_to_string(pages.join("timeball-serve.1")).unwrap();
    assert!(serve.contains("\\-\\-log\\-format"), "{serve}");
}

#[test]
fn a_date_that_is_none_is_an_error_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    for date in ["", "yesterday", "99999999999999999"] {
        let output = run(timeball()
            .arg("man")
            .arg(&pages)
            .env("SOURCE_DATE_EPOCH", date));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.starts_with("error: SOURCE_DATE_EPOCH = "),
            "{errors}"
        );
        assert!(!pages.exists());
    }
}

#[test]
fn pages_that_cannot_be_written_are_an_error_that_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let output = run(timeball().arg("man").arg(&file));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(file.to_str().unwrap()), "{errors}");
}

#[test]
fn every_shell_has_completions_that_know_every_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(timeball().args(["completions", shell]));
        assert!(output.status.success(), "{output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        for subcommand in subcommands(&[]) {
            assert!(script.contains(&subcommand), "{subcommand} in {shell}");
        }
        assert!(script.contains("log-format"), "{shell}");
    }
}

/// What bash completes `words` to, of which the last is not finished.
fn completed(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("timeball.bash");
    let output = run(timeball().args(["completions", "bash"]));
    fs::write(&script, output.stdout).unwrap();
    let complete = "source \"$1\" && shift && COMP_WORDS=(\"$@\") && COMP_CWORD=$(($# - 1)) && \
                    _timeball timeball \"${COMP_WORDS[COMP_CWORD]}\" \
                    \"${COMP_WORDS[COMP_CWORD - 1]}\" && printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = run(Command::new("bash")
        .args(["--norc", "-c", complete, "bash"])
        .arg(&script)
        .args(words));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(errors, "", "{words:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_subcommands_and_flags() {
    assert_eq!(completed(&["timeball", "ser"]), ["serve"]);
    assert_eq!(
        completed(&["timeball", "serve", "--log-f"]),
        ["--log-format"]
    );
    assert_eq!(completed(&["timeball", "completions", "z"]), ["zsh"]);
}
