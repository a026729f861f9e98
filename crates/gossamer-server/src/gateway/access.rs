//! `authz.rego` on the way of a routed request: before the policy is asked, and after.

use gossamer_oci::{PluginName, RepositoryName};
use gossamer_policy::Decision;
use http::request::Parts;
use http::{Method, StatusCode};

use crate::access::{Access, Action, Principal};
use crate::http::problem::Problem;

/// Whether the request may reach this plugin at all: its namespace, `artifacts/<plugin>`, stands for it.
pub(super) fn check_plugin(access: &Access, head: &Parts, plugin: &PluginName) -> Result<(), Problem> {
    // A plugin's name is always a valid component of a repository's name.
    let namespace = format!("artifacts/{plugin}").parse().map_err(|_| internal())?;
    check(access, head, action(head), &namespace)
}

/// Whether the request may have what the policy decided on.
pub(super) fn check_decision(access: &Access, head: &Parts, decision: &Decision) -> Result<(), Problem> {
    match decision {
        Decision::Blob { repository, .. } => check(access, head, Action::Pull, repository),
        Decision::Forward { key: Some(key) } => match key.parse() {
            Ok(repository) => check(access, head, action(head), &repository),
            Err(_) => Ok(()), // a key that names no repository only picks a replica
        },
        Decision::Forward { key: None }
        | Decision::Redirect { .. }
        | Decision::Deny { .. }
        | Decision::NotFound { .. } => Ok(()),
    }
}

fn check(access: &Access, head: &Parts, action: Action, repository: &RepositoryName) -> Result<(), Problem> {
    let principal = head.extensions.get::<Principal>().ok_or_else(internal)?;
    if access.allows(principal, action, repository) {
        return Ok(());
    }
    let verb = match action {
        Action::Pull => "pull from",
        Action::Push => "push to",
        Action::Delete => "delete from",
        Action::List => "list",
        Action::Administer => "administer",
    };
    Err(Problem::refused(*principal == Principal::Anonymous, &format!("{verb} {repository}")))
}

/// What a request asks for. Reading a file is a pull; a plugin's management API is for those who
/// may push, whatever the method, as some of its calls change state by GET.
fn action(head: &Parts) -> Action {
    match head.method {
        Method::DELETE => Action::Delete,
        Method::GET | Method::HEAD | Method::OPTIONS if !is_management(head.uri.path()) => Action::Pull,
        _ => Action::Push,
    }
}

/// `/artifacts/<plugin>/api/…`, but not the documentation of it. Decoded as the policy sees it, so
/// that no spelling hides it.
fn is_management(path: &str) -> bool {
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (artifacts, _plugin, api) = (segments.next(), segments.next(), segments.next());
    let (_version, doc) = (segments.next(), segments.next());
    artifacts == Some("artifacts") && api == Some("api") && doc != Some("doc")
}

fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request cannot be attributed")
}

#[cfg(test)]
mod tests {
    use super::is_management;

    #[test]
    fn a_management_call_is_one_in_every_spelling() {
        for path in [
            "/artifacts/yum/api/v1/repository",
            "/artifacts/yum/%61pi/v1/x",
            "//artifacts/yum//api",
            "/artifacts/yum/api/doc",
        ] {
            assert!(is_management(path), "{path}");
        }
        for path in ["/artifacts/yum/api/v1/doc/swagger.yaml", "/artifacts/yum/r/repo/api", "/artifacts/yum"]
        {
            assert!(!is_management(path), "{path}");
        }
    }
}
