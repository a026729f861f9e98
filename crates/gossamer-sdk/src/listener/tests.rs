//! Who gets in, and how connections end, over real sockets and certificates.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use gossamer_identity::{Authority, Grant, Identity, NodeKey};
use gossamer_wire::Role;
use http::{Request, StatusCode};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Listener;

struct Mesh {
    authority: Authority,
    _directory: tempfile::TempDir,
}

impl Mesh {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(directory.path(), &name.parse().unwrap()).unwrap();
        Self { authority, _directory: directory }
    }

    fn node(&self, role: Role) -> Identity {
        let hour = Duration::from_secs(3600);
        let now = OffsetDateTime::now_utc();
        self.authority.enrol(NodeKey::generate().unwrap(), &Grant::role(role), hour, now).unwrap()
    }

    fn plugin(&self) -> Identity {
        self.node(Role::Plugin("test".parse().unwrap()))
    }
}

struct Serving {
    address: SocketAddr,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

async fn serve(identity: Identity) -> Serving {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "slow"
    };
    let router = Router::new().route("/", get(|| async { "hello" })).route("/slow", get(slow));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, tasks, shutdown) = (listener.address(), TaskTracker::new(), CancellationToken::new());
    tasks.spawn(listener.serve(identity, router, tasks.clone(), shutdown.clone()));
    tasks.close();
    Serving { address, tasks, shutdown }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(client: &Identity, address: SocketAddr) -> Result<SendRequest<Body>, Failure> {
    let tcp = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(client.client_config(&[b"h2"]));
    let tls = connector.connect(gossamer_identity::server_name(), tcp).await?;
    let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await?;
    TaskTracker::new().spawn(driver);
    Ok(sender)
}

async fn ask(connection: &mut SendRequest<Body>, path: &str) -> Result<StatusCode, Failure> {
    let request = Request::get(format!("https://plugin.test{path}")).body(Body::empty())?;
    Ok(connection.send_request(request).await?.status())
}

#[tokio::test]
async fn a_core_of_the_mesh_gets_in_and_nobody_else() {
    let (mesh, other) = (Mesh::new("dev"), Mesh::new("other"));
    let serving = serve(mesh.plugin()).await;
    let status = ask(&mut connect(&mesh.node(Role::Core), serving.address).await.unwrap(), "/").await;
    assert_eq!(status.unwrap(), StatusCode::OK);
    for stranger in [mesh.plugin(), mesh.node(Role::Agent), other.node(Role::Core)] {
        let asked = async { ask(&mut connect(&stranger, serving.address).await?, "/").await };
        assert!(asked.await.is_err(), "{stranger:?}");
    }
}

#[tokio::test]
async fn requests_that_have_begun_are_finished_when_the_listener_stops() {
    let mesh = Mesh::new("dev");
    let serving = serve(mesh.plugin()).await;
    let core = mesh.node(Role::Core);
    let mut connection = connect(&core, serving.address).await.unwrap();
    assert_eq!(ask(&mut connection, "/").await.unwrap(), StatusCode::OK);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        serving.shutdown.cancel();
    };
    let (status, ()) = tokio::join!(ask(&mut connection, "/slow"), stop);
    assert_eq!(status.unwrap(), StatusCode::OK);
    tokio::time::timeout(Duration::from_secs(5), serving.tasks.wait()).await.unwrap();
    assert!(connect(&core, serving.address).await.is_err());
}
