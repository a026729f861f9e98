//! Tests of ranges and preconditions.

use http::header::{HeaderMap, HeaderName};

use super::{Wanted, wanted};

const ETAG: &str = "\"sha256:ab\"";

fn ask(pairs: &[(&str, &str)], size: u64) -> Wanted {
    let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    wanted(&pairs.iter().map(pair).collect::<HeaderMap>(), ETAG, size)
}

#[test]
fn one_range_is_a_part() {
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=2-4", 2..5),
        ("bytes=7-", 7..10),
        ("bytes=-3", 7..10),
        ("bytes=-30", 0..10),
        ("bytes=8-99999999999999999999999", 8..10),
        ("Bytes = 1 - 2", 1..3),
    ] {
        assert_eq!(ask(&[("range", range)], 10), Wanted::Part(part), "{range}");
    }
}

#[test]
fn what_is_no_single_range_of_bytes_is_ignored() {
    for range in ["bytes=-", "bytes=a-b", "lines=1-2", "bytes", "bytes=0-1,4-5", "bytes=--1"] {
        assert_eq!(ask(&[("range", range)], 10), Wanted::Whole, "{range}");
    }
}

#[test]
fn a_range_past_the_end_cannot_be_satisfied() {
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=4-2"] {
        assert_eq!(ask(&[("range", range)], 10), Wanted::Unsatisfiable, "{range}");
    }
    assert_eq!(ask(&[("range", "bytes=0-")], 0), Wanted::Unsatisfiable);
}

#[test]
fn a_client_that_has_it_is_told_so() {
    for given in [ETAG, "*", "W/\"sha256:ab\"", "\"x\", \"sha256:ab\""] {
        assert_eq!(ask(&[("if-none-match", given), ("range", "bytes=0-1")], 10), Wanted::Nothing, "{given}");
    }
    assert_eq!(ask(&[("if-none-match", "\"x\"")], 10), Wanted::Whole);
}

#[test]
fn a_range_of_something_else_is_answered_whole() {
    assert_eq!(ask(&[("range", "bytes=0-1"), ("if-range", ETAG)], 10), Wanted::Part(0..2));
    assert_eq!(ask(&[("range", "bytes=0-1"), ("if-range", "\"x\"")], 10), Wanted::Whole);
}
