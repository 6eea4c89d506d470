//! The local file system as an object store whose every write is durable before it counts.
//!
//! object_store 0.13 syncs neither files nor folders. Here a new object is staged next to its target, synced, published
//! under its name in one step (a hard link where it must not exist yet, a rename otherwise), and its folder synced.
//! Reading, listing and deleting are object_store's own; staged leftovers of a killed process are never listed.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use url::Url;
use uuid::Uuid;

use super::Storage;
use crate::error::LakeError;
use crate::location::Location;

/// Opens the file system's root, with the given path as prefix.
pub(super) fn open(location: &Location, path: &FsPath) -> Result<Storage, LakeError> {
    let invalid = |reason: String| LakeError::InvalidLocation { location: location.to_string(), reason };
    let path = without_parents(path).map_err(|error| invalid(error.to_string()))?;
    let prefix = Path::from_absolute_path(path).map_err(|error| invalid(error.to_string()))?;
    let url = Url::parse("file:///").map_err(|error| invalid(error.to_string()))?;
    Ok(Storage::new(location.clone(), Arc::new(DurableFileSystem::default()), prefix, url))
}

/// The path with its `..` followed as the system follows them, through links; the names of objects cannot have any.
fn without_parents(path: &FsPath) -> io::Result<PathBuf> {
    let parts: Vec<_> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else { return Ok(path.to_owned()) };
    let (above, below) = parts.split_at(last + 1);
    let above = fs_err::canonicalize(above.iter().collect::<PathBuf>())?;
    Ok(above.join(below.iter().collect::<PathBuf>()))
}

/// Syncs a folder, off the async threads.
pub(super) async fn sync_folder(folder: PathBuf) -> Result<()> {
    blocking(move || sync_entries(&folder)).await
}

/// A staged file that was never published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagedLeftover {
    /// Below the folder that was searched.
    pub(crate) path: PathBuf,
    /// The size in bytes.
    pub(crate) size_bytes: u64,
    /// When it was last written to.
    pub(crate) modified: SystemTime,
}

/// Staged files at any depth below a folder: those of killed processes, and those that are being written.
pub(super) async fn list_staged(folder: PathBuf) -> Result<Vec<StagedLeftover>> {
    blocking(move || {
        let mut found = Vec::new();
        add_staged(&folder, FsPath::new(""), &mut found)?;
        Ok(found)
    })
    .await
}

fn add_staged(root: &FsPath, below: &FsPath, found: &mut Vec<StagedLeftover>) -> io::Result<()> {
    for entry in fs_err::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // It has just got its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            add_staged(root, &path, found)?;
        } else if is_staged(&entry.file_name()) {
            found.push(StagedLeftover { path, size_bytes: metadata.len(), modified: metadata.modified()? });
        }
    }
    Ok(())
}

fn is_staged(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| Some(name.rsplit_once('#')?.1));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Deletes a file, off the async threads.
pub(super) async fn delete_file(path: PathBuf) -> Result<()> {
    blocking(move || fs_err::remove_file(path)).await
}

/// [`LocalFileSystem`] with durable writes and sorted listings.
#[derive(Debug, Clone, Default)]
pub(crate) struct DurableFileSystem {
    inner: LocalFileSystem,
    disk: Disk,
}

impl fmt::Display for DurableFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurableFileSystem")
    }
}

