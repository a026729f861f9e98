//! Tests of error bodies.

use axum::response::IntoResponse as _;
use http::StatusCode;
use http_body_util::BodyExt as _;

use super::{DECISION, Problem};

async fn render(problem: Problem) -> (http::response::Parts, serde_json::Value) {
    let (head, body) = problem.into_response().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_problem_says_status_title_detail_and_decision() {
    let (head, body) = render(Problem::new(StatusCode::NOT_FOUND, "no route").decided("0af1")).await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
    assert_eq!(head.headers["content-type"], "application/problem+json");
    assert_eq!(head.headers[DECISION], "0af1");
    let expected = serde_json::json!({
        "status": 404, "title": "Not Found", "detail": "no route", "decision": "0af1",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_unknown_are_challenged_and_the_known_are_refused() {
    let (head, _) = render(Problem::refused(true, "push")).await;
    assert_eq!(head.status, StatusCode::UNAUTHORIZED);
    assert!(head.headers.contains_key("www-authenticate"));
    let (head, _) = render(Problem::refused(false, "push")).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN);
    assert!(!head.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn what_may_be_tried_again_says_when() {
    let (head, _) = render(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy")).await;
    assert_eq!(head.headers["retry-after"], "1");
}
