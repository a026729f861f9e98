//! A cluster in virtual time: any number of membership cores, one queue of events, one seed.
//!
//! Everything that happens follows from the seed: who loses which packet, how late every timer runs, what breaks
//! when. A failing run is replayed by its number.

mod host;
mod measuring;
mod network;
mod seeds;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use gossamer_cluster::{
    View,
    membership::{Destination, Fault, Input, Output},
};
use gossamer_wire::NodeId;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::host::Host;
pub use self::measuring::Traffic;
use self::network::Cuts;
pub use self::network::Network;
pub use self::seeds::Seeds;

/// How late a timer may run: a busy machine.
const TIMER_LAG: Range<Duration> = Duration::ZERO..Duration::from_millis(20);

/// A cluster in virtual time.
pub struct Sim {
    seed: u64,
    rng: StdRng,
    network: Network,
    cuts: Cuts,
    start: Instant,
    now: Instant,
    hosts: Vec<Host>,
    /// Where each node is in the list of hosts.
    places: HashMap<NodeId, usize>,
    queue: BinaryHeap<Reverse<Event>>,
    events: u64,
    /// Members that somebody gave up although they ran and could be reached.
    false_deaths: usize,
    traffic: Traffic,
}

/// What is going to happen to a host. Ordered by time, then by when it was decided.
struct Event {
    at: Instant,
    number: u64,
    host: usize,
    /// Which run of the host this is for: a connection does not survive a restart.
    run: u64,
    what: What,
}

enum What {
    Wake,
    Input(Box<Input>),
}

// === impl Sim ===

