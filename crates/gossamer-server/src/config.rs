//! Everything a core needs to start: `config/core.toml`, key by key.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gossamer_oci::{Digest, PluginName};
use gossamer_policy::Mount;
use gossamer_wire::MeshName;
use semver::Version;
use serde::Deserialize;

use crate::{access, decisions, listeners, proxy};

/// The configuration of a core. Every table but the top level may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mesh that this core starts or belongs to; the trust domain of every certificate.
    pub mesh: MeshName,
    /// Keys, registry, caches. One core per directory.
    pub data: PathBuf,
    /// The token of a further core, for its first start; without one, a core starts a mesh of its own.
    #[serde(default)]
    pub join_file: Option<PathBuf>,
    /// How long the certificates hold that this core issues; each is renewed at half of that.
    #[serde(default = "default_certificate_seconds")]
    pub certificate_seconds: u64,
    /// Where clients come in: plain HTTP/1.1 and HTTP/2.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where plugins come in, over mutual TLS.
    #[serde(default = "default_mesh_listen")]
    pub mesh_listen: SocketAddr,
    /// How plugins reach `mesh_listen`, where that is not the address bound.
    #[serde(default)]
    pub mesh_advertise: Option<SocketAddr>,
    #[serde(default)]
    pub cluster: Cluster,
    #[serde(default)]
    pub access: access::Config,
    #[serde(default)]
    pub gateway: Gateway,
    #[serde(default)]
    pub decisions: decisions::Config,
    #[serde(default)]
    pub policies: Policies,
    #[serde(default)]
    pub registry: Registry,
    #[serde(default)]
    pub delivery: gossamer_events::delivery::Config,
    #[serde(default)]
    pub proxy: proxy::Config,
    #[serde(default)]
    pub connections: listeners::Config,
    /// How long requests may take to finish once the core is told to stop.
    #[serde(default = "default_grace_ms")]
    pub grace_ms: u64,
}

/// The `[cluster]` table: gossip, calls and joining, over QUIC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The UDP address to bind.
    pub listen: SocketAddr,
    /// How other nodes reach it, where that is not the address bound.
    pub advertise: Option<SocketAddr>,
    /// Members to greet at start. The members of the last run are remembered besides.
    pub seeds: Vec<SocketAddr>,
    /// The pace of the protocol.
    pub tuning: gossamer_cluster::Tuning,
}

/// The `[gateway]` table: how artifact requests are answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Whether a blob is sent from the artifact's own URL, or by 307 to its place under `/v2`.
    pub blobs: BlobAnswers,
    /// Further places where a plugin answers, besides `/artifacts/<plugin>/`.
    pub mounts: Vec<Mount>,
    /// Plugins that are to be followed at one version, whatever newer ones are announced.
    pub pins: BTreeMap<PluginName, Version>,
}

/// How a blob that a policy chose is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobAnswers {
    /// 200, 206 or 304 from the artifact's own URL.
    #[default]
    Inline,
    /// 307 to `/v2/<repository>/blobs/<digest>`.
    Redirect,
}

/// The `[policies]` table: how the policies of plugins are evaluated.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// The program that evaluates strangers' policies, and its arguments; this executable's
    /// `evaluator` command unless said otherwise.
    pub evaluator: Vec<String>,
    /// Digests of policies that may run in this process, besides those that ship with it.
    pub trusted: Vec<Digest>,
    /// How much policies may use.
    pub tuning: gossamer_policy::Tuning,
}

/// The `[registry]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// What the registry takes at most.
    pub limits: gossamer_registry::Limits,
    /// Accept manifests that name blobs or manifests which the repository does not have.
    pub sparse: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot understand {path}")]
    Parse { path: PathBuf, source: toml::de::Error },
}

// === impl Config ===

impl Config {
    /// A core on loopback ports that the kernel chooses, with everything else as by default.
    pub fn local(mesh: MeshName, data: impl Into<PathBuf>) -> Self {
        let any_port = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            mesh,
            data: data.into(),
            join_file: None,
            certificate_seconds: default_certificate_seconds(),
            listen: any_port,
            mesh_listen: any_port,
            mesh_advertise: None,
            cluster: Cluster { listen: any_port, ..Cluster::default() },
            access: access::Config::default(),
            gateway: Gateway::default(),
            decisions: decisions::Config::default(),
            policies: Policies::default(),
            registry: Registry::default(),
            delivery: gossamer_events::delivery::Config::default(),
            proxy: proxy::Config::default(),
            connections: listeners::Config::default(),
            grace_ms: default_grace_ms(),
        }
    }

    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source })
    }

    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// How long the certificates hold that this core issues.
    pub fn certificate_lifetime(&self) -> Duration {
        Duration::from_secs(self.certificate_seconds)
    }

    /// How long requests may take to finish once the core is told to stop.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

// === defaults ===

impl Default for Cluster {
    fn default() -> Self {
        Self {
            listen: all_addresses(5002),
            advertise: None,
            seeds: Vec::new(),
            tuning: gossamer_cluster::Tuning::default(),
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self { blobs: BlobAnswers::Inline, mounts: Vec::new(), pins: BTreeMap::new() }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5000)
}

fn default_mesh_listen() -> SocketAddr {
    all_addresses(5001)
}

/// A day: a stolen key is of use for no longer.
fn default_certificate_seconds() -> u64 {
    24 * 60 * 60
}

fn default_grace_ms() -> u64 {
    30_000
}

fn all_addresses(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}
