//! Hosts of their own for the processes of a test: network namespaces behind one switch, and what goes wrong between
//! them.
//!
//! What one host sends to another is dropped where it arrives, so that the sender learns nothing of it. Everything
//! vanishes with the [`Net`]; what a test that was killed has left behind is cleared away by the next.

mod mesh;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub use self::mesh::NetMesh;
use crate::tool;

/// How the namespaces of all tests begin; the process that made them follows.
const PREFIX: &str = "gossamer-test-";

/// The name of each host's one interface.
const INTERFACE: &str = "eth0";

/// Counts the nets of this process.
static NETS: AtomicU32 = AtomicU32::new(0);

/// A switch, and hosts behind it that all reach each other.
#[derive(Debug)]
pub struct Net {
    programs: Programs,
    name: String,
    hosts: BTreeMap<String, Ipv4Addr>,
}

/// The programs of iproute2 and nftables.
#[derive(Clone, Debug)]
struct Programs {
    ip: PathBuf,
    tc: PathBuf,
    nft: PathBuf,
}

// === impl Net ===

impl Net {
    /// Hosts of these names. Where that is not possible, says that the calling test is skipped.
    pub fn of(hosts: &[&str]) -> Option<Self> {
        let programs = Programs { ip: tool::find("ip")?, tc: tool::find("tc")?, nft: tool::find("nft")? };
        if !rustix::process::geteuid().is_root() {
            return skip("network namespaces need root");
        }
        programs.clear_away();
        let name = format!("{PREFIX}{}-{}", std::process::id(), NETS.fetch_add(1, Ordering::Relaxed));
        let addresses = (1..).map(|last| Ipv4Addr::new(10, 77, 0, last));
        let hosts = hosts.iter().map(|host| (*host).to_owned()).zip(addresses).collect();
        let net = Self { programs, name, hosts };
        if !net.try_ip(&["netns", "add", &net.switch()]) {
            return skip("network namespaces are not permitted here");
        }
        if !net.try_ip(&["-n", &net.switch(), "link", "add", "br0", "type", "bridge"]) {
            return skip("the kernel has no bridges");
        }
        net.ip(&["-n", &net.switch(), "link", "set", "br0", "up"]);
        for (port, (host, address)) in net.hosts.iter().enumerate() {
            net.plug(host, *address, &format!("port{port}"));
        }
        Some(net)
    }

    /// Makes a host and the cable from it to the switch.
    fn plug(&self, host: &str, address: Ipv4Addr, port: &str) {
        let (host, switch) = (self.namespace(host), self.switch());
        self.ip(&["netns", "add", &host]);
        let cable = ["link", "add", port, "type", "veth", "peer", "name", INTERFACE, "netns", &host];
        self.ip(&[&["-n", &switch], &cable[..]].concat());
        self.ip(&["-n", &switch, "link", "set", port, "master", "br0", "up"]);
        self.ip(&["-n", &host, "address", "add", &format!("{address}/24"), "dev", INTERFACE]);
        self.ip(&["-n", &host, "link", "set", INTERFACE, "up"]);
        self.ip(&["-n", &host, "link", "set", "lo", "up"]);
        let chain = "add chain inet faults arriving { type filter hook input priority 0; }";
        self.nft(&host, &format!("add table inet faults; {chain}"));
    }

    /// A command that runs `program` on a host.
    pub fn command(&self, host: &str, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(&self.programs.ip);
        command.args(["netns", "exec", &self.namespace(host)]).arg(program.as_ref());
        command
    }

    pub fn address(&self, host: &str) -> Ipv4Addr {
        self.hosts[host]
    }

    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    // === what goes wrong, and ends with `heal` ===

    /// Nothing that `from` sends arrives at `to`; the other way is as it was.
    pub fn drop_one_way(&self, from: &str, to: &str) {
        self.fault(to, &format!("ip saddr {} drop", self.address(from)));
    }

    /// The two halves hear nothing of each other.
    pub fn partition(&self, left: &[&str], right: &[&str]) {
        for (left, right) in left.iter().flat_map(|left| right.iter().map(move |right| (left, right))) {
            self.drop_one_way(left, right);
            self.drop_one_way(right, left);
        }
    }

    /// Every host loses so many percent of what arrives.
    pub fn lose(&self, percent: u8) {
        for host in self.hosts() {
            self.fault(host, &format!("iifname {INTERFACE} numgen random mod 100 < {percent} drop"));
        }
    }

    /// A firewall in front of `host` lets no UDP in or out.
    pub fn block_udp(&self, host: &str) {
        self.fault(host, &format!("iifname {INTERFACE} meta l4proto udp drop"));
        for other in self.hosts().filter(|other| *other != host) {
            self.fault(other, &format!("ip saddr {} meta l4proto udp drop", self.address(host)));
        }
    }

    /// A firewall in front of `host` lets no TCP in.
    pub fn block_tcp(&self, host: &str) {
        self.fault(host, &format!("iifname {INTERFACE} tcp flags syn / syn,ack drop"));
    }

    /// Everything arrives again.
    pub fn heal(&self) {
        for host in self.hosts() {
            self.nft(&self.namespace(host), "flush chain inet faults arriving");
        }
    }

    /// Longer packets than this do not leave `host`.
    pub fn narrow(&self, host: &str, bytes: u16) {
        let bytes = bytes.to_string();
        self.ip(&["-n", &self.namespace(host), "link", "set", INTERFACE, "mtu", &bytes]);
    }

    /// Everything takes so much longer to go from one host to another. Where the kernel cannot do that, says that the
    /// calling test is skipped.
    pub fn delay(&self, milliseconds: u32) -> Option<()> {
        for host in self.hosts() {
            let mut command = self.command(host, &self.programs.tc);
            command.args(["qdisc", "replace", "dev", INTERFACE, "root", "netem", "delay"]);
            command.arg(format!("{milliseconds}ms"));
            if !tool::output(&mut command).status.success() {
                return skip("the kernel cannot delay packets (CONFIG_NET_SCH_NETEM)");
            }
        }
        Some(())
    }

    fn fault(&self, host: &str, rule: &str) {
        self.nft(&self.namespace(host), &format!("add rule inet faults arriving {rule}"));
    }

    fn nft(&self, namespace: &str, ruleset: &str) {
        let mut command = Command::new(&self.programs.ip);
        tool::run(command.args(["netns", "exec", namespace]).arg(&self.programs.nft).arg(ruleset));
    }

    fn ip(&self, arguments: &[&str]) {
        tool::run(Command::new(&self.programs.ip).args(arguments));
    }

    fn try_ip(&self, arguments: &[&str]) -> bool {
        tool::output(Command::new(&self.programs.ip).args(arguments)).status.success()
    }

    fn switch(&self) -> String {
        self.namespace("switch")
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let hosts: Vec<_> = self.hosts().map(|host| self.namespace(host)).chain([self.switch()]).collect();
        for namespace in hosts {
            self.try_ip(&["netns", "delete", &namespace]); // one that was never made is as good
        }
    }
}

// === impl Programs ===

impl Programs {
    /// Deletes the namespaces of test processes that have ended.
    fn clear_away(&self) {
        let listed = tool::output(Command::new(&self.ip).args(["netns", "list"])).stdout;
        for line in String::from_utf8_lossy(&listed).lines() {
            let Some(name) = line.split_whitespace().next() else { continue };
            let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                tool::output(Command::new(&self.ip).args(["netns", "delete", name]));
            }
        }
    }
}

/// What this machine cannot do, no installed program will change: never a failure.
fn skip<T>(why: &str) -> Option<T> {
    eprintln!("skipped: {why}");
    None
}
