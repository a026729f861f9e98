//! Tests of what policies see.

use super::*;

fn see(target: &str, pairs: &[(&str, &str)]) -> Result<Input, Problem> {
    let pair =
        |(name, value): &(&str, &str)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
    let headers: HeaderMap = pairs.iter().map(pair).collect();
    input("GET", &target.parse().unwrap(), &headers, &Principal::Anonymous)
}

#[test]
fn the_path_is_decoded_and_the_query_is_apart() {
    let input = see("/artifacts/yum/r%C3%A9p/repo/a%20b.rpm?x=1&x=2&y", &[]).unwrap();
    assert_eq!(input.path, "/artifacts/yum/r\u{e9}p/repo/a b.rpm");
    assert_eq!(input.query["x"], ["1", "2"]);
    assert_eq!(input.query["y"], [""]);
}

#[test]
fn a_path_that_climbs_is_refused_in_every_spelling() {
    for path in
        ["/artifacts/yum/../static", "/artifacts/%2e%2e/x", "/a/%2E/b", "/a%2f..%2fb", "/a%00b", "/%ff"]
    {
        assert!(see(path, &[]).is_err(), "{path}");
    }
    assert!(see("/a/..b/c...", &[]).is_ok());
}

#[test]
fn the_host_has_no_port() {
    for (given, host) in
        [("Mirror.Example:8080", "mirror.example"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
    {
        assert_eq!(see("/", &[("host", given)]).unwrap().host, host);
    }
}

#[test]
fn credentials_are_not_seen_and_types_are_parsed() {
    let input = see(
        "/",
        &[
            ("authorization", "Basic eDp5"),
            ("cookie", "a=b"),
            ("accept", "application/json;q=0.5, */*, text/plain"),
            ("content-type", "Application/JSON; charset=utf-8"),
        ],
    )
    .unwrap();
    assert_eq!(input.headers().keys().collect::<Vec<_>>(), ["accept", "content-type"]);
    assert_eq!(input.media_type.unwrap().as_str(), "application/json");
    assert_eq!(
        input.accept.iter().map(MediaType::as_str).collect::<Vec<_>>(),
        ["application/json", "text/plain"]
    );
}
