//! One place on one object store: the lake's root, a table's root, or a source of log files.
//!
//! It opens stores and knows where in them a location lies; it does not know what the objects hold.

mod credentials;
pub(crate) mod local;
mod requests;
mod s3;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

use crate::error::LakeError;
use crate::location::Location;
use local::StagedLeftover;

pub use credentials::StaticCredentials;
pub use requests::{RequestCounter, RequestCounts};

/// How S3 is reached; the default is AWS's own chain of environment, profiles, roles and instance metadata.
///
/// A request that is not served is sent again: at most [`MAX_RETRIES`] times within [`RETRY_BUDGET`], after growing pauses.
#[derive(Debug, Clone, Default)]
pub struct StorageOptions {
    /// A profile of the AWS configuration files; none = `AWS_PROFILE` or the default profile. A profile given here
    /// is preferred to keys in the environment, as AWS's own tools do.
    pub profile: Option<String>,
    /// Keys to use instead of AWS's own chain; none = the chain.
    pub credentials: Option<StaticCredentials>,
    /// The region; none = environment, profile, instance metadata.
    pub region: Option<String>,
    /// An S3-compatible server; none = `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or the profile's.
    pub endpoint_url: Option<String>,
    /// Whether an `http://` endpoint beyond this machine is allowed.
    pub allow_http: bool,
    /// Counts the requests to S3.
    pub requests: RequestCounter,
}

/// How often a request to S3 is sent again when it is not served.
pub const MAX_RETRIES: usize = 10;
/// How long a request to S3 is sent again: a server that is down for minutes ends the run, which can be repeated.
pub const RETRY_BUDGET: Duration = Duration::from_secs(180);

/// An object store, and the path in it below which a lake, a table or a source lies.
#[derive(Clone)]
pub struct Storage {
    location: Location,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: Url,
    name: String,
    /// The folder on disk; none elsewhere.
    folder: Option<PathBuf>,
    conditional_put: Arc<OnceCell<()>>,
}

impl Storage {
    /// A place in memory that lives as long as its clones; for tests.
    #[expect(clippy::missing_panics_doc, reason = "the URL is a constant")]
    pub fn in_memory() -> Self {
        let url = Url::parse("memory:///").expect("a constant URL");
        Self::new(Location::memory(), Arc::new(InMemory::new()), Path::default(), url)
    }

    /// A bucket in memory; its location says S3, and what is done for S3 only is done.
    #[cfg(test)]
    pub(crate) fn in_memory_at(location: &Location) -> Self {
        let (_bucket, prefix) = location.as_s3().expect("an S3 location");
        let url = Url::parse("s3://bucket").expect("a constant URL");
        Self::new(location.clone(), Arc::new(InMemory::new()), Path::from(prefix), url)
    }

    fn new(location: Location, store: Arc<dyn ObjectStore>, prefix: Path, url: Url) -> Self {
        let name = location.to_string();
        let folder = location.as_local_path().map(Into::into);
        Self { location, store, prefix, url, name, folder, conditional_put: Arc::default() }
    }

    /// The same place through another store, such as one that injects faults; for tests.
    #[must_use]
    pub fn with_store(self, wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self { store: wrap(self.store), conditional_put: Arc::default(), ..self }
    }

    /// The place `name` below this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        let prefix = self.prefix.clone().join(name);
        let folder = self.folder.as_ref().map(|folder| folder.join(name));
        Self { prefix, folder, name: self.name_of(name), ..self.clone() }
    }

    /// The store; its root is the bucket, or the file system's root.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The path of this place in the store.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The URL under which an engine registers the store: scheme and bucket, without a path.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The location that was opened, for a table's storage the lake's.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The path in the store of something below this place.
    ///
    /// # Errors
    ///
    /// [`LakeError::Corrupt`] when the text is no path below this place.
    pub fn path_of(&self, relative: &str) -> Result<Path, LakeError> {
        let relative = Path::parse(relative).map_err(|error| LakeError::corrupt(self, error))?;
        Ok(self.prefix.parts().chain(relative.parts()).collect())
    }

    /// Whether this is a folder on disk.
    pub(crate) fn is_local(&self) -> bool {
        self.folder.is_some()
    }

    /// Says that a file is no lake, before something is looked for below it.
    pub(crate) fn refuse_file(&self) -> Result<(), LakeError> {
        let is_file = |folder: &PathBuf| fs_err::metadata(folder).is_ok_and(|metadata| metadata.is_file());
        match self.folder.as_ref().is_some_and(is_file) {
            true => Err(LakeError::NotALake { place: self.to_string(), reason: "it is a file".to_owned() }),
            false => Ok(()),
        }
    }

    /// The full name of something below this place, as messages show it.
    pub fn name_of(&self, relative: &str) -> String {
        format!("{}/{relative}", self.name.trim_end_matches('/'))
    }

    /// Makes what was published in a folder durable again, after an error left that in doubt.
    pub(crate) async fn settle(&self, relative_folder: &str) -> Result<(), LakeError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let folder = folder.join(relative_folder);
        let shown = folder.display().to_string();
        local::sync_folder(folder).await.map_err(|error| LakeError::storage(&shown, error))
    }

    /// Files below this place that have no name yet, or never got one because their writer was killed; none but on disk.
    pub(crate) async fn list_staged(&self) -> Result<Vec<StagedLeftover>, LakeError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        local::list_staged(folder.clone()).await.map_err(|error| LakeError::storage(self, error))
    }

    /// Deletes such a file.
    pub(crate) async fn delete_staged(&self, path: &std::path::Path) -> Result<(), object_store::Error> {
        match &self.folder {
            Some(folder) => local::delete_file(folder.join(path)).await,
            None => Ok(()),
        }
    }

    /// Proves, once per process and lake, that an S3 server refuses to create an object twice.
    ///
    /// Some S3-compatible servers ignore the condition and overwrite, which would destroy commits silently.
    pub(crate) async fn require_conditional_put(&self) -> Result<(), LakeError> {
        if !self.location.is_s3() {
            return Ok(());
        }
        self.conditional_put.get_or_try_init(|| self.test_conditional_put()).await.copied()
    }

    async fn test_conditional_put(&self) -> Result<(), LakeError> {
        let path = self.path_of(&format!("_keytrail/conditional-put-test-{}", Uuid::new_v4()))?;
        let create = |text: &'static str| {
            self.store.put_opts(&path, PutPayload::from_static(text.as_bytes()), PutMode::Create.into())
        };
        create("first").await.map_err(|error| LakeError::storage(self, error))?;
        let second = create("second").await;
        // A leftover test object harms nobody; the verdict matters more than a failing delete.
        let _deleted = self.store.delete(&path).await;
        match second {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(LakeError::storage(self, error)),
            Ok(_) => Err(LakeError::Unsupported {
                place: self.to_string(),
                reason: "the server ignores If-None-Match and would overwrite commits".to_owned(),
            }),
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("name", &self.name).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Opens the store that holds a location; nothing is read or created there yet.
///
/// # Errors
///
/// [`LakeError::InvalidLocation`] when the location or its endpoint cannot be expressed, [`LakeError::Storage`] when
/// the S3 client cannot be set up.
pub async fn open_storage(location: &Location, options: &StorageOptions) -> Result<Storage, LakeError> {
    match (location.as_local_path(), location.as_s3()) {
        (Some(path), _) => local::open(location, path),
        (_, Some((bucket, prefix))) => s3::open(location, bucket, prefix, options).await,
        (None, None) => Ok(Storage::in_memory()),
    }
}
