//! Requests to S3, counted where they leave the process: as many as the bill says, repetitions included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// Counts the requests of every store that is opened with it; clones count together.
#[derive(Debug, Clone, Default)]
pub struct RequestCounter(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    lists: AtomicU64,
    gets: AtomicU64,
    heads: AtomicU64,
    puts: AtomicU64,
    deletes: AtomicU64,
    failures: AtomicU64,
}

/// Requests to S3 by what they cost; those for credentials are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// `ListObjectsV2`, each of at most 1,000 objects.
    pub lists: u64,
    /// `GetObject`, whole or a range.
    pub gets: u64,
    /// `HeadObject`.
    pub heads: u64,
    /// `PutObject`, and the requests of multipart uploads.
    pub puts: u64,
    /// Deletions, which cost nothing.
    pub deletes: u64,
    /// How many of all these were not served: 429, 5xx or no answer. Each is sent again within
    /// [`StorageOptions`](super::StorageOptions)' limits.
    pub failures: u64,
}

impl RequestCounts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.lists + self.gets + self.heads + self.puts + self.deletes
    }
}

impl RequestCounter {
    /// What was counted so far.
    pub fn counts(&self) -> RequestCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RequestCounts {
            lists: of(&self.0.lists),
            gets: of(&self.0.gets),
            heads: of(&self.0.heads),
            puts: of(&self.0.puts),
            deletes: of(&self.0.deletes),
            failures: of(&self.0.failures),
        }
    }

    fn count(&self, method: &str, query: Option<&str>) {
        let counters = &*self.0;
        let is_listing = query.is_some_and(|query| query.split('&').any(|part| part == "list-type=2"));
        let is_deletion = query.is_some_and(|query| query.split('&').any(|part| part.starts_with("delete")));
        let counter = match method {
            "GET" if is_listing => &counters.lists,
            "GET" => &counters.gets,
            "HEAD" => &counters.heads,
            "DELETE" => &counters.deletes,
            "POST" if is_deletion => &counters.deletes,
            _ => &counters.puts,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl HttpConnector for RequestCounter {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CountedClient { client, counter: self.clone() }))
    }
}

/// A client that counts what it sends.
#[derive(Debug)]
struct CountedClient {
    client: HttpClient,
    counter: RequestCounter,
}

#[async_trait]
impl HttpService for CountedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.counter.count(request.method().as_str(), request.uri().query());
        let response = self.client.execute(request).await;
        let is_served =
            response.as_ref().is_ok_and(|response| !response.status().is_server_error() && response.status() != 429);
        if !is_served {
            self.counter.0.failures.fetch_add(1, Ordering::Relaxed);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_method_and_query() {
        let counter = RequestCounter::default();
        for (method, query) in [
            ("GET", Some("list-type=2&prefix=a%2Fdelete")),
            ("GET", Some("prefix=a&list-type=2")),
            ("GET", None),
            ("HEAD", None),
            ("PUT", None),
            ("PUT", Some("partNumber=1&uploadId=x")),
            ("POST", Some("uploads")),
            ("POST", Some("delete")),
            ("DELETE", None),
            ("DELETE", Some("uploadId=x")),
        ] {
            counter.clone().count(method, query);
        }
        let counts = counter.counts();
        assert_eq!(counts, RequestCounts { lists: 2, gets: 1, heads: 1, puts: 3, deletes: 3, failures: 0 });
        assert_eq!(counts.total(), 10);
    }
}
