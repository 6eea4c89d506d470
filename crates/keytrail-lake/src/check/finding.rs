//! What a check can see of a file, and how it is told.
//!
//! It does not tell what to do about it: that depends on what the rows are, which the caller knows.

use std::fmt;
use std::io;

use crate::error::LakeError;
use crate::partition::PartitionValues;
use crate::table::Table;

/// Something that the check has seen, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFinding {
    /// The file's path below the table's root.
    pub path: String,
    /// What was seen.
    pub kind: FindingKind,
}

/// What a check can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// The log has the file, the storage does not.
    Missing,
    /// The file has another size than the log says.
    WrongSize {
        /// Bytes by the log.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// Some byte of the file is not the one that was written.
    WrongChecksum {
        /// SHA-256 by the log.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The file has another count of rows than the log says.
    WrongRowCount {
        /// Rows by the log.
        expected: u64,
        /// Rows of the file.
        found: u64,
    },
    /// The file's columns are not the table's.
    WrongColumns {
        /// The first difference.
        difference: String,
    },
    /// The file lies in another partition's folder than the log says.
    WrongPartition {
        /// The partition by the log.
        partition: PartitionValues,
    },
    /// What the log says about a column, by which queries skip files, is not true of the rows.
    WrongStatistics {
        /// The column, and both sides.
        difference: String,
    },
    /// The footer or the data cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// A row belongs before the one ahead of it.
    OutOfOrder {
        /// Its number in the file, from 0.
        row: u64,
    },
    /// A note: the log has no checksum of the file, so that a changed byte may go unseen.
    NoChecksum,
    /// A note: a later commit has put other files in its place; it stays for readers of older versions.
    Replaced,
    /// A note: no commit of the remembered past knows the file; a killed or still running writer left it.
    Unreferenced,
}

impl FindingKind {
    /// Whether this is worth knowing, but nothing is wrong.
    pub fn is_note(&self) -> bool {
        matches!(self, Self::NoChecksum | Self::Replaced | Self::Unreferenced)
    }

    /// What an error says about the one file that was being read.
    ///
    /// # Errors
    ///
    /// The error itself, where it is not the file's: an object store that does not answer.
    pub(super) fn of_file(table: &Table, error: LakeError) -> Result<Self, LakeError> {
        match error {
            LakeError::Corrupt { .. } => Ok(Self::Unreadable { reason: reason_of(&error) }),
            // A bad sector, or a file that may not be read; the next file may be sound.
            LakeError::Storage { ref source, .. } if table.storage().is_local() && is_of_file(source.as_ref()) => {
                Ok(Self::Unreadable { reason: reason_of(&error) })
            }
            error => Err(error),
        }
    }
}

/// Whether the file system has answered.
fn is_of_file(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<io::Error>())
}

fn reason_of(error: &LakeError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::WrongSize { expected, found } => write!(f, "{found} bytes, the log says {expected}"),
            Self::WrongChecksum { expected, found } => {
                write!(f, "bytes have changed: SHA-256 {found}, the log says {expected}")
            }
            Self::WrongRowCount { expected, found } => write!(f, "{found} rows, the log says {expected}"),
            Self::WrongColumns { difference } => write!(f, "wrong columns: {difference}"),
            Self::WrongPartition { partition } => write!(f, "wrong folder, the log says {partition:?}"),
            Self::WrongStatistics { difference } => write!(f, "wrong statistics in the log: {difference}"),
            Self::Unreadable { reason } => write!(f, "unreadable: {reason}"),
            Self::OutOfOrder { row } => {
                write!(f, "rows are not in order: row {row} belongs before the one ahead of it")
            }
            Self::NoChecksum => f.write_str("no checksum in the log, only the rows were checked"),
            Self::Replaced => f.write_str("replaced by a later commit, kept for older readers"),
            Self::Unreferenced => f.write_str("not in the log"),
        }
    }
}
