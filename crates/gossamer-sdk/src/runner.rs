//! The life of a plugin process, from its options to its farewell, as two numbered lists.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use gossamer_cluster::{Cluster, Examiner};
use gossamer_identity::Identity;
use gossamer_wire::{Announcement, Role};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::announcing::{self, InvalidDeclaration, Pulls};
use crate::home::{Addresses, Home, HomeError};
use crate::inbox::{Handler, Lanes};
use crate::joining::{self, notes::Notes};
use crate::listener::Listener;
use crate::log::{self, Chain};
use crate::plugin::PluginError;
use crate::settling::Arrivals;
use crate::trusting::Trusting;
use crate::{
    Context, Database, DatabaseError, Inbox, Instances, Options, Plugin, RegistryClient, renewing, service,
};

/// How long requests and handlers may take to end, once the plugin has said that it leaves.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Why a plugin did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Declaration(#[from] InvalidDeclaration),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("the plugin has no identity")]
    Identity(#[from] joining::JoinError),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("cannot join the cluster")]
    Cluster(#[from] gossamer_cluster::StartError),
    #[error("cannot be announced")]
    Announce(#[from] gossamer_cluster::PublishError),
    #[error("the plugin's database cannot be used")]
    Database(#[from] DatabaseError),
    #[error("the plugin refused to start")]
    Plugin(#[source] PluginError),
}

/// A plugin that is a member, serves and handles events.
struct Running {
    home: Home,
    announcement: Arc<Announcement>,
    role: Role,
    cluster: Cluster,
    database: Database,
    arrivals: Arrivals,
    accepting: CancellationToken,
    handling: CancellationToken,
    requests: TaskTracker,
    background: TaskTracker,
}

/// Runs `P` as this process, told by its environment: the whole `main` of a plugin's binary.
pub fn main<P: Plugin>() -> ExitCode {
    match Options::from_environment() {
        Ok(options) => main_with::<P>(options),
        Err(error) => {
            eprintln!("{}: {error}", P::NAME);
            ExitCode::from(2)
        }
    }
}

/// Runs `P` as this process, told by `options`.
pub fn main_with<P: Plugin>(options: Options) -> ExitCode {
    log::start(options.log.as_deref());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(RunError::Runtime).and_then(|runtime| runtime.block_on(run::<P>(options)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {}", P::NAME, Chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Runs `P` until the process is told to stop, by SIGTERM or SIGINT.
pub async fn run<P: Plugin>(options: Options) -> Result<(), RunError> {
    run_until::<P>(options, stop_signal()).await
}

/// Runs `P` until `stop` is ready.
pub async fn run_until<P: Plugin>(
    options: Options,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let mut stop = std::pin::pin!(stop);
    let running = tokio::select! {
        started = start::<P>(options) => started?,
        () = stop.as_mut() => return Ok(()),
    };
    stop.await;
    running.stop().await;
    Ok(())
}

/// The only order in which a plugin starts.
async fn start<P: Plugin>(options: Options) -> Result<Running, RunError> {
    // 1. A directory of its own, and in it the number of this life.
    let home = Home::open::<P>(&options)?;
    // 2. Who we are: a certificate from last time, or a token.
    let token = home.token(&options)?;
    let identity = joining::join(&home.identity(), token.as_ref()).await?;
    // 3. A port, before anybody is told of it.
    let cores = Notes::new(&home.identity()).issuers()?;
    let addresses = Addresses::new(&options, &cores);
    let listener = Listener::bind(addresses.listen).await;
    let listener = listener.map_err(|error| RunError::Listen(addresses.listen, error))?;
    let node = identity.id().node;
    let announcement = announcing::announcement::<P>(node, home.generation(), listener.address())?;
    let announcement = Arc::new(announcement);
    // 4. A place in the cluster, as a member that does not serve yet.
    let config = gossamer_cluster::Config {
        bind: addresses.bind,
        advertise: None,
        seeds: cores.clone(),
        directory: home.cluster(),
        tuning: gossamer_cluster::Tuning::default(),
    };
    let role = identity.id().role;
    if role.plugin() != Some(&announcement.plugin) {
        warn!(certified = %role, announced = %announcement.plugin, "No core will admit what the certificate is not for");
    }
    let record = announcing::silent_record(&announcement, role);
    let pulls = Pulls::new(Arc::clone(&announcement), Trusting::new(identity.clone()));
    let cluster = config.join(identity.clone(), record, pulls.clone()).await?;
    let examiner = Examiner::new(identity.clone(), cluster.watch(), cores);
    TaskTracker::new().spawn(pulls.witness().begin(examiner)); // ends with the cluster
    // From here on, a failure says goodbye before it is reported.
    match serve::<P>(home, &identity, listener, &cluster, announcement).await {
        Ok(running) => Ok(running),
        Err(error) => {
            cluster.leave().await;
            Err(error)
        }
    }
}

async fn serve<P: Plugin>(
    home: Home,
    identity: &Identity,
    listener: Listener,
    cluster: &Cluster,
    announcement: Arc<Announcement>,
) -> Result<Running, RunError> {
    let role = identity.id().role;
    let (requests, background) = (TaskTracker::new(), TaskTracker::new());
    let (accepting, handling) = (CancellationToken::new(), CancellationToken::new());
    // 5. What was acknowledged and not yet handled.
    let database = Database::open(&home.database())?;
    let (inbox, arrivals) = Inbox::open(database.clone()).await?;
    // 6. The plugin itself.
    let registry = RegistryClient::of_mesh(cluster.clone(), identity, background.clone());
    let context = Context {
        node: announcement.node,
        registry,
        inbox: inbox.clone(),
        database: database.clone(),
        instances: Instances::of(cluster.clone(), role.clone()),
        directory: home.plugin()?,
    };
    let plugin = Arc::new(P::start(context).await.map_err(RunError::Plugin)?);
    // 7. Work: events left and to come, requests, certificates.
    let lanes = Lanes::new(inbox.clone(), arrivals, handler(Arc::clone(&plugin)));
    requests.spawn(lanes.run(handling.clone()));
    let arrivals = Arrivals::default();
    let router = arrivals.counting(service::router(inbox, plugin.router()));
    requests.spawn(listener.serve(identity.clone(), router, requests.clone(), accepting.clone()));
    let (renewed, at, stop) = (identity.clone(), home.identity(), handling.clone());
    let mesh = cluster.clone();
    background.spawn(async move { renewing::keep(&at, renewed, mesh, stop).await });
    // 8. Only now is anybody told.
    cluster.publish(announcing::record(&announcement, role.clone()))?;
    info!(plugin = P::NAME, node = %announcement.node, generation = %announcement.generation,
        service = %announcement.service, "Serving");
    let cluster = cluster.clone();
    Ok(Running {
        home,
        announcement,
        role,
        cluster,
        database,
        arrivals,
        accepting,
        handling,
        requests,
        background,
    })
}

/// The plugin's handler as the inbox calls it.
pub(crate) fn handler<P: Plugin>(plugin: Arc<P>) -> Handler {
    Arc::new(move |event| {
        let plugin = Arc::clone(&plugin);
        async move { plugin.on_event(&event).await }.boxed()
    })
}

// === impl Running ===

impl Running {
    /// The only order in which a plugin stops.
    async fn stop(self) {
        info!("Stopping");
        // 1. Cores send their requests and events to other instances; those that have not heard yet are served.
        let record = announcing::leaving_record(&self.announcement, self.role);
        if let Err(error) = self.cluster.publish(record) {
            warn!(%error, "Cannot say that we leave");
        }
        self.arrivals.ceased().await;
        // 2. No new connections; those there are end, by GOAWAY, with the requests they have begun.
        self.accepting.cancel();
        // 3. No further events; what is in hand is handled.
        self.handling.cancel();
        self.requests.close();
        if timeout(DRAIN_MAX, self.requests.wait()).await.is_err() {
            warn!(unfinished = self.requests.len(), "Draining took too long, dropping what is left");
        }
        // 4. Goodbye.
        self.cluster.leave().await;
        self.background.close();
        // 5. Last of all: what we acknowledged is on disk.
        self.database.close().await;
        drop(self.home); // whoever waited for the directory may have it
    }
}

/// Ready once the process is told to stop. Without signals, never.
async fn stop_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            warn!(%error, "Cannot listen for signals");
            std::future::pending().await
        }
    }
}
