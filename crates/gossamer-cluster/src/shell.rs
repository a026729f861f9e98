//! The one task that owns the core: it hears what happens, asks the core, and does what it says.

mod accepting;
mod answering;
pub(crate) mod calling;
mod frame;
pub(crate) mod quic;
mod transport;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gossamer_identity::{Identity, Peer};
use gossamer_wire::{NodeId, Record, Role};
use quinn::{Connection, Endpoint};
use rand::rngs::StdRng;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use self::{
    accepting::Accepting,
    answering::Answering,
    calling::Pool,
    quic::{Close, DialError},
    transport::{Link, Parcel, Transport},
};
use crate::{
    cache::Addresses,
    calls::Calls,
    membership::{Destination, Input, Membership, Output},
    meter,
    view::View,
};

/// How many events wait for the task: a burst from a few hundred members. More datagrams are dropped, streams wait.
const EVENTS_MAX: usize = 1_024;

/// How many connections that we made for calls wait to be listened to.
const MADE_MAX: usize = 64;

/// How many events are handled before the timers are looked at again.
const BURST: usize = 64;

/// How long the last gossip has to leave before the connections close.
const FAREWELL: Duration = Duration::from_millis(20);

/// How long the end may take once goodbye is said.
const END_MAX: Duration = Duration::from_secs(2);

/// What reaches the task from the connections.
enum Event {
    /// Somebody has dialled us.
    Linked(Link),
    /// Our own dial has ended.
    Dialled {
        to: Destination,
        result: Result<Link, DialError>,
    },
    Packet {
        from: NodeId,
        bytes: Bytes,
    },
    Letter {
        from: NodeId,
        bytes: Bytes,
    },
    Closed {
        node: NodeId,
        connection: usize,
        farewell: bool,
    },
}

/// The ends of the task that the handle and the disk hold.
pub(crate) struct Ends {
    pub(crate) records: watch::Receiver<Record>,
    /// Members that were seen at work.
    pub(crate) seen: mpsc::Receiver<NodeId>,
    pub(crate) views: watch::Sender<Arc<View>>,
    pub(crate) remembered: watch::Sender<Arc<Addresses>>,
    /// Said by the handle: say goodbye and stop.
    pub(crate) leave: CancellationToken,
    /// Said by the task: nothing runs any more.
    pub(crate) left: CancellationToken,
}

/// The one task.
pub(crate) struct Shell {
    core: Membership<StdRng>,
    transport: Transport,
    endpoint: Endpoint,
    events: mpsc::Receiver<Event>,
    /// Whom nobody may see here, whatever others gossip of them.
    evicted: watch::Receiver<Arc<BTreeSet<NodeId>>>,
    ends: Ends,
    role: Role,
    node: NodeId,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What woke the task.
enum Wake {
    Event(Event),
    Record,
    /// A member was seen at work.
    Seen(NodeId),
    /// Somebody was put out of the mesh.
    Evicted,
    Time,
    /// Leave, with or without a goodbye.
    End {
        farewell: bool,
    },
}

// === impl Shell ===

impl Shell {
    /// Opens the door, and returns the task to be run and the connections for calls.
    pub(crate) fn new(
        core: Membership<StdRng>,
        endpoint: Endpoint,
        identity: &Identity,
        calls: impl Calls,
        ends: Ends,
    ) -> (Self, calling::Calling) {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let (made, to_answer) = mpsc::channel::<(Connection, Peer)>(MADE_MAX);
        let (tasks, stop, pool) = (TaskTracker::new(), CancellationToken::new(), Pool::default());
        let accepting = Accepting {
            endpoint: endpoint.clone(),
            answering: Arc::new(Answering::new(calls, identity.clone(), tasks.clone())),
            pool: pool.clone(),
            events: events.clone(),
            made: to_answer,
            tasks: tasks.clone(),
        };
        tasks.spawn(accepting.run(stop.clone()));
        let id = identity.id();
        let transport = Transport::new(endpoint.clone(), identity.clone(), tasks.clone(), events);
        let calling = calling::Calling::new(endpoint.clone(), identity.clone(), pool, made);
        let shell = Self {
            core,
            transport,
            evicted: identity.evicted(),
            endpoint,
            events: received,
            ends,
            role: id.role,
            node: id.node,
            stop,
            tasks,
        };
        (shell, calling)
    }

    pub(crate) async fn run(mut self) {
        self.step(Input::Time);
        let farewell = loop {
            match self.wake().await {
                Wake::Event(event) => self.hear(event),
                Wake::Record => {
                    let record = self.ends.records.borrow_and_update().clone();
                    self.step(Input::Publish(record));
                }
                Wake::Evicted => self.put_out(),
                Wake::Seen(node) => self.step(Input::Seen(node)),
                Wake::Time => {}
                Wake::End { farewell } => break farewell,
            }
            // What came while we were busy is read before a timer judges those who sent it.
            for _ in 0..BURST {
                let Ok(event) = self.events.try_recv() else { break };
                self.hear(event);
            }
            if self.core.deadline() <= now() {
                self.step(Input::Time);
                meter::health(self.core.health());
            }
        };
        self.end(farewell).await;
    }

