//! Tests of what survives a restart.

use gossamer_wire::{Generation, NodeId, Policy};

use super::*;

fn announcement(plugin: &str) -> Arc<Announcement> {
    Arc::new(Announcement {
        node: NodeId::from_bytes([1; 16]),
        generation: Generation::new(1),
        plugin: plugin.parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        media_types: Vec::new(),
        kinds: Vec::new(),
        service: "127.0.0.1:1".parse().unwrap(),
        policy: Policy { module: "package router".to_owned(), data: "{}".to_owned() },
    })
}

#[test]
fn what_is_kept_is_loaded_and_nothing_else_stays() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("announcements")).unwrap();
    let (yum, files) = (announcement("yum"), announcement("static"));
    cache.keep(&[Arc::clone(&yum), files]).unwrap();
    assert_eq!(cache.load().unwrap().len(), 2);
    cache.keep(&[Arc::clone(&yum)]).unwrap();
    assert_eq!(cache.load().unwrap(), [Announcement::clone(&yum)]);
}

#[test]
fn a_damaged_file_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().to_owned()).unwrap();
    cache.keep(&[announcement("yum")]).unwrap();
    let path = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    fs::write(path, "something else").unwrap();
    assert_eq!(cache.load().unwrap(), []);
}
