//! Every message survives the wire, and what is no message is refused.

use std::net::SocketAddr;

use bytes::Bytes;
use gossamer_events::{Action, Event, LogId, Origin, Sequence};
use gossamer_oci::{Digest, MediaType, PluginName};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use semver::Version;
use time::OffsetDateTime;

use crate::{
    Announcement, Eviction, Generation, InvalidMessage, JoinConfirm, JoinConfirmed, JoinRequest,
    JoinResponse, LastGood, NodeId, PluginRoute, Policy, PullRequest, PullResponse, ReattestRequest, Record,
    RenewRequest, Role, Routes, Trust, event,
};

// === Words ===

fn blob() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..64).prop_map(Bytes::from)
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<[u8; 16]>().prop_map(NodeId::from_bytes)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 8]>().prop_map(|content| Digest::sha256(&content))
}

fn plugin() -> impl Strategy<Value = PluginName> {
    "[a-z][a-z0-9]{0,30}".prop_map(|text| text.parse().unwrap())
}

fn media_type() -> impl Strategy<Value = MediaType> {
    "application/vnd\\.[a-z]{1,20}\\+json".prop_map(|text| text.parse().unwrap())
}

fn version() -> impl Strategy<Value = Version> {
    (any::<u16>(), any::<u16>(), any::<u16>())
        .prop_map(|(major, minor, patch)| Version::new(major.into(), minor.into(), patch.into()))
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Core), plugin().prop_map(Role::Plugin), Just(Role::Agent)]
}

fn time() -> impl Strategy<Value = OffsetDateTime> {
    (-10_000_000_000_i64..10_000_000_000, 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| {
        let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        time.replace_nanosecond(nanos).unwrap()
    })
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        any::<String>().prop_map(|principal| Origin::External { principal }),
        plugin().prop_map(|name| Origin::Plugin { name }),
    ]
}

// === Messages ===

prop_compose! {
    fn record()(
        (node, revision, generation) in (node(), any::<u64>(), any::<u64>()),
        (role, version, service) in (role(), option::of(version()), option::of(address())),
        (announcement, route_table) in (option::of(digest()), option::of(digest())),
        leaving in any::<bool>(),
    ) -> Record {
        let generation = Generation::new(generation);
        Record {
            node, revision, generation, role, version, service, announcement, route_table, leaving,
        }
    }
}

prop_compose! {
    fn announcement()(
        (node, generation, plugin) in (node(), any::<u64>(), plugin()),
        (version, service) in (version(), address()),
        (media_types, kinds) in (vec(media_type(), 0..4), vec("[a-z]{1,64}", 0..4)),
        (module, data) in (any::<String>(), any::<String>()),
    ) -> Announcement {
        let generation = Generation::new(generation);
        let policy = Policy { module, data };
        Announcement { node, generation, plugin, version, media_types, kinds, service, policy }
    }
}

prop_compose! {
    fn an_event()(
        (sequence, repository) in (any::<u64>(), "[a-z]{1,9}(/[a-z]{1,9}){0,3}"),
        (digest, tag) in (digest(), option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}")),
        (media_type, payload) in (option::of(media_type()), blob()),
        (action, origin) in (proptest::sample::select(Action::ALL.to_vec()), origin()),
        (time, traceparent) in (time(), option::of(any::<String>())),
    ) -> Event {
        Event {
            sequence: Sequence::new(sequence),
            repository: repository.parse().unwrap(),
            digest,
            tag: tag.map(|text| text.parse().unwrap()),
            media_type,
            payload,
            action,
            origin,
            time,
            traceparent,
        }
    }
}

