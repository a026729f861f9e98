//! foca, driven without a clock or a socket: its timers in one queue, its packets in a list.

use std::{
    num::{NonZeroU8, NonZeroUsize},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use foca::{Foca, Member, Notification, PostcardCodec, Runtime, State, Timer};
use rand::Rng;

use super::{
    presence::Presence,
    records::Rumours,
    timers::Timers,
    trials::{Trial, Trials, defendant},
};
use crate::config::Tuning;

/// The longest packet of SWIM, in bytes: fits into the datagram of a connection whose path was not probed yet.
pub const PACKET_BYTES_MAX: usize = 1_150;

/// How many members one node believes in, dead ones included. Beyond, strangers are turned away.
const MEMBERS_MAX: usize = 16_384;

/// How long the dead are remembered, so that a late rumour does not raise them. foca's advice: hours.
const REMEMBER_DOWN: Duration = Duration::from_secs(2 * 60 * 60);

/// foca with everything that it asks of its surroundings.
pub(super) struct Swim<R> {
    foca: Foca<Presence, PostcardCodec, R, Rumours>,
    tuning: Tuning,
    /// The number of members that foca's settings were made for.
    size: usize,
    around: Around,
}

/// What foca sees of the world.
struct Around {
    /// foca's time: what the clock says, less what we slept.
    now: Instant,
    /// How much of the time that has passed was not ours. While a starved node slept, nobody could answer it: it
    /// goes on where it was, instead of doing all at once what is overdue and judging those whom it did not hear.
    slept: Duration,
    /// How much longer than usual a probe may take.
    slack: f64,
    timers: Timers<Timer<Presence>>,
    trials: Trials,
    /// Whose answer to our probes has not come since this was last asked.
    missed: Vec<(Presence, u16)>,
    packets: Vec<(Presence, Bytes)>,
    /// Members came or went since this was last asked.
    stirred: bool,
    /// The others had given us up and we live on under a new presence.
    renewed: bool,
}

/// What a packet says before foca has read it.
pub(super) struct Glance<'a> {
    pub(super) sender: Presence,
    pub(super) updates: Vec<Member<Presence>>,
    /// What comes before and after the updates.
    header: &'a [u8],
    rest: &'a [u8],
}

/// What has become of the members since this was last asked.
pub(super) struct Settled {
    /// Members came or went.
    pub(super) stirred: bool,
    /// The others had given us up, or somebody was taken for us: we live on under a new presence.
    pub(super) renewed: bool,
}

/// What became of a timer.
pub(super) struct Expired {
    /// A probe that failed shows only at the next: the moment of our own suspicions.
    pub(super) was_probe: bool,
    /// Who did not answer our last probe, in which incarnation.
    pub(super) missed: Vec<(Presence, u16)>,
    pub(super) result: Result<(), foca::Error>,
}

// === impl Swim ===

impl<R: Rng> Swim<R> {
    pub(super) fn new(me: Presence, tuning: &Tuning, rumours: Rumours, rng: R, now: Instant) -> Self {
        let foca = Foca::with_custom_broadcast(me, settings(tuning, 1), rng, PostcardCodec, rumours);
        let around = Around {
            now,
            slept: Duration::ZERO,
            slack: 1.0,
            timers: Timers::new(),
            trials: Trials::default(),
            missed: Vec::new(),
            packets: Vec::new(),
            stirred: false,
            renewed: false,
        };
        Self { foca, tuning: tuning.clone(), size: 1, around }
    }

