//! Chunks: what says where it belongs, and what does not.

use super::span;

#[test]
fn where_a_chunk_belongs() {
    assert_eq!(span("0-0"), Some(0..1));
    assert_eq!(span("50-149"), Some(50..150));
    for bad in [
        "",
        "-",
        "1",
        "5-4",
        "a-b",
        "-1-2",
        "1-",
        "-1",
        "+1-2",
        "1-+2",
        "0-1-2",
        "bytes 0-1/2",
        "bytes=0-1",
        " 0-1",
        "0-100000000000000000000",
        "0-18446744073709551615",
    ] {
        assert_eq!(span(bad), None, "{bad}");
    }
}
