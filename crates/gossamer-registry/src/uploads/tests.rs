//! Uploads, over real files and a real catalog.

use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;

use futures::stream;
use gossamer_oci::{Algorithm, Digest};

use crate::testing::{Fixture, body_of, broken_body, name};
use crate::{Error, Upload, UploadId};

const SHA256: Algorithm = Algorithm::Sha256;

async fn start(fixture: &Fixture) -> Upload {
    fixture.registry.start_upload(&name("a/b"), "ann", SHA256).await.unwrap()
}

async fn content(fixture: &Fixture, digest: &Digest) -> Result<Vec<u8>, Error> {
    let blob = fixture.registry.blob(&name("a/b"), digest).await?;
    let mut stream = blob.read(0..blob.size()).await?;
    Ok(stream.take_whole().unwrap().to_vec())
}

#[tokio::test]
async fn an_upload_goes_on_at_its_exact_offset_after_a_restart() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    assert_eq!(fixture.registry.append(&upload, None, body_of(b"hello, ")).await.unwrap(), 7);
    // What a crash leaves: bytes that were written and never acknowledged.
    let path = fixture.directory.path().join("uploads").join(upload.id.to_string());
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"torn").unwrap();

    let fixture = fixture.reopen().await;
    assert_eq!(fixture.registry.upload_status(&upload).await.unwrap(), 7);
    let digest = Digest::sha256(b"hello, world");
    let size = fixture.registry.finish(&upload, &digest, Some(7..12), body_of(b"world")).await.unwrap();
    assert_eq!(size, 12);
    assert_eq!(content(&fixture, &digest).await.unwrap(), b"hello, world");
    assert_eq!(fixture.files("uploads"), 0);
    assert!(matches!(fixture.registry.upload_status(&upload).await, Err(Error::UploadUnknown)));
}

#[tokio::test]
async fn an_upload_without_a_byte_survives_too() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.registry.upload_status(&upload).await.unwrap(), 0);
    let digest = Digest::sha256(b"");
    fixture.registry.finish(&upload, &digest, None, body_of(b"")).await.unwrap();
    assert_eq!(content(&fixture, &digest).await.unwrap(), b"");
}

#[tokio::test]
async fn an_upload_whose_file_lost_acknowledged_bytes_is_over() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    fixture.registry.append(&upload, None, body_of(b"hello")).await.unwrap();
    let path = fixture.directory.path().join("uploads").join(upload.id.to_string());
    OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap();
    let fixture = fixture.reopen().await;
    assert!(matches!(fixture.registry.upload_status(&upload).await, Err(Error::UploadUnknown)));
    assert_eq!(fixture.files("uploads"), 0);
}

#[tokio::test]
async fn gaps_overlaps_and_wrong_lengths_are_refused_and_change_nothing() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    fixture.registry.append(&upload, Some(0..5), body_of(b"hello")).await.unwrap();
    for (span, bytes) in [
        (6..8, &b"xx"[..]),
        (0..5, b"hello"),
        (5..9, b"xx"),
        (5..6, b"xx"),
        (5..5, b""),
        (Range { start: 7, end: 6 }, b"x"),
    ] {
        let refused = fixture.registry.append(&upload, Some(span.clone()), body_of(bytes)).await;
        assert!(matches!(refused, Err(Error::RangeInvalid { offset: 5 })), "{span:?}: {refused:?}");
        let digest = Digest::sha256(b"hello");
        let refused = fixture.registry.finish(&upload, &digest, Some(span.clone()), body_of(bytes)).await;
        assert!(matches!(refused, Err(Error::RangeInvalid { offset: 5 })), "{span:?}: {refused:?}");
    }
    assert_eq!(fixture.registry.upload_status(&upload).await.unwrap(), 5);
    let digest = Digest::sha256(b"hello!");
    fixture.registry.finish(&upload, &digest, Some(5..6), body_of(b"!")).await.unwrap();
    assert_eq!(content(&fixture, &digest).await.unwrap(), b"hello!");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_advance_the_upload() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    let large = vec![7; 3 << 20]; // some of it is on disk before the end comes
    let broken = fixture.registry.append(&upload, None, broken_body(&large)).await;
    assert!(matches!(broken, Err(Error::Body(_))));
    assert_eq!(fixture.registry.upload_status(&upload).await.unwrap(), 0);
    let digest = Digest::sha256(b"whole");
    fixture.registry.finish(&upload, &digest, None, body_of(b"whole")).await.unwrap();
    assert_eq!(content(&fixture, &digest).await.unwrap(), b"whole");
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    fixture.registry.append(&upload, None, body_of(b"hello")).await.unwrap();
    let wrong = Digest::sha256(b"other");
    let refused = fixture.registry.finish(&upload, &wrong, None, stream::empty::<Result<_, Error>>()).await;
    assert!(matches!(refused, Err(Error::DigestMismatch { expected, .. }) if *expected == wrong));
    let refused = fixture.registry.put_blob(&name("a/b"), &wrong, body_of(b"hello")).await;
    assert!(matches!(refused, Err(Error::DigestMismatch { .. })));
    for digest in [wrong, Digest::sha256(b"hello")] {
        assert!(matches!(content(&fixture, &digest).await, Err(Error::BlobUnknown(_))));
    }
    assert_eq!((fixture.files("uploads"), fixture.files("blobs")), (0, 0));
    assert!(matches!(fixture.registry.upload_status(&upload).await, Err(Error::UploadUnknown)));
}

