//! Tests of bodies that a policy reads.

use futures::stream;

use super::*;

#[tokio::test]
async fn what_the_policy_read_is_what_the_plugin_gets() {
    let mut body =
        RequestBody::new(Body::from_stream(stream::iter(["{\"a\"", ":1}"].map(Ok::<_, std::io::Error>))));
    assert_eq!(body.as_input(), gossamer_policy::Body::Unread);
    body.read().await.unwrap();
    let whole = Bytes::from_static(b"{\"a\":1}");
    assert_eq!(body.as_input(), gossamer_policy::Body::Whole(whole.clone()));
    assert_eq!(body.into_inner().collect().await.unwrap().to_bytes(), whole);
}

#[tokio::test]
async fn no_body_is_known_without_reading() {
    assert_eq!(RequestBody::new(Body::empty()).as_input(), gossamer_policy::Body::Absent);
}

#[tokio::test]
async fn a_body_too_large_is_refused_whether_or_not_it_says_so() {
    let bytes = vec![b'a'; BODY_BYTES_MAX + 1];
    assert_eq!(RequestBody::new(Body::from(bytes.clone())).read().await, Err(ReadError::TooLarge));
    let unsized_body = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(bytes)]));
    assert_eq!(RequestBody::new(unsized_body).read().await, Err(ReadError::TooLarge));
}