    pub(super) fn me(&self) -> Presence {
        *self.foca.identity()
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Member<Presence>> {
        self.foca.iter_members()
    }

    /// The live and the dead.
    pub(super) fn all(&self) -> impl Iterator<Item = &Member<Presence>> {
        self.foca.iter_membership_state()
    }

    /// How many more members there is room for.
    pub(super) fn room(&self) -> usize {
        MEMBERS_MAX.saturating_sub(self.foca.iter_membership_state().len())
    }

    pub(super) fn receive(&mut self, packet: &[u8], now: Instant) -> Result<(), foca::Error> {
        self.around.now = self.clock(now);
        self.foca.handle_data(packet, &mut self.around)
    }

    /// Takes members for true as if SWIM had brought them; `spread` has them gossiped on.
    pub(super) fn introduce(
        &mut self,
        members: impl Iterator<Item = Member<Presence>>,
        spread: bool,
        now: Instant,
    ) -> Result<(), foca::Error> {
        self.around.now = self.clock(now);
        self.foca.apply_many(members, spread, &mut self.around)
    }

    /// Goes on in a life that wins over `other`, which somebody takes for us.
    pub(super) fn outbid(&mut self, other: &Presence, now: Instant) -> Result<(), foca::Error> {
        self.around.now = self.clock(now);
        self.around.renewed = true;
        let renewed = self.me().outbidding(other);
        self.foca.change_identity(renewed, &mut self.around)
    }

    /// Tells everybody within a few rounds of gossip. Three hear it at once.
    pub(super) fn spread(&mut self, rumour: &[u8], now: Instant) -> Result<(), foca::Error> {
        self.around.now = self.clock(now);
        self.foca.add_broadcast(rumour)?;
        self.foca.broadcast(&mut self.around)
    }

    pub(super) fn gossip(&mut self, now: Instant) -> Result<(), foca::Error> {
        self.around.now = self.clock(now);
        self.foca.gossip(&mut self.around)
    }

    pub(super) fn leave(&mut self, now: Instant) -> Result<(), foca::Error> {
        self.around.now = self.clock(now);
        self.foca.leave_cluster(&mut self.around)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.around.timers.deadline().map(|deadline| deadline + self.around.slept)
    }

    /// foca's time.
    pub(super) fn clock(&self, now: Instant) -> Instant {
        now.checked_sub(self.around.slept).unwrap_or(now)
    }

    /// Whether we come so late to our timers that answers to our probes may have waited unread. That time does not
    /// count.
    pub(super) fn overslept(&mut self, now: Instant) -> bool {
        let late =
            self.deadline().map(|deadline| now.saturating_duration_since(deadline)).unwrap_or_default();
        let overslept = late > self.tuning.round_trip();
        if overslept {
            self.around.slept += late;
        }
        overslept
    }

    /// Has probes take so much longer than usual, from the next on.
    pub(super) fn slow_down(&mut self, slack: f64) {
        self.around.slack = slack;
    }

    /// The next timer that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Timer<Presence>> {
        let now = self.clock(now);
        self.around.timers.pop_due(now)
    }

    /// Runs a timer that is due.
    pub(super) fn fire(&mut self, timer: Timer<Presence>, now: Instant) -> Expired {
        self.around.now = self.clock(now);
        let was_probe = matches!(timer, Timer::ProbeRandomMember(_));
        self.around.trials.close(&timer);
        let result = self.foca.handle_timer(timer, &mut self.around);
        Expired { was_probe, missed: std::mem::take(&mut self.around.missed), result }
    }

    /// The suspicion of ours that a timer would end.
    pub(super) fn trial(&self, timer: &Timer<Presence>) -> Option<&Trial> {
        self.around.trials.of(timer)
    }

    /// Whether we ourselves suspect this life.
    pub(super) fn is_on_trial(&self, accused: &Presence) -> bool {
        self.around.trials.is_on(accused)
    }

    /// Looks at a timer again later.
    pub(super) fn hold(&mut self, timer: Timer<Presence>, rest: Duration, now: Instant) {
        let at = self.clock(now) + rest.min(self.tuning.round_trip());
        self.around.timers.submit(at, timer);
    }

    /// Whether members came or went. After a renewal foca starts probing only when told to look around.
    pub(super) fn settle(&mut self) -> Result<Settled, foca::Error> {
        let renewed = std::mem::take(&mut self.around.renewed);
        if renewed {
            self.foca.apply_many(std::iter::empty(), false, &mut self.around)?;
        }
        Ok(Settled { stirred: std::mem::take(&mut self.around.stirred), renewed })
    }

