//! A mesh of real processes that a test owns: a core, and plugins that joined it by tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gossamer_identity::Identity;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::oci::{self, Artifact};
use crate::process::Process;

/// How long a test waits for what must become true by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs under test; an integration test knows where cargo put them.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    pub gossamer: &'static str,
    pub guest: &'static str,
}

/// A core and its plugins. Everything ends and vanishes when it is dropped.
pub struct TestMesh {
    programs: Programs,
    core: Option<Process>,
    plugins: BTreeMap<String, Process>,
    further: BTreeMap<String, FurtherCore>,
    /// Lines at the top of every core's configuration, each with its line break.
    settings: String,
    place: Place,
    addresses: Addresses,
    client: Client,
    directory: TempDir,
}

/// Where processes run: the address that they listen on, and the command that leads there.
#[derive(Clone, Debug)]
pub struct Place {
    pub ip: String,
    pub enter: Vec<String>,
}

/// What cores off the loopback interface, which cannot be open, know the administrator by.
const ADMIN_TOKEN: &str = "the-administrator-of-the-test";

#[derive(Clone, Debug)]
struct Addresses {
    http: String,
    mesh: String,
    cluster: String,
}

/// A core that joined the first one's mesh.
pub struct FurtherCore {
    pub process: Process,
    addresses: Addresses,
}

impl FurtherCore {
    /// Where its HTTP API is, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    /// Where plugins reach it, over HTTP/2 and mutual TLS.
    pub fn mesh(&self) -> &str {
        &self.addresses.mesh
    }

    /// Where nodes find it, over QUIC.
    pub fn cluster(&self) -> &str {
        &self.addresses.cluster
    }
}

impl Place {
    fn loopback() -> Self {
        Self { ip: "127.0.0.1".to_owned(), enter: Vec::new() }
    }

    fn is_loopback(&self) -> bool {
        self.ip == "127.0.0.1"
    }
}

impl Addresses {
    /// Ports that the kernel chooses.
    fn any(place: &Place) -> Self {
        let any = format!("{}:0", place.ip);
        Self { http: any.clone(), mesh: any.clone(), cluster: any }
    }

    /// What a core prints once it is ready.
    fn read(line: &str) -> Self {
        let ready: Value = serde_json::from_str(line).unwrap();
        let address = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { http: address("http"), mesh: address("mesh"), cluster: address("cluster") }
    }
}

impl TestMesh {
    /// Starts a core that knows only itself, on ports that the kernel chooses.
    pub async fn start(programs: Programs) -> Self {
        Self::start_with(programs, "").await
    }

    /// As [`start`](Self::start), with further lines of configuration for every core.
    pub async fn start_with(programs: Programs, settings: &str) -> Self {
        Self::start_at(programs, settings, Place::loopback()).await
    }

