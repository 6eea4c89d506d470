//! (stub)
use crate::{LakeError, Table};
/// (stub)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Sizes and footers.
    Footers,
    /// Every row is read.
    Data,
}
/// (stub)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFinding {
    /// (stub)
    pub path: String,
    /// (stub)
    pub kind: FindingKind,
}
/// (stub)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// (stub)
    Missing,
}
/// (stub)
pub async fn check_files(table: &Table) -> Result<Vec<FileFinding>, LakeError> {
    check_files_with(table, CheckDepth::Footers).await
}
/// (stub)
pub async fn check_files_with(_table: &Table, _depth: CheckDepth) -> Result<Vec<FileFinding>, LakeError> {
    Ok(Vec::new())
}
