//! Which names are names.

use super::{FileName, Repository};

#[test]
fn repositories_are_under_the_plugin_and_not_the_api() {
    for good in ["artifacts/static/docs", "artifacts/static/a/b.c/d-e_f", "artifacts/static/apis/api"] {
        assert_eq!(good.parse::<Repository>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        "docs",
        "artifacts/static/",
        "artifacts/yum/docs",
        "artifacts/static/Docs",
        "artifacts/static/a//b",
        "artifacts/static/a/",
        "artifacts/static/a--b",
        "artifacts/static/api",
        "artifacts/static/api/v1",
        "artifacts/static/../etc",
    ] {
        assert!(bad.parse::<Repository>().is_err(), "{bad}");
    }
}

#[test]
fn the_registry_keeps_files_one_level_below() {
    let docs: Repository = "artifacts/static/docs".parse().unwrap();
    assert_eq!(docs.files().as_str(), "artifacts/static/docs/files");
    assert_eq!(Repository::of_files(docs.files()), Some(docs.clone()));
    assert_eq!(Repository::from_path("docs"), Ok(docs.clone()));
    assert_eq!(Repository::of_files(&docs.as_str().parse().unwrap()), None);
}

#[test]
fn files_are_one_component_and_known_by_their_md5() {
    let name: FileName = "hello.txt".parse().unwrap();
    assert_eq!(name.tag().unwrap().as_str(), "2e54144ba487ae25d03a3caba233da71");
    for bad in ["", "a/b", "..", "a\nb", &"x".repeat(256)] {
        assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
    }
}
