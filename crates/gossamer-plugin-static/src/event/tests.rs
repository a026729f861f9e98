//! Which events are about files, and which change they are.

use bytes::Bytes;
use gossamer_sdk::{Action, Digest, Event, Origin, Sequence};
use serde_json::json;
use time::OffsetDateTime;

use super::{Change, change};
use crate::plugin::{CONFIG_TYPE, FILE_TYPE};

const FILES: &str = "artifacts/static/docs/files";

pub(crate) fn event(repository: &str, action: Action, tag: Option<&str>, payload: &str) -> Event {
    Event {
        sequence: Sequence::new(1),
        repository: repository.parse().unwrap(),
        digest: Digest::sha256(payload.as_bytes()),
        tag: tag.map(|tag| tag.parse().unwrap()),
        media_type: Some(CONFIG_TYPE.parse().unwrap()),
        payload: Bytes::from(payload.to_owned()),
        action,
        origin: Origin::External { principal: "tester".to_owned() },
        time: OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    }
}

pub(crate) fn manifest(title: &str, content: &str) -> String {
    json!({
        "schemaVersion": 2,
        "config": { "mediaType": CONFIG_TYPE, "digest": Digest::sha256(b""), "size": 0 },
        "layers": [{
            "mediaType": FILE_TYPE,
            "digest": Digest::sha256(content.as_bytes()),
            "size": content.len(),
            "annotations": { "org.opencontainers.image.title": title },
        }],
    })
    .to_string()
}

fn put(title: &str) -> Change {
    change(&event(FILES, Action::ManifestPut, Some("t"), &manifest(title, "hello"))).unwrap().1
}

#[test]
fn a_tagged_manifest_is_a_file() {
    let Change::Put(file) = put("hello.txt") else { panic!("not a file") };
    assert_eq!((file.name.as_str(), file.size, file.tag.as_str()), ("hello.txt", 5, "t"));
    assert_eq!(file.id, Digest::sha256(b"hello"));
    assert_eq!(file.manifest, Digest::sha256(manifest("hello.txt", "hello").as_bytes()));
}

#[test]
fn a_pushed_name_is_never_a_path() {
    let Change::Put(file) = put("../../etc/passwd") else { panic!("not a file") };
    assert_eq!(file.name, "passwd");
    assert!(matches!(put("etc/.."), Change::Log { .. }));
    assert!(matches!(put(""), Change::Log { .. }));
}

#[test]
fn what_is_no_file_is_logged() {
    for payload in ["", "{}", "[]", &manifest("a", "b").replace(FILE_TYPE, "application/vnd.other")] {
        let (_, change) = change(&event(FILES, Action::TagPut, Some("t"), payload)).unwrap();
        assert!(matches!(change, Change::Log { .. }), "{payload}");
    }
}

#[test]
fn what_is_not_ours_changes_nothing() {
    let content = manifest("a", "b");
    for repository in
        ["artifacts/static/docs", "artifacts/yum/docs/files", "artifacts/static/api/files", "files"]
    {
        assert_eq!(
            change(&event(repository, Action::ManifestPut, Some("t"), &content)),
            None,
            "{repository}"
        );
    }
    assert_eq!(change(&event(FILES, Action::ManifestPut, None, &content)), None);
}