proptest! {
    #[test]
    fn what_members_gossip_survives_the_wire(record in record()) {
        prop_assert_eq!(&Record::decode(&record.encode()).unwrap(), &record);
    }

    #[test]
    fn announcements_survive_the_wire(announcement in announcement()) {
        let bytes = announcement.encode();
        let decoded = Announcement::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded, &announcement);
        prop_assert_eq!(decoded.encode(), &bytes);
        prop_assert_eq!(decoded.digest(), Digest::sha256(&bytes));
        let request = PullRequest { digest: decoded.digest() };
        prop_assert_eq!(&PullRequest::decode(&request.encode()).unwrap(), &request);
        for announcement in [None, Some(bytes)] {
            let response = PullResponse { announcement };
            prop_assert_eq!(&PullResponse::decode(&response.encode()).unwrap(), &response);
        }
    }

    #[test]
    fn route_tables_survive_the_wire(
        digest in digest(),
        plugins in vec((plugin(), version(), digest(), vec(media_type(), 0..4), any::<u32>()), 0..4),
        last_good in vec((plugin(), digest(), any::<u64>()), 0..4),
    ) {
        let plugins = plugins.into_iter().map(|(plugin, version, policy, media_types, instances)| {
            PluginRoute { plugin, version, policy, media_types, instances }
        });
        let last_good = last_good.into_iter().map(|(plugin, announcement, since_ms)| {
            LastGood { plugin, announcement, since_ms }
        });
        let routes = Routes { digest, plugins: plugins.collect(), last_good: last_good.collect() };
        prop_assert_eq!(&Routes::decode(&routes.encode()).unwrap(), &routes);
    }

    #[test]
    fn events_survive_the_wire(event in an_event(), log in any::<[u8; 16]>()) {
        let log = LogId::from_bytes(log);
        prop_assert_eq!(event::decode(&event::encode(log, &event)).unwrap(), (log, event.clone()));
        let unnamed = event::encode(LogId::UNNAMED, &event);
        prop_assert_eq!(event::decode(&unnamed).unwrap(), (LogId::UNNAMED, event));
    }

    #[test]
    fn joining_survives_the_wire(
        (token_id, secret, csr) in (any::<String>(), any::<String>(), blob()),
        (chain, roots, cores) in (vec(blob(), 0..4), vec(blob(), 0..4), vec(address(), 0..4)),
        certificate_digest in digest(),
    ) {
        let renew = RenewRequest { csr: csr.clone() };
        prop_assert_eq!(&RenewRequest::decode(&renew.encode()).unwrap(), &renew);
        let reattest = ReattestRequest { csr: csr.clone(), chain: chain.clone() };
        prop_assert_eq!(&ReattestRequest::decode(&reattest.encode()).unwrap(), &reattest);
        let authority_csr = chain.first().cloned();
        let (token, hidden) = (token_id.clone(), secret.clone());
        let join = JoinRequest { token_id: token, secret: hidden, csr, authority_csr };
        prop_assert_eq!(&JoinRequest::decode(&join.encode()).unwrap(), &join);
        let confirm = JoinConfirm { token_id, secret, certificate_digest };
        prop_assert_eq!(&JoinConfirm::decode(&confirm.encode()).unwrap(), &confirm);
        let mesh = "home".parse().unwrap();
        let authority = roots.clone();
        let response = JoinResponse { chain, roots, mesh, cores, authority };
        prop_assert_eq!(&JoinResponse::decode(&response.encode()).unwrap(), &response);
        let eviction = Eviction { node: NodeId::from_bytes([7; 16]), until: i64::MAX };
        let trust = Trust { roots: certificate_digest, evictions: vec![eviction] };
        prop_assert_eq!(&Trust::decode(&trust.encode()).unwrap(), &trust);
        prop_assert_eq!(JoinConfirmed::decode(&JoinConfirmed.encode()).unwrap(), JoinConfirmed);
    }

    #[test]
    fn noise_is_refused_or_valid_but_never_a_crash(bytes in vec(any::<u8>(), 0..512)) {
        drop(Record::decode(&bytes));
        drop(Announcement::decode(&bytes));
        drop(JoinResponse::decode(&bytes));
        drop(Trust::decode(&bytes));
        drop(Routes::decode(&bytes));
        drop(event::decode(&bytes));
    }

    #[test]
    fn policies_that_differ_have_names_that_differ(a in any::<[String; 2]>(), b in any::<[String; 2]>()) {
        let [policy, other] = [a, b].map(|[module, data]| Policy { module, data });
        prop_assert_eq!(policy == other, policy.digest() == other.digest());
    }
}

