//! SECURITY.md is true to the tests: each that it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// `[name](file)`, of tests alone: a name is a Rust or a Python one.
fn named(page: &str) -> BTreeSet<(&str, &str)> {
    let links =
        page.split('[').skip(1).filter_map(|rest| rest.split_once("](")).filter_map(|(name, rest)| {
            let (file, _) = rest.split_once(')')?;
            Some((name, file))
        });
    links.filter(|(_, file)| file.ends_with(".rs") || file.ends_with(".py")).collect()
}

#[test]
fn each_test_that_security_md_names_is_there() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(checkout.join("SECURITY.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 40, "{} tests are named: is the page's form another one?", named.len());
    let missing: Vec<String> = named
        .into_iter()
        .filter(|(name, file)| {
            let text = fs::read_to_string(checkout.join(file)).unwrap_or_default();
            let is_test = |line: &str| {
                let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
                line.strip_prefix("fn ")
                    .or_else(|| line.strip_prefix("def "))
                    .is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
            };
            !text.lines().any(is_test)
        })
        .map(|(name, file)| format!("{name} in {file}"))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "SECURITY.md names tests that are not there");
}

#[test]
fn a_name_is_read_with_its_file() {
    let page = "see [a page](docs/x.md), [it_holds](tests/x.rs) and [other](a/b.py).";
    assert_eq!(named(page), BTreeSet::from([("it_holds", "tests/x.rs"), ("other", "a/b.py")]));
}
