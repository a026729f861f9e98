//! The unit of order: one plugin's events of one repository.

use std::fmt;

use gossamer_oci::{PluginName, RepositoryName};
use serde::{Deserialize, Serialize};

/// One plugin's events of one repository. Within a lane there is order and one delivery at a time;
/// between lanes there is neither.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane {
    pub plugin: PluginName,
    pub repository: RepositoryName,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.repository, self.plugin)
    }
}
