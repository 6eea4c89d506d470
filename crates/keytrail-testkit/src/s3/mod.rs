//! An S3 server in this process: an in-memory bucket behind real HTTP and real signatures, with a hook for faults.
//!
//! ```text
//! client ─HTTP─▶ s3s (wire format, signatures) ─▶ Backend (counts the call, asks the fault hook) ─▶ Objects (one lock)
//! ```
//!
//! Creating an object with `If-None-Match: *` is atomic. It knows one bucket, no versions, no ACLs, no encryption, and
//! forgets everything when it is dropped.

mod backend;
mod fault;
mod line;
mod objects;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use backend::{Backend, Shared};
pub use fault::{Fault, Operation, S3Call};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A running server; it stops when this is dropped. It has threads of its own, so that tests without a runtime can use it.
pub struct S3Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl S3Server {
    /// Starts a server with one empty bucket on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When the machine has no port or no thread left.
    pub fn start(bucket: &str) -> Self {
        let shared = Arc::new(Shared::new(bucket));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3-server")
            .enable_all()
            .build()
            .expect("threads for the server");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket that tokio can drive");
        let address = listener.local_addr().expect("the address of a bound socket");
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).expect("a socket that tokio can drive")
        };
        runtime.spawn(serve(listener, service(&shared)));
        Self { shared, address, runtime: Some(runtime) }
    }

    /// The URL of the server, plain HTTP; requests name the bucket in their path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.shared.bucket
    }

    /// The only access key id that is accepted.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret of the access key.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// Puts an object without a request.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.shared.objects().put(key, bytes.into());
    }

    /// Sets a member of an object's metadata without a request.
    pub fn set_metadata(&self, key: &str, member: &str, value: &str) {
        self.shared.objects().set_metadata(key, member, value);
    }

    /// An object's bytes, without a request; `None` = there is none.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.shared.objects().get(key).map(|object| object.bytes.clone())
    }

    /// All keys with a prefix, sorted, without a request.
    pub fn list(&self, prefix: &str) -> Vec<String> {
        self.shared.objects().keys(prefix)
    }

    /// How many requests of a kind came since the start or [`Self::forget_calls`], refused ones included.
    pub fn count(&self, operation: Operation) -> usize {
        self.shared.calls().iter().filter(|call| call.operation == operation).count()
    }

    /// The requests since the start or [`Self::forget_calls`], in the order of their arrival.
    pub fn calls(&self) -> Vec<S3Call> {
        self.shared.calls().clone()
    }

    /// A way to change objects from within a fault hook; it does not keep the server alive.
    pub fn bucket_door(&self) -> BucketDoor {
        BucketDoor(Arc::downgrade(&self.shared))
    }

    /// Sets the counters back.
    pub fn forget_calls(&self) {
        self.shared.calls().clear();
    }

    /// Lets pages of listings have at most so many entries, 1,000 without this.
    pub fn limit_pages(&self, entries: usize) {
        self.shared.limit_pages(entries);
    }

    /// Asks `decide` before each request from now on what shall happen to it.
    pub fn inject(&self, decide: impl Fn(&S3Call) -> Fault + Send + Sync + 'static) {
        self.shared.set_hook(Some(Arc::new(decide)));
    }

    /// Ends the faults.
    pub fn heal(&self) {
        self.shared.set_hook(None);
    }
}

/// A way into the bucket that asks for no request: see [`S3Server::bucket_door`].
#[derive(Clone)]
pub struct BucketDoor(Weak<Shared>);

impl BucketDoor {
    /// An object's bytes; `None` = there is none.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.0.upgrade()?.objects().get(key).map(|object| object.bytes.clone())
    }

    /// Puts an object.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        if let Some(shared) = self.0.upgrade() {
            shared.objects().put(key, bytes.into());
        }
    }

    /// Deletes an object.
    pub fn delete(&self, key: &str) {
        if let Some(shared) = self.0.upgrade() {
            shared.objects().delete(key);
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A plain drop would wait, which a test's own runtime forbids.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Server").field("endpoint", &self.endpoint()).field("bucket", &self.bucket()).finish()
    }
}

fn service(shared: &Arc<Shared>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Backend::new(Arc::clone(shared)));
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    builder.build()
}

/// Accepts connections until the runtime ends.
async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        // A connection that cannot be accepted is its client's problem, who sees it.
        let Ok((stream, _peer)) = listener.accept().await else { continue };
        let service = service.clone();
        connections.spawn(async move {
            line::serve(stream, service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
