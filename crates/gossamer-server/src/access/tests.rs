//! Tests of principals, the admin token and the memory of answers.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn open_mode_is_for_loopback_only() {
    let open = Config { mode: Mode::Open, anonymous_pull: false };
    assert!(open.check("127.0.0.1:8080".parse().unwrap()).is_ok());
    assert!(open.check("[::1]:8080".parse().unwrap()).is_ok());
    assert!(matches!(open.check("0.0.0.0:8080".parse().unwrap()), Err(AccessError::OpenToTheWorld(_))));
    assert!(Config::default().check("0.0.0.0:8080".parse().unwrap()).is_ok());
}

#[test]
fn the_admin_token_is_made_once_and_only_its_owner_may_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.token");
    AdminToken::load_or_create(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = AdminToken::load_or_create(&path).unwrap();
    assert!(again.is_presented_by(&format!("Bearer {}", text.trim())));
    assert!(!again.is_presented_by("Bearer wrong"));
}

#[test]
fn a_short_admin_token_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.token");
    std::fs::write(&path, "beskar\n").unwrap();
    assert!(matches!(AdminToken::load_or_create(&path), Err(AdminTokenError::TooShort(_))));
}

#[test]
fn basic_credentials_carry_the_token_as_any_users_password() {
    let token = AdminToken::of("sesame");
    assert!(token.is_presented_by("Basic YW55Ym9keTpzZXNhbWU=")); // anybody:sesame
    assert!(token.is_presented_by("basic OnNlc2FtZQ")); // :sesame, unpadded
    assert!(!token.is_presented_by("Basic c2VzYW1l")); // sesame, no colon
    assert!(!token.is_presented_by("Basic ???"));
    assert!(!token.is_presented_by("Digest sesame"));
    assert!(!token.is_presented_by("sesame"));
}

#[test]
fn base64_is_read_as_rfc_4648_writes_it() {
    for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE", "fooba")] {
        assert_eq!(base64::decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
    }
    for text in ["Z", "Zg===", "Zm9v!", "Z\u{e9}"] {
        assert_eq!(base64::decode(text), None, "{text}");
    }
}

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

#[tokio::test]
async fn strangers_pull_only_where_they_may_and_never_push() {
    let closed = crate::testing::access(&Config::default()).await;
    let public = crate::testing::access(&Config { anonymous_pull: true, ..Config::default() }).await;
    let library = repository("library/alpine");
    assert!(!closed.allows(&Principal::Anonymous, Action::Pull, &library));
    assert!(public.allows(&Principal::Anonymous, Action::Pull, &library));
    for action in [Action::Push, Action::Delete] {
        assert!(!public.allows(&Principal::Anonymous, action, &library), "{action:?}");
        assert!(public.allows(&Principal::Admin, action, &library), "{action:?}");
    }
    for action in [Action::List, Action::Administer] {
        assert!(!public.allows_everywhere(&Principal::Anonymous, action), "{action:?}");
        assert!(public.allows_everywhere(&Principal::Admin, action), "{action:?}");
    }
}

#[tokio::test]
async fn a_plugin_writes_to_its_own_repositories_only() {
    let access = crate::testing::access(&Config::default()).await;
    let yum = Principal::Plugin("yum".parse().unwrap());
    assert!(access.allows(&yum, Action::Push, &repository("artifacts/yum/epel/packages")));
    assert!(!access.allows(&yum, Action::Push, &repository("artifacts/static/docs/files")));
    assert!(!access.allows(&yum, Action::Push, &repository("artifacts/yum-extra/epel")));
    assert!(access.allows(&yum, Action::Pull, &repository("library/alpine")));
    assert!(!access.allows_everywhere(&yum, Action::Administer));
}

#[tokio::test]
async fn open_mode_lets_everybody_do_everything() {
    let access = crate::testing::access(&Config { mode: Mode::Open, anonymous_pull: false }).await;
    assert!(access.allows(&Principal::Anonymous, Action::Delete, &repository("library/alpine")));
    assert!(access.allows_everywhere(&Principal::Anonymous, Action::Administer));
}

#[test]
fn a_principal_reads_as_it_is_written() {
    for name in ["anonymous", "admin", "core", "plugin/yum"] {
        assert_eq!(name.parse::<Principal>().unwrap().name(), name);
    }
    for name in ["", "root", "plugin/", "plugin/Yum", "plugin"] {
        assert_eq!(name.parse::<Principal>(), Err(InvalidPrincipal), "{name:?}");
    }
}
