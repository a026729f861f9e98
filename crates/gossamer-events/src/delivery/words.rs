//! What the core is told, and what it says.

use std::time::Instant;

use gossamer_oci::{PluginName, RepositoryName};

use crate::{Cursors, DeadLetter, Lane, Sequence};

/// What the core is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A plugin exists, and this is how far it has come. Once per plugin; later ones are ignored.
    /// It is detached until said otherwise.
    Started {
        plugin: PluginName,
        cursors: Cursors,
    },
    /// Some instance of the plugin can take events now, or another one than before.
    Attached {
        plugin: PluginName,
    },
    /// Nobody can. What the plugin has in the log waits there.
    Detached {
        plugin: PluginName,
    },
    /// The log ends at `head` now, or later.
    Appended {
        head: Sequence,
    },
    /// The answer to [`Output::Scan`]: all heads, in order, whomever they are for.
    Scanned {
        heads: Vec<Routed>,
    },
    ScanFailed,
    /// The answer to [`Output::Load`]: all heads of the lane's repository, in order.
    Loaded {
        lane: Lane,
        heads: Vec<Routed>,
    },
    LoadFailed {
        lane: Lane,
    },
    /// The answer to [`Output::Deliver`]: the plugin has the event and will not lose it.
    Acknowledged {
        lane: Lane,
        sequence: Sequence,
    },
    /// The answer to [`Output::Deliver`]: the plugin may have the event or not.
    Failed {
        lane: Lane,
        sequence: Sequence,
        failure: Failure,
    },
    /// The answer to [`Output::Park`].
    Parked {
        lane: Lane,
        sequence: Sequence,
    },
    ParkFailed {
        lane: Lane,
        sequence: Sequence,
    },
    /// The answer to [`Output::Commit`].
    Committed {
        lane: Lane,
    },
    CommitFailed {
        lane: Lane,
    },
    /// The answer to [`Output::CommitLow`].
    CommittedLow {
        plugin: PluginName,
    },
    CommitLowFailed {
        plugin: PluginName,
    },
    /// The time of [`Output::WakeAt`] has come. Too early or too often does no harm.
    Tick,
    /// Nothing new from here on. Ends with [`Output::Stopped`].
    Stop,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read the heads after `after`. Only one at a time. Answer: `Scanned` or `ScanFailed`.
    Scan { after: Sequence, limit: usize },
    /// Read the heads of the lane's repository. Answer: `Loaded` or `LoadFailed`.
    Load { lane: Lane, after: Sequence, limit: usize },
    /// Post the event to the owner of the lane, within some time. `attempt` counts from 1.
    /// Answer: `Acknowledged` or `Failed`.
    Deliver { lane: Lane, sequence: Sequence, attempt: u32 },
    /// Keep the event as a dead letter; the lane goes on behind it. Answer: `Parked` or
    /// `ParkFailed`.
    Park(DeadLetter),
    /// Make the lane's cursor durable. One at a time per lane. Answer: `Committed` or
    /// `CommitFailed`.
    Commit { lane: Lane, cursor: Sequence },
    /// Make the plugin's low-water mark durable. One at a time per plugin. Answer:
    /// `CommittedLow` or `CommitLowFailed`.
    CommitLow { plugin: PluginName, low: Sequence },
    /// Say `Tick` then. Replaces what was said before.
    WakeAt(Instant),
    /// Nothing is in flight, everything that can be durable is.
    Stopped,
}

/// A head, and whom it is for as of now. Nobody is an answer: such an event is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub sequence: Sequence,
    pub repository: RepositoryName,
    pub plugin: Option<PluginName>,
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody heard it: no connection, or no owner. Says nothing of the event; never gives up.
    Unreachable,
    /// Somebody may have heard it and could not take it now, or did not answer. Counts towards
    /// [`super::Config::attempts_max`].
    Retry { reason: String },
    /// The plugin will never take it. It becomes a dead letter at once.
    Refused { reason: String },
}

/// How far one plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub plugin: PluginName,
    pub attached: bool,
    /// Everything up to here is delivered or not for the plugin.
    pub low: Sequence,
    /// How many sequences of the log are behind `low`: an upper bound of what is to be delivered.
    pub lag: u64,
    /// Lanes with something to do.
    pub lanes: usize,
    /// Sequences held in memory over all lanes.
    pub held: usize,
    pub in_flight: usize,
    /// Lanes that wait for another try.
    pub waiting: usize,
}
