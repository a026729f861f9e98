//! Which plugin gets a request, and why the others do not.

use super::*;

fn plugin(name: &str) -> PluginName {
    name.parse().unwrap()
}

fn types(names: &[&str]) -> Vec<MediaType> {
    names.iter().map(|name| format!("application/{name}").parse().unwrap()).collect()
}

fn route(name: &str, version: &str, claims: &[&str]) -> Route {
    Route {
        plugin: plugin(name),
        version: version.parse().unwrap(),
        generation: 1,
        policy: Digest::sha256(format!("{name} {version}").as_bytes()),
        media_types: types(claims).into_iter().collect(),
    }
}

fn mount(host: Option<&str>, prefix: Option<&str>, name: &str) -> Mount {
    Mount { host: host.map(str::to_owned), prefix: prefix.map(str::to_owned), plugin: plugin(name) }
}

fn table(routes: impl IntoIterator<Item = Route>) -> RouteTable {
    let mounts = [
        mount(Some("rpms.example"), None, "yum"),
        mount(None, Some("/rpms/"), "yum"),
        mount(None, Some("/rpms/docs"), "static"),
        mount(None, None, "yum"),
    ];
    RouteTable::build(routes, mounts, &BTreeMap::new())
}

fn both() -> RouteTable {
    table([route("yum", "1.0.0", &["rpm", "both"]), route("static", "1.0.0", &["file", "both"])])
}

fn selected(table: &RouteTable, host: &str, path: &str, media_types: &[&str]) -> String {
    match table.select(&Request { path, host, media_types: &types(media_types) }) {
        Selection::Route { route, by } => format!("{} by {by:?}", route.plugin),
        Selection::Unknown { plugin } => format!("no {plugin}"),
        Selection::Conflict { plugins, .. } => format!("conflict of {}", plugins.len()),
        Selection::Nobody => "nobody".to_owned(),
    }
}

#[test]
fn the_path_comes_first_then_mounts_then_media_types() {
    let table = both();
    let rows = [
        ("", "/artifacts/yum/epel/x", &["file"][..], "yum by Path"),
        ("rpms.example", "/artifacts/static", &[], "static by Path"),
        ("", "/artifacts/pypi/x", &["rpm"], "no pypi"),
        ("RPMS.example", "/anything", &[], "yum by Mount"),
        ("", "/rpms", &[], "yum by Mount"),
        ("", "/rpms/x", &[], "yum by Mount"),
        ("", "/rpms/docs/x", &[], "static by Mount"),
        ("", "/rpms2", &[], "nobody"),
        ("", "/v2/a/manifests/b", &["rpm"], "yum by MediaType"),
        ("", "/artifacts/-/a", &["other", "file", "rpm"], "static by MediaType"),
        ("", "/v2/a/manifests/b", &["both"], "conflict of 2"),
        ("", "/v2/a/manifests/b", &["rpm", "both"], "yum by MediaType"),
        ("", "/v2/a/manifests/b", &["other"], "nobody"),
        ("", "/elsewhere", &["rpm"], "nobody"),
        ("", "/artifacts/UPPER/x", &["rpm"], "nobody"),
    ];
    for (host, path, media_types, expected) in rows {
        assert_eq!(selected(&table, host, path, media_types), expected, "{host} {path} {media_types:?}");
    }
}

#[test]
fn everybody_else_is_told_why_not() {
    let table = both();
    let why = |path: &str, media_types: &[&str]| -> Vec<(String, WhyNot)> {
        let media_types = types(media_types);
        let others = table.why_not(&Request { path, host: "", media_types: &media_types });
        others.into_iter().map(|other| (other.route.plugin.to_string(), other.why)).collect()
    };
    let file = types(&["file"])[0].clone();
    assert_eq!(
        why("/artifacts/yum/x", &[]),
        [("static".to_owned(), WhyNot::Addressed { to: plugin("yum") })]
    );
    assert_eq!(why("/v2/x", &["rpm"]), [("static".to_owned(), WhyNot::NotClaimed)]);
    assert_eq!(
        why("/v2/x", &["rpm", "file"]),
        [("static".to_owned(), WhyNot::ClaimedLater { media_type: file })]
    );
    assert_eq!(why("/v2/x", &["both"]).len(), 2);
    assert_eq!(why("/elsewhere", &[]).len(), 2);
}