    async fn wake(&mut self) -> Wake {
        let deadline = self.core.deadline();
        tokio::select! { // arms only name what happened
            biased;
            () = self.ends.leave.cancelled() => Wake::End { farewell: true },
            changed = self.ends.records.changed() => match changed {
                Ok(()) => Wake::Record,
                Err(_) => Wake::End { farewell: false }, // nobody holds the handle
            },
            Ok(()) = self.evicted.changed() => Wake::Evicted,
            Some(event) = self.events.recv() => Wake::Event(event),
            Some(node) = self.ends.seen.recv() => Wake::Seen(node),
            () = sleep_until(deadline.into()) => Wake::Time,
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Linked(link) => self.link(&link, None),
            Event::Dialled { to, result } => self.dialled(to, result),
            Event::Packet { from, bytes } => self.step(Input::Packet { from, bytes }),
            Event::Letter { from, bytes } => self.step(Input::Letter { from, bytes }),
            Event::Closed { node, connection, farewell } => {
                if self.transport.closed(node, connection) && farewell {
                    self.step(Input::Departed(node));
                }
            }
        }
    }

    fn dialled(&mut self, to: Destination, result: Result<Link, DialError>) {
        match result {
            Ok(link) => {
                self.link(&link, Some(to.address));
                self.transport.dialled(to, Some(&link.connection).filter(|_| link.peer.id.node != self.node));
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                debug!(address = %to.address, error, "Nobody was reached");
                self.transport.dialled(to, None);
            }
        }
    }

    fn link(&mut self, link: &Link, dialled: Option<SocketAddr>) {
        let id = link.peer.id.clone();
        self.step(Input::Met { node: id.node, role: id.role, dialled });
        if id.node == self.node {
            debug!("We are our own seed");
            return quic::close(&link.connection, Close::Done);
        }
        self.transport.adopt(link);
    }

    /// Asks the core and does what it says.
    fn step(&mut self, input: Input) {
        for output in self.core.handle(input, now()) {
            match output {
                Output::Packet { to, bytes } => self.send(to, Parcel::Packet(bytes)),
                Output::Letter { to, bytes } => self.send(to, Parcel::Letter(bytes)),
                Output::Changed(view) => self.show(view),
                Output::Suspected(node) => {
                    meter::suspected();
                    debug!(member = %node, "A member does not answer");
                }
                Output::Doubt(node) => self.transport.doubt(node),
                Output::Fault(fault) => {
                    meter::fault(fault);
                    debug!(fault = fault.as_str(), "Refused what a peer sent");
                }
            }
        }
    }

    fn send(&mut self, to: Destination, parcel: Parcel) {
        let peer = to.node.and_then(|node| self.core.view().get(node));
        let role = peer.and_then(|peer| peer.role());
        // What a core and a plugin say to each other must not wait for a handshake.
        let keep_alive = role.is_some_and(|role| (*role == Role::Core) != (self.role == Role::Core));
        self.transport.send(to, parcel, keep_alive);
    }

    /// Tells others that the evicted are gone, and shows nobody a view with them from now on.
    fn put_out(&mut self) {
        let evicted = Arc::clone(&self.evicted.borrow_and_update());
        for node in evicted.iter() {
            self.step(Input::Departed(*node));
        }
        self.show(Arc::clone(self.core.view()));
    }

    fn show(&mut self, view: Arc<View>) {
        let view = view.without(&self.evicted.borrow());
        log_changes(&self.ends.views.borrow(), &view);
        meter::members(view.members().count());
        self.ends.views.send_replace(view);
        let remembered = self.core.remembered();
        self.ends.remembered.send_if_modified(|kept| {
            let changed = **kept != *remembered;
            if changed {
                *kept = Arc::new(remembered.clone());
            }
            changed
        });
    }

    /// The only order in which a node leaves its cluster.
    async fn end(mut self, farewell: bool) {
        if farewell {
            self.step(Input::Leave); // 1. gossip tells those who have no connection to us
            sleep(FAREWELL).await;
        }
        let code = if farewell { Close::Leaving } else { Close::Done };
        self.endpoint.close((code as u32).into(), &[]); // 2. the code tells those who have
        let Self { endpoint, events, ends, stop, tasks, transport, .. } = self;
        let Ends { remembered, left, .. } = ends;
        drop((events, transport, remembered)); // 3. nobody waits for us to listen; the disk gets the last members
        stop.cancel();
        tasks.close();
        if farewell && timeout(END_MAX, endpoint.wait_idle()).await.is_err() {
            warn!("Some peers did not hear the goodbye");
        }
        if farewell && timeout(END_MAX, tasks.wait()).await.is_err() {
            warn!(unfinished = tasks.len(), "Some calls were cut off");
        }
        left.cancel();
    }
}

fn log_changes(before: &View, after: &View) {
    for member in after.members().filter(|member| before.get(member.node).is_none()) {
        info!(member = %member.node, address = %member.address, "A member has joined");
    }
    for member in before.members().filter(|member| after.get(member.node).is_none()) {
        info!(member = %member.node, address = %member.address, "A member is gone");
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the cluster reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
