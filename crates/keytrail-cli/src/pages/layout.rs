//! Lines of a page: long text is folded, never cut; text from data is made harmless.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::escape;
use crate::render::value::iso_8601;

/// Columns of a page.
const WIDTH: usize = 80;
/// Columns of the label in front of a fact.
const LABEL: usize = 12;
/// Columns of the name in front of a row's counts.
const NAME: usize = 34;

/// Text that grows line by line.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// The finished text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// A heading after an empty line.
    pub(crate) fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.push_line(heading);
    }

    /// A line of its own, folded and indented.
    pub(crate) fn line(&mut self, text: &str) {
        self.fold("  ", "  ", text);
    }

    /// A label and a fact; an empty label continues the fact above.
    pub(crate) fn fact(&mut self, label: &str, text: &str) {
        self.fold(&format!("  {label:LABEL$}"), &" ".repeat(2 + LABEL), text);
    }

    /// The heading of a table: what the rows are, and the names of its three columns.
    pub(crate) fn table(&mut self, heading: &str, columns: [&str; 3]) {
        let [first, second, third] = columns;
        self.heading(format!("{heading:width$}{first:>10}{second:>10}  {third}", width = NAME + 2).trim_end());
    }

    /// A row: a name, on a line of its own when it is long, and three cells.
    pub(crate) fn row(&mut self, name: &str, cells: [&str; 3]) {
        let name = escape::line(name);
        let [first, second, third] = cells;
        let numbers = format!("{first:>10}{second:>10}  {third}");
        if name.chars().count() <= NAME {
            self.push_line(&format!("  {name:NAME$}{numbers}"));
        } else {
            self.fold("  ", "    ", &name);
            self.push_line(&format!("  {:NAME$}{numbers}", ""));
        }
    }

    /// Folds at spaces where there are any, else anywhere: an ARN has none.
    fn fold(&mut self, first: &str, next: &str, text: &str) {
        let text = escape::line(text);
        let mut rest: &str = &text;
        let mut indent = first;
        loop {
            let room = WIDTH - indent.chars().count();
            let (line, remainder) = split_to_fit(rest, room);
            self.push_line(&format!("{indent}{line}"));
            if remainder.is_empty() {
                return;
            }
            rest = remainder;
            indent = next;
        }
    }

    fn push_line(&mut self, line: &str) {
        writeln!(self.text, "{}", line.trim_end()).expect("writing to a string cannot fail");
    }
}

/// The part of `text` that fits into `room` characters, and the rest.
fn split_to_fit(text: &str, room: usize) -> (&str, &str) {
    let Some((limit, _)) = text.char_indices().nth(room) else {
        return (text, "");
    };
    match text[..=limit.min(text.len() - 1)].rfind(' ').filter(|space| *space > limit / 2) {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => text.split_at(limit),
    }
}

/// A time as text; `never` for none.
pub(crate) fn time_text(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| iso_8601(time, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_folded_and_nothing_is_lost() {
        let arn = format!("arn:aws:s3:::{}", "x".repeat(200));
        let mut page = Page::default();
        page.fact("by", &arn);
        page.row(&arn, ["1", "2", "2026-01-01T00:00:00Z"]);
        let text = page.into_text();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let joined: String = text.lines().map(str::trim).collect();
        assert_eq!(joined.matches('x').count(), 400);
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(split_to_fit("one two three", 9), ("one two", "three"));
        assert_eq!(split_to_fit("one two", 7), ("one two", ""));
        assert_eq!(split_to_fit("abcdefgh", 4), ("abcd", "efgh"));
        assert_eq!(split_to_fit("ééééé é", 5), ("ééééé", "é"));
    }

    #[test]
    fn control_characters_do_not_reach_the_page() {
        let mut page = Page::default();
        page.row("\u{1b}[31mred\u{202e}", ["1", "", ""]);
        assert!(!page.into_text().contains(['\u{1b}', '\u{202e}']));
    }
}
