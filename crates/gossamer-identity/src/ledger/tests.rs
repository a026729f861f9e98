//! The life of tokens in the ledger, and on disk.

use gossamer_wire::Role;
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::files::{self, Readers};

const NOON: OffsetDateTime = datetime!(2030-01-01 12:00 UTC);
const TTL: Duration = Duration::minutes(15);

fn token() -> JoinToken {
    let pin = "00".repeat(32).parse().unwrap();
    JoinToken::new(Vec::new(), "dev".parse().unwrap(), pin, Grant::role(Role::Agent)).unwrap()
}

fn ledger_with(token: &JoinToken) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.create(token, NOON + TTL, NOON).unwrap();
    ledger
}

fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

#[test]
fn a_token_lets_one_key_in_and_is_burnt_by_its_confirmation() {
    let token = token();
    let mut ledger = ledger_with(&token);
    let (id, secret) = (token.id(), token.secret());

    assert_eq!(ledger.attest(id, secret, digest("key"), NOON), Ok(token.grant().clone()));
    ledger.issued(id, digest("certificate"));
    assert_eq!(ledger.open(NOON), 1);
    assert_eq!(ledger.confirm(id, secret, digest("certificate")), Ok(()));
    assert_eq!(ledger.open(NOON), 0);

    assert_eq!(ledger.attest(id, secret, digest("key"), NOON), Err(TokenRefused::Used));
    assert_eq!(ledger.attest(id, secret, digest("other key"), NOON), Err(TokenRefused::Used));
}

#[test]
fn until_it_is_confirmed_the_same_key_may_come_again_but_no_other() {
    let token = token();
    let mut ledger = ledger_with(&token);
    let (id, secret) = (token.id(), token.secret());

    ledger.attest(id, secret, digest("key"), NOON).unwrap();
    ledger.issued(id, digest("lost"));
    assert_eq!(ledger.attest(id, secret, digest("other key"), NOON), Err(TokenRefused::OtherKey));
    ledger.attest(id, secret, digest("key"), NOON).unwrap();
    ledger.issued(id, digest("received"));

    assert_eq!(ledger.confirm(id, secret, digest("lost")), Err(TokenRefused::OtherCertificate));
    assert_eq!(ledger.confirm(id, secret, digest("received")), Ok(()));
    assert_eq!(ledger.confirm(id, secret, digest("received")), Ok(()), "its answer was lost");
    assert_eq!(ledger.confirm(id, secret, digest("lost")), Err(TokenRefused::OtherCertificate));
}

#[test]
fn a_wrong_secret_is_refused_as_an_unknown_token_is() {
    let token = token();
    let mut ledger = ledger_with(&token);
    let wrong = Secret::random().unwrap();

    assert_eq!(ledger.attest(token.id(), &wrong, digest("key"), NOON), Err(TokenRefused::Unknown));
    let unknown = TokenId::random().unwrap();
    assert_eq!(ledger.attest(unknown, token.secret(), digest("key"), NOON), Err(TokenRefused::Unknown));
    assert_eq!(ledger.confirm(token.id(), &wrong, digest("certificate")), Err(TokenRefused::Unknown));
}

#[test]
fn a_token_expires_at_the_second_it_says() {
    let token = token();
    let mut ledger = ledger_with(&token);
    let (id, secret) = (token.id(), token.secret());

    let last = NOON + TTL - Duration::SECOND;
    assert!(ledger.attest(id, secret, digest("key"), last).is_ok());
    assert_eq!(ledger.attest(id, secret, digest("key"), NOON + TTL), Err(TokenRefused::Expired));
    assert_eq!(ledger.open(NOON + TTL), 0);
}

#[test]
fn a_certificate_issued_in_time_may_be_confirmed_late() {
    let token = token();
    let mut ledger = ledger_with(&token);
    ledger.attest(token.id(), token.secret(), digest("key"), NOON).unwrap();
    ledger.issued(token.id(), digest("certificate"));
    assert_eq!(ledger.confirm(token.id(), token.secret(), digest("certificate")), Ok(()));
}

#[test]
fn nothing_is_confirmed_before_it_is_issued() {
    let token = token();
    let mut ledger = ledger_with(&token);
    let refused = Err(TokenRefused::OtherCertificate);
    assert_eq!(ledger.confirm(token.id(), token.secret(), digest("certificate")), refused);
    ledger.attest(token.id(), token.secret(), digest("key"), NOON).unwrap();
    assert_eq!(ledger.confirm(token.id(), token.secret(), digest("certificate")), refused);
}

#[test]
fn the_ledger_is_bounded_and_forgets_what_has_expired() {
    let mut ledger = Ledger::default();
    for _ in 0..TOKENS_MAX {
        ledger.create(&token(), NOON + TTL, NOON).unwrap();
    }
    assert_eq!(ledger.create(&token(), NOON + TTL, NOON), Err(LedgerFull));
    assert_eq!(ledger.create(&token(), NOON + TTL * 2, NOON + TTL), Ok(()));
    assert_eq!(ledger.tokens.len(), 1);
}

#[test]
fn the_ledger_survives_a_restart_without_any_secret_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let token = token();
    let mut file = LedgerFile::open(&path).unwrap();
    file.update(|ledger| -> Result<_, LedgerFileError> {
        ledger.create(&token, NOON + TTL, NOON).unwrap();
        ledger.attest(token.id(), token.secret(), digest("key"), NOON).unwrap();
        Ok(())
    })
    .unwrap();

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&token.secret().reveal()));
    let mut again = LedgerFile::open(&path).unwrap();
    again
        .update(|ledger| -> Result<_, LedgerFileError> {
            let refused = ledger.attest(token.id(), token.secret(), digest("other key"), NOON);
            assert_eq!(refused, Err(TokenRefused::OtherKey));
            assert!(ledger.attest(token.id(), token.secret(), digest("key"), NOON).is_ok());
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_change_that_cannot_be_written_did_not_happen() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = LedgerFile::open(&directory.path().join("blocked/tokens.json")).unwrap();
    files::replace(&directory.path().join("blocked"), b"a file, no directory", Readers::Owner).unwrap();

    let refused = file.update(|ledger| -> Result<(), LedgerFileError> {
        ledger.create(&token(), NOON + TTL, NOON).unwrap();
        Ok(())
    });
    assert!(matches!(refused, Err(LedgerFileError::File { .. })));
    assert_eq!(file.ledger().open(NOON), 0);
}

#[test]
fn a_damaged_file_is_an_error_not_an_empty_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    files::replace(&path, b"{", Readers::Owner).unwrap();
    assert!(matches!(LedgerFile::open(&path), Err(LedgerFileError::Damaged { .. })));
}
