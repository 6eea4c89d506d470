//! An object store that holds one file, which was opened before and is only read.
//!
//! Every other location is not found, and everything that writes is refused: what a plan makes of its URL cannot reach
//! further than this file.

use std::fmt::{Display, Formatter};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::task::spawn_blocking;

/// Numbers the files of this process: the engine's caches know a file by its location, whatever store it is in.
static FILE_COUNT: AtomicU64 = AtomicU64::new(0);

/// Bytes that are read at a time.
const CHUNK_BYTES: u64 = 1 << 20;
/// Bytes among which the first line of a file is looked for.
const START_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: Arc<File>,
    meta: ObjectMeta,
}

impl OpenFile {
    /// Opens a file; it must be a regular one.
    ///
    /// # Errors
    /// When it cannot be opened, or could make a reader wait for ever.
    pub(super) fn open(path: &FilePath) -> io::Result<Self> {
        if !fs_err::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file: File = fs_err::File::open(path)?.into();
        let metadata = file.metadata()?;
        let meta = ObjectMeta {
            location: Path::from(format!("file{}", FILE_COUNT.fetch_add(1, Ordering::Relaxed))),
            last_modified: metadata.modified().map_or(DateTime::UNIX_EPOCH, DateTime::<Utc>::from),
            size: metadata.len(),
            e_tag: None,
            version: None,
        };
        Ok(Self { file: Arc::new(file), meta })
    }

    /// The file's location in its store, which no other file has.
    pub(super) fn location(&self) -> &Path {
        &self.meta.location
    }

    /// The file itself.
    pub(super) fn into_file(self) -> Arc<File> {
        self.file
    }

    /// The first line that is not blank, or its beginning, for telling how the file is written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn first_line(&self) -> io::Result<Vec<u8>> {
        let mut start = vec![0; START_BYTES];
        let count = self.file.read_at(&mut start, 0)?;
        let mut lines = start[..count].split(|byte| *byte == b'\n');
        Ok(lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default().to_vec())
    }

    fn not_found(location: &Path) -> object_store::Error {
        object_store::Error::NotFound { path: location.to_string(), source: "no such file in the session".into() }
    }

    fn refuse<T>(operation: &'static str) -> Result<T> {
        Err(object_store::Error::NotSupported {
            source: format!("files of a session are only read: {operation}").into(),
        })
    }
}

impl Display for OpenFile {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("one file")
    }
}

#[async_trait]
impl ObjectStore for OpenFile {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if *location != self.meta.location {
            return Err(Self::not_found(location));
        }
        options.check_preconditions(&self.meta)?;
        let size = self.meta.size;
        let range = match &options.range {
            None => 0..size,
            Some(range) => range
                .as_range(size)
                .map_err(|source| object_store::Error::Generic { store: "file", source: Box::new(source) })?,
        };
        let payload =
            if options.head { stream::empty().boxed() } else { chunks(Arc::clone(&self.file), range.clone()) };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta: self.meta.clone(),
            range,
            attributes: Attributes::default(),
        })
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let is_listed = prefix.is_none_or(|prefix| self.meta.location.prefix_matches(prefix));
        stream::iter(is_listed.then(|| Ok(self.meta.clone()))).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult { common_prefixes: Vec::new(), objects: vec![self.meta.clone()] })
    }

    async fn put_opts(&self, _location: &Path, _payload: PutPayload, _opts: PutOptions) -> Result<PutResult> {
        Self::refuse("put")
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Self::refuse("put")
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| Self::refuse("delete")).boxed()
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Self::refuse("copy")
    }
}

/// The bytes of a range, a chunk at a time.
fn chunks(file: Arc<File>, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let next = move |start: u64| {
        let file = Arc::clone(&file);
        let chunk = start..range.end.min(start.saturating_add(CHUNK_BYTES));
        async move {
            if chunk.is_empty() {
                return None;
            }
            let end = chunk.end;
            let read = spawn_blocking(move || read(&file, &chunk)).await;
            let bytes = read.map_err(io::Error::other).flatten();
            Some((
                bytes.map_err(|source| object_store::Error::Generic { store: "file", source: Box::new(source) }),
                end,
            ))
        }
    };
    stream::unfold(range.start, next).boxed()
}

fn read(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use object_store::ObjectStoreExt as _;

    use super::*;

    fn opened(content: &[u8]) -> OpenFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs_err::write(&path, content).unwrap();
        // The folder goes away here; the open file stays.
        OpenFile::open(&path).unwrap()
    }

    #[tokio::test]
    async fn it_gives_the_bytes_of_its_file_only() {
        let content: Vec<u8> = (0..2_500_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let store = opened(&content);
        let location = store.location().clone();
        assert_eq!(store.get(&location).await.unwrap().bytes().await.unwrap(), content);
        assert_eq!(store.get_range(&location, 7..9).await.unwrap(), content[7..9]);
        assert_eq!(store.head(&location).await.unwrap().size, content.len() as u64);
        for other in ["other", "file", "etc/passwd"] {
            assert!(
                matches!(store.get(&Path::from(other)).await, Err(object_store::Error::NotFound { .. })),
                "{other}"
            );
        }
        assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn it_writes_nothing() {
        let store = opened(b"a");
        let location = store.location().clone();
        assert!(store.put(&location, "b".into()).await.is_err());
        assert!(store.put_multipart(&location).await.is_err());
        assert!(store.delete(&location).await.is_err());
        assert!(store.copy(&location, &Path::from("c")).await.is_err());
        assert_eq!(store.get(&location).await.unwrap().bytes().await.unwrap(), "a");
    }

    #[test]
    fn devices_and_folders_are_refused() {
        for path in ["/dev/null", "/dev/zero", "/"] {
            assert!(OpenFile::open(FilePath::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn the_first_line_is_not_blank() {
        assert_eq!(opened(b" \r\n [1]\n2").first_line().unwrap(), b" [1]");
        assert!(opened(b"").first_line().unwrap().is_empty());
    }
}