    /// As [`start_with`](Self::start_with), with the first core and whatever else is started at this place.
    pub async fn start_at(programs: Programs, settings: &str, place: Place) -> Self {
        let mut headers = reqwest::header::HeaderMap::new();
        if !place.is_loopback() {
            headers.insert("authorization", format!("Bearer {ADMIN_TOKEN}").parse().unwrap());
        }
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).default_headers(headers);
        let mut mesh = Self {
            programs,
            core: None,
            plugins: BTreeMap::new(),
            further: BTreeMap::new(),
            settings: settings.to_owned(),
            addresses: Addresses::any(&place),
            place,
            client: client.build().unwrap(),
            directory: tempfile::tempdir().unwrap(),
        };
        mesh.start_core();
        mesh
    }

    /// What is started from now on runs at this place.
    pub fn go_to(&mut self, place: Place) {
        self.place = place;
    }

    /// Cores that are started from now on have these lines at the top of their configuration.
    pub fn set_settings(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
    }

    /// Starts an instance of the bundled plugin `name` and waits until the core routes to it.
    pub async fn plugin(mut self, name: &str) -> Self {
        self.start_plugin(name, &format!("{name}-{}", self.plugins.len() + 1)).await;
        self
    }

    /// Starts the core, or starts it again on the addresses that it had.
    pub fn start_core(&mut self) {
        let config = self.path("core.toml");
        std::fs::write(&config, self.core_config("core", &self.addresses)).unwrap();
        let mut command = self.command();
        command.args(["core", "--output", "json", "--config"]).arg(&config);
        let (core, line) = Process::start_and_read_line(&mut command, &self.path("core.log"));
        self.addresses = Addresses::read(&line);
        self.core = Some(core);
    }

    /// Starts the further core `name`, which joins by a token; or starts it again on the addresses that it had.
    pub async fn start_further_core(&mut self, name: &str) {
        let known = self.further.remove(name).map(|further| further.addresses);
        let config = self.path(format!("{name}.toml"));
        let mut command = self.command();
        if known.is_none() {
            command.env("GOSSAMER_JOIN", self.core_token().await);
        }
        let addresses = known.unwrap_or_else(|| Addresses::any(&self.place));
        std::fs::write(&config, self.core_config(name, &addresses)).unwrap();
        command.args(["core", "--output", "json", "--config"]).arg(&config);
        let log = self.path(format!("{name}.log"));
        let (process, line) = Process::start_and_read_line(&mut command, &log);
        self.further.insert(name.to_owned(), FurtherCore { process, addresses: Addresses::read(&line) });
    }

    /// A further core that was started.
    pub fn further_core(&mut self, name: &str) -> &mut FurtherCore {
        self.further.get_mut(name).unwrap()
    }

    /// A one-time token for a further core, good for a minute.
    pub async fn core_token(&self) -> String {
        self.create_token(json!({ "core": true, "ttl_seconds": 60 })).await
    }

    fn core_config(&self, name: &str, addresses: &Addresses) -> String {
        let Addresses { http, mesh, cluster } = addresses;
        let (data, settings) = (self.path(name), &self.settings);
        let mode = if self.place.is_loopback() { "open" } else { "private" };
        if !self.place.is_loopback() {
            std::fs::create_dir_all(&data).unwrap();
            std::fs::write(data.join("admin.token"), ADMIN_TOKEN).unwrap();
        }
        format!(
            "{settings}mesh = \"test\"\ndata = {data:?}\nlisten = {http:?}\nmesh_listen = {mesh:?}\n\n\
             [cluster]\nlisten = {cluster:?}\n\n[access]\nmode = {mode:?}\n"
        )
    }

    /// Starts the instance `instance` of the bundled plugin `plugin` and waits until it is routed to.
    pub async fn start_plugin(&mut self, plugin: &str, instance: &str) {
        let token = self.token(plugin, &[&format!("application/vnd.ciq.{plugin}.*")]).await;
        let mut command = self.command();
        command.args(["plugin", "run", plugin]);
        self.spawn_plugin(command, instance, &token);
        self.until_ready(plugin, instance).await;
    }

    /// Starts the guest plugin with `policy` (a Rego module) under a token for the plugin `granted`.
    pub async fn start_guest(&mut self, instance: &str, granted: &str, policy: &str) {
        let token = self.token(granted, &["application/vnd.guest.*"]).await;
        let module = self.path(format!("{instance}.rego"));
        std::fs::write(&module, policy).unwrap();
        let mut command = Command::new(self.programs.guest);
        command.env("GUEST_POLICY", module);
        self.spawn_plugin(command, instance, &token);
    }

    /// Starts an instance again that has joined before: it needs no token.
    pub async fn restart_plugin(&mut self, plugin: &str, instance: &str) {
        let mut command = self.command();
        command.args(["plugin", "run", plugin]);
        self.spawn_plugin(command, instance, "");
        self.until_ready(plugin, instance).await;
    }

    /// Starts `command` as the plugin process `instance`, without waiting for anything.
    pub fn spawn_plugin(&mut self, mut command: Command, instance: &str, token: &str) {
        command.env("GOSSAMER_DATA", self.path(instance));
        let any = format!("{}:0", self.place.ip);
        command.env("GOSSAMER_LISTEN", &any).env("GOSSAMER_BIND", &any);
        command.env("GOSSAMER_LOG", "info");
        if !token.is_empty() {
            command.env("GOSSAMER_JOIN", token);
        }
        let log = self.path(format!("{instance}.log"));
        self.plugins.insert(instance.to_owned(), Process::start(&mut command, &log));
    }

    /// A one-time token for `plugin`, good for a minute.
    pub async fn token(&self, plugin: &str, media_types: &[&str]) -> String {
        self.token_for(plugin, media_types, 60).await
    }

    pub async fn token_for(&self, plugin: &str, media_types: &[&str], ttl_seconds: u64) -> String {
        self.create_token(json!({ "plugin": plugin, "media_types": media_types, "ttl_seconds": ttl_seconds }))
            .await
    }

    async fn create_token(&self, body: Value) -> String {
        let response = self.request(Method::POST, "/api/v1/tokens").json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        let answer: Value = response.json().await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    async fn until_ready(&self, plugin: &str, instance: &str) {
        let node = self.node_of(instance).await;
        self.until(&format!("{instance} is routed to"), async || {
            self.instances(plugin).await.contains(&node)
        })
        .await;
    }

    /// The node id of the plugin process `instance`, from the certificate that it got.
    pub async fn node_of(&self, instance: &str) -> String {
        let directory = self.path(instance).join("identity");
        let node = || Some(Identity::load(&directory).ok()??.id().node.to_string());
        self.until(&format!("{instance} has joined"), async || node().is_some()).await;
        node().unwrap()
    }

    /// Node ids of the instances of `plugin` that the core routes to.
    pub async fn instances(&self, plugin: &str) -> Vec<String> {
        let plugins = self.api("/api/v1/plugins").await;
        let all = plugins["plugins"].as_array().cloned().unwrap_or_default();
        all.iter()
            .filter(|entry| entry["name"] == plugin)
            .flat_map(|entry| entry["instances"].as_array().cloned().unwrap_or_default())
            .filter(|instance| instance["state"] == "admitted")
            .filter_map(|instance| instance["node"].as_str().map(str::to_owned))
            .collect()
    }

    // === looking and asking ===

    /// GETs JSON of the core's API.
    pub async fn api(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "GET {path}");
        response.json().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base()))
    }

    /// PUTs `content` to `path`; it must be taken.
    pub async fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let response = self.request(Method::PUT, path).body(content.into()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED, "PUT {path}: {}", response.text().await.unwrap());
    }

    /// Pushes an artifact by the OCI protocol. Says the manifest's digest.
    pub async fn push(&self, repository: &str, tag: &str, artifact: &Artifact) -> String {
        oci::push(&self.client, &self.base(), repository, tag, artifact).await
    }

    /// Waits until `path` answers `status`.
    pub async fn eventually(&self, path: &str, status: StatusCode) {
        self.until(&format!("GET {path} answers {status}"), async || self.get(path).await.status() == status)
            .await;
    }

    /// Waits until `condition` holds; `what` names it when it never does.
    pub async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition().await {
            if Instant::now() >= deadline {
                panic!("waited {PATIENCE:?} in vain: {what}\n{}", self.diagnosis().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the core can say of itself when a test waited in vain.
    async fn diagnosis(&self) -> String {
        let mut said = String::new();
        for path in ["/api/v1/members", "/api/v1/plugins", "/metrics"] {
            let text = match self.request(Method::GET, path).send().await {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            let lines = text
                .lines()
                .filter(|line| !line.starts_with('#') && !line.contains("_bucket") && !line.is_empty());
            said.extend(lines.flat_map(|line| [line, "\n"]));
        }
        said
    }

    /// Where the core's HTTP API is, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    /// `host:port` of the registry, as OCI clients want it.
    pub fn registry(&self) -> &str {
        &self.addresses.http
    }

    /// Where nodes of this mesh find the core, over QUIC.
    pub fn cluster(&self) -> &str {
        &self.addresses.cluster
    }

    /// Where plugins reach the core, over HTTP/2 and mutual TLS.
    pub fn mesh(&self) -> &str {
        &self.addresses.mesh
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A command of the binary under test that talks to this mesh.
    pub fn command(&self) -> Command {
        let mut command = match self.place.enter.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(self.programs.gossamer);
                command
            }
            None => Command::new(self.programs.gossamer),
        };
        command.env("GOSSAMER_ADDRESS", self.base());
        command
    }

    pub fn core(&mut self) -> &mut Process {
        self.core.as_mut().unwrap()
    }

    pub fn process(&mut self, instance: &str) -> &mut Process {
        self.plugins.get_mut(instance).unwrap()
    }

    /// A path in the mesh's directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for TestMesh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            eprintln!("kept for you to look at: {}", self.directory.path().display());
        }
    }
}
