//! `gossamer dev`: a core in this process and its plugins as processes beside it, ready to try.

mod plugins;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use gossamer_server::{Addresses, Config, Server};
use serde_json::{Value, json};

use crate::api::Api;
use crate::cli::{Dev, Output};
use crate::command::{BUNDLED, create_token, stop_signal, unknown};
use crate::{logging, print};

use plugins::{Instance, Plugins};

/// Name of the mesh; it stands in every certificate.
const MESH: &str = "dev";

/// How long the throw-away tokens of the plugins can be used.
const TOKEN_TTL_SECONDS: u64 = 60;

/// Joining takes well under a second; a machine that is busy compiling gets this often this long.
const ROUTED_CHECKS_MAX: u32 = 300;
const ROUTED_CHECK_PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn run(options: Dev, output: Output) -> anyhow::Result<()> {
    logging::start("warn");
    let Dev { listen, data, plugins, instances } = options;
    if let Some(name) = plugins.iter().find(|name| !BUNDLED.contains(&name.as_str())) {
        return Err(unknown(name).into());
    }
    let data = data.map_or_else(default_data, Ok)?;
    let server = core(listen, &data).await?;
    let mut running = Plugins::default();
    let ended = async {
        let api = Api::new(&format!("http://{}", server.addresses().http))?;
        let started = start(&mut running, &api, &data, &plugins, instances).await?;
        until_routed(&api, started.len()).await?;
        announce(&server.addresses(), &data, &started, output)?;
        stop_signal().await
    };
    let ended = ended.await;
    running.stop().await;
    server.stop().await;
    ended
}

async fn core(listen: std::net::SocketAddr, data: &Path) -> anyhow::Result<Server> {
    let mut config = Config::local(MESH.parse()?, data.join("core"));
    config.listen = listen;
    config.access.mode = gossamer_server::access::Mode::Open;
    config.start().await.with_context(|| format!("the core cannot start on {listen}"))
}

/// Starts the plugins and says what runs: name, process id and log of each.
async fn start(
    running: &mut Plugins,
    api: &Api,
    data: &Path,
    names: &[String],
    instances: u8,
) -> anyhow::Result<Vec<Value>> {
    let mut started = Vec::new();
    for name in names {
        for number in 1..=instances {
            let instance = format!("{name}-{number}");
            let directory = data.join("plugins").join(&instance);
            std::fs::create_dir_all(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
            let log = data.join("plugins").join(format!("{instance}.log"));
            // A node that has joined before keeps its identity; the token is then not looked at.
            let media_types = [format!("application/vnd.ciq.{name}.*")];
            let token = create_token(api, Some(name), &media_types, TOKEN_TTL_SECONDS).await?.token;
            let pid = running.start(Instance {
                plugin: name.clone(),
                data: directory,
                log: log.clone(),
                token: Some(token),
            })?;
            started.push(json!({ "plugin": name, "instance": instance, "pid": pid, "log": log }));
        }
    }
    Ok(started)
}

/// Waits until the core routes to as many instances as were started, or says where to look.
async fn until_routed(api: &Api, instances: usize) -> anyhow::Result<()> {
    for _ in 0..ROUTED_CHECKS_MAX {
        let answer = api.get("/api/v1/plugins").await?;
        let items =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let known = items(&answer, "plugins").into_iter().flat_map(|plugin| items(&plugin, "instances"));
        let admitted =
            known.filter(|instance| instance.get("state").is_some_and(|state| state == "admitted"));
        if admitted.count() >= instances {
            return Ok(());
        }
        tokio::time::sleep(ROUTED_CHECK_PAUSE).await;
    }
    eprintln!("Some plugins are not ready yet: see `gossamer mesh plugins` and their logs.");
    Ok(())
}

fn announce(addresses: &Addresses, data: &Path, started: &[Value], output: Output) -> anyhow::Result<()> {
    let http = addresses.http;
    if output == Output::Json {
        return print::json_line(&json!({
            "http": http, "mesh": addresses.mesh, "cluster": addresses.cluster, "data": data, "plugins": started,
        }));
    }
    let field = |plugin: &Value, key: &str| {
        let value = plugin.get(key).unwrap_or(&Value::Null);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    println!("core     http://{http}  (open to everybody on this machine)");
    for plugin in started {
        let [instance, pid, log] = ["instance", "pid", "log"].map(|key| field(plugin, key));
        println!("plugin   {instance}  process {pid}  log {log}");
    }
    println!("data     {}", data.display());
    println!();
    println!("Try:  curl -T README.md http://{http}/artifacts/static/docs/file/README.md");
    println!("      curl http://{http}/artifacts/static/docs/file/README.md");
    println!("      {} explain GET /artifacts/static/docs/file/README.md", this_program());
    println!();
    println!("Ctrl-C stops everything.");
    Ok(())
}

/// How a person in this directory calls this program.
fn this_program() -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("gossamer"));
    let here = std::env::current_dir().unwrap_or_default();
    program.strip_prefix(&here).unwrap_or(&program).display().to_string()
}

fn default_data() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let base = base.filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = base.or_else(home).context("there is no home directory: say --data DIR")?;
    Ok(base.join("gossamer/dev"))
}
