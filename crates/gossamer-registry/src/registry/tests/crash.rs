//! A process that is killed at any instruction loses nothing that it acknowledged.
//!
//! The test starts itself again as the process to kill; that one pushes and prints what was answered.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use gossamer_events::{EventLog, Sequence};
use gossamer_oci::{Digest, Reference};

use crate::testing::{Fixture, body_of, name};
use crate::{Config, Upload};

/// Tells the child where to push.
const DIRECTORY: &str = "GOSSAMER_TEST_CRASH_DIRECTORY";

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    for milliseconds in [30, 70, 150] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["registry::tests::crash::push_until_killed", "--exact", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Wait for the first answer, then let it get on for a while.
        let first = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("acknowledged "));
        thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let answered = first.into_iter().chain(lines.map_while(Result::ok));
        let acknowledged: Vec<String> =
            answered.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned)).collect();
        assert!(!acknowledged.is_empty());
        check(directory, &acknowledged);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check(directory: tempfile::TempDir, acknowledged: &[String]) {
    let registry = Config::new(directory.path()).open().await.unwrap();
    let fixture = Fixture { registry, directory };
    let events = fixture.events().await;
    assert!(events.iter().map(|event| event.sequence.get()).eq(1..=events.len() as u64));
    for line in acknowledged {
        let [tag, sequence, upload, length] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue; // cut by the kill
        };
        let manifest = fixture.registry.manifest(&name("a"), &tag.parse().unwrap()).await.unwrap();
        let sequence = Sequence::new(sequence.parse().unwrap());
        assert!(events.iter().any(|event| event.sequence == sequence && event.digest == manifest.digest));
        let upload =
            Upload { id: upload.parse().unwrap(), repository: name("a"), principal: "ann".to_owned() };
        assert_eq!(fixture.registry.upload_status(&upload).await.unwrap().to_string(), length);
    }
    // Also what was not acknowledged is whole or not there.
    for tag in fixture.registry.tags(&name("a"), &Default::default()).await.unwrap().items {
        let manifest = fixture.registry.manifest(&name("a"), &Reference::Tag(tag)).await.unwrap();
        assert_eq!(Digest::sha256(&manifest.content), manifest.digest);
        for blob in manifest.manifest.blobs() {
            fixture.registry.blob(&name("a"), &blob.digest).await.unwrap();
            fixture.registry.scrub_blob(&blob.digest).await.unwrap();
        }
    }
    let latest = fixture.registry.read(Sequence::ZERO, usize::MAX).await.unwrap();
    assert_eq!(*fixture.registry.events_head().borrow(), latest.last().unwrap().sequence);
}

/// Pushes for ever where the environment says; not a test of its own.
#[tokio::test]
#[ignore = "the process that another test kills"]
async fn push_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let registry = Config::new(&directory).open().await.unwrap();
    let fixture = Fixture { registry, directory: tempfile::tempdir().unwrap() };
    for number in 0_u64.. {
        let layer = number.to_string().repeat(50_000);
        let stored = fixture.image("a", &format!("v{number}"), layer.as_bytes()).await;
        let (repository, algorithm) = (name("a"), gossamer_oci::Algorithm::Sha256);
        let upload = fixture.registry.start_upload(&repository, "ann", algorithm).await.unwrap();
        let length = fixture.registry.append(&upload, None, body_of(layer.as_bytes())).await.unwrap();
        println!("acknowledged v{number} {} {} {length}", stored.sequence.unwrap(), upload.id);
    }
}
