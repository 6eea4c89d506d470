//! CloudTrail log files, event records and their KMS facts, as Arrow record batches of one schema.
//!
//! ```text
//! bytes ─▶ container::FileDecoder ─▶ record::EventRecord ─▶ builder::EventBatchBuilder ─▶ rows::EventRows ─▶ RecordBatch
//!             compression, json          identity, kms            columns, schema
//! ```
//! This crate does no I/O, knows no async, no Parquet and no DataFusion. A record is a value; nothing that was read is dropped in silence.

#![warn(missing_docs)]

mod account;
pub mod builder;
pub mod columns;
pub mod compression;
pub mod container;
mod field_memory;
mod flattened;
pub mod hash;
pub mod identity;
pub mod interner;
pub mod json;
pub mod kms;
pub mod path;
pub mod record;
pub mod record_texts;
pub mod row_keys;
mod row_writer;
pub mod rows;
pub mod schema;
mod text_sink;
pub mod time;

pub use builder::{BuiltColumns, EventBatchBuilder, Lineage};
pub use columns::ColumnValues;
pub use container::{FileDecoder, FileOutcome, LogFileKind, RecordSink, Reject};
pub use field_memory::FieldMemory;
pub use interner::{NULL_KEY, TextInterner};
pub use path::LogFilePath;
pub use record::{DetailLevel, EventRecord, Field, RecordError, RecordKind};
pub use record_texts::{RecordTexts, record_text_columns};
pub use row_keys::{EventPartition, body_hash, event_id, has_body_hash};
pub use rows::EventRows;
pub use text_sink::TextSink;
