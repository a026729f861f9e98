//! How a node takes part in its cluster.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use serde::Deserialize;

use crate::error::{InvalidTuning, StartError};

/// What a node needs to know before it can join.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The UDP address of the one QUIC endpoint. Port 0 takes any.
    pub bind: SocketAddr,
    /// What others dial. By default the bound address or, where that is every interface, the one towards the first seed.
    #[serde(default)]
    pub advertise: Option<SocketAddr>,
    /// Any members, to begin with. None of them need be up: we try for ever.
    #[serde(default)]
    pub seeds: Vec<SocketAddr>,
    /// Where the addresses of members are kept for the next start.
    pub directory: PathBuf,
    #[serde(default)]
    pub tuning: Tuning,
}

/// The pace of the protocol. The defaults find a dead node in two to four seconds and bear 10 % of loss.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    /// How often one member is probed. More than twice `round_trip_ms`.
    pub probe_ms: u64,
    /// How long a direct answer may take before others are asked to probe.
    pub round_trip_ms: u64,
    /// How long the suspected may defend itself among up to ten members; grows with the logarithm of their number.
    pub suspicion_ms: u64,
    /// How often news is passed on.
    pub gossip_ms: u64,
    /// How many times each piece of news is passed on, at least 1.
    pub transmissions: u8,
    /// How often we compare notes with one member.
    pub exchange_ms: u64,
    /// How often somebody who is missing is looked for; also the longest pause of a node that is alone.
    pub greet_ms: u64,
}

// === impl Config ===

impl Config {
    /// The address that others should dial, given the one that was bound.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> Result<SocketAddr, StartError> {
        if let Some(advertise) = self.advertise {
            let port = if advertise.port() == 0 { bound.port() } else { advertise.port() };
            return Ok(SocketAddr::new(advertise.ip(), port));
        }
        if !bound.ip().is_unspecified() {
            return Ok(bound);
        }
        let ip = self.outward(bound.ip()).ok_or(StartError::NoAddress { bound })?;
        Ok(SocketAddr::new(ip, bound.port()))
    }

    /// The interface from which the first seed is reached. Connecting a UDP socket sends nothing.
    fn outward(&self, any: IpAddr) -> Option<IpAddr> {
        let seed = self.seeds.first()?;
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(seed).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    }
}

// === impl Tuning ===

impl Default for Tuning {
    fn default() -> Self {
        Self {
            probe_ms: 500,
            round_trip_ms: 150,
            suspicion_ms: 1_500,
            gossip_ms: 100,
            transmissions: 12,
            exchange_ms: 1_000,
            greet_ms: 5_000,
        }
    }
}

impl Tuning {
    pub(crate) fn check(&self) -> Result<(), InvalidTuning> {
        let Self { probe_ms, round_trip_ms, suspicion_ms, gossip_ms, transmissions, exchange_ms, greet_ms } =
            *self;
        let positive =
            [probe_ms, round_trip_ms, suspicion_ms, gossip_ms, exchange_ms, greet_ms, transmissions.into()];
        if positive.contains(&0) {
            return Err(InvalidTuning::Zero);
        }
        if round_trip_ms.saturating_mul(2) >= probe_ms {
            return Err(InvalidTuning::RoundTrip { probe_ms, round_trip_ms });
        }
        Ok(())
    }

    pub(crate) fn probe(&self) -> Duration {
        Duration::from_millis(self.probe_ms)
    }

    pub(crate) fn round_trip(&self) -> Duration {
        Duration::from_millis(self.round_trip_ms)
    }

    pub(crate) fn gossip(&self) -> Duration {
        Duration::from_millis(self.gossip_ms)
    }

    pub(crate) fn exchange(&self) -> Duration {
        Duration::from_millis(self.exchange_ms)
    }

    pub(crate) fn greet(&self) -> Duration {
        Duration::from_millis(self.greet_ms)
    }

    /// `suspicion_ms` up to ten members, twice that at a hundred, and so on.
    pub(crate) fn suspicion(&self, members: usize) -> Duration {
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        Duration::from_millis(self.suspicion_ms).mul_f64(f64::from(members).log10().max(1.0))
    }
}
