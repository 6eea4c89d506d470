//! Rows of a partition as a data file: sorted, encoded and compressed. It is stored nowhere yet.

use keytrail_events::schema::{EVENT_GROUP, EVENT_MONTH, sort_columns};
use keytrail_events::{EventPartition, EventRows};
use keytrail_lake::{EncodedFile, PartitionValues, Table};

use crate::error::ConvertError;
use crate::sorted_rows::sorted_batches;

/// Encodes the rows of `parts` as one data file of the table `events`; takes CPU time and does no I/O.
///
/// # Errors
/// [`ConvertError::Encode`] and [`ConvertError::Lake`]: both are bugs, no input leads to them.
pub fn encode_rows(
    events: &Table,
    partition: &EventPartition,
    parts: Vec<EventRows>,
) -> Result<EncodedFile, ConvertError> {
    let batches = sorted_batches(parts, sort_columns(partition.event_group)).map_err(|source| {
        let group = partition.event_group.as_str();
        ConvertError::Encode { partition: format!("{group}/{}", partition.event_month), source }
    })?;
    Ok(events.encode(&partition_values(partition), batches)?)
}

/// The partition as the lake names it.
pub(crate) fn partition_values(partition: &EventPartition) -> PartitionValues {
    PartitionValues::from([
        (EVENT_GROUP.to_owned(), partition.event_group.as_str().to_owned()),
        (EVENT_MONTH.to_owned(), partition.event_month.clone()),
    ])
}
