//! `gossamer push`: upload artifacts through the gateway.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method};
use serde_json::json;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::api::Api;
use crate::cli::{Output, Push, PushStatic};
use crate::print;

/// Everything but what RFC 3986 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) async fn run(command: Push, api: &Api, output: Output) -> anyhow::Result<()> {
    let Push::Static(PushStatic { repo, files }) = command;
    let repository = repo.strip_prefix("artifacts/static/").unwrap_or(&repo);
    let mut pushed = Vec::new();
    for file in &files {
        let path = push_file(api, repository, file).await?;
        match output {
            Output::Text => println!("{}", path),
            Output::Json => pushed.push(json!({ "file": file, "path": path })),
        }
    }
    match output {
        Output::Text => Ok(()),
        Output::Json => print::json(&pushed),
    }
}

async fn push_file(api: &Api, repository: &str, file: &PathBuf) -> anyhow::Result<String> {
    let name = file_name(file)?;
    let path = format!("/artifacts/static/{repository}/file/{}", utf8_percent_encode(&name, SEGMENT));
    let content = File::open(file).await.with_context(|| format!("cannot open {}", file.display()))?;
    let size = content.metadata().await.with_context(|| format!("cannot read {}", file.display()))?.len();
    if std::io::stderr().is_terminal() {
        eprintln!("Uploading {name} ({size} bytes)");
    }
    let request = api
        .request(Method::PUT, &path)
        .header(CONTENT_LENGTH, size)
        .body(Body::wrap_stream(ReaderStream::with_capacity(content, 256 * 1024)));
    api.send(request).await.with_context(|| format!("cannot upload {}", file.display()))?;
    Ok(path)
}

fn file_name(file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no file name that is UTF-8", file.display()))
}
