//! What no lint can hold: the edges between crates, the absences, and how files open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may depend on whom. An edge that is not here is an argument to have first.
const EDGES: &[(&str, &[&str])] = &[
    ("gossamer-oci", &[]),
    ("gossamer-events", &["oci"]),
    ("gossamer-wire", &["oci", "events"]),
    ("gossamer-identity", &["oci", "wire"]),
    ("gossamer-cluster", &["identity", "wire"]),
    ("gossamer-policy", &["oci"]),
    ("gossamer-registry", &["oci", "events"]),
    ("gossamer-server", &["policy", "registry", "cluster", "events", "identity", "oci", "wire"]),
    ("gossamer-sdk", &["cluster", "events", "identity", "oci", "wire"]),
    ("gossamer-plugin-static", &["sdk"]),
    ("gossamer", &["server", "sdk", "plugin-static", "policy"]),
];

/// Crates that only one of ours may name: the walls around what is heavy or dangerous.
const WALLS: &[(&str, &[&str])] = &[
    ("foca", &["gossamer-cluster"]),
    ("quinn", &["gossamer-cluster"]),
    ("rcgen", &["gossamer-identity"]),
    ("regorus", &["gossamer-policy"]),
    ("prost", &["gossamer-wire"]),
    ("rusqlite", &["gossamer-registry", "gossamer-sdk", "gossamer-plugin-static"]),
];

/// Files and folders that decide: they own no task, no socket and no clock.
const PURE: &[&str] = &[
    "crates/gossamer-cluster/src/diagnosis",
    "crates/gossamer-cluster/src/diagnosis.rs",
    "crates/gossamer-cluster/src/membership",
    "crates/gossamer-cluster/src/rendezvous.rs",
    "crates/gossamer-events/src",
    "crates/gossamer-identity/src/ledger.rs",
    "crates/gossamer-identity/src/renewal.rs",
    "crates/gossamer-oci/src",
    "crates/gossamer-policy/src/memo.rs",
    "crates/gossamer-policy/src/rollout",
    "crates/gossamer-policy/src/rollout.rs",
    "crates/gossamer-policy/src/table.rs",
];

/// What a pure file never says.
const IMPURE: &[&str] = &["tokio", "Instant::now", "SystemTime::now", "now_utc", "std::net::Tcp", "std::fs"];

#[test]
fn crates_depend_only_on_those_below_them() {
    let mut seen = BTreeSet::new();
    for (package, dependencies) in manifests() {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package) else {
            assert_eq!(package, "gossamer-tests", "{package} is not in the table of edges");
            continue;
        };
        seen.insert(package.clone());
        for dependency in dependencies.iter().filter(|name| name.starts_with("gossamer")) {
            let short = dependency.trim_start_matches("gossamer-");
            assert!(allowed.contains(&short), "{package} may not depend on {dependency}");
        }
    }
    assert_eq!(seen.len(), EDGES.len(), "the table of edges names a crate that is gone");
}

#[test]
fn heavy_dependencies_stay_behind_their_walls() {
    for (package, dependencies) in manifests() {
        for (heavy, inside) in WALLS {
            let named = dependencies.contains(*heavy);
            assert!(!named || inside.contains(&package.as_str()), "{package} may not name {heavy}");
        }
    }
}

#[test]
fn pure_files_own_no_task_and_no_clock() {
    let mut read = 0;
    for place in PURE {
        for file in rust_files(&root().join(place)) {
            if file.to_string_lossy().contains("tests") {
                continue;
            }
            read += 1;
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (number, line) in code.enumerate() {
                let word = IMPURE.iter().find(|word| line.contains(**word));
                assert!(word.is_none(), "{}: line {number} says {word:?}", file.display());
            }
        }
    }
    assert!(read >= PURE.len(), "only {read} pure files found");
}

#[test]
fn every_file_opens_with_what_it_is() {
    for file in ["crates", "tests"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        let opens = text.starts_with("//! ") || text.starts_with("#![doc = include_str!(\"../README.md\")]");
        assert!(opens, "{} does not open with a sentence", file.display());
    }
}

#[test]
fn every_crate_has_a_front_door() {
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(path.join("README.md")).unwrap_or_default();
        for word in ["Enter at", "Never here", "Changes with it"] {
            assert!(text.contains(word), "{}/README.md does not say {word:?}", path.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each package with the names of its dependencies, tests and build scripts aside.
fn manifests() -> BTreeMap<String, BTreeSet<String>> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates
        .map(|path| {
            let text = fs::read_to_string(path.join("Cargo.toml")).unwrap();
            let manifest: toml::Table = text.parse().unwrap();
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            let dependencies = manifest["dependencies"].as_table().unwrap().keys().cloned().collect();
            (name, dependencies)
        })
        .collect()
}

fn rust_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    entries.flat_map(|entry| rust_files(&entry.unwrap().path())).filter(|path| is_rust(path)).collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}