#[test]
fn the_highest_version_is_taken_unless_another_is_pinned() {
    let routes =
        || [route("yum", "1.9.0", &[]), route("yum", "1.10.0", &[]), route("yum", "1.10.0-rc.1", &[])];
    let version = |pins: &[(&str, &str)]| {
        let pins = pins.iter().map(|(name, version)| (plugin(name), version.parse().unwrap())).collect();
        let table = RouteTable::build(routes(), [], &pins);
        (table.plugin(&plugin("yum")).map(|route| route.version.to_string()), table.passed_over().len())
    };
    assert_eq!(version(&[]), (Some("1.10.0".to_owned()), 2));
    assert_eq!(version(&[("yum", "1.9.0")]), (Some("1.9.0".to_owned()), 2));
    assert_eq!(version(&[("yum", "3.0.0")]), (None, 3));
    assert_eq!(version(&[("static", "3.0.0")]), (Some("1.10.0".to_owned()), 2));
}

#[test]
fn instances_that_announce_the_same_are_one_route() {
    let older = route("yum", "1.0.0", &["rpm"]);
    let newer = Route { generation: 7, ..older.clone() };
    let table = table([older, newer]);
    assert_eq!(table.plugin(&plugin("yum")).unwrap().generation, 7);
    assert!(table.passed_over().is_empty() && table.conflicts().is_empty());
}

#[test]
fn one_version_with_two_policies_is_a_conflict_that_the_newest_wins() {
    let older = route("yum", "1.0.0", &["rpm"]);
    let newer = Route { generation: 7, policy: Digest::sha256(b"other"), ..older.clone() };
    for routes in [[older.clone(), newer.clone()], [newer.clone(), older.clone()]] {
        let table = table(routes);
        assert_eq!(table.plugin(&plugin("yum")).unwrap().policy, newer.policy);
        assert!(matches!(table.conflicts(), [Conflict::Version { policies, .. }] if policies.len() == 2));
    }
}

#[test]
fn two_claimants_are_a_conflict() {
    let table = both();
    assert!(matches!(table.conflicts(), [Conflict::MediaType { plugins, .. }] if plugins.len() == 2));
    assert!(matches!(table.claim(&types(&["both"])[0]), Claim::Several(_)));
    assert!(matches!(table.claim(&types(&["rpm"])[0]), Claim::One(_)));
    assert_eq!(table.claim(&types(&["none"])[0]), Claim::Nobody);
}

#[test]
fn the_digest_says_what_is_selected_and_not_how_it_was_learnt() {
    let (yum, files) = (route("yum", "1.0.0", &["rpm"]), route("static", "1.0.0", &["file"]));
    let digest = table([yum.clone(), files.clone()]).digest();
    let restarted = Route { generation: 9, ..yum.clone() };
    assert_eq!(table([files.clone(), yum.clone(), restarted]).digest(), digest);
    assert_ne!(table([yum.clone()]).digest(), digest);
    let other = Route { policy: Digest::sha256(b"other"), ..yum.clone() };
    assert_ne!(table([other, files.clone()]).digest(), digest);
    assert_ne!(RouteTable::build([yum, files], [], &BTreeMap::new()).digest(), digest);
}

#[test]
fn the_order_of_what_is_announced_counts_for_nothing() {
    let mut routes = vec![
        route("yum", "1.0.0", &["rpm"]),
        route("yum", "2.0.0", &["rpm"]),
        route("yum", "2.0.0", &["rpm", "module"]), // same version, generation and policy
        Route { generation: 2, ..route("yum", "1.0.0", &["rpm"]) },
        route("static", "1.0.0", &["file"]),
    ];
    let expected = table(routes.clone());
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        for reversed in [routes.clone(), routes.iter().rev().cloned().collect()] {
            let table = table(reversed);
            assert_eq!(table.digest(), expected.digest());
            assert!(table.routes().eq(expected.routes()));
            assert_eq!(table.passed_over(), expected.passed_over());
            assert_eq!(table.conflicts(), expected.conflicts());
        }
    }
}
