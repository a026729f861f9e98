//! What gets into the log, what does not, and where it goes when its file is moved.

use std::path::Path;

use gossamer_policy::Input;
use http::StatusCode;
use serde_json::Value;

use super::*;
use crate::decisions::tests::record;

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn config(path: &Path) -> Config {
    Config { file: Some(path.to_owned()), ..Config::default() }
}

fn write(config: &Config, records: impl IntoIterator<Item = Record>) {
    let log = config.open().unwrap().unwrap();
    records.into_iter().for_each(|record| log.offer(&Arc::new(record)));
}

/// A request with something to hide in its header, its query and its path.
fn telling() -> Record {
    let mut input = Input::new("GET", "/artifacts/static/private/secret-plan");
    input.set_headers([("X-API-Key", "abc"), ("Accept", "text/html")]);
    input.query.insert("token".to_owned(), vec!["def".to_owned()]);
    let mut record = record(404);
    record.target = "/artifacts/static/private/secret-plan?a=1&%74oken=def&token=ghi".to_owned();
    record.detail = Some("no file secret-plan".to_owned());
    record.input = Some(Arc::new(input));
    record
}

#[test]
fn nothing_is_written_unless_said() {
    assert!(Config::default().open().unwrap().is_none());
}

#[test]
fn a_line_is_a_record_with_its_outcome() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    write(&config(&path), [record(200), record(503)]);
    let lines = lines(&path);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["outcome"], "answered");
    assert_eq!(lines[0]["target"], "/artifacts/yum/r/repo/a.rpm");
    assert_eq!(lines[1]["outcome"], "failed");
}

#[test]
fn values_of_masked_headers_and_parameters_are_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    write(&config(&path), [telling()]);
    let line = &lines(&path)[0];
    assert_eq!(line["target"], "/artifacts/static/private/secret-plan?a=1&%74oken=***&token=***");
    assert_eq!(line["input"]["headers"]["x-api-key"], "***");
    assert_eq!(line["input"]["headers"]["accept"], "text/html");
    assert_eq!(line["input"]["query"]["token"], "***");
    let text = line.to_string();
    assert!(["abc", "def", "ghi"].iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn a_masked_path_appears_nowhere_in_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for (pattern, is_masked) in [
        ("/artifacts/*/private/**", true),
        ("/artifacts/static/private/secret-plan", true),
        ("**secret**", true),
        ("/artifacts/*/secret-plan", false),
        ("/artifacts/*", false),
        ("", false),
    ] {
        std::fs::write(&path, "").unwrap();
        write(&Config { mask_paths: vec![pattern.to_owned()], ..config(&path) }, [telling()]);
        let line = &lines(&path)[0];
        assert_eq!(!line.to_string().contains("secret-plan"), is_masked, "{pattern}: {line}");
        assert_eq!(line["status"], 404);
    }
}

#[test]
fn each_outcome_has_a_rate_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let rates = Rates { answered: 0.1, not_found: 0.0, ..Rates::default() };
    let records = (0..1_000).flat_map(|_| [200, 404, 403]).map(record);
    write(&Config { rates, queue_max: 10_000, ..config(&path) }, records);
    let lines = lines(&path);
    let count = |outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).count();
    assert!((50..200).contains(&count("answered")), "{}", count("answered"));
    assert_eq!(count("not_found"), 0);
    assert_eq!(count("denied"), 1_000);
}

#[test]
fn a_file_that_was_moved_away_is_opened_again_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("log"), directory.path().join("moved"));
    let log = config(&path).open().unwrap().unwrap();
    log.offer(&Arc::new(record(200)));
    while std::fs::metadata(&path).unwrap().len() == 0 {
        std::thread::yield_now();
    }
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    log.offer(&Arc::new(record(503)));
    drop(log);
    assert_eq!(lines(&moved)[0]["status"], StatusCode::OK.as_u16());
    assert_eq!(lines(&path)[0]["status"], 503);
}

#[test]
fn a_file_that_grew_too_large_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
    for _ in 0..10 {
        write(&Config { file_bytes_max: 1_000, ..config(&path) }, [record(200)]);
    }
    assert!(std::fs::metadata(&path).unwrap().len() <= 1_000);
    assert!(!lines(&path).is_empty() && !lines(&old).is_empty());
}

#[test]
fn a_queue_that_is_full_drops_and_does_not_wait() {
    let (queue, messages) = sync_channel(1);
    let log = Log { queue: Some(queue), rates: Rates::default(), writer: None };
    (0..100).for_each(|_| log.offer(&Arc::new(record(200))));
    drop(log);
    assert_eq!(messages.iter().count(), 1);
}
