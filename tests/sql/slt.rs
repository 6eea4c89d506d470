//! Runs every `.slt` file of every area on the area's lake.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use keytrail_query::{QueryError, Session};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use crate::cells::{cells, chain};
use crate::fixture;

struct Connection(Arc<Session>);

/// An error that prints all its causes: the runner shows nothing else of it.
#[derive(Debug)]
struct Failure(QueryError);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&chain(&self.0))
    }
}

impl std::error::Error for Failure {}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let result = self.0.execute(sql, &[]).await.map_err(Failure)?;
        let types = result.schema.fields().iter().map(|field| column_type(field.data_type())).collect();
        let rows = cells(&result.collect().await.map_err(Failure)?);
        Ok(DBOutput::Rows { types, rows: rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect() })
    }

    async fn shutdown(&mut self) {}
}

fn column_type(data_type: &arrow_schema::DataType) -> DefaultColumnType {
    match data_type {
        arrow_schema::DataType::Int64 | arrow_schema::DataType::UInt64 => DefaultColumnType::Integer,
        _ => DefaultColumnType::Text,
    }
}

fn text(cell: Option<String>) -> String {
    match cell {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text,
    }
}

/// The `.slt` files of an area, sorted.
pub(crate) fn slt_files(area: &str) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(fixture::folder().join(area)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "slt")).collect();
    files.sort();
    files
}

/// The names of an area's `.slt` files: of the views that they are about.
pub(crate) fn tested_views(area: &str) -> BTreeSet<String> {
    slt_files(area).iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn views_answer_as_written_down() {
    let mut failures = Vec::new();
    for area in fixture::areas() {
        let session = Arc::new(fixture::session_over(&area).await);
        for file in slt_files(&area) {
            let mut runner = Runner::new(|| async { Ok(Connection(Arc::clone(&session))) });
            if let Err(error) = runner.run_file_async(&file).await {
                failures.push(format!("{}: {}", file.display(), error.display(false)));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
