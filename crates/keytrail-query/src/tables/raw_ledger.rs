//! The table `log_files` over unconverted logs: what their listing and their paths tell.
//!
//! It has the columns of a lake's ledger, so that the same views run. Nothing is read for it but the integrity digests, which are few and small,
//! and, by statements that ask for `rejected_count`, every log file, once in a session: what cannot be taken is a hole in every answer. What else
//! only reading a log file can tell (counts of records, times of events) is null.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::{Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use futures::stream;
use keytrail_convert::integrity::DigestEntry;
use keytrail_convert::{LOG_FILES, LogFile, lake_spec};
use keytrail_events::container::LogFileKind;
use tokio::sync::OnceCell;

use super::raw_table::RawTable;

/// Digests that are read at once.
const DIGESTS_AHEAD: usize = 16;
/// The column for which log files are read.
const REJECTED_COUNT: &str = "rejected_count";

/// A listed file, and what it says where it is an integrity digest.
type Listed<'f> = (&'f LogFile, Option<DigestEntry>);

/// The table.
#[derive(Debug)]
pub(crate) struct RawLedger {
    events: RawTable,
    listed: RecordBatch,
    read: OnceCell<RecordBatch>,
}

impl RawLedger {
    /// The listed files of a table of events. A digest that cannot be read tells nothing, as one that is not there.
    ///
    /// # Errors
    /// Only when the columns do not follow the ledger's schema, a defect of this module.
    pub(crate) async fn list(events: RawTable) -> Result<Self> {
        let files: Vec<Listed<'_>> = stream::iter(events.files()).map(listed).buffered(DIGESTS_AHEAD).collect().await;
        let spec = lake_spec();
        let ledger = spec.tables.iter().find(|table| table.name == LOG_FILES);
        let schema = ledger.map(|table| Arc::clone(&table.schema));
        let schema = schema.ok_or_else(|| DataFusionError::Internal(format!("no table {LOG_FILES}")))?;
        let columns = schema.fields().iter().map(|field| column(field, &files)).collect();
        let listed = RecordBatch::try_new(schema, columns)?;
        Ok(Self { events, listed, read: OnceCell::new() })
    }

    /// The rows with what could not be taken of each file.
    async fn read(&self, readers: usize) -> Result<RecordBatch> {
        let rejected = self.events.read_rejects(readers).await?;
        let count = |file: &LogFile| i64::try_from(rejected.get(&file.path).copied().unwrap_or_default()).ok();
        let counts: Int64Array = self.events.files().iter().map(count).collect();
        let schema = self.listed.schema();
        let mut columns = self.listed.columns().to_vec();
        columns[schema.index_of(REJECTED_COUNT)?] = Arc::new(counts);
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

#[async_trait]
impl TableProvider for RawLedger {
    fn schema(&self) -> SchemaRef {
        self.listed.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let rejected = schema.index_of(REJECTED_COUNT)?;
        let is_asked = projection.is_none_or(|columns| columns.contains(&rejected));
        let rows = match is_asked {
            true => self.read.get_or_try_init(|| self.read(state.config().target_partitions())).await?,
            false => &self.listed,
        };
        MemTable::try_new(schema, vec![vec![rows.clone()]])?.scan(state, projection, filters, limit).await
    }
}

async fn listed(file: &LogFile) -> Listed<'_> {
    if file.told_by_path().kind.and_then(kind_of_folder) != Some(LogFileKind::Digest.as_str()) {
        return (file, None);
    }
    (file, file.fetch().await.ok().and_then(|bytes| DigestEntry::decode(&bytes)))
}

fn column(field: &Field, files: &[Listed<'_>]) -> ArrayRef {
    match field.name().as_str() {
        "log_file_path" => texts(files, |file| Some(&file.path)),
        "log_file_version" => texts(files, |file| Some(&file.version)),
        "log_file_kind" => texts(files, |file| file.told_by_path().kind.and_then(kind_of_folder)),
        "organization_id" => texts(files, |file| file.told_by_path().organization_id),
        "account_id" => texts(files, |file| file.told_by_path().account_id),
        "aws_region" => texts(files, |file| file.told_by_path().aws_region),
        "delivery_time" => times(files, |file| file.delivery_time),
        "last_modified_time" => times(files, |file| file.last_modified),
        "size_bytes" => {
            Arc::new(files.iter().map(|(file, _)| i64::try_from(file.size_bytes).ok()).collect::<Int64Array>())
        }
        "first_event_time" => of_digests(files, |digest| digest.first_event_time),
        "last_event_time" => of_digests(files, |digest| digest.last_event_time),
        "digest_start_time" => of_digests(files, |digest| Some(digest.start_time)),
        "digest_end_time" => of_digests(files, |digest| Some(digest.end_time)),
        "digest_log_files" => said(files, |digest| Some(&digest.log_files)),
        "previous_digest" => said(files, |digest| digest.previous.as_deref()),
        _ => new_null_array(field.data_type(), files.len()),
    }
}

/// The kind of the files in AWS's folder of this name, as a ledger names it.
fn kind_of_folder(folder: &str) -> Option<&'static str> {
    let kind = match folder {
        "CloudTrail" => LogFileKind::Events,
        "CloudTrail-Digest" => LogFileKind::Digest,
        "CloudTrail-Insight" => LogFileKind::Insight,
        "CloudTrail-NetworkActivity" => LogFileKind::NetworkActivity,
        "CloudTrail-Aggregated" => LogFileKind::Aggregated,
        _ => return None,
    };
    Some(kind.as_str())
}

fn texts<'f>(files: &[Listed<'f>], value: impl Fn(&'f LogFile) -> Option<&'f str>) -> ArrayRef {
    Arc::new(files.iter().map(|(file, _)| value(file)).collect::<StringArray>())
}

fn times(files: &[Listed<'_>], value: impl Fn(&LogFile) -> Option<i64>) -> ArrayRef {
    utc(files.iter().map(|(file, _)| value(file)))
}

fn said<'f>(files: &'f [Listed<'_>], value: impl Fn(&'f DigestEntry) -> Option<&'f str>) -> ArrayRef {
    Arc::new(files.iter().map(|(_, digest)| digest.as_ref().and_then(&value)).collect::<StringArray>())
}

fn of_digests(files: &[Listed<'_>], value: impl Fn(&DigestEntry) -> Option<i64>) -> ArrayRef {
    utc(files.iter().map(|(_, digest)| digest.as_ref().and_then(&value)))
}

fn utc(times: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}
