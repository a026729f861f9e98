//! Bodies on loan: bounds, silence, and that what is left over is read.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, Request, header};

use super::{Lent, Loan, lend};

fn borrow(request: Request<Body>) -> (Lent, Loan) {
    let (parts, body) = request.into_parts();
    lend(body, &parts.headers)
}

fn pieces(count: usize) -> (Body, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let pieces = stream::iter(0..count).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from_static(b"piece"))
    });
    (Body::from_stream(pieces), taken)
}

#[tokio::test]
async fn a_body_is_collected_up_to_its_bound() {
    let (body, _) = borrow(Request::new(pieces(2).0));
    assert_eq!(body.collect(10).await.unwrap(), "piecepiece");
    let (body, _) = borrow(Request::new(pieces(3).0));
    assert!(body.collect(10).await.is_err());
}

#[tokio::test]
async fn what_is_left_over_is_read_when_the_loan_is_settled() {
    let (body, taken) = pieces(7);
    let (body, loan) = borrow(Request::new(body));
    drop(body);
    loan.settle().await;
    assert_eq!(taken.load(Ordering::Relaxed), 7);
}

#[tokio::test]
async fn a_client_that_waits_is_not_asked_to_send() {
    let (body, taken) = pieces(7);
    let mut request = Request::new(body);
    request.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    let (body, loan) = borrow(request);
    drop(body);
    loan.settle().await;
    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_body() {
    let (mut body, _) =
        borrow(Request::new(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())));
    let piece = tokio::time::timeout(Duration::from_secs(3600), body.next()).await.unwrap();
    assert!(piece.unwrap().is_err());
}
