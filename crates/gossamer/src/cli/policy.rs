//! What can be typed after `gossamer policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// List the plugins with their versions and plans.
    List,
    /// Show one plugin: versions, plan, what the canary's guard has counted, what its shadows decided otherwise.
    Show {
        /// Name of the plugin.
        plugin: String,
    },
    /// Compare two versions: their texts, and the recent requests that they decide differently.
    Diff(PolicyDiff),
    /// Evaluate a version beside the active one; it decides nothing.
    Shadow(PolicyVersion),
    /// Let a version decide for a slice of the repositories. It ends by itself if it does worse.
    Canary(PolicyCanary),
    /// Let the canary decide for all.
    Promote {
        /// Name of the plugin.
        plugin: String,
    },
    /// End the canary; without one, go back to the version that was followed before.
    Rollback {
        /// Name of the plugin.
        plugin: String,
        /// Why, for those who look later.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Follow one version, whatever newer ones are announced.
    Pin(PolicyVersion),
    /// Run a policy's tests, or decide one request, without a core.
    Test(PolicyTest),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyVersion {
    /// Name of the plugin.
    pub plugin: String,
    /// An admitted version.
    #[arg(id = "wanted", value_name = "VERSION", required_unless_present = "off")]
    pub version: Option<String>,
    /// Stop it.
    #[arg(long, conflicts_with = "wanted")]
    pub off: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyDiff {
    /// Name of the plugin.
    pub plugin: String,
    /// The version to compare with the active one.
    pub to: String,
    /// Compare with this one instead of the active one.
    #[arg(long)]
    pub from: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyCanary {
    /// Name of the plugin.
    pub plugin: String,
    /// An admitted version that is not the active one.
    #[arg(id = "wanted", value_name = "VERSION")]
    pub version: String,
    /// Share of the repositories that it decides for.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: u8,
    /// How far back the guard looks.
    #[arg(long, default_value_t = 60)]
    pub window_seconds: u64,
    /// Fewer requests than this say nothing.
    #[arg(long, default_value_t = 20)]
    pub requests_min: u64,
    /// Percent of evaluations that may fail more than the active version's.
    #[arg(long, default_value_t = 1)]
    pub evaluation_failures_percent_max: u8,
    /// Percent of answers that may be a 5xx more than the active version's.
    #[arg(long, default_value_t = 5)]
    pub server_errors_percent_max: u8,
    /// Promote it after this long without objection. By hand only, if not given.
    #[arg(long)]
    pub promote_after_seconds: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyTest {
    /// A policy, or a directory with one. Tests are the rules `test_…` of the `…_test.rego` files beside it.
    pub path: PathBuf,
    /// The data document. Default: `<policy>.json` or `data.json` beside the policy.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Answers of the registry: `{"manifests": {"<repository>:<tag>": {…}}, "body": …}`. Default: `fixtures.json`
    /// beside the policy.
    #[arg(long)]
    pub fixtures: Option<PathBuf>,
    /// Decide this request instead of running tests, such as `GET /artifacts/static/docs/file/a`.
    #[arg(long)]
    pub request: Option<String>,
}
