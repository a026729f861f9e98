//! Queries: encodings, repeated keys and page bounds.

use super::Query;

#[test]
fn values_are_decoded_and_plus_is_plus() {
    let query = Query::parse("artifactType=application%2Fvnd.x+json&&tag=a&tag=b&empty").unwrap();
    assert_eq!(query.get("artifactType"), Some("application/vnd.x+json"));
    assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(query.get("empty"), Some(""));
    assert_eq!(query.get("missing"), None);
    assert!(Query::parse("last=%ff").is_err());
}

#[test]
fn a_page_has_a_count_or_none() {
    let limit = |query: &str| Query::parse(query).unwrap().page().map(|page| page.limit);
    assert_eq!(limit("").unwrap(), None);
    assert_eq!(limit("n=0").unwrap(), Some(0));
    assert_eq!(limit("n=9000000000000000000").unwrap(), Some(9_000_000_000_000_000_000));
    assert_eq!(limit("n=99999999999999999999999").unwrap(), Some(usize::MAX));
    for bad in ["n=", "n=-1", "n=+1", "n=abc", "n=1.0", "n=%20"] {
        assert!(limit(bad).is_err(), "{bad}");
    }
    assert_eq!(Query::parse("last=../../x").unwrap().page().unwrap().after.as_deref(), Some("../../x"));
}
