//! What lies in a table's folder beside its log.
//!
//! It does not know which of it is live: the log tells.

use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::error::LakeError;
use crate::table::Table;

/// The objects below the table's root with their paths there, without the log and hidden ones.
pub(crate) async fn list_data_files(table: &Table) -> Result<Vec<(String, ObjectMeta)>, LakeError> {
    let storage = table.storage();
    let listed = storage.store().list(Some(storage.prefix()));
    let objects: Vec<ObjectMeta> = listed.try_collect().await.map_err(|error| LakeError::storage(storage, error))?;
    let named = |object: ObjectMeta| Some((data_file_name(storage.prefix(), &object.location)?, object));
    Ok(objects.into_iter().filter_map(named).collect())
}

/// The path below the table's root; none for what belongs to the log and for hidden files.
fn data_file_name(root: &Path, location: &Path) -> Option<String> {
    let parts: Vec<_> = location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
    let is_hidden = parts.iter().any(|part| part.starts_with(['_', '.']));
    (!is_hidden).then(|| parts.join("/"))
}
