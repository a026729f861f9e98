//! Joining over real QUIC on loopback, against a core that is only an issuer.

use gossamer_identity::TokenRefused;

use super::*;
use crate::joining::test_issuer::{HOUR, TestIssuer, yum};

#[tokio::test]
async fn a_token_is_traded_for_a_certificate_that_is_there_at_the_next_start() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token(yum());
    let home = tempfile::tempdir().unwrap();

    let joined = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(joined.peer().grant, yum());
    assert_eq!(issuer.open_tokens(), 0, "it is burnt");

    let again = join(home.path(), None).await.unwrap();
    assert_eq!(again.peer(), joined.peer());
    let once_more = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(once_more.peer(), joined.peer(), "a token that has served is passed over");
}

#[tokio::test]
async fn without_a_token_or_a_certificate_nobody_joins() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(join(home.path(), None).await, Err(JoinError::NoToken)));
}

#[tokio::test]
async fn a_used_token_is_refused_at_once() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token(yum());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    join(first.path(), Some(&token)).await.unwrap();

    let Err(JoinError::Refused(refusal)) = join(second.path(), Some(&token)).await else {
        panic!("a used token let a node in");
    };
    assert_eq!(refusal.reason, TokenRefused::Used.to_string());
}

#[tokio::test]
async fn a_node_that_crashed_before_it_confirmed_does_so_at_its_next_start() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token(yum());
    let home = tempfile::tempdir().unwrap();
    issuer.refuse_confirmations(true);
    let joined = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(issuer.open_tokens(), 1);

    issuer.refuse_confirmations(false);
    let again = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(again.peer(), joined.peer());
    assert_eq!(issuer.open_tokens(), 0);
}

#[tokio::test]
async fn a_node_that_crashed_before_it_stored_joins_with_the_same_key() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token(yum());
    let home = tempfile::tempdir().unwrap();
    issuer.refuse_confirmations(true);
    let lost = join(home.path(), Some(&token)).await.unwrap();
    std::fs::remove_file(home.path().join("chain.pem")).unwrap();

    issuer.refuse_confirmations(false);
    let joined = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(joined.node(), lost.node());
    assert_ne!(joined.peer().certificate, lost.peer().certificate);
    assert_eq!(issuer.open_tokens(), 0);
}

#[tokio::test]
async fn a_core_that_does_not_answer_is_passed_over() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token(yum());
    let nobody = "127.0.0.1:1".parse().unwrap();
    let strangers = Strangers::to(vec![nobody, issuer.address()], vec![token.pin()]).unwrap();
    let request = JoinRequest {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        csr: NodeKey::generate().unwrap().signing_request().unwrap().into(),
        authority_csr: None,
    };
    let answered = strangers.ask(Patience::Endless, method::JOIN, &request.encode()).await;
    assert!(matches!(answered, Round::Answered(_)));
}

#[tokio::test]
async fn a_token_for_another_mesh_is_refused_before_anybody_is_asked() {
    let (issuer, home) = (TestIssuer::start().await, tempfile::tempdir().unwrap());
    join(home.path(), Some(&issuer.token(yum()))).await.unwrap();
    let pin = issuer.token(yum()).pin();
    let foreign = JoinToken::new(vec![issuer.address()], "prod".parse().unwrap(), pin, yum()).unwrap();
    assert!(matches!(join(home.path(), Some(&foreign)).await, Err(JoinError::OtherMesh { .. })));
}

#[tokio::test]
async fn a_mesh_that_was_made_anew_under_its_old_name_is_joined_with_its_token() {
    let (old, new) = (TestIssuer::start().await, TestIssuer::start().await);
    let home = tempfile::tempdir().unwrap();
    let before = join(home.path(), Some(&old.token(yum()))).await.unwrap();
    let token = new.token(yum());
    let after = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(after.id(), before.id());
    assert_eq!(after.roots(), new.authority().roots());

    let kept = join(home.path(), Some(&token)).await.unwrap();
    assert_eq!(kept.peer(), after.peer());
}

#[tokio::test]
async fn certificates_that_do_not_fit_together_are_replaced_by_joining_again() {
    let (old, new) = (TestIssuer::start().await, TestIssuer::start().await);
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    join(home.path(), Some(&old.token(yum()))).await.unwrap();
    join(other.path(), Some(&new.token(yum()))).await.unwrap();
    std::fs::copy(other.path().join("roots.pem"), home.path().join("roots.pem")).unwrap();

    assert!(matches!(join(home.path(), None).await, Err(JoinError::Load(_))));
    let joined = join(home.path(), Some(&new.token(yum()))).await.unwrap();
    assert_eq!(joined.roots(), new.authority().roots());
}

#[tokio::test]
async fn a_node_whose_certificate_has_ended_comes_back_without_a_token() {
    let issuer = TestIssuer::start().await;
    let home = tempfile::tempdir().unwrap();
    let key = NodeKey::load_or_create(home.path()).unwrap();
    let ended = issuer.enrol(key, OffsetDateTime::now_utc() - HOUR * 30);
    ended.store(home.path()).unwrap();
    Notes::new(home.path()).note_issuers(&[issuer.address()]).unwrap();

    let back = join(home.path(), None).await.unwrap();
    assert_eq!(back.id(), ended.id());
    assert!(back.validity().contains(OffsetDateTime::now_utc()));
    assert_eq!(Identity::load(home.path()).unwrap().unwrap().peer(), back.peer());
}
