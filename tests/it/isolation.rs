//! What one failure is to everybody else, row by row of the design, where no other chapter has it.
//!
//! A plugin or a core that dies: `faults`. A policy that is wrong or hostile: `policies`. An issuer that is away and
//! a node that lies: `identity`. A network that splits: `membership`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use gossamer_tests::mesh::TestMesh;
use gossamer_tests::oci;
use reqwest::{Body, Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::PROGRAMS;
use crate::mounts::EVERYTHING;

/// A core with a well-behaved plugin and a guest of which a few requests may be in hand at once.
async fn with_a_bad_neighbour() -> TestMesh {
    let limits = "proxy.plugins.guest = { requests_max = 4, queue_max = 4, queue_wait_ms = 200, first_byte_ms = 1500 }\n";
    let mut mesh = TestMesh::start_with(PROGRAMS, limits).await.plugin("static").await;
    mesh.start_guest("guest-1", "guest", EVERYTHING).await;
    mesh.until("the guest is routed to", async || mesh.instances("guest").await.len() == 1).await;
    mesh.put("/artifacts/static/docs/file/steady", "steady").await;
    mesh
}

/// The neighbour's requests, forwarded ones and blobs, are answered as ever.
async fn others_are_unchanged(mesh: &TestMesh) {
    for round in 0..20 {
        for path in ["/artifacts/static/docs/file/steady", "/artifacts/static/api/v1/doc/swagger.yaml"] {
            let began = Instant::now();
            assert_eq!(mesh.get(path).await.status(), StatusCode::OK, "{path}");
            assert!(began.elapsed() < Duration::from_secs(1), "round {round}: {:?}", began.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_hangs_slows_only_its_own_routes_and_those_within_a_bound() {
    let mesh = with_a_bad_neighbour().await;
    let hung: Vec<_> = (0..32)
        .map(|_| {
            let request = mesh.request(Method::GET, "/artifacts/guest/hang");
            tokio::spawn(async move {
                let began = Instant::now();
                (request.send().await.unwrap().status(), began.elapsed())
            })
        })
        .collect();
    others_are_unchanged(&mesh).await;
    for task in hung {
        let (status, took) = task.await.unwrap();
        let bounded = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        assert!(bounded.contains(&status), "{status}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_sends_a_byte_a_second_or_floods_is_alone_with_it() {
    for way in ["trickle", "flood"] {
        let mesh = with_a_bad_neighbour().await;
        let path = format!("/artifacts/guest/{way}");
        let held: Vec<_> = (0..4).map(|_| mesh.request(Method::GET, &path).send()).collect();
        let held: Vec<_> = futures::future::join_all(held).await.into_iter().map(Result::unwrap).collect();
        assert!(held.iter().all(|answer| answer.status() == StatusCode::OK));
        others_are_unchanged(&mesh).await;
        let refused = mesh.get("/artifacts/guest/x").await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "its own routes are full");
        drop(held);
        mesh.eventually("/artifacts/guest/x", StatusCode::OK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_a_byte_at_a_time_cost_nobody_else_anything_and_are_let_go() {
    let settings = "connections.header_timeout_ms = 1000\nconnections.idle_timeout_ms = 1000\n";
    let mesh = TestMesh::start_with(PROGRAMS, settings).await.plugin("static").await;
    mesh.put("/artifacts/static/docs/file/steady", "steady").await;
    let lorises: Vec<_> = (0..64)
        .map(|_| {
            let address = mesh.registry().to_owned();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let head = b"GET /v2/ HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
                for byte in head {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                let _ended = stream.read(&mut [0; 512]).await;
            })
        })
        .collect();
    others_are_unchanged(&mesh).await;
    let began = Instant::now();
    for loris in lorises {
        loris.await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "they had {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_in_plain_words_while_reads_go_on_and_needs_no_restart() {
    let mut mesh = TestMesh::start(PROGRAMS).await;
    mesh.core().kill();
    let Some(_disk) = SmallDisk::mount_over(&mesh.path("core"), &mesh.path("copy")) else {
        eprintln!("skipped: only root may mount a disk");
        return;
    };
    mesh.start_core();
    let file = oci::Artifact::file("small", "here before");
    mesh.push("team/app", "v1", &file).await;

    let large = vec![7; 48 << 20];
    let refused = put_whole(&mesh, &large).await;
    assert!(
        [StatusCode::INSUFFICIENT_STORAGE, StatusCode::SERVICE_UNAVAILABLE].contains(&refused.status()),
        "{}",
        refused.status()
    );
    let body: serde_json::Value = refused.json().await.unwrap();
    assert!(body["errors"][0]["message"].is_string(), "{body}");
    let manifest = mesh.get("/v2/team/app/manifests/v1").await;
    assert_eq!(manifest.status(), StatusCode::OK, "reads go on");
    let blob = mesh.get(&format!("/v2/team/app/blobs/{}", oci::digest(b"here before"))).await;
    assert_eq!(blob.text().await.unwrap(), "here before");

    mesh.push("team/app", "v2", &oci::Artifact::file("small", "afterwards")).await;
    assert!(mesh.core().stop().success());
}

/// One blob in one request.
async fn put_whole(mesh: &TestMesh, content: &[u8]) -> reqwest::Response {
    let pieces: Vec<_> =
        content.chunks(1 << 20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let path = format!("/v2/team/app/blobs/uploads/?digest={}", oci::digest(content));
    let request = mesh.request(Method::POST, &path).body(Body::wrap_stream(stream::iter(pieces).boxed()));
    request.header("content-type", "application/octet-stream").send().await.unwrap()
}

/// A disk of 32 MiB in memory, unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Mounts it in place of a directory, with the same content. None without the right to mount.
    fn mount_over(directory: &Path, copy: &Path) -> Option<Self> {
        std::fs::rename(directory, copy).unwrap();
        std::fs::create_dir(directory).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "none"]).arg(directory).output();
        let disk = mounted.is_ok_and(|output| output.status.success()).then(|| Self(directory.to_owned()))?;
        let copied = Command::new("cp").arg("-a").arg(copy.join(".")).arg(directory).status();
        assert!(copied.unwrap().success());
        Some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a core that is being killed may still have files open.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
