//! Where reading goes on after text that is no JSON.
//!
//! A bracket count finds the end of most damaged values; it reads on and on where brackets do not balance, so [`Recovery`] bounds
//! its work to a few times the text's length. Behind that, the next line that looks like the beginning of a value is taken.

use super::text::{begins_with_priority, begins_with_time, is_cli_line};
use crate::json::Scanner;

/// What bracket counting may still read in one text.
#[derive(Debug)]
pub(super) struct Recovery<'d> {
    bytes: &'d [u8],
    left_bytes: usize,
}

impl<'d> Recovery<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self { bytes, left_bytes: bytes.len().saturating_mul(8) }
    }

    /// Where a damaged array element ends: its brackets balance and a comma or the array's end follows.
    pub(super) fn end_of_element(&mut self, start: usize) -> Option<usize> {
        let end = self.end_of_brackets(start)?;
        let follows = Scanner::at(self.bytes, end).peek();
        matches!(follows, Some(b',' | b']')).then_some(end)
    }

    /// Where reading goes on after a damaged value of a document: behind its brackets, else on the next line, else nowhere. After what is no
    /// value, on the next line if that comes first.
    pub(super) fn end_of_value(&mut self, start: usize, error_offset: usize) -> usize {
        let bytes = self.bytes;
        let is_value =
            |end: &usize| *end > error_offset && matches!(Scanner::at(bytes, *end).peek(), Some(b'{' | b'['));
        let behind_brackets = self.end_of_brackets(start).filter(is_value);
        let line = || next_line_with_value(bytes, start);
        let end = match bytes.get(start) {
            Some(b'{' | b'[' | b'"') => behind_brackets.or_else(line),
            // What is no value at all, as a line above the records, has no brackets of its own.
            _ => behind_brackets.into_iter().chain(line()).min(),
        };
        end.unwrap_or(bytes.len())
    }

    /// The end of the value at `start` by its brackets alone, whatever stands between them.
    fn end_of_brackets(&mut self, start: usize) -> Option<usize> {
        let within = self.bytes.len().min(start.saturating_add(self.left_bytes));
        let end = end_of_brackets(&self.bytes[..within], start);
        self.left_bytes -= end.unwrap_or(within) - start;
        end
    }
}

/// The next line after `start` that begins like a record: JSON lines and log lines go on there, the lines of one indented object
/// do not look so.
fn next_line_with_value(bytes: &[u8], start: usize) -> Option<usize> {
    let lines = memchr::memchr_iter(b'\n', &bytes[start..]).map(|at| start + at + 1);
    lines.into_iter().find(|line| {
        let rest = &bytes[*line..];
        rest.first() == Some(&b'{') || begins_with_time(rest) || begins_with_priority(rest) || is_cli_line(rest)
    })
}

fn end_of_brackets(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut position = start;
    while let Some(&byte) = bytes.get(position) {
        match byte {
            b'"' => position = end_of_string(bytes, position)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(position + 1);
                }
            }
            b',' if depth == 0 => return Some(position),
            _ => {}
        }
        position += 1;
    }
    None
}

/// The closing quote of the string that opens at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut position = start + 1;
    loop {
        position += memchr::memchr2(b'"', b'\\', bytes.get(position..)?)?;
        if bytes[position] == b'"' {
            return Some(position);
        }
        position += 2;
    }
}

/// The end of the line that `position` is on: its line feed, or the end of the text.
pub(super) fn end_of_line(bytes: &[u8], position: usize) -> usize {
    memchr::memchr(b'\n', &bytes[position..]).map_or(bytes.len(), |at| position + at)
}
