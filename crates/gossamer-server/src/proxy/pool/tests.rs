//! What becomes of a request that an instance refuses, drops or leaves waiting, over real connections.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::AtomicUsize;

use futures::stream;
use gossamer_identity::{Authority, ClientAuth, Grant, NodeKey};
use gossamer_oci::Digest;
use gossamer_wire::{Generation, Role};
use h2::Reason;
use h2::server::SendResponse;
use http::StatusCode;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::proxy::Reached;

/// A core's pool and one instance that treats streams as the test says.
struct Room {
    pool: Pool,
    instance: Instance,
    authority: Authority,
    _directory: tempfile::TempDir,
    _end: tokio_util::sync::DropGuard,
}

impl Room {
    fn identity(authority: &Authority, role: Role) -> Identity {
        let hour = Duration::from_secs(3600);
        authority
            .enrol(NodeKey::generate().unwrap(), &Grant::role(role), hour, OffsetDateTime::now_utc())
            .unwrap()
    }

    /// An instance that does `each` with every stream, numbered over all its connections.
    async fn with<F, A>(each: F) -> Self
    where
        F: Fn(usize, Request<h2::RecvStream>, SendResponse<Bytes>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Then> + Send + 'static,
    {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(directory.path(), &"test".parse().unwrap()).unwrap();
        let plugin: PluginName = "yum".parse().unwrap();
        let own = Self::identity(&authority, Role::Plugin(plugin.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let instance = Instance {
            node: own.id().node,
            generation: Generation::new(1),
            plugin,
            version: "1.0.0".parse().unwrap(),
            service: listener.local_addr().unwrap(),
            announcement: Digest::sha256(b""),
        };
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(serve(listener, own, each, tasks.clone()));
        let core = Self::identity(&authority, Role::Core);
        let pool = Pool::new(core, Config::default(), tasks, closing.clone());
        Self { pool, instance, authority, _directory: directory, _end: closing.drop_guard() }
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let pass = self.pool.enter(&self.instance.plugin).await.unwrap();
        self.pool.stream(&self.instance, request, &pass).await
    }
}

/// What becomes of the connection after a stream.
enum Then {
    GoOn,
    HangUp,
}

async fn serve<F, A>(listener: TcpListener, identity: Identity, each: F, tasks: TaskTracker)
where
    F: Fn(usize, Request<h2::RecvStream>, SendResponse<Bytes>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Then> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(identity.server_config(&[b"h2"], ClientAuth::Required));
    let number = Arc::new(AtomicUsize::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, each, number) = (acceptor.clone(), each.clone(), Arc::clone(&number));
        tasks.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                let number = number.fetch_add(1, Ordering::SeqCst);
                // The connection moves on while the stream is looked at.
                let done = each(number, request, respond);
                tokio::pin!(done);
                let then = tokio::select! {
                    then = &mut done => then,
                    _ = std::future::poll_fn(|context| connection.poll_closed(context)) => return,
                };
                if let Then::HangUp = then {
                    return;
                }
            }
        });
    }
}

fn answer(mut respond: SendResponse<Bytes>) -> Then {
    let response = Response::builder().status(StatusCode::OK).body(()).unwrap();
    respond.send_response(response, true).unwrap();
    Then::GoOn
}

fn put(content: &'static str) -> Request<Body> {
    let chunks = stream::iter([Ok::<_, Infallible>(content)]);
    Request::put("/artifacts/yum/x").body(Body::from_stream(chunks)).unwrap()
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_its_method() {
    let room = Room::with(async |number, request: Request<h2::RecvStream>, mut respond| {
        if number == 0 {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Then::GoOn;
        }
        let mut body = request.into_body();
        let first = body.data().await.unwrap().unwrap();
        assert_eq!(first, "whole", "all of the body comes again");
        answer(respond)
    })
    .await;
    let mut request = put("whole");
    *request.method_mut() = http::Method::POST;
    assert_eq!(room.send(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_connection_that_is_cut_may_have_had_its_effect_and_the_request_is_handed_back() {
    let room = Room::with(async |_, request: Request<h2::RecvStream>, _respond| {
        let mut body = request.into_body();
        body.data().await.unwrap().unwrap();
        Then::HangUp
    })
    .await;
    let failed = room.send(put("whole")).await.unwrap_err();
    assert_eq!(failed.reached, Reached::Perhaps);
    let body = failed.request.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "whole");
}

#[tokio::test]
async fn nobody_is_at_the_address_and_nothing_was_sent() {
    let mut room = Room::with(async |_, _, respond| answer(respond)).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    room.instance.service = free;
    let failed = room.send(put("whole")).await.unwrap_err();
    assert_eq!(failed.reached, Reached::Nobody);
    assert!(failed.request.is_some());
    assert!(matches!(failed.error, SendError::Connect { .. }));
}

#[tokio::test]
async fn another_node_at_the_address_is_sent_nothing() {
    let mut room = Room::with(async |_, _, respond| answer(respond)).await;
    room.instance.node = Room::identity(&room.authority, Role::Core).id().node;
    let failed = room.send(put("whole")).await.unwrap_err();
    assert!(matches!(failed.error, SendError::Connect { source: ConnectError::WrongPeer, .. }));
}