    pub(super) fn take_packets(&mut self) -> Vec<(Presence, Bytes)> {
        std::mem::take(&mut self.around.packets)
    }

    /// Lets suspicion wait longer in a larger cluster.
    pub(super) fn fit_to_size(&mut self) -> Result<(), foca::Error> {
        let size = self.foca.num_members() + 1;
        if size == self.size {
            return Ok(());
        }
        self.size = size;
        self.foca.set_config(settings(&self.tuning, size))
    }
}

// === impl Around ===

impl Runtime<Presence> for &mut Around {
    fn notify(&mut self, notification: Notification<'_, Presence>) {
        match notification {
            Notification::Rejoin(_) => self.renewed = true,
            Notification::MemberUp(_)
            | Notification::MemberDown(_)
            | Notification::Rename(_, _)
            | Notification::Active
            | Notification::Idle
            | Notification::Defunct => self.stirred = true,
        }
    }

    fn send_to(&mut self, to: Presence, data: &[u8]) {
        self.packets.push((to, Bytes::copy_from_slice(data)));
    }

    fn submit_after(&mut self, timer: Timer<Presence>, after: Duration) {
        // Both timers of a probe are set at one moment, so that they stay in order.
        let is_probe = matches!(timer, Timer::ProbeRandomMember(_) | Timer::SendIndirectProbe { .. });
        let after = if is_probe { after.mul_f64(self.slack) } else { after };
        self.missed.extend(defendant(&timer));
        if self.trials.open(&timer, self.now) {
            self.timers.submit(self.now + after, timer);
        }
    }
}

// === impl Glance ===

impl<'a> Glance<'a> {
    /// Reads the sender and the updates of a packet. `None` if foca could not read it either.
    pub(super) fn at(packet: &'a [u8]) -> Option<Self> {
        let (header, mut rest) = postcard::take_from_bytes::<foca::Header<Presence>>(packet).ok()?;
        let header_bytes = packet.get(..packet.len().checked_sub(rest.len())?)?;
        let mut updates = Vec::new();
        if rest.remaining() >= 2 && header.message != foca::Message::Broadcast {
            for _ in 0..rest.get_u16() {
                let (update, after) = postcard::take_from_bytes(rest).ok()?;
                updates.push(update);
                rest = after;
            }
        }
        Some(Self { sender: header.src, updates, header: header_bytes, rest })
    }

    /// The packet with the updates as they are now. Only of use for one that had some.
    pub(super) fn rebuilt(&self) -> Option<Vec<u8>> {
        let mut packet = self.header.to_vec();
        packet.extend(u16::try_from(self.updates.len()).ok()?.to_be_bytes());
        for update in &self.updates {
            packet = postcard::to_extend(update, packet).ok()?;
        }
        packet.extend(self.rest);
        Some(packet)
    }

    pub(super) fn suspects(&self) -> bool {
        self.updates.iter().any(|update| update.state() == State::Suspect)
    }
}

/// foca's settings for a cluster of `size` members, ourselves included.
fn settings(tuning: &Tuning, size: usize) -> foca::Config {
    let three = NonZeroUsize::MIN.saturating_add(2);
    foca::Config {
        probe_period: tuning.probe(),
        probe_rtt: tuning.round_trip(),
        num_indirect_probes: three,
        max_transmissions: NonZeroU8::MIN.saturating_add(tuning.transmissions.saturating_sub(1)),
        suspect_to_down_after: tuning.suspicion(size),
        remove_down_after: Some(REMEMBER_DOWN),
        max_packet_size: NonZeroUsize::MIN.saturating_add(PACKET_BYTES_MAX - 1),
        notify_down_members: true,
        periodic_announce: Some(foca::PeriodicParams {
            frequency: Duration::from_secs(30),
            num_members: NonZeroUsize::MIN,
        }),
        // The greeter looks for the missing, also when nobody is left to ask.
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(foca::PeriodicParams { frequency: tuning.gossip(), num_members: three }),
    }
}
