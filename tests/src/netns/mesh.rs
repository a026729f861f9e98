//! A mesh whose processes each have a host of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gossamer_identity::Identity;
use serde_json::Value;
use tempfile::TempDir;

use super::Net;
use crate::mesh::Programs;
use crate::process::Process;
use crate::tool;

/// How long a test waits for what must become true by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// The host of the core.
pub const CORE: &str = "core";

/// A core on the host `core`, and one instance of the static plugin on each of the others.
pub struct NetMesh {
    // In the order in which they must end: processes, then what they stand on.
    processes: BTreeMap<String, Process>,
    pub net: Net,
    programs: Programs,
    http: String,
    directory: TempDir,
}

// === impl NetMesh ===

impl NetMesh {
    /// Starts a core and these plugin instances, and waits until the core routes to all of them.
    pub fn start(programs: Programs, plugins: &[&str]) -> Option<Self> {
        let hosts: Vec<&str> = [CORE].iter().chain(plugins).copied().collect();
        let net = Net::of(&hosts)?;
        let directory = tempfile::tempdir().unwrap();
        let processes = BTreeMap::new();
        let mut mesh = Self { processes, net, programs, http: String::new(), directory };
        mesh.start_core();
        for plugin in plugins {
            mesh.start_plugin(plugin);
        }
        mesh.until("every plugin is routed to", |mesh| mesh.admitted() == plugins.len());
        Some(mesh)
    }

    fn start_core(&mut self) {
        let (address, data) = (self.net.address(CORE), self.path(CORE));
        let config = format!(
            "mesh = \"test\"\ndata = {data:?}\nlisten = \"127.0.0.1:0\"\nmesh_listen = \"{address}:0\"\n\n\
             [cluster]\nlisten = \"{address}:0\"\n\n[access]\nmode = \"open\"\n"
        );
        let path = self.path("core.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = self.net.command(CORE, self.programs.gossamer);
        command.args(["core", "--output", "json", "--config"]).arg(&path);
        let (core, line) = Process::start_and_read_line(&mut command, &self.log(CORE));
        let ready: Value = serde_json::from_str(&line).unwrap();
        self.http = format!("http://{}", ready["http"].as_str().unwrap());
        self.processes.insert(CORE.to_owned(), core);
    }

    fn start_plugin(&mut self, host: &str) {
        let grant = ["--plugin", "static", "--media-types", "application/vnd.ciq.static.*"];
        let token = self.ask(&[&["token", "create"], &grant[..]].concat());
        let mut command = self.net.command(host, self.programs.gossamer);
        command.args(["plugin", "run", "static"]);
        command.env("GOSSAMER_JOIN", token["token"].as_str().unwrap());
        command.env("GOSSAMER_DATA", self.path(host)).env("GOSSAMER_LOG", "info");
        let process = Process::start(&mut command, &self.log(host));
        self.processes.insert(host.to_owned(), process);
    }

    pub fn process(&mut self, host: &str) -> &mut Process {
        self.processes.get_mut(host).unwrap()
    }

    /// The node id of the process on `host`.
    pub fn node_of(&self, host: &str) -> String {
        Identity::load(&self.path(host).join("identity")).unwrap().unwrap().id().node.to_string()
    }

    // === looking ===

    /// A command of the binary under test, on the core's host.
    pub fn command(&self) -> Command {
        let mut command = self.net.command(CORE, self.programs.gossamer);
        command.env("GOSSAMER_ADDRESS", &self.http).args(["--output", "json"]);
        command
    }

    /// What a command answers, as JSON, whatever its exit code.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let output = tool::output(self.command().args(arguments));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{arguments:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// The members that the core sees, itself included.
    pub fn members(&self) -> BTreeSet<String> {
        let answer = self.ask(&["mesh", "members"]);
        let members = answer["members"].as_array().unwrap().iter();
        members.map(|member| member["node"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether every node counts just the others among its members, whom it has just dialled with success.
    pub fn agrees(&self) -> bool {
        let answer = self.ask(&["doctor"]);
        let Some(reports) = answer["observations"]["reports"].as_array() else { return false };
        let all: BTreeSet<&str> = reports.iter().filter_map(|report| report["node"].as_str()).collect();
        let is_complete = |report: &Value| {
            let contacts = report["contacts"].as_array().map(Vec::as_slice).unwrap_or_default();
            let answered = contacts.iter().filter(|contact| contact["handshake"] == "answered");
            let reached: BTreeSet<&str> = answered.filter_map(|contact| contact["node"].as_str()).collect();
            reached.len() == contacts.len() && reached.len() + 1 == all.len() && reached.is_subset(&all)
        };
        all.len() == self.processes.len() && reports.iter().all(is_complete)
    }

    fn admitted(&self) -> usize {
        let answer = self.ask(&["mesh", "plugins"]);
        let plugins = answer["plugins"].as_array().cloned().unwrap_or_default();
        let instances = plugins.iter().filter_map(|plugin| plugin["instances"].as_array()).flatten();
        instances.filter(|instance| instance["state"] == "admitted").count()
    }

    /// How many times anybody has given somebody up.
    pub fn deaths(&self) -> usize {
        let deaths = |process: &Process| process.said().matches("A member is gone").count();
        self.processes.values().map(deaths).sum()
    }

    /// Waits until `condition` holds; `what` names it when it never does.
    pub fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            if Instant::now() >= deadline {
                let (members, findings) = (self.ask(&["mesh", "members"]), self.ask(&["doctor"]));
                panic!("waited {PATIENCE:?} in vain: {what}\n{members:#}\n{findings:#}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self, host: &str) -> PathBuf {
        self.path(format!("{host}.log"))
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }
}
