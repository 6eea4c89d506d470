//! Runs every `.slt` file under `views/` on the fixed lake.

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

/// All `.slt` files, sorted.
pub(crate) fn slt_files() -> Vec<PathBuf> {
    let entries = fs_err::read_dir(fixture::folder().join("views")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn views_answer_as_written_down() {
    let session = Arc::new(fixture::session().await);
    let mut failures = Vec::new();
    for file in slt_files() {
        let mut runner = Runner::new(|| async { Ok(Connection(Arc::clone(&session))) });
        if let Err(error) = runner.run_file_async(&file).await {
            failures.push(format!("{}: {}", file.display(), error.display(false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
