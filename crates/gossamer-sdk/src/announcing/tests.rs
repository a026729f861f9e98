//! What is announced is what is pulled.

use std::sync::Arc;
use std::time::Duration;

use gossamer_identity::Authority;
use gossamer_oci::Digest;
use gossamer_wire::{Announcement, Generation, NodeId, Policy, PullRequest, PullResponse, Role};

use time::OffsetDateTime;

use super::{Pulls, leaving_record, record, silent_record};
use crate::trusting::Trusting;

fn announced() -> Announcement {
    Announcement {
        node: NodeId::random(),
        generation: Generation::new(3),
        plugin: "static".parse().unwrap(),
        version: "1.2.3".parse().unwrap(),
        media_types: Vec::new(),
        kinds: Vec::new(),
        service: "127.0.0.1:7000".parse().unwrap(),
        policy: Policy { module: "package router".to_owned(), data: "{}".to_owned() },
    }
}

fn pull(pulls: &Pulls, digest: Digest) -> Option<Announcement> {
    let answer = pulls.pull(&PullRequest { digest }.encode()).unwrap();
    let encoded = PullResponse::decode(&answer).unwrap().announcement;
    encoded.map(|encoded| Announcement::decode(&encoded).unwrap())
}

#[test]
fn whoever_saw_the_digest_gets_what_it_names() {
    let announcement = Arc::new(announced());
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::open_or_create(home.path(), &"dev".parse().unwrap()).unwrap();
    let own =
        authority.own_identity(home.path(), Duration::from_secs(60), OffsetDateTime::now_utc()).unwrap();
    let pulls = Pulls::new(Arc::clone(&announcement), Trusting::new(own));
    let digest = record(&announcement, Role::Agent).announcement.unwrap();
    assert_eq!(pull(&pulls, digest).as_ref(), Some(&*announcement));
    assert_eq!(pull(&pulls, Digest::sha256(b"another")), None);
    assert!(pulls.pull(b"\xff").is_err());
}

#[test]
fn a_plugin_is_announced_only_while_it_serves() {
    let announcement = announced();
    assert_eq!(
        (
            silent_record(&announcement, Role::Agent).service,
            silent_record(&announcement, Role::Agent).announcement
        ),
        (None, None)
    );
    assert_eq!(record(&announcement, Role::Agent).service, Some(announcement.service));
    assert!(
        leaving_record(&announcement, Role::Agent).leaving && !record(&announcement, Role::Agent).leaving
    );
}
