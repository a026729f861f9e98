//! Renewal over a real mesh of two on loopback.

use std::time::Duration;

use gossamer_identity::NodeKey;
use tokio::time::timeout;

use super::*;
use crate::joining::test_issuer::{TestIssuer, member, yum};

#[tokio::test]
async fn a_certificate_is_renewed_over_the_mesh_and_stored() {
    let issuer = TestIssuer::start().await;
    let home = tempfile::tempdir().unwrap();
    let key = NodeKey::load_or_create(home.path()).unwrap();
    let life = Duration::from_secs(6);
    let identity = issuer.authority().enrol(key, &yum(), life, OffsetDateTime::now_utc()).unwrap();
    let first = identity.peer();
    let cluster = member(home.path(), &identity, vec![issuer.address()]).await;

    let stop = CancellationToken::new();
    let watching = async {
        while identity.peer().certificate == first.certificate
            || Identity::load(home.path()).unwrap().is_none_or(|stored| stored.peer() != identity.peer())
        {
            sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
    };
    let keeping = keep(home.path(), identity.clone(), cluster.clone(), stop.clone());
    timeout(Duration::from_secs(20), async { tokio::join!(keeping, watching) }).await.unwrap();

    assert_eq!(identity.id(), first.id);
    assert_eq!(identity.peer().grant, first.grant);
    assert!(identity.validity().not_after > first.not_after);
    cluster.leave().await;
}
