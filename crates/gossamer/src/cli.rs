//! What can be typed after `gossamer`.

mod policy;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use policy::{Policy, PolicyCanary, PolicyDiff, PolicyTest, PolicyVersion};

/// A gossip-clustered plugin mesh beside an artifact registry.
#[derive(Debug, Parser)]
#[command(name = "gossamer", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Core to talk to.
    #[arg(long, global = true, env = "GOSSAMER_ADDRESS", default_value = "http://127.0.0.1:5000")]
    pub address: String,

    /// Output for people or for programs.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole mesh on this machine: a core and its plugins, each a process.
    Dev(Dev),
    /// Run a core node from a configuration file.
    Core(Core),
    /// One-time tokens by which nodes join.
    #[command(subcommand)]
    Token(Token),
    /// The mesh's certificate authority.
    #[command(subcommand)]
    Ca(Ca),
    /// Run a bundled plugin as this process.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Look at the mesh as a core sees it.
    #[command(subcommand)]
    Mesh(Mesh),
    /// Name the likely causes of trouble between the nodes; exit code 6 if there are any.
    Doctor,
    /// Try out, compare and change the versions of plugins' policies.
    #[command(subcommand)]
    Policy(Policy),
    /// Say why a request goes where it goes: `explain ID`, or `explain METHOD URL`; with `--why-not`, why it does not
    /// get to a plugin.
    Explain(Explain),
    /// Upload artifacts.
    #[command(subcommand)]
    Push(Push),
    /// Print the version.
    Version,
    /// Evaluate policies for a core, over the socket that is standard input.
    #[command(hide = true)]
    Evaluator,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Address of the registry and gateway.
    #[arg(long, default_value = "127.0.0.1:5000")]
    pub listen: SocketAddr,
    /// Data directory; it is kept. Default: `gossamer/dev` in the user's data directory.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Bundled plugins to run.
    #[arg(long, value_delimiter = ',', default_value = "static")]
    pub plugins: Vec<String>,
    /// Instances of each plugin.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub instances: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Core {
    /// Configuration file (TOML); `config/core.toml` documents every key.
    #[arg(long, env = "GOSSAMER_CONFIG")]
    pub config: PathBuf,
    /// File with the token of a further core, for its first start; `GOSSAMER_JOIN` may hold the token itself.
    #[arg(long, env = "GOSSAMER_JOIN_FILE")]
    pub join_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token that lets one node join, and print it.
    Create(TokenCreate),
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    /// The plugin that may join with the token.
    #[arg(long, required_unless_present = "core", conflicts_with = "core")]
    pub plugin: Option<String>,
    /// A further core may join with the token; the core that holds the root makes these.
    #[arg(long)]
    pub core: bool,
    /// Media types that the plugin may claim; a trailing `*` matches any rest.
    #[arg(long, value_delimiter = ',')]
    pub media_types: Vec<String>,
    /// How long the token can be used: a number with s, m, h or d.
    #[arg(long, default_value = "15m")]
    pub ttl: String,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Ca {
    /// Show the roots that the core trusts, what it issues by, and who is evicted.
    Show,
    /// Make the next root, on the core that holds the root. Both are trusted until the old one's certificates end.
    Rotate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Run a bundled plugin. It joins by the token in `GOSSAMER_JOIN` or in `--join-file`.
    Run(PluginRun),
}

#[derive(Debug, Args)]
pub(crate) struct PluginRun {
    /// Name of the plugin.
    pub name: String,
    /// File that holds the join token. A token never goes on the command line.
    #[arg(long, env = "GOSSAMER_JOIN_FILE")]
    pub join_file: Option<PathBuf>,
    /// Directory of the node's key, certificate and state.
    #[arg(long, env = "GOSSAMER_DATA")]
    pub data: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Mesh {
    /// List the members.
    Members,
    /// Put a node out of the mesh: its connections close and its certificate is of no use any more.
    Evict {
        /// Id of the node, as `mesh members` shows it.
        node: String,
    },
    /// List the plugins: instances, versions, policies, and why one was refused.
    Plugins,
    /// Show by what the core routes, and whether the other cores agree.
    Routes,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A plugin that the request does not get to: name the first condition that failed.
    #[arg(long, value_name = "PLUGIN")]
    pub why_not: Option<String>,
    /// A decision's id (the `Gossamer-Decision` header), or an HTTP method.
    pub subject: String,
    /// The URL or path to explain, after a method.
    pub url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Push {
    /// Upload files to a repository of the static plugin.
    Static(PushStatic),
}

#[derive(Debug, Args)]
pub(crate) struct PushStatic {
    /// Repository: `docs`, or in full `artifacts/static/docs`.
    #[arg(long)]
    pub repo: String,
    /// Files to upload; each keeps its name.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}
