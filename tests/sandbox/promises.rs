//! SECURITY.md names, for each promise, the tests that hold it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each test that the page names: its file and its name, of ``[`name`](file)``.
fn named_tests(page: &str) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("[`") {
        let (name, after) = after.split_once('`').expect("what is opened is closed");
        if let Some(file) = after
            .strip_prefix("](")
            .and_then(|link| link.split(')').next())
            && file.ends_with(".rs")
        {
            named.push((file.to_owned(), name.to_owned()));
        }
        rest = after;
    }
    named
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = named_tests(include_str!("../../SECURITY.md"));
    assert!(named.len() >= 20, "{named:?}");
    for (file, name) in named {
        let text = fs::read_to_string(root.join(&file)).unwrap_or_else(|_| panic!("no {file}"));
        let function = format!("fn {name}(");
        let (before, _) = text
            .split_once(&function)
            .unwrap_or_else(|| panic!("{file} has no `{name}`"));
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        let is_test = attributes.contains("#[test]") || before.trim_end().ends_with("#[test]");
        assert!(is_test, "{name} is no test");
        assert!(!attributes.contains("#[ignore"), "{name} is ignored");
    }
}

#[test]
fn every_promise_names_a_test() {
    let page = include_str!("../../SECURITY.md");
    let promises = page
        .split_once("\n## Promises\n")
        .and_then(|(_, rest)| rest.split_once("\n## "))
        .expect("the page has promises")
        .0;
    let promises: Vec<_> = promises.split("\n### ").skip(1).collect();
    assert!(promises.len() >= 7, "{promises:?}");
    for promise in promises {
        let heading = promise.lines().next().unwrap_or_default();
        assert!(!named_tests(promise).is_empty(), "{heading}: no test");
    }
}

/// Every file of Rust under `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_stands_in_the_one_module_that_calls_the_kernel() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "plugins"] {
        sources(&root.join(folder), &mut found);
    }
    let kernel = root.join("src/transport/kernel");
    let mut blocks = 0;
    for file in found {
        let text = fs::read_to_string(&file).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let has = [
                "unsafe {",
                "unsafe fn",
                "unsafe impl",
                "unsafe extern",
                "unsafe_code",
            ]
            .iter()
            .any(|word| line.contains(word));
            assert!(
                !has || file.starts_with(&kernel),
                "{}: {line}",
                file.display()
            );
            blocks += usize::from(has);
        }
    }
    // The search finds what there is.
    assert!(blocks > 20, "{blocks}");
}
