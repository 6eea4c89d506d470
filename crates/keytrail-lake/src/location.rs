//! Where a lake or a source of log files is: a local folder or file, or an S3 bucket and prefix.
//!
//! It only understands the text; nothing is opened or looked at here.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::LakeError;

/// A local folder or file, or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Local(PathBuf),
    S3 { bucket: String, prefix: String },
    Memory,
}

impl Location {
    /// Understands a path, a `file://` URL or an `s3://` URL; local paths become absolute.
    ///
    /// # Errors
    ///
    /// [`LakeError::InvalidLocation`] for an empty text, an unknown scheme, an S3 URL without a bucket, or a
    /// relative path while the working directory is gone.
    pub fn parse(text: &str) -> Result<Self, LakeError> {
        match text.split_once("://") {
            Some(("s3", rest)) => parse_s3(text, rest),
            Some(("file", _)) => parse_file_url(text),
            Some((scheme, _)) if is_scheme(scheme) => Err(invalid(text, "only folders, file:// and s3:// are known")),
            _ if text.is_empty() => Err(invalid(text, "empty location")),
            _ => Self::local(Path::new(text)),
        }
    }

    /// The location of a local folder or file.
    ///
    /// # Errors
    ///
    /// [`LakeError::InvalidLocation`] for an empty path, or a relative one while the working directory is gone.
    pub fn local(path: &Path) -> Result<Self, LakeError> {
        let absolute =
            std::path::absolute(path).map_err(|error| invalid(&path.to_string_lossy(), &error.to_string()))?;
        Ok(Self(Kind::Local(absolute)))
    }

    /// A place that lives as long as the process; for tests.
    pub(crate) fn memory() -> Self {
        Self(Kind::Memory)
    }

    /// Whether the location is an S3 bucket.
    pub fn is_s3(&self) -> bool {
        matches!(self.0, Kind::S3 { .. })
    }

    /// The absolute local path; none on S3.
    pub fn as_local_path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Local(path) => Some(path),
            _ => None,
        }
    }

    /// The bucket and the key prefix, without a slash at either end; none for a local path.
    pub fn as_s3(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Kind::S3 { bucket, prefix } => Some((bucket, prefix)),
            _ => None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Local(path) => path.display().fmt(f),
            Kind::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Kind::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Kind::Memory => f.write_str("memory"),
        }
    }
}

fn parse_s3(text: &str, rest: &str) -> Result<Location, LakeError> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(invalid(text, "no bucket"));
    }
    Ok(Location(Kind::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() }))
}

fn parse_file_url(text: &str) -> Result<Location, LakeError> {
    let url = url::Url::parse(text).map_err(|error| invalid(text, &error.to_string()))?;
    match url.to_file_path() {
        Ok(path) => Location::local(&path),
        Err(()) => Err(invalid(text, "not a local file URL")),
    }
}

/// Whether the text before `://` looks like a URL scheme and not like a folder name.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|other| other.is_ascii_alphanumeric() || matches!(other, '+' | '-' | '.'))
}

fn invalid(location: &str, reason: &str) -> LakeError {
    LakeError::InvalidLocation { location: location.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_each_kind() {
        for (text, shown, s3) in [
            ("s3://bucket", "s3://bucket", true),
            ("s3://bucket/", "s3://bucket", true),
            ("s3://bucket/a/b/", "s3://bucket/a/b", true),
            ("/tmp/lake", "/tmp/lake", false),
            ("file:///tmp/my%20lake", "/tmp/my lake", false),
            ("/tmp/s3://x", "/tmp/s3:/x", false),
        ] {
            let location = Location::parse(text).expect(text);
            assert_eq!((location.is_s3(), location.as_s3().is_some()), (s3, s3), "{text}");
            assert_eq!(location.as_local_path().is_none(), s3, "{text}");
            let shown_as = location.to_string().replace("s3://x", "s3:/x");
            assert_eq!(shown_as, shown, "{text}");
        }
    }

    #[test]
    fn relative_paths_become_absolute() {
        let location = Location::parse("lake").expect("a relative path");
        assert!(location.as_local_path().is_some_and(Path::is_absolute));
    }

    #[test]
    fn refuses_what_is_no_location() {
        for text in ["", "s3://", "s3:///key", "gs://bucket/key", "https://host/lake", "file://host/lake"] {
            let error = Location::parse(text).expect_err(text);
            assert!(matches!(error, LakeError::InvalidLocation { .. }), "{text}: {error}");
            assert!(error.to_string().ends_with(&format!("`{text}`")), "{error}");
        }
    }
}
