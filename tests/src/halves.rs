//! Two network namespaces on one bridge, and a cut between them. What runs in either can always be asked from outside.

use std::process::{Command, id};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::mesh::Place;
use crate::tool;

/// So that tests that run side by side have networks of their own.
static NEXT: AtomicU8 = AtomicU8::new(0);

/// Two namespaces. They vanish when this is dropped.
#[derive(Debug)]
pub struct Halves {
    name: String,
    network: String,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Left,
    Right,
}

// === impl Halves ===

impl Halves {
    /// Makes them. Without the right to, says that the calling test is skipped.
    pub fn new() -> Option<Self> {
        tool::find("ip")?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gs{}n{number}", id());
        // Of the networks that nobody routes (RFC 2544), one that this process has not used.
        let network = format!("198.18.{}", (id() % 25) * 10 + u32::from(number % 10));
        let halves = Self { name, network };
        if !ip(&["link", "add", &halves.name, "type", "bridge"]) {
            eprintln!("skipped: no right to make network namespaces");
            assert!(std::env::var_os("GOSSAMER_NO_SKIP").is_none(), "no right to make network namespaces");
            return None;
        }
        let address = format!("{}.1/24", halves.network);
        must(&["addr", "add", &address, "dev", &halves.name]);
        must(&["link", "set", &halves.name, "up"]);
        for half in [Half::Left, Half::Right] {
            halves.make(half);
        }
        Some(halves)
    }

    fn make(&self, half: Half) {
        let (space, port) = (self.space(half), self.port(half));
        must(&["netns", "add", &space]);
        must(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space]);
        must(&["link", "set", &port, "master", &self.name, "up"]);
        let address = format!("{}/24", self.place(half).ip);
        must(&["-n", &space, "addr", "add", &address, "dev", "eth0"]);
        must(&["-n", &space, "link", "set", "eth0", "up"]);
        must(&["-n", &space, "link", "set", "lo", "up"]);
    }

    /// Where processes of this half run.
    pub fn place(&self, half: Half) -> Place {
        let host = match half {
            Half::Left => 2,
            Half::Right => 3,
        };
        let enter = ["ip", "netns", "exec"].map(str::to_owned).into_iter().chain([self.space(half)]);
        Place { ip: format!("{}.{host}", self.network), enter: enter.collect() }
    }

    /// From now on no packet passes between the halves, either way; nobody is told.
    pub fn cut(&self) {
        self.isolate("on");
    }

    /// Packets pass again.
    pub fn heal(&self) {
        self.isolate("off");
    }

    /// Isolated ports of a bridge reach the bridge and what is beyond it, but not each other.
    fn isolate(&self, isolated: &str) {
        for half in [Half::Left, Half::Right] {
            must(&["link", "set", "dev", &self.port(half), "type", "bridge_slave", "isolated", isolated]);
        }
    }

    fn space(&self, half: Half) -> String {
        self.port(half)
    }

    fn port(&self, half: Half) -> String {
        match half {
            Half::Left => format!("{}l", self.name),
            Half::Right => format!("{}r", self.name),
        }
    }
}

impl Drop for Halves {
    fn drop(&mut self) {
        for half in [Half::Left, Half::Right] {
            ip(&["link", "del", &self.port(half)]);
            ip(&["netns", "del", &self.space(half)]);
        }
        ip(&["link", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}

fn must(arguments: &[&str]) {
    tool::run(Command::new("ip").args(arguments));
}
