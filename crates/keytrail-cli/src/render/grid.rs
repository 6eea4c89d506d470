//! Rows for a person at the prompt: one line each, as wide as the terminal, values that are too long cut with `…`; or
//! one line per value, in full, where the columns do not fit or the person asked for it.
//!
//! It has all its rows at once: the prompt shows so many and no more. What goes anywhere else is written by the other
//! renderers, which cut nothing.

use std::borrow::Cow;
use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::table::{NARROWEST, squeeze};
use super::{unique_names, value};
use crate::errors::CliError;
use crate::escape;

/// What stands for the rest of a value that is cut.
const CUT: char = '…';
/// No column is narrower than this when columns are asked for whatever the width.
const NARROWEST_ASKED: u16 = 5;

/// Whether a row is one line or one line per value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expanded {
    /// One line per value.
    On,
    /// One line per row.
    Off,
    /// One line per row where the columns fit the terminal, else one line per value.
    Auto,
}

/// How the rows are to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GridOptions {
    /// One line per row or per value.
    pub(crate) expanded: Expanded,
    /// Columns of the terminal.
    pub(crate) width: u16,
    /// Nulls and column names may be set apart by colour.
    pub(crate) is_coloured: bool,
}

/// What the writer did to the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GridReport {
    /// Values that were cut.
    pub(crate) cut_count: usize,
}

/// Writes the rows.
///
/// # Errors
/// When a value cannot be shown or the rows cannot be written.
pub(crate) fn write(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    options: GridOptions,
    out: &mut impl Write,
) -> Result<GridReport, CliError> {
    let columns = columns(schema);
    let rows = batches.iter().map(rows).collect::<Result<Vec<_>, _>>()?.concat();
    let natural = natural_widths(&columns, &rows);
    let widths = match options.expanded {
        Expanded::On => None,
        Expanded::Off => squeeze(&natural, options.width, NARROWEST_ASKED),
        Expanded::Auto => squeeze(&natural, options.width, NARROWEST),
    };
    let mut grid = Grid { columns, is_coloured: options.is_coloured, report: GridReport::default() };
    match widths {
        Some(widths) => grid.write_lines(&widths, &rows, out)?,
        None => grid.write_values(&rows, out)?,
    }
    Ok(grid.report)
}

struct Column {
    name: String,
    is_number: bool,
}

/// The safe text of a value; none = null.
type Cell = Option<String>;

struct Grid {
    columns: Vec<Column>,
    is_coloured: bool,
    report: GridReport,
}

fn columns(schema: &SchemaRef) -> Vec<Column> {
    let names = unique_names(schema).into_iter().map(|name| escape::line(&name).into_owned());
    let is_number = schema.fields().iter().map(|field| field.data_type().is_numeric());
    names.zip(is_number).map(|(name, is_number)| Column { name, is_number }).collect()
}

fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Cell>>, CliError> {
    let cell = |column: usize, row: usize| -> Result<Cell, CliError> {
        let text = value::text(batch.column(column).as_ref(), row)?;
        Ok(text.map(|text| escape::line(&text).into_owned()))
    };
    (0..batch.num_rows()).map(|row| (0..batch.num_columns()).map(|column| cell(column, row)).collect()).collect()
}

fn natural_widths(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<u16> {
    let width = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX);
    let mut widths: Vec<u16> = columns.iter().map(|column| width(&column.name)).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(shown(cell)));
        }
    }
    widths
}

fn shown(cell: &Cell) -> &str {
    cell.as_deref().unwrap_or("NULL")
}

