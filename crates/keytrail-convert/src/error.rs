//! What ends a conversion. Input that cannot be read does not: it is a row of `rejects`.

use std::path::PathBuf;

use keytrail_lake::LakeError;

/// A conversion that could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The lake could not be read or written.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A source does not exist.
    #[error("no such file or folder: {}", .0.display())]
    NoSuchSource(PathBuf),
    /// The sources are there and hold no log file.
    #[error("no log file is there: {}", .places.join(", "))]
    NoLogFile {
        /// The sources.
        places: Vec<String>,
        /// A period was asked for: there may be some of other times.
        is_bounded: bool,
    },
    /// A file that was given beside the sources cannot be read, or is not what it is given as.
    #[error("cannot take `{}`: {reason}", .path.display())]
    NotTaken {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A source could not be listed.
    #[error("cannot list `{place}`")]
    List {
        /// The folder or prefix.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The rows of a partition could not be sorted or encoded.
    #[error("cannot encode rows of {partition}")]
    Encode {
        /// The partition, as its path.
        partition: String,
        /// Why.
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// The caller asked to stop; what was committed before stays.
    #[error("stopped")]
    Stopped(Box<crate::ConvertSummary>),
    /// A part of the pipeline ended without its result: a bug.
    #[error("internal error: {0}")]
    Internal(String),
}
