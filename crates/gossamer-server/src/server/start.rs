//! From a configuration to a running core, in the one order that works.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gossamer_cluster::{Cluster, Examiner, Witness};
use gossamer_identity::Identity;
use gossamer_policy::Policies;
use gossamer_registry::Registry;
use gossamer_wire::{Record, Role};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::{Addresses, Background, Server, StartError, port};
use crate::access::{Access, AdminToken};
use crate::calls::CoreCalls;
use crate::config::Config;
use crate::decisions::{self, Decisions};
use crate::directory::{self, Directory, Seal};
use crate::gateway::Gateway;
use crate::health::Health;
use crate::http::{self, admin::Admin, v2::V2};
use crate::issuer::{self, Issuer, entering};
use crate::layout::Layout;
use crate::listeners::{Door, Listener};
use crate::lookups::RegistryLookups;
use crate::presence::Presence;
use crate::proxy::Pool;
use crate::trials::Trials;
use crate::{evaluator, fanout, generation};

/// How long deliveries in flight may take once the core is told to stop. Shorter than the whole
/// background's grace; what is not acknowledged by then is delivered again by the next life.
const DELIVERY_GRACE: Duration = Duration::from_secs(3);

/// What a core has before anybody hears of it.
struct Ground {
    layout: Layout,
    issuer: Issuer,
    identity: Identity,
    record: Record,
    policies: Policies,
    registry: Registry,
    access: Arc<Access>,
    decisions: Arc<Decisions>,
    /// Set once the cluster is joined.
    directory: Arc<OnceLock<Directory>>,
    /// Sees once the cluster is joined.
    witness: Witness,
}

impl Config {
    /// Starts a core. When this returns it is ready: listeners accept, and what the last run knew
    /// is routed again.
    pub async fn start(self) -> Result<Server, StartError> {
        self.start_with(None).await
    }

    /// As [`start`](Self::start), with the text of the token by which a further core joins at its first start.
    pub async fn start_with(mut self, token: Option<&str>) -> Result<Server, StartError> {
        self.access.check(self.listen)?;
        http::metrics::install();
        let grace = self.grace();
        self.enter(token).await?;
        let ground = self.ground().await?;
        let public = listen(self.listen, &self).await?;
        let mesh = listen(self.mesh_listen, &self).await?;
        let cluster = self.join(&ground).await?;
        let presence = Presence::new(cluster.clone(), ground.record.clone());
        let background = Background::new();
        let proxy = Pool::new(
            ground.identity.clone(),
            self.proxy.clone(),
            background.tasks().clone(),
            background.closing(),
        );
        proxy.report_to(cluster.clone());
        let seeds = self.cluster.seeds.clone();
        let examiner = Examiner::new(ground.identity.clone(), cluster.watch(), seeds);
        let (examining, closing) = (ground.witness.begin(examiner), background.closing());
        background.tasks().spawn(async move { closing.run_until_cancelled(examining).await });
        let trials = try_out(&ground, &background)?;
        let directory = self.follow(&ground, &presence, (&proxy, &trials), &background).await?;
        self.deliver(&ground, &directory, &proxy, &background);
        let leaving = Arc::new(AtomicBool::new(false));
        let parts = self.assemble(&ground, &cluster, (directory, proxy, trials), Arc::clone(&leaving));
        keep_identity(&ground, &cluster, &background);
        let hangups = decisions::reopen_on_hangup(Arc::clone(&ground.decisions), background.closing());
        background.tasks().spawn(hangups);

        background.tasks().spawn(directory::Scanner::of(&parts.gateway).run(background.closing()));
        let addresses =
            Addresses { http: public.address(), mesh: mesh.address(), cluster: cluster.local_addr() };
        let (accepting, connections) = (CancellationToken::new(), TaskTracker::new());
        let door = Door::Mesh(ground.identity.clone());
        let serve =
            public.serve(Door::Public, http::public(parts.clone()), connections.clone(), accepting.clone());
        connections.spawn(serve);
        connections.spawn(mesh.serve(door, http::mesh(parts), connections.clone(), accepting.clone()));
        let service = self.mesh_service(addresses);
        presence.change(|record| record.service = Some(service));
        info!(http = %addresses.http, mesh = %addresses.mesh, cluster = %addresses.cluster, "Core is ready");
        let Ground { registry, .. } = ground;
        Ok(Server {
            addresses,
            presence,
            cluster,
            registry,
            leaving,
            accepting,
            connections,
            background,
            grace,
        })
    }