impl Grid {
    fn write_lines(&mut self, widths: &[u16], rows: &[Vec<Cell>], out: &mut impl Write) -> io::Result<()> {
        let heading: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let heading = self.line(widths, heading.iter().map(|name| (name.as_str(), Face::Heading)));
        writeln!(out, "{heading}")?;
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(usize::from(*width) + 2)).collect();
        writeln!(out, "{}", rule.join("+"))?;
        for row in rows {
            let cells = row.iter().map(|cell| (shown(cell), if cell.is_none() { Face::Null } else { Face::Plain }));
            let line = self.line(widths, cells);
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn line<'a>(&mut self, widths: &[u16], cells: impl Iterator<Item = (&'a str, Face)>) -> String {
        let mut cells: Vec<_> = cells.collect();
        let mut line = String::new();
        let last = cells.len().saturating_sub(1);
        for (index, (text, face)) in cells.drain(..).enumerate() {
            let width = usize::from(widths[index]);
            let text = cut(text, width);
            self.report.cut_count += usize::from(matches!(text, Cow::Owned(_)));
            let gap = " ".repeat(width.saturating_sub(text.width()));
            let text = self.painted(&text, face);
            line.push_str(if index == 0 { " " } else { " | " });
            match self.columns[index].is_number {
                true => line.extend([gap.as_str(), &text]),
                // Nothing but space may follow at the end of a line.
                false if index == last => line.push_str(&text),
                false => line.extend([text.as_str(), &gap]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn write_values(&self, rows: &[Vec<Cell>], out: &mut impl Write) -> io::Result<()> {
        let width = self.columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
        for (index, row) in rows.iter().enumerate() {
            writeln!(out, "{:-<40}", format!("-[ row {} ]", index + 1))?;
            for (column, cell) in self.columns.iter().zip(row) {
                let gap = " ".repeat(width - column.name.width());
                let face = if cell.is_none() { Face::Null } else { Face::Plain };
                let text = self.painted(shown(cell), face);
                writeln!(out, "{}", format!("{}{gap} | {text}", column.name).trim_end())?;
            }
        }
        Ok(())
    }

    fn painted(&self, text: &str, face: Face) -> String {
        match face {
            Face::Heading if self.is_coloured => format!("\u{1b}[1m{text}\u{1b}[0m"),
            Face::Null if self.is_coloured => format!("\u{1b}[2;3m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Plain,
    Heading,
    Null,
}

/// The text in so many columns; owned where it had to be cut.
pub(super) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(1);
    // What tells one ARN from the next is at its end.
    let head = if text.starts_with("arn:") { room / 3 } else { room };
    let mut short = start(text.chars(), head);
    short.push(CUT);
    short.extend(start(text.chars().rev(), room - head).chars().rev());
    Cow::Owned(short)
}

/// The first characters, in at most so many columns.
fn start(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut taken = 0;
    let fits = |character: &char| {
        taken += character.width().unwrap_or(0);
        taken <= width
    };
    characters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn shown_as(columns: Vec<(&str, ArrayRef)>, expanded: Expanded, width: u16, is_coloured: bool) -> (String, usize) {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut out = Vec::new();
        let options = GridOptions { expanded, width, is_coloured };
        let report = write(&batch.schema(), &[batch], options, &mut out).expect("rows");
        (String::from_utf8(out).expect("UTF-8"), report.cut_count)
    }

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    fn numbers(numbers: &[Option<i64>]) -> ArrayRef {
        Arc::new(Int64Array::from(numbers.to_vec()))
    }

    #[test]
    fn numbers_are_right_and_null_is_not_empty() {
        let columns =
            || vec![("name", texts(&[Some(""), None, Some("NULL")])), ("n", numbers(&[Some(7), Some(1234), None]))];
        let (plain, cut_count) = shown_as(columns(), Expanded::Auto, 80, false);
        insta::assert_snapshot!(plain, @"
         name |    n
        ------+------
              |    7
         NULL | 1234
         NULL | NULL
        ");
        assert_eq!(cut_count, 0);
        let (coloured, _) = shown_as(columns(), Expanded::Auto, 80, true);
        assert!(coloured.contains("\u{1b}[2;3mNULL\u{1b}[0m | 1234"), "{coloured:?}");
        assert!(coloured.contains("\n NULL | \u{1b}[2;3mNULL"), "{coloured:?}");
    }

    #[test]
    fn a_cut_value_is_marked_and_an_arn_keeps_its_end() {
        let long = "word ".repeat(30);
        let columns = vec![
            ("key_arn", texts(&[Some(ARN)])),
            ("text", texts(&[Some(long.trim_end())])),
            ("n", numbers(&[Some(5)])),
        ];
        let (text, cut_count) = shown_as(columns, Expanded::Auto, 80, false);
        assert_eq!(cut_count, 2);
        let row = text.lines().last().expect("a row");
        assert!(row.starts_with(" arn:aws:kms") && row.contains("…") && row.contains("7890ab | word"), "{row}");
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    }

    #[test]
    fn rows_too_wide_for_the_terminal_are_shown_value_by_value_and_whole() {
        let names = ["one", "two", "three", "four"];
        let columns = || names.iter().map(|name| (*name, texts(&[Some(ARN), None]))).collect::<Vec<_>>();
        let (text, cut_count) = shown_as(columns(), Expanded::Auto, 80, false);
        assert!(text.starts_with("-[ row 1 ]-----") && text.contains("\nthree | arn:"), "{text}");
        assert_eq!((text.matches(ARN).count(), cut_count), (4, 0));
        let (text, cut_count) = shown_as(columns(), Expanded::Off, 80, false);
        assert_eq!((text.lines().count(), cut_count), (4, 4));
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        let (text, _) = shown_as(vec![("n", numbers(&[Some(5)]))], Expanded::On, 80, false);
        assert!(text.ends_with("\nn | 5\n"), "{text}");
    }

    #[test]
    fn cutting_counts_columns_not_characters() {
        assert_eq!(cut("漢字漢字", 8), "漢字漢字");
        assert_eq!(cut("漢字漢字", 7), "漢字漢…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("arn:aws:x", 7), "ar…ws:x");
    }

    #[test]
    fn data_cannot_steer_the_terminal() {
        for expanded in [Expanded::On, Expanded::Off, Expanded::Auto] {
            let hostile = "\u{1b}[2J\u{202e}\r\nx".repeat(20);
            let (text, _) = shown_as(vec![("\u{1b}]0;x", texts(&[Some(&hostile)]))], expanded, 40, false);
            assert!(!text.contains(|c| escape::is_unsafe(c) && c != '\n'), "{text:?}");
        }
    }
}
