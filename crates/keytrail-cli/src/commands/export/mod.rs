//! `keytrail export`: event records byte for byte, as `{"Records":[…]}` or one per line.
//!
//! The records stream from the lake to the output, data file by data file: see [`keytrail_query::Session::rows_where`].

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Int32Array, RecordBatch, StringViewArray};
use keytrail_events::{RecordTexts, has_body_hash, record_text_columns};
use keytrail_query::QueryError;

use crate::args::ExportArguments;
use crate::errors::{CliError, Exit};
use crate::excerpt::Origin;
use crate::output::{self, DataWriter};
use crate::session::SqlSession;
use crate::{escape, session};

mod rejects;

/// Writes the exact text of every matching record, or the bytes of what was rejected.
pub(crate) async fn run(arguments: &ExportArguments) -> Result<Exit, CliError> {
    if let Some(folder) = &arguments.rejects {
        return rejects::run(arguments, folder).await;
    }
    let over_lake = SqlSession::over_data(session::over_lake(&arguments.lake, &arguments.engine).await?);
    let session = &over_lake.session;
    let condition = arguments.condition.as_deref();
    let in_condition =
        |error: QueryError| over_lake.locate(error.into(), condition.unwrap_or_default(), &Origin::Typed);
    let columns: Vec<_> = record_text_columns().into_iter().chain([BODY_HASH]).collect();
    let mut result = session.rows_where("events", condition, &columns).await.map_err(in_condition)?;
    let mut out = DataWriter::open(arguments.output.as_deref())?;
    let mut records = RecordWriter::new(if arguments.lines { Layout::Lines } else { Layout::Container });
    while let Some(batch) = result.next().await.map_err(in_condition)? {
        let (Some(texts), Some(proofs)) = (RecordTexts::new(&batch), Proofs::new(&batch)) else {
            return Err(damaged("a column is missing"));
        };
        for row in 0..batch.num_rows() {
            records.text.clear();
            if let Err(what) = push_proven(&mut records.text, &texts, &proofs, row) {
                return Err(session.damaged_file().await.map_or_else(|| damaged(&what), CliError::from));
            }
            records.write(&mut out)?;
        }
    }
    records.finish(&mut out)?;
    out.finish()?;
    if records.joined_line_count > 0 {
        let count = records.joined_line_count;
        output::warning(format!(
            "line breaks between members of {count} records became spaces; without --lines they stay"
        ));
    }
    Ok(Exit::Done)
}

const BODY_HASH: &str = "body_hash";

/// The hashes that a conversion made of the records' bodies: a bit that flips in a data file is most often no error of the decoder.
struct Proofs<'b> {
    event_ids: &'b StringViewArray,
    hashes: &'b Int32Array,
}

impl<'b> Proofs<'b> {
    fn new(batch: &'b RecordBatch) -> Option<Self> {
        Some(Self {
            event_ids: batch.column_by_name("event_id")?.as_string_view_opt()?,
            hashes: batch.column_by_name(BODY_HASH)?.as_primitive_opt::<Int32Type>()?,
        })
    }
}

/// Appends the exact text of a row's record, or tells why it cannot be given.
fn push_proven(text: &mut String, texts: &RecordTexts<'_>, proofs: &Proofs<'_>, row: usize) -> Result<(), String> {
    if !texts.push(text, row) {
        return Err("a row has neither a layout nor a record".to_owned());
    }
    if !has_body_hash(text, proofs.hashes.value(row).cast_unsigned()) {
        let id = escape::line(proofs.event_ids.value(row));
        return Err(format!("the record of event `{id}` is not the one that was converted: its body has another hash"));
    }
    Ok(())
}

fn damaged(what: &str) -> CliError {
    CliError::new(Exit::Integrity, "the lake cannot give a record back")
        .with_cause(what)
        .with_hint("`keytrail check --read-data` looks at every byte of the lake and names the file")
}

/// What stands around and between the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `{"Records":[…]}`, as CloudTrail delivers them.
    Container,
    /// One record per line.
    Lines,
}

struct RecordWriter {
    layout: Layout,
    /// The record that is written next.
    text: String,
    has_records: bool,
    /// Records that had a line break outside of strings; strings cannot hold one.
    joined_line_count: u64,
}

impl RecordWriter {
    fn new(layout: Layout) -> Self {
        Self { layout, text: String::new(), has_records: false, joined_line_count: 0 }
    }

    fn write(&mut self, out: &mut DataWriter) -> Result<(), CliError> {
        let before = match (self.layout, self.has_records) {
            (Layout::Container, false) => "{\"Records\":[",
            (Layout::Container, true) => ",",
            (Layout::Lines, false) => "",
            (Layout::Lines, true) => "\n",
        };
        self.has_records = true;
        if self.layout == Layout::Lines && self.text.contains(['\n', '\r']) {
            self.text = self.text.replace(['\n', '\r'], " ");
            self.joined_line_count += 1;
        }
        out.write_all(before.as_bytes())?;
        if out.destination().is_terminal() {
            out.write_all(escape::lines(&self.text).as_bytes())?;
        } else {
            out.write_all(self.text.as_bytes())?;
        }
        Ok(())
    }

    fn finish(&self, out: &mut DataWriter) -> Result<(), CliError> {
        let end = match (self.layout, self.has_records) {
            (Layout::Container, false) => "{\"Records\":[]}\n",
            (Layout::Container, true) => "]}\n",
            (Layout::Lines, false) => "",
            (Layout::Lines, true) => "\n",
        };
        Ok(out.write_all(end.as_bytes())?)
    }
}
