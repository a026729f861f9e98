//! The list of files follows the events, whatever their order of arrival and re-arrival.

use gossamer_sdk::{Action, Event};
use rusqlite::Connection;

use super::{After, Correction, apply, by_name, by_tag, correct, create, list, logs};
use crate::event::change;
use crate::event::tests::{event, manifest};

const FILES: &str = "artifacts/static/docs/files";
const DOCS: &str = "artifacts/static/docs";

struct Table(Connection);

impl Table {
    fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        Self(connection)
    }

    fn see(&self, event: &Event) {
        if let Some((repository, change)) = change(event) {
            apply(&self.0, &repository, &change).unwrap();
        }
    }

    fn names(&self) -> Vec<String> {
        list(&self.0, DOCS, None, 100).unwrap().into_iter().map(|file| file.name).collect()
    }
}

fn put(tag: &str, title: &str, content: &str) -> Event {
    event(FILES, Action::ManifestPut, Some(tag), &manifest(title, content))
}

fn delete(title: &str, content: &str) -> Event {
    event(FILES, Action::ManifestDelete, None, &manifest(title, content))
}

#[test]
fn a_file_can_be_found_by_tag_and_by_name() {
    let table = Table::new();
    table.see(&put("t", "hello.txt", "hello"));
    let file = by_tag(&table.0, DOCS, "t").unwrap().unwrap();
    assert_eq!(by_name(&table.0, DOCS, "hello.txt").unwrap(), Some(file));
    assert_eq!(by_tag(&table.0, "artifacts/static/other", "t").unwrap(), None);
}

#[test]
fn deleting_an_old_manifest_leaves_the_row_of_the_new_one() {
    let table = Table::new();
    table.see(&put("t", "hello.txt", "old"));
    table.see(&put("t", "hello.txt", "new"));
    table.see(&delete("hello.txt", "old"));
    table.see(&event(FILES, Action::TagDelete, Some("t"), &manifest("hello.txt", "old")));
    assert_eq!(by_tag(&table.0, DOCS, "t").unwrap().unwrap().size, 3);
    table.see(&delete("hello.txt", "new"));
    assert!(table.names().is_empty());
}

#[test]
fn events_may_come_again() {
    let table = Table::new();
    for _ in 0..2 {
        table.see(&put("t", "hello.txt", "hello"));
    }
    assert_eq!(table.names(), ["hello.txt"]);
    for _ in 0..2 {
        table.see(&delete("hello.txt", "hello"));
    }
    assert!(table.names().is_empty());
}

#[test]
fn a_correction_gives_way_to_an_event() {
    let table = Table::new();
    table.see(&put("t", "hello.txt", "old"));
    let old = by_tag(&table.0, DOCS, "t").unwrap().unwrap();
    let gone = Correction { tag: old.tag.clone(), known: Some(old.manifest), file: None };
    table.see(&put("t", "hello.txt", "new"));
    correct(&table.0, DOCS, &gone).unwrap();
    assert_eq!(table.names(), ["hello.txt"]);
    let new = by_tag(&table.0, DOCS, "t").unwrap().unwrap();
    correct(&table.0, DOCS, &Correction { known: Some(new.manifest), ..gone }).unwrap();
    assert!(table.names().is_empty());
}

#[test]
fn pages_cover_every_file_once_in_the_order_of_names() {
    let table = Table::new();
    for (number, name) in ["d", "a", "c", "b", "a"].into_iter().enumerate() {
        table.see(&put(&format!("t{number}"), name, name));
    }
    let mut after = None;
    let mut names = Vec::new();
    loop {
        let page = list(&table.0, DOCS, after.as_ref(), 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(After { name: last.name.clone(), tag: last.tag.to_string() });
        names.extend(page.into_iter().map(|file| file.name));
    }
    assert_eq!(names, ["a", "a", "b", "c", "d"]);
}

#[test]
fn a_deleted_repository_leaves_nothing_and_its_log_is_bounded() {
    let table = Table::new();
    for _ in 0..1100 {
        table.see(&event(FILES, Action::TagPut, Some("t"), "no manifest"));
    }
    assert_eq!(logs(&table.0, DOCS, 0, 2000).unwrap().len(), 1000);
    table.see(&put("t", "hello.txt", "hello"));
    table.see(&event(FILES, Action::RepositoryDelete, None, ""));
    assert!(table.names().is_empty());
    assert!(logs(&table.0, DOCS, 0, 1).unwrap().is_empty());
}
