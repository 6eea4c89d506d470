//! `keytrail connect TOOL`: text that opens the lake in another tool.
//!
//! The texts are templates under `sql/connect`; what is filled in is the lake's place, the names of its tables and, for
//! tools without the Delta log, the files that are in the lake now. It runs none of the tools.

use std::io::Write as _;

use keytrail_convert::lake_spec;
use keytrail_lake::{Lake, Location, Table};

use crate::args::{ConnectArguments, Tool};
use crate::errors::{CliError, Exit};
use crate::output::DataWriter;
use crate::{escape, session};

const DUCKDB: &str = include_str!("../../../../sql/connect/duckdb.sql");
const DUCKDB_S3: &str = include_str!("../../../../sql/connect/duckdb_s3.sql");
const DUCKDB_VIEW: &str = include_str!("../../../../sql/connect/duckdb_view.sql");
const ATHENA: &str = include_str!("../../../../sql/connect/athena.sql");
const ATHENA_TABLE: &str = include_str!("../../../../sql/connect/athena_table.sql");
const POLARS: &str = include_str!("../../../../sql/connect/polars.py");
const PYTHON: &str = include_str!("../../../../sql/connect/python.py");
const SPARK: &str = include_str!("../../../../sql/connect/spark.py");

/// Prints the text.
pub(crate) async fn run(arguments: &ConnectArguments) -> Result<Exit, CliError> {
    let text = text(arguments).await?;
    let mut out = DataWriter::stdout();
    let is_shown = out.destination().is_terminal();
    out.write_all(if is_shown { escape::lines(&text).into_owned() } else { text }.as_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}

async fn text(arguments: &ConnectArguments) -> Result<String, CliError> {
    let location = session::lake_location(&arguments.lake)?;
    if arguments.tool == Tool::Athena {
        return athena(&location);
    }
    let lake = session::open_lake(&arguments.lake).await?;
    let python = |template: &str, line: fn(&str) -> String| python(template, &location, line);
    Ok(match arguments.tool {
        Tool::Duckdb => duckdb(&lake, &location).await?,
        Tool::Polars => python(POLARS, |name| format!("{name} = pl.scan_delta(f\"{{lake}}/{name}\")")),
        Tool::Python => {
            python(PYTHON, |name| format!("{name} = DeltaTable(f\"{{lake}}/{name}\").to_pyarrow_dataset()"))
        }
        Tool::Spark | Tool::Athena => python(SPARK, |name| {
            format!("spark.read.format(\"delta\").load(f\"{{lake}}/{name}\").createOrReplaceTempView(\"{name}\")")
        }),
    })
}

/// Tables that do not need the lake to be opened.
fn table_names() -> impl Iterator<Item = &'static str> {
    lake_spec().tables.into_iter().map(|table| table.name)
}

fn athena(location: &Location) -> Result<String, CliError> {
    if !location.is_s3() {
        return Err(CliError::usage(format!("Athena reads S3 only: `{location}`"))
            .with_hint("convert to a lake on S3: `keytrail convert SOURCE --lake s3://bucket/prefix`"));
    }
    let place = sql_text(&location.to_string());
    let tables: String = table_names().map(|name| ATHENA_TABLE.replace("{table}", name)).collect();
    Ok(ATHENA.replace("{tables}", &tables).replace("{lake}", &place))
}

fn python(template: &str, location: &Location, line: fn(&str) -> String) -> String {
    let tables: Vec<String> = table_names().map(line).collect();
    let text = template.replace("{tables}", &tables.join("\n"));
    // Only the place itself: an f-string of the template names the variable.
    text.replace("lake = {lake}", &format!("lake = {}", serde_json::Value::from(location.to_string())))
}

async fn duckdb(lake: &Lake, location: &Location) -> Result<String, CliError> {
    let mut views = String::new();
    for table in lake.tables() {
        views.push_str(&duckdb_view(table, location).await?);
    }
    let access = if location.is_s3() { DUCKDB_S3 } else { "" };
    let text = DUCKDB.replace("{access}", access).replace("{lake}", &sql_text(&location.to_string()));
    Ok(text.replace("{views}", &views))
}

/// A view over the files that the table has now; a table without files has no columns that DuckDB could know.
async fn duckdb_view(table: &Table, location: &Location) -> Result<String, CliError> {
    let (snapshot, spec) = (table.snapshot().await?, table.spec());
    if snapshot.files().is_empty() {
        return Ok(format!("\n-- {} has no rows yet\n", spec.name));
    }
    let path = |path: &str| format!("    '{}'", sql_text(&format!("{location}/{}/{path}", spec.name)));
    let files: Vec<String> = snapshot.files().iter().map(|file| path(&file.path)).collect();
    let is_partitioned = !spec.partition_columns.is_empty();
    let view = DUCKDB_VIEW.replace("{table}", spec.name).replace("{is_partitioned}", &is_partitioned.to_string());
    Ok(format!("\n{}", view.replace("{files}", &files.join(",\n"))))
}

/// For a text in single quotes.
fn sql_text(text: &str) -> String {
    text.replace('\'', "''")
}
