//! Parquet and Arrow IPC files, written as the batches come.
//!
//! Both writers hold one row group or batch in memory. The files carry exact values; nothing is escaped.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::{Renderer, unique_names};
use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;

/// Encoded bytes after which a row group is closed.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// See the module.
pub(crate) struct ParquetRenderer<'a> {
    schema: SchemaRef,
    writer: ArrowWriter<&'a mut DataWriter>,
}

impl<'a> ParquetRenderer<'a> {
    /// A file of rows of this schema.
    ///
    /// # Errors
    /// When it has a type that Parquet has not; and that of the destination.
    pub(crate) fn try_new(schema: &SchemaRef, out: &'a mut DataWriter) -> Result<Self, CliError> {
        let schema = with_unique_names(schema);
        refuse_intervals(&schema)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))?;
        Ok(Self { schema, writer })
    }
}

impl Renderer for ParquetRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        self.writer.write(&renamed(batch, &self.schema)?)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), CliError> {
        self.writer.close()?;
        Ok(())
    }
}

/// Parquet's interval has milliseconds, those of a result nanoseconds.
fn refuse_intervals(schema: &Schema) -> Result<(), CliError> {
    let Some(field) = schema.fields().iter().find(|field| holds_interval(field.data_type())) else { return Ok(()) };
    let name = escape::line(field.name());
    Err(CliError::usage(format!("Parquet has no type for the intervals of a column: `{name}`")).with_hint(
        "write their seconds, `date_part('epoch', …)`, or their texts, `…::text`; `--format arrow` keeps them",
    ))
}

fn holds_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => holds_interval(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_interval(field.data_type())),
        DataType::Dictionary(_, values) => holds_interval(values),
        _ => false,
    }
}

/// See the module.
pub(crate) struct ArrowRenderer<'a> {
    schema: SchemaRef,
    writer: FileWriter<&'a mut DataWriter>,
}

impl<'a> ArrowRenderer<'a> {
    pub(crate) fn try_new(schema: &SchemaRef, out: &'a mut DataWriter) -> Result<Self, CliError> {
        let schema = with_unique_names(schema);
        let writer = FileWriter::try_new(out, &schema)?;
        Ok(Self { schema, writer })
    }
}

impl Renderer for ArrowRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        Ok(self.writer.write(&renamed(batch, &self.schema)?)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), CliError> {
        Ok(self.writer.finish()?)
    }
}

/// The schema with column names that every reader can tell apart.
fn with_unique_names(schema: &SchemaRef) -> SchemaRef {
    let rename = |(field, name): (&Arc<Field>, String)| field.as_ref().clone().with_name(name);
    let fields: Vec<Field> = schema.fields().iter().zip(unique_names(schema)).map(rename).collect();
    Arc::new(Schema::new(fields))
}

fn renamed(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)
}

impl From<ParquetError> for CliError {
    fn from(error: ParquetError) -> Self {
        Self::from_write("cannot write the result as Parquet", error)
    }
}