#[async_trait]
impl ObjectStore for DurableFileSystem {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let target = self.inner.path_to_filesystem(location)?;
        let publish = Publish::try_from_mode(&options.mode)?;
        let disk = self.disk.clone();
        blocking(move || {
            let mut staged = StagedFile::create(disk, target)?;
            staged.write_at(0, &payload)?;
            staged.publish(publish)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let target = self.inner.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        let staged = blocking(move || StagedFile::create(disk, target)).await?;
        Ok(Box::new(DurableUpload { staged: Arc::new(Mutex::new(Some(staged))), offset: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    /// Sorted by path, as S3 lists: the Delta log's replay counts on it.
    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inner.list_with_offset(prefix, offset);
        let sorted = async move {
            let mut objects: Vec<ObjectMeta> = listed.try_collect().await?;
            objects.sort_unstable_by(|left, right| left.location.cmp(&right.location));
            Ok::<_, Error>(stream::iter(objects.into_iter().map(Ok)))
        };
        stream::once(sorted).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.sync_folder_of(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync_folder_of(to).await
    }
}

impl DurableFileSystem {
    async fn sync_folder_of(&self, location: &Path) -> Result<()> {
        let target = self.inner.path_to_filesystem(location)?;
        sync_folder(parent_of(&target).to_owned()).await
    }
}

/// How a staged file gets its name.
#[derive(Debug, Clone, Copy)]
enum Publish {
    /// The name must be free.
    Create,
    /// Whatever has the name is replaced.
    Replace,
}

impl Publish {
    fn try_from_mode(mode: &PutMode) -> Result<Self> {
        match mode {
            PutMode::Create => Ok(Self::Create),
            PutMode::Overwrite => Ok(Self::Replace),
            PutMode::Update(_) => Err(Error::NotImplemented {
                operation: "an update on condition".to_owned(),
                implementer: "DurableFileSystem".to_owned(),
            }),
        }
    }
}

/// What a durable write does, one at a time and in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A missing folder is created.
    CreateFolder,
    /// The staged file is created.
    Create,
    /// Content is written to it.
    Write,
    /// Its content is made durable.
    SyncFile,
    /// It gets its name.
    Publish,
    /// A folder's entries are made durable.
    SyncFolder,
}

/// Where the steps are done; tests watch them there and make them fail.
#[derive(Clone, Default)]
struct Disk {
    #[cfg(test)]
    watch: Option<tests::Watch>,
}

impl Disk {
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests watch"))]
    fn step<T>(&self, step: Step, path: &FsPath, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        #[cfg(test)]
        self.watch.as_ref().map_or(Ok(()), |watch| watch(step, path))?;
        #[cfg(not(test))]
        let (_step, _path) = (step, path);
        work()
    }

    fn sync_folder(&self, folder: &FsPath) -> io::Result<()> {
        self.step(Step::SyncFolder, folder, || sync_entries(folder))
    }

    /// Creates the missing folders from the top down, each one synced into its parent before the next.
    fn create_folders(&self, folder: &FsPath) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = parent_of(folder);
        if parent != folder {
            self.create_folders(parent)?;
        }
        match self.step(Step::CreateFolder, folder, || fs_err::create_dir(folder)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            // Synced also when another writer was faster, who may not have come to it yet.
            _ => self.sync_folder(parent),
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// A file that has no name of its own yet; dropped unpublished it is deleted.
#[derive(Debug)]
struct StagedFile {
    disk: Disk,
    file: fs_err::File,
    staged_path: PathBuf,
    target: PathBuf,
}

impl StagedFile {
    /// Creates the staged file, and durably the folders above it.
    fn create(disk: Disk, target: PathBuf) -> io::Result<Self> {
        disk.create_folders(parent_of(&target))?;
        // object_store never lists names that end in `#` and digits.
        let mut staged_name = target.clone().into_os_string();
        staged_name.push(format!("#{}", Uuid::new_v4().as_u128()));
        let staged_path = PathBuf::from(staged_name);
        let file = disk.step(Step::Create, &staged_path, || {
            fs_err::OpenOptions::new().write(true).create_new(true).open(&staged_path)
        })?;
        Ok(Self { disk, file, staged_path, target })
    }

    fn write_at(&mut self, offset: u64, content: &PutPayload) -> io::Result<()> {
        let file = &mut self.file;
        self.disk.step(Step::Write, &self.staged_path, || {
            file.seek(SeekFrom::Start(offset))?;
            content.iter().try_for_each(|part| file.write_all(part))
        })
    }

    /// Syncs the content, then gives the file its name, then syncs the folder.
    fn publish(&self, publish: Publish) -> io::Result<()> {
        self.disk.step(Step::SyncFile, &self.staged_path, || self.file.sync_all())?;
        self.disk.step(Step::Publish, &self.target, || match publish {
            Publish::Create => fs_err::hard_link(&self.staged_path, &self.target),
            Publish::Replace => fs_err::rename(&self.staged_path, &self.target),
        })?;
        self.disk.sync_folder(parent_of(&self.target))
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; a leftover is invisible to readers either way.
        let _removed = fs_err::remove_file(&self.staged_path);
    }
}

/// An upload in parts, written to the staged file as they come.
#[derive(Debug)]
struct DurableUpload {
    /// None once the upload is complete or aborted.
    staged: Arc<Mutex<Option<StagedFile>>>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let offset = self.offset;
        self.offset += payload.content_length() as u64;
        let staged = Arc::clone(&self.staged);
        Box::pin(blocking(move || {
            let mut staged = staged.lock().map_err(|_poisoned| io::Error::other("a part failed before"))?;
            let staged = staged.as_mut().ok_or_else(|| io::Error::other("the upload has ended"))?;
            staged.write_at(offset, &payload)
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = Arc::clone(&self.staged);
        blocking(move || match staged.lock().ok().and_then(|mut staged| staged.take()) {
            Some(staged) => staged.publish(Publish::Replace),
            None => Err(io::Error::other("the upload has ended")),
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        if let Ok(mut staged) = self.staged.lock() {
            *staged = None;
        }
        Ok(())
    }
}

fn parent_of(path: &FsPath) -> &FsPath {
    path.parent().unwrap_or(path)
}

/// Makes a folder's entries durable.
#[cfg(unix)]
fn sync_entries(folder: &FsPath) -> io::Result<()> {
    fs_err::File::open(folder)?.sync_all()
}

/// Other systems cannot open a folder; their file systems journal the entries.
#[cfg(not(unix))]
fn sync_entries(_folder: &FsPath) -> io::Result<()> {
    Ok(())
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(store_error),
        Err(source) => Err(Error::JoinError { source }),
    }
}

fn store_error(source: io::Error) -> Error {
    let path = source.to_string();
    match source.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: Box::new(source) },
        io::ErrorKind::NotFound => Error::NotFound { path, source: Box::new(source) },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: Box::new(source) },
        _ => Error::Generic { store: "local", source: Box::new(source) },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use object_store::ObjectStoreExt;

    use super::*;

    #[test]
    fn parents_in_a_path_are_followed_through_links() {
        let folder = tempfile::tempdir().expect("folder");
        let root = fs_err::canonicalize(folder.path()).expect("real");
        fs_err::create_dir_all(root.join("far/below")).expect("folder");
        fs_err::create_dir_all(root.join("here")).expect("folder");
        std::os::unix::fs::symlink(root.join("far/below"), root.join("here/link")).expect("link");
        assert_eq!(without_parents(&root.join("here/../lake/new")).expect("resolved"), root.join("lake/new"));
        assert_eq!(without_parents(&root.join("here/link/../lake")).expect("resolved"), root.join("far/lake"));
        assert_eq!(without_parents(&root.join("plain")).expect("as it is"), root.join("plain"));
        assert!(without_parents(&root.join("nowhere/../lake")).is_err());
    }

    /// Called before each step; its error takes the step's place.
    pub(super) type Watch = Arc<dyn Fn(Step, &FsPath) -> io::Result<()> + Send + Sync>;

    impl DurableFileSystem {
        fn watched(watch: Watch) -> Self {
            Self { disk: Disk { watch: Some(watch) }, ..Self::default() }
        }

        /// A file system whose disk is full at the given step, counted from 0, and fine before and after.
        pub(crate) fn full_at(failing: usize) -> (Self, Arc<AtomicUsize>) {
            let count = Arc::new(AtomicUsize::new(0));
            let steps = Arc::clone(&count);
            let watch = move |_step: Step, path: &FsPath| match steps.fetch_add(1, Ordering::SeqCst) == failing {
                true => Err(io::Error::new(io::ErrorKind::StorageFull, format!("no space: {}", path.display()))),
                false => Ok(()),
            };
            (Self::watched(Arc::new(watch)), count)
        }
    }

    /// The steps of some work, with paths below the folder.
    async fn steps_of(folder: &FsPath, work: impl AsyncFnOnce(DurableFileSystem)) -> Vec<(Step, String)> {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let (noted, root) = (Arc::clone(&steps), folder.to_owned());
        let watch = move |step, path: &FsPath| {
            let relative = path.strip_prefix(&root).expect("a path below the folder").display().to_string();
            let name = relative.split('#').next().unwrap_or_default().to_owned();
            noted.lock().expect("no panic").push((step, name));
            Ok(())
        };
        work(DurableFileSystem::watched(Arc::new(watch))).await;
        std::mem::take(&mut *steps.lock().expect("no panic"))
    }

    #[tokio::test]
    async fn content_is_synced_before_the_name_and_folders_before_their_entries_count() {
        use Step::{Create, CreateFolder, Publish, SyncFile, SyncFolder, Write};
        let (folder, _store, root) = fixture();
        let expected = [
            (CreateFolder, "a"),
            (SyncFolder, ""),
            (CreateFolder, "a/b"),
            (SyncFolder, "a"),
            (Create, "a/b/x"),
            (Write, "a/b/x"),
            (SyncFile, "a/b/x"),
            (Publish, "a/b/x"),
            (SyncFolder, "a/b"),
        ]
        .map(|(step, name)| (step, name.to_owned()));
        let target = root.clone().join("a").join("b").join("x");
        let steps = steps_of(folder.path(), async |store| {
            store.put_opts(&target, "text".into(), PutMode::Create.into()).await.expect("an object");
        });
        assert_eq!(steps.await, expected);
        let steps = steps_of(folder.path(), async |store| {
            let mut upload = store.put_multipart(&target).await.expect("an upload");
            upload.put_part("text".into()).await.expect("a part");
            upload.complete().await.expect("an object");
        });
        assert_eq!(steps.await, expected[4..]);
    }

    #[tokio::test]
    async fn a_full_disk_leaves_the_whole_object_or_nothing() {
        for mode in [PutMode::Create, PutMode::Overwrite] {
            for failing in 0.. {
                let (folder, _store, root) = fixture();
                let target = root.clone().join("a").join("x");
                let (store, _count) = DurableFileSystem::full_at(failing);
                let put = store.put_opts(&target, "text".into(), mode.clone().into()).await;
                let entries = fs_err::read_dir(folder.path().join("a")).map_or(0, Iterator::count);
                let Err(error) = put else {
                    assert!(failing > 5, "only {failing} steps");
                    break;
                };
                assert!(format!("{error:?}").contains(folder.path().to_str().expect("a path")), "{error:?}");
                match store.get(&target).await {
                    Ok(object) => {
                        assert_eq!((object.bytes().await.expect("its bytes").as_ref(), entries), (&b"text"[..], 1))
                    }
                    Err(_) => assert_eq!(entries, 0, "{failing}"),
                }
                store.put(&target, "text".into()).await.expect("a second try");
            }
        }
    }

    fn fixture() -> (tempfile::TempDir, DurableFileSystem, Path) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Path::from_absolute_path(folder.path()).expect("an object path");
        (folder, DurableFileSystem::default(), root)
    }

    async fn names(store: &DurableFileSystem, root: &Path) -> Vec<String> {
        let listed = store.list_with_offset(Some(root), root);
        listed.map_ok(|object| object.location.to_string()).try_collect().await.expect("a listing")
    }

    #[tokio::test]
    async fn create_refuses_a_taken_name_and_leaves_nothing_behind() {
        let (folder, store, root) = fixture();
        let target = root.clone().join("a").join("b").join("object");
        store.put_opts(&target, "one".into(), PutMode::Create.into()).await.expect("a first object");
        let error = store.put_opts(&target, "two".into(), PutMode::Create.into()).await.expect_err("a taken name");
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        let content = store.get(&target).await.expect("the object").bytes().await.expect("its bytes");
        assert_eq!(content, "one");
        let entries = fs_err::read_dir(folder.path().join("a/b")).expect("the folder").count();
        assert_eq!(entries, 1);
    }

    #[tokio::test]
    async fn overwrite_replaces() {
        let (_folder, store, root) = fixture();
        let target = root.clone().join("object");
        for text in ["one", "two"] {
            store.put(&target, text.into()).await.expect("an object");
        }
        assert_eq!(store.get(&target).await.expect("the object").bytes().await.expect("its bytes"), "two");
    }

    #[tokio::test]
    async fn parts_land_in_order_and_only_when_complete() {
        let (folder, store, root) = fixture();
        let target = root.clone().join("object");
        let mut upload = store.put_multipart(&target).await.expect("an upload");
        let (first, second) = (upload.put_part("one ".into()), upload.put_part("two".into()));
        second.await.expect("the second part");
        first.await.expect("the first part");
        assert_eq!(names(&store, &root).await, Vec::<String>::new());
        upload.complete().await.expect("the object");
        assert_eq!(store.get(&target).await.expect("the object").bytes().await.expect("its bytes"), "one two");
        assert_eq!(fs_err::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[tokio::test]
    async fn an_aborted_or_forgotten_upload_leaves_nothing() {
        let (folder, store, root) = fixture();
        for name in ["aborted", "forgotten"] {
            let mut upload = store.put_multipart(&root.clone().join(name)).await.expect("an upload");
            upload.put_part("text".into()).await.expect("a part");
            if name == "aborted" {
                upload.abort().await.expect("an abort");
            }
        }
        assert_eq!(fs_err::read_dir(folder.path()).expect("the folder").count(), 0);
    }

    #[tokio::test]
    async fn staged_leftovers_are_not_listed_and_listings_are_sorted() {
        let (folder, store, root) = fixture();
        for name in ["b", "a", "c/d", "a0"] {
            let target = name.split('/').fold(root.clone(), |path, part| path.join(part));
            store.put(&target, name.into()).await.expect("an object");
        }
        fs_err::write(folder.path().join("a#123"), "left by a killed process").expect("a leftover");
        let listed = names(&store, &root).await;
        let relative: Vec<_> = listed.iter().map(|name| &name[root.as_ref().len() + 1..]).collect();
        assert_eq!(relative, ["a", "a0", "b", "c/d"]);
    }
}
