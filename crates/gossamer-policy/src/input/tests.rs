//! What gets into an input, and what does not.

use super::*;

#[test]
fn headers_are_lower_case_joined_and_without_credentials() {
    let mut input = Input::new("GET", "/");
    input.set_headers([
        ("Accept", "text/html"),
        ("accept", "text/plain"),
        ("Authorization", "Basic eDp5"),
        ("Cookie", "a=b"),
    ]);
    assert_eq!(
        input.headers().iter().collect::<Vec<_>>(),
        [(&"accept".to_owned(), &"text/html, text/plain".to_owned())]
    );
}

#[test]
fn the_body_is_not_part_of_what_a_policy_sees() {
    let input = Input::new("POST", "/").with_body("secret");
    assert!(!serde_json::to_string(&input).unwrap().contains("secret"));
}