    /// Joins the mesh of the token, if there is one.
    async fn enter(&mut self, token: Option<&str>) -> Result<(), StartError> {
        let path = self.data.clone();
        let layout = Layout::open(&path).map_err(|source| StartError::Data { path, source })?;
        if let Some(token) = entering::token(token, self.join_file.as_deref())? {
            entering::enter(&layout.identity(), &self.mesh, &token).await?;
        }
        self.cluster.seeds.extend(entering::cores(&layout.identity()));
        Ok(())
    }

    /// Opens everything that is this core's own.
    async fn ground(&self) -> Result<Ground, StartError> {
        let (data, mesh) = (self.data.clone(), self.mesh.clone());
        let lifetime = self.certificate_lifetime();
        let opened = spawn_blocking(move || {
            let failed = |source| StartError::Data { path: data.clone(), source };
            let layout = Layout::open(&data).map_err(failed)?;
            let generation = generation::begin(&layout.generation()).map_err(failed)?;
            let issuer = Issuer::open(&layout.identity(), &mesh, lifetime)?;
            let identity = issuer.own_identity()?;
            let admin = AdminToken::load_or_create(&layout.admin_token())
                .map_err(crate::access::AccessError::from)?;
            Ok::<_, StartError>((layout, generation, issuer, identity, admin))
        });
        let (layout, generation, issuer, identity, admin) =
            opened.await.map_err(|_| StartError::BrokenOff)??;
        let policies =
            evaluator::config(self.policies.clone()).map_err(StartError::Evaluator)?.start().await?;
        let registry = gossamer_registry::Config {
            directory: layout.registry(),
            limits: self.registry.limits.clone(),
            sparse: self.registry.sparse,
        };
        let registry = registry.open().await?;
        let access = Arc::new(Access::new(policies.clone(), &self.access, admin)?);
        let decisions = Decisions::open(&self.decisions).map_err(|source| {
            let path = self.decisions.log.file.clone().unwrap_or_default();
            StartError::Data { path, source }
        })?;
        let decisions = Arc::new(decisions);
        let record = Record {
            node: identity.node(),
            revision: 0,
            generation,
            role: Role::Core,
            version: env!("CARGO_PKG_VERSION").parse().ok(),
            service: None,
            announcement: None,
            route_table: None,
            leaving: false,
        };
        let (directory, witness) = (Arc::default(), Witness::default());
        Ok(Ground {
            layout,
            issuer,
            identity,
            record,
            policies,
            registry,
            access,
            decisions,
            directory,
            witness,
        })
    }

    async fn join(&self, ground: &Ground) -> Result<Cluster, StartError> {
        let kept = ground.layout.cluster_port();
        let config = gossamer_cluster::Config {
            bind: port::again(&kept, self.cluster.listen),
            advertise: self.cluster.advertise,
            seeds: self.cluster.seeds.clone(),
            directory: ground.layout.cluster(),
            tuning: self.cluster.tuning.clone(),
        };
        let calls = CoreCalls {
            issuer: ground.issuer.clone(),
            directory: Arc::clone(&ground.directory),
            witness: ground.witness.clone(),
        };
        let cluster = config.join(ground.identity.clone(), ground.record.clone(), calls).await?;
        port::keep(&kept, cluster.local_addr().port());
        Ok(cluster)
    }

    /// Routes what was known, then follows the cluster.
    async fn follow(
        &self,
        ground: &Ground,
        presence: &Presence,
        (proxy, trials): (&Pool, &Trials),
        background: &Background,
    ) -> Result<Directory, StartError> {
        let cache = ground.layout.announcements();
        let config = directory::Config {
            presence: presence.clone(),
            policies: ground.policies.clone(),
            proxy: proxy.clone(),
            cache: cache.clone(),
            seal: Seal::new(ground.identity.reset_key()),
            mounts: self.gateway.mounts.clone(),
            pins: self.gateway.pins.clone(),
            plans: trials.plans().watch(),
            trusted: self.policies.trusted.iter().copied().collect(),
        };
        let (directory, mut follower) =
            config.open().map_err(|source| StartError::Data { path: cache, source })?;
        follower.remember().await;
        drop(ground.directory.set(directory.clone())); // set once, here
        background.tasks().spawn(follower.run(background.closing()));
        Ok(directory)
    }

