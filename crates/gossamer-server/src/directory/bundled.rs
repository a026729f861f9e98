//! The policies that ship with this program, which may therefore run in it.

use std::collections::BTreeSet;

use gossamer_oci::Digest;
use gossamer_wire::Policy;

/// Module and data of each bundled router, byte for byte as the bundled plugins announce them.
const ROUTERS: [(&str, &str); 1] =
    [(include_str!("../../../../policies/static.rego"), include_str!("../../../../policies/static.json"))];

/// What the bundled routers are announced as.
pub(super) fn digests() -> BTreeSet<Digest> {
    let policy = |(module, data): (&str, &str)| Policy { module: module.to_owned(), data: data.to_owned() };
    ROUTERS.into_iter().map(|router| policy(router).digest()).collect()
}
