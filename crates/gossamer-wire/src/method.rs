//! The unary calls between members, by name.

/// [`crate::PullRequest`] to [`crate::PullResponse`], answered by who announces and, of what it routes by, by a core.
pub const PULL: &str = "pull";

/// [`crate::RenewRequest`] to [`crate::JoinResponse`], answered by cores.
pub const RENEW: &str = "renew";

/// Nothing to [`crate::Routes`], answered by cores to cores.
pub const ROUTES: &str = "routes";

/// [`crate::Trust`] to [`crate::Trust`], from cores to every member.
pub const TRUST: &str = "trust";

/// [`crate::RenewRequest`] of a core's CA key to a [`crate::JoinResponse`] without a chain, answered by the core that
/// holds the root.
pub const DELEGATE: &str = "delegate";

/// Nothing to the testimony of `gossamer-cluster`, answered by every node to cores.
pub const DIAGNOSE: &str = "diagnose";

/// [`crate::JoinRequest`] to [`crate::JoinResponse`], over [`crate::alpn::JOIN`].
pub const JOIN: &str = "join";

/// [`crate::JoinConfirm`] to [`crate::JoinConfirmed`], over [`crate::alpn::JOIN`].
pub const CONFIRM: &str = "confirm";

/// [`crate::ReattestRequest`] to [`crate::JoinResponse`], over [`crate::alpn::JOIN`].
pub const REATTEST: &str = "reattest";
