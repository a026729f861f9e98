//! Tests of what is remembered, and for how long.

use super::*;

fn record(status: u16) -> Record {
    Record {
        id: DecisionId::random(),
        time: OffsetDateTime::UNIX_EPOCH,
        method: "GET".to_owned(),
        target: "/artifacts/yum/r/repo/a.rpm".to_owned(),
        principal: "anonymous".to_owned(),
        client: None,
        selected: None,
        decision: None,
        trail: None,
        replicas: Vec::new(),
        routes: None,
        detail: None,
        status: http::StatusCode::from_u16(status).unwrap(),
        failure: None,
        micros: 0,
    }
}

#[test]
fn ids_are_short_and_differ() {
    let (one, other) = (DecisionId::random(), DecisionId::random());
    assert_eq!(one.as_str().len(), 12);
    assert_ne!(one, other);
}

#[test]
fn the_oldest_is_forgotten_first() {
    let decisions = Decisions::new(2);
    let ids: Vec<_> = (0..3)
        .map(|_| {
            let record = record(200);
            let id = record.id.clone();
            decisions.keep(record);
            id
        })
        .collect();
    assert!(decisions.get(&ids[0]).is_none());
    assert!(decisions.get(&ids[1]).is_some());
    assert!(decisions.get(&ids[2]).is_some());
}

#[test]
fn a_failure_outlives_a_flood_of_successes() {
    let decisions = Decisions::new(2);
    let failure = record(503);
    let id = failure.id.clone();
    decisions.keep(failure);
    for _ in 0..100 {
        decisions.keep(record(200));
    }
    assert_eq!(decisions.get(&id).unwrap().status, 503);
}

#[test]
fn a_record_reads_as_json() {
    let json = serde_json::to_value(record(404)).unwrap();
    assert_eq!(json["status"], 404);
    assert_eq!(json["time"], "1970-01-01T00:00:00Z");
    assert_eq!(json["selected"], serde_json::Value::Null);
}
