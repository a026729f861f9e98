//! What the service answers before it reaches a plugin's router.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use tower::ServiceExt as _;

use super::{EVENTS_PATH, router};
use crate::inbox::Inbox;
use crate::{Database, inbox};

async fn service(directory: &tempfile::TempDir) -> (Router, inbox::Arrivals) {
    let database = Database::open(&directory.path().join("plugin.db")).unwrap();
    let (inbox, arrivals) = Inbox::open(database).await.unwrap();
    let plugin = Router::new().route("/artifacts/test/hello", get(|| async { "hello" }));
    (router(inbox, plugin), arrivals)
}

async fn status(service: &Router, request: Request<Body>) -> StatusCode {
    service.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn health_events_and_everything_else() {
    let directory = tempfile::tempdir().unwrap();
    let (service, _arrivals) = service(&directory).await;
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(status(&service, get("/livez")).await, StatusCode::OK);
    assert_eq!(status(&service, get("/artifacts/test/hello")).await, StatusCode::OK);
    assert_eq!(status(&service, get("/artifacts/test/other")).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&service, get(EVENTS_PATH)).await, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (service, _arrivals) = service(&directory).await;
    let garbage = Request::post(EVENTS_PATH).body(Body::from("garbage")).unwrap();
    assert_eq!(status(&service, garbage).await, StatusCode::BAD_REQUEST);
    let flood = Request::post(EVENTS_PATH).body(Body::from(vec![0; 5 * 1024 * 1024])).unwrap();
    assert_eq!(status(&service, flood).await, StatusCode::PAYLOAD_TOO_LARGE);
}
