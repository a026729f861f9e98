//! A plugin in the test's own process: its service and inbox are the real ones, the mesh is not there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use gossamer_events::{Event, LogId, Position, Sequence};
use gossamer_wire::NodeId;
use http::{Request, StatusCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::inbox::Lanes;
use crate::plugin::PluginError;
use crate::{Context, Database, Inbox, Instances, Plugin, RegistryClient, WaitError, runner, service};

/// How long a test waits for an event; far more than any handler in a test should need.
const HANDLED_MAX: Duration = Duration::from_secs(10);

/// A plugin that serves a router instead of a socket, with a router as its registry.
#[derive(Debug)]
pub struct InProcess {
    service: Router,
    inbox: Inbox,
    database: Database,
    handling: CancellationToken,
    tasks: TaskTracker,
}

// === impl InProcess ===

impl InProcess {
    /// Starts `P` over `directory`, which keeps its state between starts; `registry` answers `/v2`.
    pub async fn start<P: Plugin>(directory: &Path, registry: Router) -> Result<Self, PluginError> {
        let database = Database::open(&directory.join("plugin.db"))?;
        let (inbox, arrivals) = Inbox::open(database.clone()).await?;
        let context = Context {
            node: NodeId::random(),
            registry: RegistryClient::in_process(registry),
            inbox: inbox.clone(),
            database: database.clone(),
            instances: Instances::alone(),
            directory: directory.to_owned(),
        };
        let plugin = Arc::new(P::start(context).await?);
        let (handling, tasks) = (CancellationToken::new(), TaskTracker::new());
        let lanes = Lanes::new(inbox.clone(), arrivals, runner::handler(Arc::clone(&plugin)));
        tasks.spawn(lanes.run(handling.clone()));
        let service = service::router(inbox.clone(), plugin.router());
        Ok(Self { service, inbox, database, handling, tasks })
    }

    /// What the plugin's listener would serve.
    pub fn service(&self) -> Router {
        self.service.clone()
    }

    /// Delivers an event as a core does. 200 says that it is on disk.
    pub async fn deliver(&self, event: &Event) -> StatusCode {
        deliver(self.service(), event).await
    }

    /// Waits until the plugin has handled an event that was delivered.
    pub async fn handled(&self, sequence: Sequence) -> Result<(), WaitError> {
        self.inbox.handled(Position { log: LogId::UNNAMED, sequence }, HANDLED_MAX).await
    }

    /// Stops as a process does: what is in hand is handled, the rest waits for the next start.
    pub async fn stop(self) {
        self.handling.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.database.close().await;
    }
}

/// Posts an event to a plugin's service, for registries in a test that tell a plugin of what happened.
pub async fn deliver(service: Router, event: &Event) -> StatusCode {
    let body = Body::from(gossamer_wire::event::encode(LogId::UNNAMED, event));
    match Request::post(service::EVENTS_PATH).body(body) {
        Ok(request) => match service.oneshot(request).await {
            Ok(answer) => answer.status(),
            Err(never) => match never {},
        },
        Err(_) => StatusCode::BAD_REQUEST,
    }
}
