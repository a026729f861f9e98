//! Blobs: whole and in parts, per repository, and when the disk lies.

use std::fs;
use std::os::unix::fs::symlink;

use futures::TryStreamExt;
use gossamer_oci::Digest;

use crate::Error;
use crate::testing::{Fixture, author, body_of, name};

async fn read(fixture: &Fixture, digest: &Digest, part: std::ops::Range<u64>) -> Vec<u8> {
    let blob = fixture.registry.blob(&name("a"), digest).await.unwrap();
    let stream = blob.read(part).await.unwrap();
    let promised = stream.remaining();
    let content = stream.map_ok(|bytes| bytes.to_vec()).try_concat().await.unwrap();
    assert_eq!(content.len() as u64, promised);
    content
}

/// Content in which every part differs from every other.
fn counted(words: u32) -> Vec<u8> {
    (0..words).flat_map(u32::to_be_bytes).collect()
}

#[tokio::test]
async fn small_and_large_blobs_come_back_whole_and_in_parts() {
    let fixture = Fixture::new().await;
    for words in [0, 1, 256, 16 << 10, 64 << 10, (64 << 10) + 1, 1 << 20] {
        let content = counted(words);
        let digest = fixture.blob("a", &content).await;
        let size = content.len() as u64;
        assert!(read(&fixture, &digest, 0..size).await == content, "{words} words");
        for (from, to) in
            [(0, 1), (1, size / 2), (size / 2, size), (size - size.min(5), u64::MAX), (size, size)]
        {
            let end = to.min(size).max(from.min(size));
            let expected = &content[from.min(size) as usize..end as usize];
            assert!(read(&fixture, &digest, from..to).await == expected, "{from}..{to} of {size}");
        }
    }
}

#[tokio::test]
async fn small_parts_come_in_one_piece_and_large_ones_do_not() {
    let fixture = Fixture::new().await;
    let content = counted(1 << 20);
    let digest = fixture.blob("a", &content).await;
    let blob = fixture.registry.blob(&name("a"), &digest).await.unwrap();
    let mut small = blob.read(4..1_028).await.unwrap();
    assert_eq!(small.take_whole().unwrap(), &content[4..1_028]);
    assert_eq!(small.remaining(), 0);
    assert!(small.try_next().await.unwrap().is_none());
    let mut large = blob.read(0..blob.size()).await.unwrap();
    assert!(large.take_whole().is_none());
    assert_eq!(large.try_next().await.unwrap().unwrap().len(), 256 << 10);
}

#[tokio::test]
async fn a_blob_deleted_in_one_repository_stays_in_another() {
    let fixture = Fixture::new().await;
    let digest = fixture.blob("a", b"shared").await;
    assert!(matches!(fixture.registry.blob(&name("b"), &digest).await, Err(Error::BlobUnknown(_))));
    assert!(fixture.registry.mount(&name("b"), &digest, &name("a")).await.unwrap());
    fixture.registry.blob(&name("b"), &digest).await.unwrap();

    fixture.registry.delete_blob(&name("a"), &digest).await.unwrap();
    assert!(matches!(fixture.registry.blob(&name("a"), &digest).await, Err(Error::BlobUnknown(_))));
    assert!(matches!(fixture.registry.delete_blob(&name("a"), &digest).await, Err(Error::BlobUnknown(_))));
    fixture.registry.blob(&name("b"), &digest).await.unwrap();

    fixture.registry.delete_repository(&name("b"), author()).await.unwrap();
    assert!(matches!(fixture.registry.blob(&name("b"), &digest).await, Err(Error::BlobUnknown(_))));
    assert!(!fixture.registry.mount(&name("a"), &digest, &name("b")).await.unwrap());
}

#[tokio::test]
async fn mounts_come_from_who_has_the_blob() {
    let fixture = Fixture::new().await;
    let digest = Digest::sha256(b"x");
    assert!(fixture.registry.mount_candidates(&digest).await.unwrap().is_empty());
    assert!(!fixture.registry.mount(&name("c"), &digest, &name("a")).await.unwrap());
    assert!(matches!(
        fixture.registry.tags(&name("c"), &Default::default()).await,
        Err(Error::NameUnknown(_))
    ));
    fixture.blob("a", b"x").await;
    fixture.blob("b", b"x").await;
    let candidates = fixture.registry.mount_candidates(&digest).await.unwrap();
    assert_eq!(candidates, [name("a"), name("b")]);
    assert!(fixture.registry.mount(&name("c"), &digest, &candidates[1]).await.unwrap());
}

#[tokio::test]
async fn what_the_disk_lost_is_damaged_and_a_push_repairs_it() {
    let fixture = Fixture::new().await;
    let digest = fixture.blob("a", b"content").await;
    let path = fixture.registry.inner.files.blob(&digest);
    let blob = fixture.registry.blob(&name("a"), &digest).await.unwrap();

    fs::write(&path, b"con").unwrap();
    assert!(matches!(blob.read(0..3).await, Err(Error::Damaged(_))), "too short");
    fs::remove_file(&path).unwrap();
    assert!(matches!(blob.read(0..3).await, Err(Error::Damaged(_))), "gone");
    let secret = fixture.directory.path().join("secret");
    fs::write(&secret, b"content").unwrap();
    symlink(&secret, &path).unwrap();
    assert!(blob.read(0..3).await.is_err(), "a planted link is not followed");

    fixture.blob("a", b"content").await;
    assert_eq!(read(&fixture, &digest, 0..7).await, b"content");
}

#[tokio::test]
async fn a_scrub_takes_damaged_blobs_out_of_the_way() {
    let fixture = Fixture::new().await;
    let digest = fixture.blob("a", b"content").await;
    fixture.registry.scrub_blob(&digest).await.unwrap();
    fs::write(fixture.registry.inner.files.blob(&digest), b"c0ntent").unwrap();
    assert!(matches!(fixture.registry.scrub_blob(&digest).await, Err(Error::Damaged(_))));
    assert_eq!((fixture.files("blobs"), fixture.files("quarantine")), (0, 1));
    fixture.blob("a", b"content").await;
    fixture.registry.scrub_blob(&digest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_blob_may_be_pushed_by_many_at_once() {
    let fixture = Fixture::new().await;
    let content = counted(50_000);
    let digest = Digest::sha256(&content);
    let pushes = (0..16).map(|number| {
        let (registry, content) = (fixture.registry.clone(), content.clone());
        let repository = name(&format!("r{}", number % 3));
        async move { registry.put_blob(&repository, &digest, body_of(&content)).await }
    });
    for pushed in futures::future::join_all(pushes).await {
        assert_eq!(pushed.unwrap(), 200_000);
    }
    assert_eq!((fixture.files("blobs"), fixture.files("uploads")), (1, 0));
}