    /// Takes events to plugins from now on.
    fn deliver(&self, ground: &Ground, directory: &Directory, proxy: &Pool, background: &Background) {
        let config = fanout::Config {
            log: ground.registry.clone(),
            head: ground.registry.events_head(),
            destinations: directory.watch(),
            transport: proxy.clone(),
            delivery: self.delivery.clone(),
            grace: DELIVERY_GRACE,
        };
        let (_fanout, courier) = config.open();
        background.tasks().spawn(courier.run(background.closing()));
    }

    fn assemble(
        &self,
        ground: &Ground,
        cluster: &Cluster,
        (directory, proxy, trials): (Directory, Pool, Trials),
        leaving: Arc<AtomicBool>,
    ) -> http::Parts {
        let Ground { registry, policies, access, issuer, .. } = ground;
        let gateway = Arc::new(Gateway {
            directory,
            policies: policies.clone(),
            lookups: Arc::new(RegistryLookups::new(registry.clone())),
            registry: registry.clone(),
            proxy,
            access: Arc::clone(access),
            decisions: Arc::clone(&ground.decisions),
            trials,
            blobs: self.gateway.blobs,
        });
        let admin = Admin {
            cluster: cluster.clone(),
            gateway: Arc::clone(&gateway),
            issuer: issuer.clone(),
            witness: ground.witness.clone(),
        };
        let health = Health {
            identity: ground.identity.clone(),
            registry: registry.clone(),
            data: ground.layout.root().to_owned(),
            leaving,
        };
        let v2 = V2 { registry: registry.clone(), access: Arc::clone(access) };
        http::Parts { v2, gateway, admin: Arc::new(admin), health }
    }

    /// How plugins reach the mesh listener.
    fn mesh_service(&self, addresses: Addresses) -> SocketAddr {
        let bound = addresses.mesh;
        match self.mesh_advertise {
            Some(advertise) if advertise.port() == 0 => SocketAddr::new(advertise.ip(), bound.port()),
            Some(advertise) => advertise,
            None if bound.ip().is_unspecified() => SocketAddr::new(addresses.cluster.ip(), bound.port()),
            None => bound,
        }
    }
}

/// Goes on with what operators try out.
fn try_out(ground: &Ground, background: &Background) -> Result<Trials, StartError> {
    let (plans, lookups) = (ground.layout.rollouts(), RegistryLookups::new(ground.registry.clone()));
    let (trials, keeper) = Trials::open(plans.clone(), ground.policies.clone(), Arc::new(lookups))
        .map_err(|source| StartError::Data { path: plans, source })?;
    background.tasks().spawn(keeper.run(background.closing()));
    Ok(trials)
}

async fn listen(address: SocketAddr, config: &Config) -> Result<Listener, StartError> {
    let bound = Listener::bind(address, config.connections.clone()).await;
    bound.map_err(|source| StartError::Listen { address, source })
}

/// Renews this core's certificate, and tells joiners where the cores are.
fn keep_identity(ground: &Ground, cluster: &Cluster, background: &Background) {
    let Ground { issuer, identity, .. } = ground;
    issuer.advertise(cores(cluster));
    background.tasks().spawn(issuer::own::keep(issuer.clone(), identity.clone(), background.closing()));
    background.tasks().spawn(issuer::sharing::keep(issuer.clone(), cluster.clone(), background.closing()));
    let (issuer, cluster, closing) = (issuer.clone(), cluster.clone(), background.closing());
    background.tasks().spawn(async move {
        let mut view = cluster.watch();
        while let Some(Ok(())) = closing.run_until_cancelled(view.changed()).await {
            view.mark_unchanged();
            issuer.advertise(cores(&cluster));
        }
    });
}

/// QUIC addresses of cores, this one first.
fn cores(cluster: &Cluster) -> Vec<SocketAddr> {
    let view = cluster.view();
    let others = view.others().filter(|member| member.role() == Some(&Role::Core) && !member.is_leaving());
    std::iter::once(cluster.local_addr()).chain(others.map(|member| member.address)).collect()
}
