//! Tests of what is remembered, and for how long.

use std::collections::HashSet;

use http::Method;

use super::*;

pub(super) fn record(status: u16) -> Record {
    let mut record = Record::begin(Request {
        method: Method::GET,
        target: "/artifacts/yum/r/repo/a.rpm".to_owned(),
        principal: "anonymous".into(),
        client: None,
    });
    record.status = StatusCode::from_u16(status).unwrap();
    record
}

fn decisions(recent_max: usize) -> Decisions {
    let log = log::Config::default();
    Decisions::open(&Config { recent_max, denied_max: 2, failed_max: 2, bytes_max: 1 << 20, log }).unwrap()
}

#[test]
fn ids_are_short_and_differ() {
    let ids: HashSet<_> = (0..10_000).map(|_| DecisionId::next()).collect();
    assert_eq!(ids.len(), 10_000);
    for id in ids {
        assert_eq!(id.as_str().len(), 12);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    assert_eq!("xyz".parse::<DecisionId>(), Err(InvalidDecisionId));
}

#[test]
fn a_sample_by_id_is_as_large_as_it_should_be() {
    let within = (0..10_000).filter(|_| DecisionId::next().fraction() < 0.25).count();
    assert!((2_000..3_000).contains(&within), "{within}");
    assert!((0..1_000).all(|_| (0.0..1.0).contains(&DecisionId::next().fraction())));
}

#[test]
fn the_oldest_is_forgotten_first() {
    let decisions = decisions(DecisionId::PLACES);
    let kept: Vec<_> = (0..20 * DecisionId::PLACES).map(|_| record(200)).collect();
    let ids: Vec<_> = kept.iter().map(|record| record.id).collect();
    kept.into_iter().for_each(|record| decisions.keep(record));
    let known: Vec<_> = ids.iter().map(|id| decisions.get(*id).is_some()).collect();
    // Other tests take ids as well, so the turns are not exact.
    assert!(known[..10 * DecisionId::PLACES].iter().filter(|known| **known).count() <= 4, "{known:?}");
    assert_eq!(known.last(), Some(&true));
}

#[test]
fn failures_and_refusals_outlive_a_flood_of_anything_else() {
    let decisions = decisions(32);
    let kept: Vec<_> = [503, 403].map(record).into_iter().collect();
    let ids: Vec<_> = kept.iter().map(|record| record.id).collect();
    kept.into_iter().for_each(|record| decisions.keep(record));
    for _ in 0..1_000 {
        decisions.keep(record(200));
        decisions.keep(record(404));
    }
    let statuses: Vec<_> = ids.iter().map(|id| decisions.get(*id).unwrap().status.as_u16()).collect();
    assert_eq!(statuses, [503, 403]);
}

#[test]
fn large_requests_leave_room_for_fewer() {
    let log = log::Config::default();
    let config = Config { recent_max: 4_096, bytes_max: 1 << 20, log, ..Config::default() };
    let decisions = Decisions::open(&config).unwrap();
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        let mut record = record(200);
        record.target = "x".repeat(16 * 1024);
        ids.push(record.id);
        decisions.keep(record);
    }
    let known = ids.iter().filter(|id| decisions.get(**id).is_some()).count();
    assert!((32..=64).contains(&known), "{known}");
}

#[test]
fn a_record_reads_as_json() {
    let record = record(404);
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["id"], record.id.as_str());
    assert_eq!(json["method"], "GET");
    assert_eq!(json["status"], 404);
    assert_eq!(json["selected"], serde_json::Value::Null);
}
