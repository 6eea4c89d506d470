//! Log files below a folder, or one file.
//!
//! Links are followed, each real folder once; pipes, sockets and devices are left alone, as reading one may never end. A lake that lies
//! inside the folder is no source.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Content, LogFile};
use crate::error::ConvertError;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The regular files.
    pub(super) files: Vec<LogFile>,
    /// What is none and left alone, by its kind.
    pub(super) left_out: BTreeMap<&'static str, u64>,
}

/// Lists the regular files below `root`, or `root` itself.
pub(super) fn list(root: &Path) -> Result<Found, ConvertError> {
    let root = &without_steps_up(root);
    let metadata = fs_err::metadata(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ConvertError::NoSuchSource(root.to_owned()),
        _ => unlisted(root, error),
    })?;
    if !metadata.is_dir() {
        let file = log_file(root.to_owned(), Some(&metadata)).map(LogFile::named);
        return Ok(Found { files: file.into_iter().collect(), ..Found::default() });
    }
    let mut walk = Walk::default();
    fs_err::canonicalize(root).and_then(|real| walk.folder(root, &real)).map_err(|error| unlisted(root, error))?;
    Ok(walk.found)
}

/// The path without `..`, so that a log file has one name in the ledger however it was asked for. Where a link stands before a `..`, that is a
/// step up from where the link leads.
fn without_steps_up(path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else { return path.to_owned() };
    let above: PathBuf = parts[..=last].iter().collect();
    let mut shortened = PathBuf::new();
    for part in &parts[..=last] {
        match part {
            Component::ParentDir => drop(shortened.pop()),
            part => shortened.push(part),
        }
    }
    let above = match (fs_err::canonicalize(&above), fs_err::canonicalize(&shortened)) {
        (Ok(real), Ok(same)) if real == same => shortened,
        (Ok(real), _) => real,
        // Reading it says what is wrong.
        (Err(_), _) => above,
    };
    above.join(parts[last + 1..].iter().collect::<PathBuf>())
}

fn unlisted(place: &Path, error: std::io::Error) -> ConvertError {
    ConvertError::List { place: place.display().to_string(), source: Box::new(error) }
}

#[derive(Default)]
struct Walk {
    found: Found,
    visited: HashSet<PathBuf>,
}

impl Walk {
    /// `real` is the folder's path without links; below it only links need to be resolved.
    fn folder(&mut self, folder: &Path, real: &Path) -> std::io::Result<()> {
        let entries = fs_err::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        if is_delta_table(&entries) || self.visited.contains(real) {
            return Ok(());
        }
        self.visited.insert(real.to_owned());
        for entry in entries {
            let path = entry.path();
            // Asked of the open folder, this saves the way down to it.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let metadata = if is_link { fs_err::metadata(&path) } else { entry.metadata() };
            match metadata {
                // A folder that cannot be read is listed like a file, so that reading it says why.
                Ok(metadata) if metadata.is_dir() => {
                    let real = if is_link { fs_err::canonicalize(&path) } else { Ok(real.join(entry.file_name())) };
                    if real.and_then(|real| self.folder(&path, &real)).is_err() {
                        self.found.files.extend(log_file(path, None));
                    }
                }
                Ok(metadata) => match kind_of(metadata.file_type()) {
                    Some(kind) => *self.found.left_out.entry(kind).or_default() += 1,
                    None => self.found.files.extend(log_file(path, Some(&metadata))),
                },
                Err(_dangling_or_forbidden) => self.found.files.extend(log_file(path, None)),
            }
        }
        Ok(())
    }
}

/// Whether the folder of these entries is a table of a lake, or a lake: its Parquet files are no logs.
fn is_delta_table(entries: &[fs_err::DirEntry]) -> bool {
    entries.iter().any(|entry| match entry.file_name().to_str() {
        Some("_delta_log") => entry.path().is_dir(),
        Some("events") => entry.path().join("_delta_log").is_dir(),
        _ => false,
    })
}

/// The file as the ledger names it; `None` for what is no regular file. Without metadata reading it will fail, which is then told.
fn log_file(path: PathBuf, metadata: Option<&std::fs::Metadata>) -> Option<LogFile> {
    if metadata.is_some_and(|metadata| !metadata.is_file()) {
        return None;
    }
    let (version, size_bytes, last_modified) = metadata.map_or_else(|| ("0-0".to_owned(), 0, None), version_in);
    Some(LogFile::new(text_of(&path), version, size_bytes, last_modified, Content::Local(path)))
}

