//! What names an engine: a change there is another engine, anything else is not.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::face::cache::{check_owned, check_trusted, create_private};
use xtask::face::fingerprint::fingerprint;

fn checkout(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fingerprints").join(name);
    let _ = fs::remove_dir_all(&folder);
    for (file, text) in [
        ("Cargo.toml", "[workspace]"),
        ("Cargo.lock", ""),
        ("src/lib.rs", "pub mod a;"),
        ("notebooks/engine/src/lib.rs", ""),
        ("notebooks/programs/Cargo.toml", ""),
        ("data/playbooks.toml", ""),
        ("examples/common/mod.rs", ""),
        ("examples/count.rs", ""),
        ("examples/pipeline.rs", ""),
        ("examples/visitors.rs", ""),
        ("examples/visitors/plan.rs", ""),
        ("examples/website.rs", ""),
    ] {
        write(&folder, file, text);
    }
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn two_clones_of_one_state_share_an_engine() {
    let (one, two) = (checkout("clone one"), checkout("clone two"));
    assert_eq!(fingerprint(&one, "rustc 1.95.0"), fingerprint(&two, "rustc 1.95.0"));
}

#[test]
fn whatever_changes_the_engine_changes_its_name() {
    let folder = checkout("changes");
    let mut names =
        vec![fingerprint(&folder, "rustc 1.95.0").unwrap(), fingerprint(&folder, "rustc 1.96.0").unwrap()];
    for (file, text) in [
        ("Cargo.lock", "another version"),
        ("Cargo.toml", "[workspace]\n[profile.engine]"),
        ("src/lib.rs", "pub mod a; pub mod b;"),
        ("src/deep/er.rs", ""),
        ("notebooks/engine/src/lib.rs", "pub use kinesis_lab::*;"),
        ("data/playbooks.toml", "[[playbook]]"),
        ("examples/count.rs", "fn main() {}"),
        ("examples/visitors/plan.rs", "fn plan() {}"),
    ] {
        write(&folder, file, text);
        names.push(fingerprint(&folder, "rustc 1.95.0").unwrap());
    }
    fs::rename(folder.join("src/deep/er.rs"), folder.join("src/deep/est.rs")).unwrap();
    names.push(fingerprint(&folder, "rustc 1.95.0").unwrap());
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:#?}");
}

#[test]
fn what_editors_and_cargo_leave_behind_changes_nothing() {
    let folder = checkout("litter");
    let before = fingerprint(&folder, "rustc").unwrap();
    write(&folder, "src/.lib.rs.swp", "");
    write(&folder, "notebooks/engine/target/debug/x", "");
    write(&folder, "notebooks/01.ipynb", "");
    write(&folder, "README.md", "");
    assert_eq!(fingerprint(&folder, "rustc").unwrap(), before);
}

#[test]
fn half_a_checkout_is_named_as_the_problem() {
    let folder = checkout("half");
    fs::remove_dir_all(folder.join("notebooks")).unwrap();
    let sentence = fingerprint(&folder, "rustc").unwrap_err();
    assert!(sentence.contains("whole checkout"), "{sentence}");
}

/// rust-analyzer takes the features from the face: with one missing, it would not see what it enables. All of
/// them but the agent, which is for web applications: no cell meets it.
#[test]
fn the_face_has_the_engines_features() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let listed = |manifest: &str, name: &str| {
        let text = fs::read_to_string(root.join(manifest)).unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap().to_owned();
        let mut names: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        names.sort();
        names
    };
    let mut full = listed("Cargo.toml", "full");
    full.retain(|name| name != "agent");
    assert!(full.len() >= 5, "{full:?}");
    assert_eq!(listed("notebooks/face/Cargo.toml", "default"), full);
    let engine = fs::read_to_string(root.join("notebooks/engine/Cargo.toml")).unwrap();
    assert!(engine.contains(r#"features = ["full"]"#), "{engine}");
}

/// What is in the cache is run in the user's name.
#[cfg(unix)]
#[test]
fn a_cache_that_others_can_fill_is_refused() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let _ = fs::remove_dir_all(&folder);
    check_trusted(&folder).unwrap();
    create_private(&folder).unwrap();
    check_trusted(&folder).unwrap();
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o777, 0o1777, 0o770, 0o702] {
        mode(open);
        assert!(check_trusted(&folder).unwrap_err().contains("chmod go-w"), "{open:o}");
    }
    for closed in [0o700, 0o755, 0o500] {
        mode(closed);
        check_trusted(&folder).unwrap();
    }
    mode(0o700);
    let file = folder.join("libengine.so");
    fs::write(&file, "").unwrap();
    check_owned(&folder).unwrap();
    // Only root can give a file away, to one who is not root.
    if chown(&file, Some(65_534), None).is_ok() {
        assert!(check_trusted(&folder).unwrap_err().contains("libengine.so belongs to another user"));
        chown(&file, Some(0), None).unwrap();
        chown(&folder, Some(65_534), None).unwrap();
        assert!(check_owned(&folder).unwrap_err().contains("another user"));
    }
    fs::remove_dir_all(&folder).unwrap();
}
