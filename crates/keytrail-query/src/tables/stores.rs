//! The object stores that plans can name: those of the lake's own tables, registered when they are scanned.
//!
//! The engine's own registry starts with the whole local file system and may find more stores by itself; this one
//! starts empty and finds nothing, so that no statement reaches what is not part of the lake.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::{Position, Url};

/// Stores by scheme, host and port of their URL.
#[derive(Debug, Default)]
pub(crate) struct LakeStores(RwLock<HashMap<String, Arc<dyn ObjectStore>>>);

fn key(url: &Url) -> String {
    url[..Position::BeforePath].to_owned()
}

impl ObjectStoreRegistry for LakeStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key(url), store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let removed = self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&key(url));
        removed.ok_or_else(|| exec_datafusion_err!("no table of the lake is stored there: {url}"))
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let store = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key(url)).map(Arc::clone);
        store.ok_or_else(|| exec_datafusion_err!("no table of the lake is stored there: {url}"))
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn only_registered_stores_are_found() {
        let stores = LakeStores::default();
        let url = |text: &str| Url::parse(text).unwrap();
        for text in ["file:///etc/passwd", "s3://bucket/key", "http://localhost/", "memory:///"] {
            assert!(stores.get_store(&url(text)).is_err(), "{text}");
        }
        stores.register_store(&url("s3://bucket/lake"), Arc::new(InMemory::new()));
        assert!(stores.get_store(&url("s3://bucket/lake/events/part.parquet")).is_ok());
        assert!(stores.get_store(&url("s3://other/lake")).is_err());
        assert!(stores.deregister_store(&url("s3://bucket/lake")).is_ok());
        assert!(stores.get_store(&url("s3://bucket/lake")).is_err());
    }
}
