//! Hosts and path prefixes that an operator has given to a plugin.

use std::cmp::Reverse;

use gossamer_oci::PluginName;
use serde::{Deserialize, Serialize};

use super::Request;

/// Requests to this host, below this prefix, belong to this plugin. At least one of the two should be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Without a port, compared without regard to case. None for any host.
    #[serde(default)]
    pub host: Option<String>,
    /// Such as `/rpms`; covers `/rpms` and `/rpms/…` but not `/rpms2`. None for any path.
    #[serde(default)]
    pub prefix: Option<String>,
    pub plugin: PluginName,
}

impl Mount {
    pub(super) fn covers(&self, request: &Request<'_>) -> bool {
        let host = self.host.as_ref().is_none_or(|host| host.eq_ignore_ascii_case(request.host));
        let prefix = self.prefix.as_ref().is_none_or(|prefix| is_below(request.path, prefix));
        host && prefix
    }

    fn is_empty(&self) -> bool {
        self.host.is_none() && self.prefix.is_none()
    }
}

fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The more particular ones first: those with a host, then the longer prefixes. Mounts of everything are dropped.
pub(super) fn in_order(mounts: impl IntoIterator<Item = Mount>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = mounts.into_iter().filter(|mount| !mount.is_empty()).collect();
    mounts.sort_by_cached_key(|mount| {
        let prefix = mount.prefix.as_ref().map_or(0, String::len);
        let plugin = mount.plugin.clone();
        (Reverse(mount.host.is_some()), Reverse(prefix), mount.host.clone(), mount.prefix.clone(), plugin)
    });
    mounts
}
