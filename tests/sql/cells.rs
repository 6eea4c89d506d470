//! Results as texts, the way the oracle writes them: RFC 3339 times, ISO dates, none for null.

use arrow_array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use keytrail_query::Session;

/// One row.
pub(crate) type Cells = Vec<Option<String>>;

/// The rows of batches.
pub(crate) fn cells(batches: &[RecordBatch]) -> Vec<Cells> {
    batches.iter().flat_map(cells_of).collect()
}

fn cells_of(batch: &RecordBatch) -> Vec<Cells> {
    let options = FormatOptions::default();
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let cell =
        |row: usize, index: usize| (!batch.column(index).is_null(row)).then(|| columns[index].value(row).to_string());
    (0..batch.num_rows()).map(|row| (0..columns.len()).map(|index| cell(row, index)).collect()).collect()
}

/// The rows of a query.
pub(crate) async fn rows(session: &Session, sql: &str) -> Vec<Cells> {
    let result = session.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
    cells(&result.collect().await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error))))
}

/// The only value of a query.
pub(crate) async fn value(session: &Session, sql: &str) -> Option<String> {
    let rows = rows(session, sql).await;
    assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{sql}");
    rows[0][0].clone()
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
