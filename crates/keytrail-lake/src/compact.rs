//! (stub)
use crate::{LakeError, Table};
/// (stub)
#[derive(Debug, Clone)]
pub struct CompactOptions {
    /// Size that merged files are meant to have.
    pub target_file_bytes: u64,
    /// (stub)
    pub min_files: usize,
}
/// (stub)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactSummary {
    /// (stub)
    pub files_removed: u64,
    /// (stub)
    pub files_added: u64,
    /// (stub)
    pub rows: u64,
}
/// (stub)
pub async fn compact(_table: &Table, _options: &CompactOptions) -> Result<CompactSummary, LakeError> {
    Ok(CompactSummary::default())
}