impl Sim {
    /// Nodes that have not been started yet. The first is everybody's seed.
    #[expect(clippy::disallowed_methods, reason = "any instant will do to count virtual time from")]
    pub fn new(seed: u64, network: Network) -> Self {
        let start = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let hosts: Vec<_> = (0..network.nodes).map(|index| Host::new(index, &mut rng)).collect();
        Self {
            seed,
            rng,
            network,
            cuts: Cuts::default(),
            start,
            now: start,
            places: hosts.iter().enumerate().map(|(place, host)| (host.node, place)).collect(),
            hosts,
            queue: BinaryHeap::new(),
            events: 0,
            false_deaths: 0,
            traffic: Traffic::default(),
        }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn false_deaths(&self) -> usize {
        self.false_deaths
    }

    /// Starts every host that is not running, a moment apart.
    pub fn join_all(&mut self) {
        for host in 0..self.len() {
            if !self.is_running(host) {
                self.start(host);
                self.run_for(Duration::from_millis(20));
            }
        }
    }

    pub fn is_running(&self, host: usize) -> bool {
        self.hosts[host].core.is_some()
    }

    /// Begins a new run of a host, with what its disk remembers of the last.
    pub fn start(&mut self, host: usize) {
        let seeds = vec![self.hosts[0].address];
        let rng = StdRng::from_rng(&mut self.rng);
        self.hosts[host].start(seeds, rng, self.now);
        self.wake(host);
    }

    /// Stops a host without a goodbye.
    pub fn kill(&mut self, host: usize) {
        self.hosts[host].kill();
    }

    /// Stops a host that says goodbye: its connections close, which those see who had one.
    pub fn leave(&mut self, host: usize) {
        self.input(host, Input::Leave);
        let node = self.hosts[host].node;
        self.hosts[host].kill();
        for peer in 0..self.len() {
            if peer != host && !self.cuts.block(host, peer) {
                self.deliver(host, peer, Input::Departed(node));
            }
        }
    }

    /// Changes what a host says of itself.
    pub fn publish(&mut self, host: usize) {
        let record = self.hosts[host].next_record();
        self.input(host, Input::Publish(record));
    }

    /// Hands a host bytes as if a peer of this name had sent them.
    pub fn forge(&mut self, host: usize, input: Input) -> Vec<Fault> {
        let before = self.hosts[host].faults.len();
        self.input(host, input);
        self.hosts[host].faults.split_off(before)
    }

    /// Cuts the network in two, until [`Sim::heal`].
    pub fn partition(&mut self, left: &[usize], right: &[usize]) {
        self.cuts.between(left, right);
    }

    /// Loses everything that one host sends to some others, until [`Sim::heal`]. What they send arrives.
    pub fn silence(&mut self, from: usize, to: &[usize]) {
        self.cuts.one_way(from, to);
    }

    /// Has all timers of a host run so much later than usual, until it is started again: a starved machine.
    pub fn starve(&mut self, host: usize, lag: Duration) {
        self.hosts[host].lag = lag;
    }

    /// Tells a host that another was seen at work.
    pub fn see(&mut self, host: usize, other: usize) {
        let node = self.hosts[other].node;
        self.input(host, Input::Seen(node));
    }

    pub fn heal(&mut self) {
        self.cuts = Cuts::default();
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step_before(end) {}
        self.now = end;
    }

    /// Runs until the survivors agree; says how long it took or, after `limit`, what they disagree on.
    pub fn run_until_agreed(&mut self, limit: Duration) -> Result<Duration, String> {
        let begin = self.now;
        loop {
            let disagreement = match self.disagreement() {
                None => return Ok(self.now - begin),
                Some(disagreement) => disagreement,
            };
            if self.now - begin >= limit {
                return Err(disagreement);
            }
            self.run_for(Duration::from_millis(50));
        }
    }

    /// What two hosts that run see differently, members and records. `None` if everybody sees just those who run.
    pub fn disagreement(&self) -> Option<String> {
        let running: Vec<_> = self.hosts.iter().filter(|host| host.core.is_some()).collect();
        running.iter().find_map(|host| host.disagreement(&running))
    }

    /// Whether no host that runs counts this one among its members.
    pub fn is_given_up(&self, host: usize) -> bool {
        let node = self.hosts[host].node;
        self.hosts.iter().filter_map(|host| host.core.as_ref()).all(|core| core.view().get(node).is_none())
    }

    /// All faults that hosts have counted.
    pub fn faults(&self) -> impl Iterator<Item = Fault> {
        self.hosts.iter().flat_map(|host| host.faults.iter().copied())
    }

    pub fn host(&self, host: usize) -> &Host {
        &self.hosts[host]
    }

    /// Any number below `bound`, from the seed.
    pub fn pick(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn step_before(&mut self, end: Instant) -> bool {
        if self.queue.peek().is_none_or(|Reverse(event)| event.at > end) {
            return false;
        }
        let Some(Reverse(event)) = self.queue.pop() else { return false };
        self.now = event.at;
        if self.hosts[event.host].run == event.run {
            match event.what {
                What::Wake => self.hosts[event.host].wake = None,
                What::Input(input) => self.input(event.host, *input),
            }
            self.expire(event.host);
        }
        true
    }

    /// A late host does first what is due, as the real shell does.
    fn expire(&mut self, host: usize) {
        if self.hosts[host].deadline().is_some_and(|deadline| deadline <= self.now) {
            self.input(host, Input::Time);
        }
        self.wake(host);
    }

    fn input(&mut self, host: usize, input: Input) {
        let before = self.hosts[host].view();
        for output in self.hosts[host].handle(input, self.now) {
            match output {
                Output::Packet { to, bytes } => {
                    self.sent(bytes.len());
                    let lost = self.rng.random_bool(self.network.loss);
                    if let Some(peer) = self.route(host, to).filter(|_| !lost) {
                        let from = self.hosts[host].node;
                        self.deliver(host, peer, Input::Packet { from, bytes });
                    }
                }
                Output::Letter { to, bytes } => self.post(host, to, bytes),
                Output::Fault(fault) => self.hosts[host].faults.push(fault),
                Output::Changed(after) => self.count_false_deaths(host, before.as_deref(), &after),
                Output::Suspected(_) | Output::Doubt(_) => {}
            }
        }
        self.wake(host);
    }

    fn post(&mut self, host: usize, to: Destination, bytes: bytes::Bytes) {
        self.sent(bytes.len());
        let Some(peer) = self.route(host, to).filter(|peer| !self.cuts.block(*peer, host)) else { return };
        let (from, role) = (self.hosts[host].node, self.hosts[host].role());
        let (node, certified) = (self.hosts[peer].node, self.hosts[peer].role());
        if to.node.is_none() && self.hosts[peer].core.is_some() {
            self.deliver(peer, host, Input::Met { node, role: certified, dialled: Some(to.address) });
            self.deliver(host, peer, Input::Met { node: from, role, dialled: None });
        }
        self.deliver(host, peer, Input::Letter { from, bytes });
    }

    /// Who lives at an address and can be reached from here.
    fn route(&self, host: usize, to: Destination) -> Option<usize> {
        let peer = place(to.address).filter(|peer| *peer < self.hosts.len())?;
        let expected = to.node.is_none_or(|node| node == self.hosts[peer].node);
        (expected && peer != host && !self.cuts.block(host, peer)).then_some(peer)
    }

    fn deliver(&mut self, from: usize, to: usize, input: Input) {
        debug_assert_ne!(from, to, "seed {}: nobody writes to themselves", self.seed);
        let at = self.now + self.rng.random_range(self.network.latency.clone());
        self.push(at, to, What::Input(Box::new(input)));
    }

    fn wake(&mut self, host: usize) {
        let Some(deadline) = self.hosts[host].deadline() else { return };
        if self.hosts[host].wake.is_none_or(|wake| deadline < wake) {
            self.hosts[host].wake = Some(deadline);
            let at = deadline.max(self.now) + self.rng.random_range(TIMER_LAG) + self.hosts[host].lag;
            self.push(at, host, What::Wake);
        }
    }

    fn push(&mut self, at: Instant, host: usize, what: What) {
        self.events += 1;
        let (number, run) = (self.events, self.hosts[host].run);
        self.queue.push(Reverse(Event { at, number, host, run, what }));
    }

    fn count_false_deaths(&mut self, host: usize, before: Option<&View>, after: &View) {
        let gone = before.into_iter().flat_map(View::others).map(|member| member.node);
        let gone = gone.filter(|node| after.get(*node).is_none());
        let alive = |node: NodeId| {
            let peer = self.places.get(&node).copied();
            peer.is_some_and(|peer| self.is_running(peer) && !self.cuts.separate(host, peer))
        };
        self.false_deaths += gone.filter(|node| alive(*node)).count();
    }
}

// === impl Event ===

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at).then_with(|| self.number.cmp(&other.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

/// The address of the n-th host.
fn address(index: usize) -> SocketAddr {
    let [high, low] = u16::try_from(index).unwrap().to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 7_946))
}

/// Which host lives at an address.
fn place(address: SocketAddr) -> Option<usize> {
    match address {
        SocketAddr::V4(address) => {
            let [_, _, high, low] = address.ip().octets();
            Some(u16::from_be_bytes([high, low]).into())
        }
        SocketAddr::V6(_) => None,
    }
}
