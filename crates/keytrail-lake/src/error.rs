//! The errors of the lake, as kinds that a caller can act on.
//!
//! It does not choose exit codes or hints: that is the command line's work.

use std::fmt::Display;

use buoyant_kernel::Error as KernelError;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;

/// What can go wrong with a lake; every kind names the place.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A location that cannot be one: empty, of an unknown scheme, or not expressible as an object path.
    #[error("{reason}: `{location}`")]
    InvalidLocation {
        /// The location as it was given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No lake is at the place: nothing there, only some of its tables, or tables that keytrail did not make.
    #[error("not a keytrail lake ({reason}): `{place}`")]
    NotALake {
        /// The lake's or the table's location.
        place: String,
        /// What is missing.
        reason: String,
    },
    /// The lake was written by a newer version, or its Delta protocol asks for more than this version knows.
    #[error("the lake has a newer format ({found}, this version knows {known}): `{place}`")]
    NewerFormat {
        /// The table's location.
        place: String,
        /// The format that was found.
        found: String,
        /// The newest format that this version reads and writes.
        known: String,
    },
    /// The table has other columns than the caller expects.
    #[error("the table's columns differ from what this version expects ({difference}): `{place}`")]
    SchemaMismatch {
        /// The table's location.
        place: String,
        /// The first difference.
        difference: String,
    },
    /// Somebody else changed the table so that the commit makes no sense any more; nothing was committed.
    #[error("another writer was faster ({reason}): `{place}`")]
    Conflict {
        /// The table's location.
        place: String,
        /// What the other writer changed.
        reason: String,
    },
    /// The table went on since the version that a commit was made for; nothing was committed.
    #[error("the table has a newer version ({version}) than the commit was made for: `{place}`")]
    Overtaken {
        /// The table's location.
        place: String,
        /// The newest version.
        version: u64,
    },
    /// The file system or the object store failed.
    #[error("storage failed: `{path}`")]
    Storage {
        /// The object or the location that was being read or written.
        path: String,
        /// The store's error.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The Delta log could not be read or written, for a reason that is not the storage.
    #[error("the table's log failed: `{place}`")]
    Log {
        /// The table's location.
        place: String,
        /// The log library's error.
        #[source]
        source: Box<DeltaTableError>,
    },
    /// A file of the lake has content that cannot be.
    #[error("corrupt: `{path}`")]
    Corrupt {
        /// The file, or the table whose log is corrupt.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The place cannot do what a lake needs of it, or the lake holds what keytrail does not handle.
    #[error("not supported ({reason}): `{place}`")]
    Unsupported {
        /// The location.
        place: String,
        /// What is missing.
        reason: String,
    },
    /// Rows that a caller handed over break the table's rules: unsorted, of another schema, or none at all.
    #[error("rows do not fit the table ({reason}): `{place}`")]
    InvalidRows {
        /// The table's location.
        place: String,
        /// Which rule they break.
        reason: String,
    },
}

impl LakeError {
    /// Wraps an error of the object store.
    pub(crate) fn storage(path: &dyn Display, source: object_store::Error) -> Self {
        Self::Storage { path: path.to_string(), source: Box::new(source) }
    }

    /// Wraps any error that shows that a file's content is wrong.
    pub(crate) fn corrupt(path: &dyn Display, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Corrupt { path: path.to_string(), source: source.into() }
    }

    /// Says that a caller's rows do not fit.
    pub(crate) fn invalid_rows(place: &dyn Display, reason: &dyn Display) -> Self {
        Self::InvalidRows { place: place.to_string(), reason: reason.to_string() }
    }

    /// Sorts an error of the log library into a kind.
    pub(crate) fn log(place: &dyn Display, source: DeltaTableError) -> Self {
        let place = place.to_string();
        match source {
            DeltaTableError::ObjectStore { source } => Self::storage(&place, source),
            DeltaTableError::Transaction { source: TransactionError::ObjectStore { source } } => {
                Self::storage(&place, source)
            }
            // The library's words are about its own parts.
            DeltaTableError::NotATable(_words) => Self::NotALake { place, reason: "no table is there".to_owned() },
            DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(features) } => {
                Self::NewerFormat { place, found: format!("Delta features {features:?}"), known: "none".to_owned() }
            }
            DeltaTableError::KernelError(source) => Self::kernel(&place, source),
            source @ (DeltaTableError::InvalidJsonLog { .. }
            | DeltaTableError::Parquet { .. }
            | DeltaTableError::Arrow { .. }
            | DeltaTableError::InvalidStatsJson { .. }
            | DeltaTableError::InvalidData { .. }
            | DeltaTableError::NoSchema
            | DeltaTableError::SchemaMismatch { .. }
            | DeltaTableError::PartitionError { .. }
            | DeltaTableError::MetadataError(_)) => Self::corrupt(&place, source),
            // What it says of a log whose partition values name another column; there is no kind for it.
            DeltaTableError::Generic(words) if words.starts_with("Partition column ") => Self::corrupt(&place, words),
            source => Self::Log { place, source: Box::new(source) },
        }
    }

    /// Sorts an error of the log library's kernel into a kind: it tells its source in no other way than this.
    fn kernel(place: &dyn Display, source: KernelError) -> Self {
        match source {
            KernelError::Backtraced { source, .. } => Self::kernel(place, *source),
            KernelError::ObjectStore(source) => Self::storage(place, source),
            KernelError::Parquet(source) => Self::parquet(place, source),
            KernelError::Unsupported(found) => {
                Self::NewerFormat { place: place.to_string(), found, known: "none of that".to_owned() }
            }
            source @ (KernelError::Arrow(_)
            | KernelError::FileNotFound(_)
            | KernelError::MalformedJson(_)
            | KernelError::MissingMetadata
            | KernelError::MissingProtocol
            | KernelError::MissingMetadataAndProtocol
            | KernelError::MissingVersion
            | KernelError::InvalidProtocol(_)
            | KernelError::InvalidCheckpoint(_)
            | KernelError::InvalidPartitionValues(_)
            | KernelError::InvalidStructData(_)
            | KernelError::MissingColumn(_)
            | KernelError::MissingData(_)
            | KernelError::ParseError(..)
            | KernelError::UnexpectedColumnType(_)
            | KernelError::Schema(_)) => Self::corrupt(place, source),
            source => Self::Log { place: place.to_string(), source: Box::new(DeltaTableError::KernelError(source)) },
        }
    }

    /// Sorts an error of a Parquet read into a storage failure or a corrupt file.
    pub(crate) fn parquet(path: &dyn Display, source: parquet::errors::ParquetError) -> Self {
        match source {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
                // The log tells of it.
                Ok(source) if matches!(*source, object_store::Error::NotFound { .. }) => Self::corrupt(path, "missing"),
                Ok(source) => Self::Storage { path: path.to_string(), source },
                Err(inner) => Self::corrupt(path, inner),
            },
            source => Self::corrupt(path, source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_wrongly_is_damage() {
        let of = |words: &str| LakeError::log(&"events", DeltaTableError::Generic(words.to_owned()));
        let named = of("Partition column event_grpup not found in schema.");
        assert!(matches!(named, LakeError::Corrupt { .. }), "{named}");
        let other = of("something else");
        assert!(matches!(other, LakeError::Log { .. }), "{other}");
    }
}
