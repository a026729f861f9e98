//! What another instance can be sent of a body.

use futures::stream;
use http_body_util::BodyExt as _;

use super::*;

fn body(chunks: &[&'static str]) -> Body {
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, std::io::Error>(*chunk)).collect();
    Body::from_stream(stream::iter(chunks))
}

async fn text(body: Body) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn what_was_taken_is_sent_again() {
    let replay = Replay::new(body(&["one ", "two ", "three"]));
    let mut sent = replay.body();
    sent.frame().await.unwrap().unwrap();
    sent.frame().await.unwrap().unwrap();
    assert_eq!(replay.frames(), 2);
    assert_eq!(text(replay.take_back().unwrap()).await, "one two three");
}

#[tokio::test]
async fn the_first_instance_cannot_take_half_a_body_for_a_whole_one() {
    let replay = Replay::new(body(&["one ", "two"]));
    let mut sent = replay.body();
    sent.frame().await.unwrap().unwrap();
    let _again = replay.take_back().unwrap();
    assert!(!sent.is_end_stream());
    assert!(sent.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn a_body_that_nobody_took_is_given_back_as_it_is() {
    assert_eq!(text(Replay::new(body(&["whole"])).take_back().unwrap()).await, "whole");
    assert_eq!(text(Replay::new(Body::empty()).take_back().unwrap()).await, "");
}

#[tokio::test]
async fn what_is_too_large_to_keep_is_gone() {
    let large: &'static str = "x".repeat(KEPT_BYTES_MAX).leak();
    let replay = Replay::new(body(&[large, "more"]));
    let mut sent = replay.body();
    sent.frame().await.unwrap().unwrap();
    sent.frame().await.unwrap().unwrap();
    assert!(replay.take_back().is_none());
    assert!(sent.frame().await.is_none(), "the only copy goes on");
}

#[tokio::test]
async fn an_answer_ends_the_keeping() {
    let replay = Replay::new(body(&["one", "two"]));
    let sent = replay.body();
    replay.settle();
    assert!(replay.take_back().is_none());
    assert_eq!(text(sent).await, "onetwo");
}

#[test]
fn the_length_stays_the_same_however_much_was_taken() {
    let again = Again { chunks: [Bytes::from_static(b"abc")].into(), rest: Body::from("defg") };
    assert_eq!(again.size_hint().exact(), Some(7));
}