// === Single cases ===

#[test]
fn text_does_not_move_between_module_and_data() {
    let policy = |module: &str, data: &str| Policy { module: module.into(), data: data.into() };
    assert_ne!(policy("ab", "c").digest(), policy("a", "bc").digest());
}

#[test]
fn the_longest_record_fits_beside_other_gossip() {
    let longest = Record {
        node: NodeId::random(),
        revision: u64::MAX,
        generation: Generation::new(u64::MAX),
        role: Role::Plugin("p".repeat(40).parse().unwrap()),
        version: Some(format!("1.2.3-{}", "a".repeat(58)).parse().unwrap()),
        service: Some("[2001:db8::1]:65535".parse().unwrap()),
        announcement: Some(Digest::sha256(b"announcement")),
        route_table: Some(Digest::sha256(b"routes")),
        leaving: true,
    };
    let bytes = longest.encode();
    assert!(bytes.len() <= 300, "{} bytes", bytes.len());
    assert_eq!(Record::decode(&bytes).unwrap(), longest);
}

#[test]
fn beskar_can_read_our_events() {
    let event = Event {
        sequence: Sequence::new(7),
        repository: "a/b".parse().unwrap(),
        digest: Digest::sha256(b"{}"),
        tag: None,
        media_type: Some("application/x".parse().unwrap()),
        payload: Bytes::from_static(b"{}"),
        action: Action::ManifestDelete,
        origin: Origin::External { principal: "ann".into() },
        time: OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    };
    let digest = event.digest.to_string();
    let mut expected = vec![0x0a, 3];
    expected.extend(b"a/b");
    expected.extend([0x12, digest.len() as u8]);
    expected.extend(digest.bytes());
    expected.extend([0x1a, 13]);
    expected.extend(b"application/x");
    expected.extend([0x22, 2]);
    expected.extend(b"{}");
    expected.extend([0x28, 2, 0x30, 1]); // action = DELETE, origin = EXTERNAL
    assert!(event::encode(LogId::UNNAMED, &event).starts_with(&expected));
}

#[test]
fn what_is_too_large_is_not_looked_at() {
    let error = Record::decode(&[0; 513]).unwrap_err();
    let expected = (512, 513);
    assert!(matches!(error, InvalidMessage::TooLarge { limit, actual } if (limit, actual) == expected));
    assert!(event::decode(&vec![0; event::BYTES_MAX + 1]).is_err());
}

#[test]
fn what_is_missing_is_named() {
    assert!(matches!(
        Record::decode(&[0x0a, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        Err(InvalidMessage::Missing("role"))
    ));
}

#[test]
fn secrets_are_not_printed() {
    let secret = String::from("hunter2");
    let request =
        JoinRequest { token_id: "t".into(), secret: secret.clone(), csr: Bytes::new(), authority_csr: None };
    let confirm =
        JoinConfirm { token_id: "t".into(), secret: secret.clone(), certificate_digest: Digest::sha256(b"") };
    assert!(!format!("{request:?} {confirm:?}").contains(&secret));
}

#[test]
fn names_have_one_form() {
    let node = NodeId::from_bytes([0xab; 16]);
    assert_eq!(node.to_string(), "ab".repeat(16));
    assert_eq!(node.to_string().parse(), Ok(node));
    for text in ["AB".repeat(16), "ab".repeat(15), "ab".repeat(17)] {
        assert!(text.parse::<NodeId>().is_err(), "{text}");
    }
    for name in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
        assert!(name.parse::<crate::MeshName>().is_err(), "{name:?}");
    }
    assert_eq!("home-1".parse::<crate::MeshName>().unwrap().as_str(), "home-1");
}
