//! Aligned columns for people. The first chunk of rows decides the widths; nothing is ever cut off.
//!
//! On a terminal, columns share its width and long values are wrapped; rows with more columns than fit are shown
//! vertically. In a file, lines are as long as their values. It does not page.

use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, Table, TableComponent, Width};

use super::vertical::VerticalRows;
use super::{Renderer, readable, unique_names};
use crate::errors::CliError;
use crate::escape;
use crate::output::{DataWriter, Destination};

/// Rows and bytes of text that are measured together.
const CHUNK_ROWS: usize = 1_000;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// A column is not squeezed below this many characters: times and counts stay on one line, an ARN takes a few.
pub(super) const NARROWEST: u16 = 24;
/// A space on each side of a value.
const PADDING: u16 = 2;
/// The line between two columns.
const SEPARATOR: u16 = 1;

/// See the module.
pub(crate) struct TableRenderer<'a> {
    out: &'a mut DataWriter,
    columns: Vec<Heading>,
    pending: Vec<Vec<String>>,
    pending_bytes: usize,
    layout: Layout,
}

struct Heading {
    name: String,
    alignment: CellAlignment,
}

enum Layout {
    /// Nothing is written yet.
    Undecided,
    /// The header is written; widths of the columns without padding.
    Columns(Vec<u16>),
    /// The columns do not fit side by side.
    Vertical(VerticalRows),
}

impl<'a> TableRenderer<'a> {
    pub(crate) fn new(schema: &SchemaRef, out: &'a mut DataWriter) -> Self {
        let names = unique_names(schema).into_iter().map(|name| escape::line(&name).into_owned());
        let alignments = schema.fields().iter().map(|field| match field.data_type() {
            data_type if data_type.is_numeric() => CellAlignment::Right,
            _ => CellAlignment::Left,
        });
        let columns = names.zip(alignments).map(|(name, alignment)| Heading { name, alignment }).collect();
        Self { out, columns, pending: Vec::new(), pending_bytes: 0, layout: Layout::Undecided }
    }

    fn write_chunk(&mut self) -> Result<(), CliError> {
        let rows = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let is_first = matches!(self.layout, Layout::Undecided);
        let table = self.table_of(&rows, is_first);
        if is_first {
            self.layout = self.first_layout(&table.column_max_content_widths());
        }
        match &mut self.layout {
            Layout::Undecided => {}
            Layout::Vertical(vertical) => vertical.write(&rows, self.out)?,
            Layout::Columns(widths) => {
                if !self.out.destination().is_terminal() {
                    widen(widths, &table.column_max_content_widths());
                }
                write_lines(table, widths, self.out)?;
            }
        }
        Ok(())
    }

    fn table_of(&self, rows: &[Vec<String>], with_header: bool) -> Table {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING).force_no_tty();
        table.set_style(TableComponent::VerticalLines, '|');
        if with_header {
            table.set_style(TableComponent::HeaderLines, '-');
            table.set_style(TableComponent::MiddleHeaderIntersections, '+');
            let cells = self.columns.iter().map(|column| (&column.name, column.alignment));
            table.set_header(cells.map(|(name, alignment)| Cell::new(name).set_alignment(alignment)));
        }
        for row in rows {
            let cells = row.iter().zip(&self.columns);
            table.add_row(cells.map(|(text, column)| Cell::new(text).set_alignment(column.alignment)));
        }
        table
    }

    /// Side by side in a file and wherever the widths, or squeezed ones, fit the terminal; else vertical.
    fn first_layout(&self, natural: &[u16]) -> Layout {
        let Destination::Terminal { width } = self.out.destination() else {
            return Layout::Columns(natural.to_vec());
        };
        match squeeze(natural, width, NARROWEST) {
            Some(widths) => Layout::Columns(widths),
            None => Layout::Vertical(VerticalRows::new(self.columns.iter().map(|column| column.name.clone()))),
        }
    }
}

impl Renderer for TableRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            let texts = (0..batch.num_columns()).map(|column| readable(batch, column, row));
            let cells: Result<Vec<String>, _> =
                texts.map(|text| text.map(|text| escape::line(&text).into_owned())).collect();
            let cells = cells?;
            self.pending_bytes += cells.iter().map(String::len).sum::<usize>();
            self.pending.push(cells);
            if self.pending.len() >= CHUNK_ROWS || self.pending_bytes >= CHUNK_BYTES {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), CliError> {
        if !self.pending.is_empty() || matches!(self.layout, Layout::Undecided) {
            self.write_chunk()?;
        }
        Ok(())
    }
}

fn widen(widths: &mut [u16], natural: &[u16]) {
    for (width, natural) in widths.iter_mut().zip(natural) {
        *width = (*width).max(*natural);
    }
}

/// Widths that fit `terminal`: the widest columns give first, none below `narrowest`; `None` when that is not enough.
pub(super) fn squeeze(natural: &[u16], terminal: u16, narrowest: u16) -> Option<Vec<u16>> {
    let columns = u32::try_from(natural.len()).ok()?;
    let frame = columns * u32::from(PADDING) + columns.saturating_sub(1) * u32::from(SEPARATOR);
    let room = u32::from(terminal).checked_sub(frame)?;
    let fits = |cap: u16| natural.iter().map(|width| u32::from((*width).min(cap))).sum::<u32>() <= room;
    if fits(u16::MAX) {
        return Some(natural.to_vec());
    }
    let cap = (narrowest..=terminal).rev().find(|cap| fits(*cap))?;
    Some(natural.iter().map(|width| (*width).min(cap)).collect())
}

fn write_lines(mut table: Table, widths: &[u16], out: &mut DataWriter) -> Result<(), CliError> {
    for (column, width) in table.column_iter_mut().zip(widths) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width.saturating_add(PADDING))));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{NARROWEST, squeeze};

    #[test]
    fn the_widest_columns_give_first() {
        assert_eq!(squeeze(&[10, 20], 80, NARROWEST), Some(vec![10, 20]));
        assert_eq!(squeeze(&[10, 200], 80, NARROWEST), Some(vec![10, 65]));
        assert_eq!(squeeze(&[100, 200], 80, NARROWEST), Some(vec![37, 37]));
        assert_eq!(squeeze(&[75, 9, 12, 20], 80, NARROWEST), Some(vec![28, 9, 12, 20]));
        assert_eq!(squeeze(&[75, 9, 15, 13, 20], 80, NARROWEST), None);
        assert_eq!(squeeze(&[], 80, NARROWEST), Some(vec![]));
    }
}
