//! The mesh on hosts of its own, with what networks do to packets between them.

use std::thread;
use std::time::{Duration, Instant};

use gossamer_tests::netns::NetMesh;
use serde_json::Value;

use crate::PROGRAMS;

/// How long a fault that must not matter lasts: twice what it takes to give up one that is dead.
const SPELL: Duration = Duration::from_secs(8);

/// Sends requests through the core for as long as a fault lasts, none of which may fail.
#[track_caller]
fn serves_throughout(mesh: &NetMesh) {
    let end = Instant::now() + SPELL;
    while Instant::now() < end {
        let plugins = mesh.ask(&["mesh", "plugins"]);
        assert_eq!(plugins["plugins"][0]["name"], "static", "{plugins:#}");
        let explained = mesh.ask(&["explain", "GET", "/artifacts/static/docs/file/none"]);
        assert_eq!(explained["selected"]["plugin"], "static", "{explained:#}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn five_percent_of_loss_kill_nobody() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two", "three"]) else { return };
    mesh.net.lose(5);
    serves_throughout(&mesh);
    assert_eq!(mesh.deaths(), 0);
    assert_eq!(mesh.members().len(), 4);
}

#[test]
fn a_round_trip_of_a_hundred_milliseconds_kills_nobody() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two", "three"]) else { return };
    let Some(()) = mesh.net.delay(50) else { return };
    serves_throughout(&mesh);
    assert_eq!(mesh.deaths(), 0);
    assert_eq!(mesh.members().len(), 4);
}

#[test]
fn the_two_sides_of_a_partition_agree_again() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two", "three"]) else { return };
    mesh.net.partition(&["core", "one"], &["two", "three"]);
    mesh.until("the core has lost the other side", |mesh| mesh.members().len() == 2);
    assert!(mesh.members().contains(&mesh.node_of("one")));
    mesh.net.heal();
    mesh.until("the core has found the other side", |mesh| mesh.members().len() == 4);
    mesh.until("all agree", NetMesh::agrees);
}

#[test]
fn a_way_that_is_dead_in_one_direction_kills_nobody() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two", "three"]) else { return };
    mesh.until("all agree", NetMesh::agrees);
    mesh.net.drop_one_way("one", "two");
    serves_throughout(&mesh);
    let members = mesh.ask(&["mesh", "members"]);
    let states: Vec<&Value> = members["members"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 4, "whoever serves requests stays: {members:#}");
    mesh.net.heal();
    mesh.until("all agree again", NetMesh::agrees);
}

#[test]
fn a_host_that_is_cut_off_is_given_up_within_five_seconds_and_comes_back() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two"]) else { return };
    mesh.until("all agree", NetMesh::agrees);
    mesh.net.partition(&["two"], &["core", "one"]);
    let cut = Instant::now();
    mesh.until("the core has given it up", |mesh| mesh.members().len() == 2);
    let took = cut.elapsed();
    println!("a host that was cut off was given up after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}"); // five on a machine that has nothing else to do
    mesh.net.heal();
    mesh.until("it is back", NetMesh::agrees);
}
