//! Rows of kept views in a folder of the user's, so that the next session over the same data need not compute them again.
//!
//! ```text
//! FOLDER/<lake>/<view>-<digest>.arrow      SHA-256 of the rest, then an Arrow IPC stream
//! ```
//! `<digest>` stands for all that the rows follow from: the SQL of the view and of what it reads, the data files of the tables below,
//! the user's rules, and the program. Data files never change, so rows of an old digest are never wrong, only useless; they go when
//! newer ones come. It is a cache: what cannot be read is computed again, what cannot be written is not missed.

use std::io::{self, Cursor, Write as _};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;
use fs_err as fs;
use sha2::{Digest as _, Sha256};

/// Where the rows of kept views outlast a session, and who may take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRowsOptions {
    /// A folder for this purpose; it is made when first needed, and only its owner can read it.
    pub folder: PathBuf,
    /// Names the program to the build: rows that another one computed are not taken.
    pub program: String,
}

/// What rows follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// The digest of some parts, in this order.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first 16 bytes in hex: enough for a file's name.
    fn to_hex(self) -> String {
        self.0[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The rows of one view over one state of the data.
#[derive(Debug, Clone)]
pub(crate) struct RowsFile {
    folder: PathBuf,
    view: String,
    digest: ContentDigest,
}

impl RowsFile {
    /// The file for a view of a lake.
    pub(crate) fn new(options: &KeptRowsOptions, lake: &str, view: &str, digest: ContentDigest) -> Self {
        let lake = ContentDigest::of([lake.as_bytes()]).to_hex();
        Self { folder: options.folder.join(lake), view: view.to_owned(), digest }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}{}.arrow", self.prefix(), self.digest.to_hex()))
    }

    fn prefix(&self) -> String {
        format!("{}-", self.view)
    }

    /// The rows; none where they are not there or not whole.
    pub(crate) fn read(&self) -> Option<(SchemaRef, Vec<RecordBatch>)> {
        let bytes = fs::read(self.path()).ok()?;
        let (digest, rows) = bytes.split_at_checked(size_of::<ContentDigest>())?;
        if digest != Sha256::digest(rows).as_slice() {
            return None;
        }
        let reader = StreamReader::try_new(Cursor::new(rows), None).ok()?;
        let schema = reader.schema();
        Some((schema, reader.collect::<Result<_, _>>().ok()?))
    }

    /// Writes the rows whole or not at all, and removes those of older data.
    pub(crate) fn write(&self, schema: &SchemaRef, rows: &[RecordBatch]) -> io::Result<()> {
        let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(io::Error::other)?;
        rows.iter().try_for_each(|batch| writer.write(batch)).map_err(io::Error::other)?;
        let rows = writer.into_inner().map_err(io::Error::other)?;
        make_private(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&Sha256::digest(&rows))?;
        file.write_all(&rows)?;
        file.persist(self.path()).map_err(|error| error.error)?;
        self.remove_older()
    }

    fn remove_older(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_older = path != self.path() && file_name(&path).starts_with(&self.prefix());
            if is_older {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Makes a folder that only its owner can read: the rows say what the logs say.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};

    use super::*;

    fn rows(values: &[i64]) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("n", values)]).unwrap()
    }

    fn file(folder: &Path, view: &str, content: &str) -> RowsFile {
        let options = KeptRowsOptions { folder: folder.join("rows"), program: "test".to_owned() };
        RowsFile::new(&options, "file:///lake", view, ContentDigest::of([content.as_bytes()]))
    }

    #[test]
    fn rows_come_back_for_the_same_content_only() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, other) =
            (file(folder.path(), "a", "1"), file(folder.path(), "a", "2"), file(folder.path(), "ab", "1"));
        let batch = rows(&[1, 2]);
        old.write(&batch.schema(), std::slice::from_ref(&batch)).unwrap();
        other.write(&batch.schema(), &[]).unwrap();
        assert_eq!(old.read().unwrap().1, std::slice::from_ref(&batch));
        assert!(new.read().is_none());
        new.write(&batch.schema(), &[rows(&[3])]).unwrap();
        assert!(old.read().is_none(), "rows of older data are removed");
        assert_eq!(other.read().unwrap(), (batch.schema(), Vec::new()), "another view's are not");
    }

    #[test]
    fn damaged_rows_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), "a", "1");
        let batch = rows(&[1, 2]);
        file.write(&batch.schema(), std::slice::from_ref(&batch)).unwrap();
        let bytes = fs::read(file.path()).unwrap();
        for at in [0, 40, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(file.path(), damaged).unwrap();
            assert!(file.read().is_none(), "byte {at}");
        }
        fs::write(file.path(), &bytes[..20]).unwrap();
        assert!(file.read().is_none());
    }

    #[test]
    fn the_folder_is_its_owner_s() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), "a", "1");
        file.write(&rows(&[]).schema(), &[]).unwrap();
        assert_eq!(fs::metadata(&file.folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_digest_tells_parts_apart() {
        let of = |parts: &[&str]| ContentDigest::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }
}
