//! Who may do what: the principals of a request, and `authz.rego` asked about them.

mod admin_token;
mod authz;
mod base64;
mod memo;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::str::FromStr;

use gossamer_oci::{PluginName, RepositoryName};
use gossamer_policy::Policies;
use serde::{Deserialize, Serialize};

pub use admin_token::{AdminToken, AdminTokenError};
pub use authz::AuthzError;

use authz::{Authz, Question};
use memo::Memo;

/// On whose behalf a request is made. The listener or [`crate::http::authenticate`] puts it into
/// the request's extensions; a request without one is nobody's and is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Sent no credentials.
    Anonymous,
    /// Presented the contents of `admin.token`.
    Admin,
    /// A plugin instance, by its certificate on the mesh listener.
    Plugin(PluginName),
    /// Another core, by its certificate on the mesh listener.
    Core,
}

impl Principal {
    /// The name that events, logs and policies use, such as `admin` or `plugin/yum`.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Anonymous => Cow::Borrowed("anonymous"),
            Self::Admin => Cow::Borrowed("admin"),
            Self::Plugin(name) => Cow::Owned(format!("plugin/{name}")),
            Self::Core => Cow::Borrowed("core"),
        }
    }
}

/// The text is the name of no principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a principal is anonymous, admin, core or plugin/<name>")]
pub struct InvalidPrincipal;

impl FromStr for Principal {
    type Err = InvalidPrincipal;

    fn from_str(name: &str) -> Result<Self, InvalidPrincipal> {
        match name {
            "anonymous" => Ok(Self::Anonymous),
            "admin" => Ok(Self::Admin),
            "core" => Ok(Self::Core),
            _ => {
                let plugin = name.strip_prefix("plugin/").ok_or(InvalidPrincipal)?;
                plugin.parse().map(Self::Plugin).map_err(|_| InvalidPrincipal)
            }
        }
    }
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Read blobs, manifests, tags or referrers, or a plugin's files.
    Pull,
    /// Upload, put a manifest or tag, or call a plugin's API in a way that may change state.
    Push,
    /// Remove a blob, manifest, tag or repository.
    Delete,
    /// Read the catalog of repositories.
    List,
    /// Use the admin API.
    Administer,
}

/// How open this core is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everybody may do everything. Only on loopback; the core refuses to start otherwise.
    Open,
    /// `authz.rego` decides; nothing that changes state is anonymous.
    #[default]
    Private,
}

/// The `[access]` table of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `private` unless said otherwise.
    pub mode: Mode,
    /// Whether a request without credentials may pull in `private` mode.
    pub anonymous_pull: bool,
}

impl Config {
    /// Refuses `open` on any address that is not loopback.
    pub fn check(&self, listen: SocketAddr) -> Result<(), AccessError> {
        match self.mode {
            Mode::Open if !listen.ip().is_loopback() => Err(AccessError::OpenToTheWorld(listen)),
            Mode::Open | Mode::Private => Ok(()),
        }
    }
}

/// Why access control could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("access.mode = \"open\" is for loopback only, not for {0}")]
    OpenToTheWorld(SocketAddr),
    #[error("cannot keep the admin token")]
    AdminToken(#[from] AdminTokenError),
    #[error("cannot use authz.rego")]
    Authz(#[from] AuthzError),
}

/// Answers whether a principal may act. Evaluations are remembered: the policy is a function of
/// principal, action and repository only.
#[derive(Debug)]
pub struct Access {
    authz: Authz,
    memo: Memo,
    admin: AdminToken,
}

// === impl Access ===

impl Access {
    /// Loads the policy and holds the token that makes a request the administrator's.
    pub fn new(policies: Policies, config: &Config, admin: AdminToken) -> Result<Self, AccessError> {
        let authz = Authz::new(policies, config)?;
        Ok(Self { authz, memo: Memo::default(), admin })
    }

    /// Whether `principal` may perform `action` in `repository`.
    pub fn allows(&self, principal: &Principal, action: Action, repository: &RepositoryName) -> bool {
        self.answer(principal, action, Some(repository))
    }

    /// Whether `principal` may perform `action` on the mesh as a whole: list the catalog, use the
    /// admin API.
    pub fn allows_everywhere(&self, principal: &Principal, action: Action) -> bool {
        self.answer(principal, action, None)
    }

    /// The principal behind an `Authorization` header's value: [`Principal::Admin`] for the admin
    /// token as bearer token or as the password of any basic user, `None` for anything else.
    pub fn authenticate(&self, authorization: &str) -> Option<Principal> {
        self.admin.is_presented_by(authorization).then_some(Principal::Admin)
    }

    fn answer(&self, principal: &Principal, action: Action, repository: Option<&RepositoryName>) -> bool {
        let question = Question { principal, action, repository };
        self.memo.get_or(&question, || self.authz.evaluate(&question))
    }
}