#[tokio::test]
async fn sha512_is_computed_on_the_way_or_afterwards() {
    let fixture = Fixture::new().await;
    for announced in [Algorithm::Sha256, Algorithm::Sha512] {
        let upload = fixture.registry.start_upload(&name("a/b"), "ann", announced).await.unwrap();
        let bytes = format!("announced as {announced}");
        let digest = Digest::of(Algorithm::Sha512, bytes.as_bytes());
        fixture.registry.finish(&upload, &digest, None, body_of(bytes.as_bytes())).await.unwrap();
        assert_eq!(content(&fixture, &digest).await.unwrap(), bytes.as_bytes());
    }
}

#[tokio::test]
async fn an_upload_belongs_to_a_repository_and_a_principal() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    let elsewhere = Upload { repository: name("c"), ..upload.clone() };
    let somebody = Upload { principal: "bob".into(), ..upload.clone() };
    let guessed = Upload { id: UploadId::random().unwrap(), ..upload.clone() };
    for stranger in [elsewhere, somebody, guessed] {
        assert!(matches!(fixture.registry.upload_status(&stranger).await, Err(Error::UploadUnknown)));
        let refused = fixture.registry.append(&stranger, None, body_of(b"x")).await;
        assert!(matches!(refused, Err(Error::UploadUnknown)));
        assert!(matches!(fixture.registry.cancel(&stranger).await, Err(Error::UploadUnknown)));
    }
    fixture.registry.cancel(&upload).await.unwrap();
    assert!(matches!(fixture.registry.cancel(&upload).await, Err(Error::UploadUnknown)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_finish_an_upload_one_is_too_late() {
    let fixture = Fixture::new().await;
    for number in 0..20 {
        let upload = start(&fixture).await;
        let bytes = number.to_string();
        let digest = Digest::sha256(bytes.as_bytes());
        let finish = || fixture.registry.finish(&upload, &digest, None, body_of(bytes.as_bytes()));
        let (one, other) = tokio::join!(finish(), finish());
        assert!(one.is_ok() || other.is_ok());
        assert!(matches!(one.and(other), Err(Error::UploadUnknown)));
        assert_eq!(content(&fixture, &digest).await.unwrap(), bytes.as_bytes());
    }
    assert_eq!(fixture.files("uploads"), 0);
}

#[tokio::test]
async fn uploads_are_counted_and_expire() {
    let fixture = Fixture::with(|config| config.limits.uploads_max = 2).await;
    let first = start(&fixture).await;
    fixture.registry.append(&first, None, body_of(b"x")).await.unwrap();
    start(&fixture).await;
    let refused = fixture.registry.start_upload(&name("a/b"), "ann", SHA256).await;
    assert!(matches!(refused, Err(Error::TooManyUploads { limit: 2 })));
    fixture.registry.cancel(&first).await.unwrap();
    start(&fixture).await;

    let Fixture { registry, directory } = fixture;
    registry.close().await;
    drop(registry);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let mut config = crate::Config::new(directory.path());
    config.limits.upload_idle_seconds = 0;
    let fixture = Fixture { registry: config.open().await.unwrap(), directory };
    assert_eq!(fixture.registry.expire_uploads().await.unwrap(), 0, "opening had ended them");
    assert_eq!(fixture.files("uploads"), 0);
}

#[tokio::test]
async fn a_blob_has_a_largest_size() {
    let fixture = Fixture::with(|config| config.limits.blob_bytes_max = 4).await;
    let upload = start(&fixture).await;
    fixture.registry.append(&upload, None, body_of(b"123")).await.unwrap();
    for span in [None, Some(3..5)] {
        let refused = fixture.registry.append(&upload, span, body_of(b"45")).await;
        assert!(matches!(refused, Err(Error::TooLarge { limit: 4, .. })));
    }
    assert_eq!(fixture.registry.upload_status(&upload).await.unwrap(), 3);
    let refused = fixture.registry.put_blob(&name("a/b"), &Digest::sha256(b"12345"), body_of(b"12345")).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waits_for_what_another_left_writing() {
    let fixture = Fixture::new().await;
    let upload = start(&fixture).await;
    let large = vec![1; 8 << 20];
    for _ in 0..20 {
        // Given up in the middle, as when a client goes away.
        let given_up = fixture.registry.append(&upload, None, body_of(&large));
        let _elapsed = tokio::time::timeout(std::time::Duration::from_micros(300), given_up).await;
    }
    let offset = fixture.registry.upload_status(&upload).await.unwrap();
    assert_eq!(offset % large.len() as u64, 0, "all of a body or nothing");
    let rest = fixture.registry.append(&upload, None, body_of(b"end")).await.unwrap() - 3;
    let mut whole = vec![1; usize::try_from(rest).unwrap()];
    whole.extend_from_slice(b"end");
    // In the other algorithm: this reads what is really on the disk.
    let digest = Digest::of(Algorithm::Sha512, &whole);
    fixture.registry.finish(&upload, &digest, None, body_of(b"")).await.unwrap();
}
