//! The issuer as joining nodes and members meet it, message by message.

use gossamer_identity::{InvalidCredentials, NodeKey};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn issuer(directory: &TempDir) -> Issuer {
    let issuer = Issuer::open(directory.path(), &"dev".parse().unwrap(), HOUR).unwrap();
    issuer.advertise(vec!["192.0.2.1:7946".parse().unwrap()]);
    issuer
}

fn yum() -> Grant {
    Grant {
        role: Role::Plugin("yum".parse().unwrap()),
        media_types: vec!["application/vnd.yum.*".parse().unwrap()],
    }
}

fn join_request(token: &JoinToken, csr: &[u8]) -> Bytes {
    JoinRequest {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        csr: Bytes::copy_from_slice(csr),
        authority_csr: None,
    }
    .encode()
}

fn confirmation(token: &JoinToken, identity: &Identity) -> Bytes {
    JoinConfirm {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        certificate_digest: identity.peer().certificate,
    }
    .encode()
}

fn identity(key: &NodeKey, answer: &[u8]) -> Result<Identity, InvalidCredentials> {
    let response = JoinResponse::decode(answer).unwrap();
    assert_eq!(response.mesh.as_str(), "dev");
    assert_eq!(response.cores.len(), 1);
    Identity::new(key.clone(), Credentials::from_response(&response))
}

#[tokio::test]
async fn a_token_leads_to_a_certificate_once() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = issuer(&directory);
    let token = issuer.create_token(yum(), HOUR).await.unwrap();
    let key = NodeKey::generate().unwrap();
    let csr = key.signing_request().unwrap();

    let lost = issuer.join(method::JOIN, join_request(&token, &csr)).await.unwrap();
    let restarted = self::issuer(&directory);
    let answer = restarted.join(method::JOIN, join_request(&token, &csr)).await.unwrap();
    assert_ne!(lost, answer);
    let joined = identity(&key, &answer).unwrap();
    assert_eq!(joined.node(), key.node());
    assert_eq!(joined.peer().grant, yum());

    let other = NodeKey::generate().unwrap().signing_request().unwrap();
    let refused = restarted.join(method::JOIN, join_request(&token, &other)).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Forbidden);

    restarted.join(method::CONFIRM, confirmation(&token, &joined)).await.unwrap();
    restarted.join(method::CONFIRM, confirmation(&token, &joined)).await.unwrap();
    let used = restarted.join(method::JOIN, join_request(&token, &csr)).await.unwrap_err();
    assert_eq!(used.kind, RefusalKind::Forbidden);
    assert!(used.reason.contains("has been used"), "{}", used.reason);
}

#[tokio::test]
async fn what_is_no_request_is_refused_without_a_trace() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = issuer(&directory);
    let token = issuer.create_token(yum(), HOUR).await.unwrap();
    let before = std::fs::read(directory.path().join(LEDGER_FILE)).unwrap();

    let refused = issuer.join(method::JOIN, Bytes::from_static(b"\xff\xff")).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Invalid);
    let refused = issuer.join(method::JOIN, join_request(&token, b"no csr")).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Invalid);
    let refused = issuer.join("pull", Bytes::new()).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::UnknownMethod);

    let mut forged = JoinRequest::decode(&join_request(&token, &[])).unwrap();
    forged.secret = "00".repeat(32);
    forged.csr = NodeKey::generate().unwrap().signing_request().unwrap().into();
    let refused = issuer.join(method::JOIN, forged.encode()).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Forbidden);
    assert_eq!(std::fs::read(directory.path().join(LEDGER_FILE)).unwrap(), before);
}

#[tokio::test]
async fn a_token_needs_an_address_an_end_and_a_bounded_grant() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = issuer(&directory);
    let long = issuer.create_token(yum(), TOKEN_LIFETIME_MAX * 2).await;
    assert!(matches!(long, Err(TokenError::TooLong)));
    let pattern = "application/vnd.yum.*".parse().unwrap();
    let broad = Grant { media_types: vec![pattern; Grant::MEDIA_TYPES_MAX + 1], ..yum() };
    assert!(matches!(issuer.create_token(broad, HOUR).await, Err(TokenError::TooBroad)));
    issuer.advertise(Vec::new());
    assert!(matches!(issuer.create_token(yum(), HOUR).await, Err(TokenError::NoAddress)));

    issuer.advertise(vec!["192.0.2.1:7946".parse().unwrap()]);
    let token = issuer.create_token(yum(), Duration::ZERO).await.unwrap();
    let csr = NodeKey::generate().unwrap().signing_request().unwrap();
    let refused = issuer.join(method::JOIN, join_request(&token, &csr)).await.unwrap_err();
    assert!(refused.reason.contains("expired"), "{}", refused.reason);
}

#[tokio::test]
async fn a_member_renews_with_the_grant_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = issuer(&directory);
    let key = NodeKey::generate().unwrap();
    let now = OffsetDateTime::now_utc();
    let member = issuer.desk.authority.load().enrol(key.clone(), &yum(), HOUR / 2, now).unwrap();
    let request = || RenewRequest { csr: key.signing_request().unwrap().into() }.encode();

    let renewed = identity(&key, &issuer.renew(member.peer(), request()).await.unwrap()).unwrap();
    assert_eq!((renewed.id(), renewed.peer().grant), (member.id(), yum()));
    assert!(renewed.validity().not_after > member.validity().not_after);

    let mut ended = member.peer();
    ended.not_after = now - HOUR;
    assert!(issuer.renew(ended.clone(), request()).await.is_ok(), "over a connection that outlived it");
    ended.not_after = now - GRACE - HOUR;
    assert_eq!(issuer.renew(ended, request()).await.unwrap_err().kind, RefusalKind::Forbidden);
}

#[tokio::test]
async fn a_node_comes_back_after_its_certificate_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = issuer(&directory);
    let key = NodeKey::generate().unwrap();
    let csr = key.signing_request().unwrap();
    let long_ago = Validity::starting(OffsetDateTime::now_utc() - HOUR * 48, HOUR * 24);
    let request = SigningRequest::parse(&csr).unwrap();
    let old = issuer.desk.authority.load().issue(&request, key.node(), &yum(), long_ago).unwrap();

    let back = Identity::new(key.clone(), old).unwrap().reattest_request().unwrap();
    let answer = issuer.join(method::REATTEST, back.encode()).await.unwrap();
    assert_eq!(identity(&key, &answer).unwrap().node(), key.node());

    let thief = NodeKey::generate().unwrap().signing_request().unwrap();
    let stolen = ReattestRequest { csr: thief.into(), ..back };
    let refused = issuer.join(method::REATTEST, stolen.encode()).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Forbidden);
}

#[tokio::test]
async fn the_core_keeps_its_own_certificate_fresh() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(directory.path(), &"dev".parse().unwrap(), Duration::from_secs(3)).unwrap();
    let own = issuer.own_identity().unwrap();
    let first = own.peer();
    assert_eq!(first.id.role, Role::Core);

    let stop = CancellationToken::new();
    let keeping = own::keep(issuer, own.clone(), stop.clone());
    let watching = async {
        while own.peer().certificate == first.certificate {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
    };
    tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(keeping, watching) }).await.unwrap();
    assert_eq!(own.id(), first.id);
    assert_eq!(Identity::load(directory.path()).unwrap().unwrap().peer(), own.peer());
}
