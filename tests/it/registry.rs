//! The registry as other people's clients use it: skopeo and buildah on real images.

use std::path::Path;
use std::process::Command;

use gossamer_tests::oci::digest;
use gossamer_tests::tool;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::core;

/// Writes an OCI image layout with one image of `layers` layers.
fn image_layout(directory: &Path, layers: usize) {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let store = |content: &[u8]| {
        let digest = digest(content);
        std::fs::write(blobs.join(digest.trim_start_matches("sha256:")), content).unwrap();
        digest
    };
    let contents: Vec<Vec<u8>> =
        (0..layers).map(|layer| tar(&format!("file-{layer}"), &vec![layer as u8; 70_000])).collect();
    let diff_ids: Vec<String> = contents.iter().map(|content| digest(content)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": store(config.as_bytes()), "size": config.len() },
        "layers": contents.iter().map(|content| json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": store(content), "size": content.len(),
        })).collect::<Vec<Value>>(),
    })
    .to_string();
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": store(manifest.as_bytes()), "size": manifest.len(),
            "annotations": { "org.opencontainers.image.ref.name": "latest" },
        }],
    });
    std::fs::write(directory.join("index.json"), index.to_string()).unwrap();
    std::fs::write(directory.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
}

/// A tar archive (ustar) of one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[263..265].copy_from_slice(b"00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_an_image_in_and_out_lists_and_deletes_it() {
    let Some(skopeo) = tool::find("skopeo") else { return };
    let mesh = core().await;
    image_layout(&mesh.path("in"), 5);
    let remote = format!("docker://{}/team/app", mesh.registry());
    let skopeo = |arguments: &[&str]| {
        let mut command = Command::new(&skopeo);
        tool::run(command.arg("--insecure-policy").args(arguments))
    };

    let source = format!("oci:{}:latest", mesh.path("in").display());
    skopeo(&["copy", "-q", "--preserve-digests", "--dest-tls-verify=false", &source, &format!("{remote}:1")]);
    skopeo(&[
        "copy",
        "-q",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &format!("{remote}:1"),
        &format!("{remote}:2"),
    ]);
    let back = format!("oci:{}:latest", mesh.path("out").display());
    skopeo(&["copy", "-q", "--preserve-digests", "--src-tls-verify=false", &format!("{remote}:1"), &back]);

    for blob in std::fs::read_dir(mesh.path("in/blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        let copy = std::fs::read(mesh.path("out/blobs/sha256").join(blob.file_name()));
        assert!(copy.unwrap() == std::fs::read(blob.path()).unwrap(), "{blob:?} came back changed");
    }
    let tags: Value = serde_json::from_str(&skopeo(&["list-tags", "--tls-verify=false", &remote])).unwrap();
    assert_eq!(tags["Tags"], json!(["1", "2"]));

    skopeo(&["delete", "--tls-verify=false", &format!("{remote}:1")]);
    let gone = mesh.get("/v2/team/app/manifests/1").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn buildah_pushes_and_pulls_an_image() {
    let Some(buildah) = tool::find("buildah") else { return };
    let mesh = core().await;
    image_layout(&mesh.path("image"), 3);
    let buildah = |arguments: &[&str]| {
        let mut command = Command::new(&buildah);
        command
            .current_dir(mesh.path(""))
            .arg("--root")
            .arg(mesh.path("root"))
            .arg("--runroot")
            .arg(mesh.path("run"));
        tool::run(command.args(["--storage-driver", "vfs"]).args(arguments))
    };
    let remote = format!("docker://{}/team/built:1", mesh.registry());
    let policy = mesh.path("policy.json");
    std::fs::write(&policy, "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}").unwrap();
    let policy = format!("--signature-policy={}", policy.display());

    let id = buildah(&["pull", "-q", &policy, "oci:image:latest"]);
    buildah(&["push", "-q", &policy, "--tls-verify=false", id.trim(), &remote]);
    buildah(&["rmi", "-f", id.trim()]);
    let pulled = buildah(&["pull", "-q", &policy, "--tls-verify=false", &remote]);

    assert_eq!(pulled.trim(), id.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_with_the_wrong_digest_is_never_visible() {
    let mesh = core().await;
    let started = mesh.request(reqwest::Method::POST, "/v2/a/b/blobs/uploads/").send().await.unwrap();
    let location = started.headers()["location"].to_str().unwrap().to_owned();
    let wrong = digest(b"what was promised");

    let put = mesh
        .request(reqwest::Method::PUT, &location)
        .query(&[("digest", &wrong)])
        .body("what came")
        .send()
        .await;

    let put = put.unwrap();
    assert_eq!(put.status(), StatusCode::BAD_REQUEST);
    let errors: Value = put.json().await.unwrap();
    assert_eq!(errors["errors"][0]["code"], "DIGEST_INVALID");
    for digest in [wrong, digest(b"what came")] {
        assert_eq!(mesh.get(&format!("/v2/a/b/blobs/{digest}")).await.status(), StatusCode::NOT_FOUND);
    }
}