/// What is no regular file and no folder, in a word; `None` = it is one.
fn kind_of(kind: std::fs::FileType) -> Option<&'static str> {
    match () {
        () if kind.is_fifo() => Some("pipe"),
        () if kind.is_socket() => Some("socket"),
        () if kind.is_block_device() || kind.is_char_device() => Some("device"),
        () => None,
    }
}

/// A path as the ledger has it: bytes that are no UTF-8 as `\xFF`, and a backslash before an `x` as `\x5C`, so that different names stay
/// different.
fn text_of(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace("\\x", "\\x5Cx"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// The path that the ledger has as `text`.
pub(super) fn path_of(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        let digits = rest.get(at + 2..at + 4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (before, after) = rest.split_at(at + if byte.is_some() { 4 } else { 2 });
        // Paths of an earlier version may have a backslash of their own there.
        bytes.extend_from_slice(if byte.is_some() { &before.as_bytes()[..at] } else { before.as_bytes() });
        bytes.extend(byte);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    PathBuf::from(OsString::from_vec(bytes))
}

/// Version, size and modification time (microseconds since the epoch, UTC) of a file as it is now.
pub(super) fn version_of(path: &Path) -> Option<(String, u64, Option<i64>)> {
    fs_err::metadata(path).ok().as_ref().map(version_in)
}

fn version_in(metadata: &std::fs::Metadata) -> (String, u64, Option<i64>) {
    let modified = metadata.modified().ok().and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let version = format!("{}-{}", metadata.len(), modified.map_or(0, |age| age.as_nanos()));
    (version, metadata.len(), modified.and_then(|age| i64::try_from(age.as_micros()).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_files_links_and_nothing_that_blocks() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        fs_err::create_dir_all(root.join("a/b")).expect("folder");
        fs_err::create_dir_all(root.join("lake/events/_delta_log")).expect("folder");
        for file in ["one.json", "a/b/two.json", "lake/events/part.parquet"] {
            fs_err::write(root.join(file), "{}").expect("file");
        }
        std::os::unix::fs::symlink(root, root.join("a/loop")).expect("link");
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("dangling")).expect("link");
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("socket");
        let listed = list(root).expect("listed");
        assert_eq!(listed.left_out, [("socket", 1)].into());
        let mut found: Vec<_> =
            listed.files.into_iter().map(|file| file.path.replace(&root.display().to_string(), "")).collect();
        found.sort_unstable();
        assert_eq!(found, ["/a/b/two.json", "/dangling", "/one.json"]);
        assert!(matches!(list(&root.join("nowhere")), Err(ConvertError::NoSuchSource(_))));
        assert_eq!(list(&root.join("one.json")).expect("listed").files.len(), 1);
    }

    #[test]
    fn a_file_has_one_name_whatever_steps_lead_to_it() {
        let folder = tempfile::tempdir().expect("folder");
        let root = fs_err::canonicalize(folder.path()).expect("folder");
        fs_err::create_dir_all(root.join("a/b")).expect("folder");
        fs_err::create_dir_all(root.join("c")).expect("folder");
        std::os::unix::fs::symlink(root.join("a/b"), root.join("c/link")).expect("link");
        for (path, name) in [
            ("a/b/x.json", "a/b/x.json"),
            ("a/../a/b/x.json", "a/b/x.json"),
            ("a/b/..", "a"),
            ("c/../a/b/../../c", "c"),
            ("c/link/../b/x.json", "a/b/x.json"),
            ("c/link/x.json", "c/link/x.json"),
            ("none/../a", "none/../a"),
        ] {
            assert_eq!(without_steps_up(&root.join(path)), root.join(name), "{path}");
        }
    }

    #[test]
    fn different_names_stay_different_and_lead_back() {
        let names: [&[u8]; 8] = [
            b"/a\xff.json",
            b"/a\\xFF.json",
            b"/a\\x5CxFF.json",
            b"/a\\\xff",
            b"/\\x",
            b"/\\\\x41",
            b"/\\y",
            "/\u{fc}\\".as_bytes(),
        ];
        let mut texts = HashSet::new();
        for name in names {
            let path = PathBuf::from(OsString::from_vec(name.to_vec()));
            let text = text_of(&path);
            assert_eq!(path_of(&text), path, "{text}");
            assert!(texts.insert(text.clone()), "{text}");
        }
        assert_eq!(path_of("/old\\xyz"), Path::new("/old\\xyz"));
    }
}
