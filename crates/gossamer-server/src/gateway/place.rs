//! Where a request is in the plugin's own words, whatever mount or media type led to it.
//!
//! A policy and a plugin know one spelling of their paths, `/artifacts/<plugin>/…`; so does `authz.rego`. What comes
//! by another way is given that spelling before anybody looks at it.

#[cfg(test)]
mod tests;

use gossamer_oci::{Reference, RepositoryName};
use gossamer_policy::{Input, Selected};
use gossamer_registry::Registry;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};

use super::input;
use crate::directory::{Route, Snapshot};
use crate::http::problem::Problem;

/// Where the media type of a request says which plugin it is for.
const BY_MEDIA_TYPE: &str = "/artifacts/-";

/// `/artifacts/-/<repository>/manifests/<reference>` names a manifest: its type counts before what the request says.
pub(super) async fn type_named(registry: &Registry, input: &mut Input) {
    let Some(rest) = input.path.strip_prefix(BY_MEDIA_TYPE).and_then(|rest| rest.strip_prefix('/')) else {
        return;
    };
    let Some((repository, reference)) = manifest_named(rest) else { return };
    if let Ok(found) = registry.manifest(&repository, &reference).await {
        input.media_type = found.manifest.event_media_type().cloned().or(input.media_type.take());
    }
}

/// Repository and reference of `<repository>/manifests/<reference>`.
pub(super) fn manifest_named(path: &str) -> Option<(RepositoryName, Reference)> {
    let (repository, reference) = path.rsplit_once("/manifests/")?;
    Some((repository.parse().ok()?, reference.parse().ok()?))
}

/// Gives the request the path that it has below `/artifacts/<plugin>`.
pub(super) fn respell(
    snapshot: &Snapshot,
    route: &Route,
    input: &mut Input,
    head: &mut Parts,
) -> Result<(), Problem> {
    let prefix = match route.by {
        Selected::Path => return Ok(()),
        Selected::Mount => snapshot.mount(input).and_then(|mount| mount.prefix.clone()).unwrap_or_default(),
        Selected::MediaType if input.path.starts_with(BY_MEDIA_TYPE) => BY_MEDIA_TYPE.to_owned(),
        Selected::MediaType => return Ok(()), // below /v2, where the plugin answers for the registry
    };
    let prefix = prefix.trim_end_matches('/');
    let under = |rest: &str| format!("/artifacts/{}{rest}", route.plugin);
    let path = under(input.path.strip_prefix(prefix).unwrap_or(&input.path));
    let sent = under(without_segments(head.uri.path(), prefix.matches('/').count()));
    // An encoded slash may make the two prefixes differ: then they are about two different files.
    if input::path(&sent)? != path {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the path encodes a slash of the mount"));
    }
    head.uri = with_path(&head.uri, &sent)?;
    input.path = path;
    Ok(())
}

/// What follows the first `count` segments of a path.
fn without_segments(path: &str, count: usize) -> &str {
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    slashes.nth(count).and_then(|at| path.get(at..)).unwrap_or_default()
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, Problem> {
    let unusable = || Problem::new(StatusCode::BAD_REQUEST, "the request's target cannot be passed on");
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| unusable())?);
    Uri::from_parts(parts).map_err(|_| unusable())
}
