//! A client's connection, so that a fault can break it while a request waits for its answer.

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::service::S3Service;
use tokio::net::TcpStream;
use tokio::sync::Notify;

tokio::task_local! {
    /// The line of the request that is being served: HTTP/1 serves it within its connection's task.
    static LINE: Arc<Notify>;
}

/// Serves the requests of a connection until the client or a fault ends it.
pub(super) async fn serve(stream: TcpStream, service: S3Service) {
    let line = Arc::new(Notify::new());
    let Some((stream, kept)) = doubled(stream) else { return };
    let builder = auto::Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let is_broken = tokio::select! {
        // Clients close connections as they like.
        _ended = LINE.scope(Arc::clone(&line), serving) => false,
        () = line.notified() => true,
    };
    if is_broken {
        // Without time to linger, the last close is a reset.
        drop(kept.set_zero_linger());
    }
}

/// The connection twice: one to serve, one to break.
fn doubled(stream: TcpStream) -> Option<(TcpStream, TcpStream)> {
    let stream = stream.into_std().ok()?;
    let kept = TcpStream::from_std(stream.try_clone().ok()?).ok()?;
    Some((TcpStream::from_std(stream).ok()?, kept))
}

/// Breaks the connection of the request that is being served; does not come back.
pub(super) async fn break_off() -> std::convert::Infallible {
    // Outside of a connection there is nothing to break, and nobody waits.
    let _is_served = LINE.try_with(|line| line.notify_one());
    std::future::pending().await
}
