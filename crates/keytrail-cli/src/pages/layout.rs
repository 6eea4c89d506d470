//! Lines of a page: sentences are folded at spaces, names and ARNs stay whole, text from data is made harmless.
//!
//! It knows how wide the page is, not what stands on it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::escape;
use crate::output::Destination;
use crate::render::value::iso_8601;

/// Columns that sentences take at most.
const SENTENCE: usize = 80;
/// Columns of the label in front of a fact.
const LABEL: usize = 12;
/// Columns of the name in front of a row's cells, at least.
const NAME: usize = 34;
/// Columns of a count.
const COUNT: usize = 10;
/// Columns of a row that are not its name: indent, two counts, a gap and a time.
const CELLS: usize = 2 + 2 * COUNT + 2 + 20;

/// Text that grows line by line.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    /// Columns that names may take in front of their cells.
    widest_name: usize,
}

/// A row: its name and its cells, one for each column of the table.
pub(crate) type Row = (String, Vec<String>);

impl Page {
    /// An empty page. Where it is not shown on a terminal, every row is one line, however long, for `grep` and the like.
    pub(crate) fn for_destination(destination: Destination) -> Self {
        let widest_name = match destination {
            Destination::Terminal { width } => usize::from(width).saturating_sub(CELLS).max(NAME),
            Destination::Exact => usize::MAX,
        };
        Self { text: String::new(), widest_name }
    }

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

    /// A label and a fact.
    pub(crate) fn fact(&mut self, label: &str, text: &str) {
        self.fold(&format!("  {label:LABEL$}"), &" ".repeat(2 + LABEL), text);
    }

    /// A table, if it has rows: counts and a time behind a name, which has a line of its own when it is too long.
    pub(crate) fn table(&mut self, heading: &str, columns: &[&str], rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        let rows: Vec<Row> = rows.into_iter().map(|(name, cells)| (escape::line(&name).into_owned(), cells)).collect();
        let lengths = rows.iter().map(|(name, _)| name.chars().count());
        let width = lengths.filter(|length| *length <= self.widest_name).max().unwrap_or(0).max(NAME);
        self.heading(format!("{heading:width$}  {}", aligned(columns)).trim_end());
        for (name, cells) in &rows {
            if name.chars().count() <= width {
                self.push_line(&format!("  {name:width$}{}", aligned(cells)));
            } else {
                self.push_line(&format!("  {name}"));
                self.push_line(&format!("  {:width$}{}", "", aligned(cells)));
            }
        }
    }

    /// Folds at spaces only: what has none can be searched for and copied.
    fn fold(&mut self, first: &str, next: &str, text: &str) {
        let text = escape::line(text);
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split(' ') {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > SENTENCE {
                self.push_line(&line);
                next.clone_into(&mut line);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.push_line(&line);
    }

    fn push_line(&mut self, line: &str) {
        writeln!(self.text, "{}", line.trim_end()).expect("writing to a string cannot fail");
    }
}

/// Cells side by side: counts to the right, the last one, a time or a day, behind them.
fn aligned(cells: &[impl AsRef<str>]) -> String {
    let Some((last, counts)) = cells.split_last() else { return String::new() };
    let mut text: String = counts.iter().map(|count| format!("{:>COUNT$}", count.as_ref())).collect();
    text.push_str("  ");
    text.push_str(last.as_ref());
    text
}

/// A time as text; `never` for none.
pub(crate) fn time_text(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| iso_8601(time, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        (name.to_owned(), vec!["1".to_owned(), "2026-01-01T00:00:00Z".to_owned()])
    }

    fn table_for(destination: Destination, names: &[&str]) -> String {
        let mut page = Page::for_destination(destination);
        page.table("What", &["calls", "last seen"], names.iter().map(|name| row(name)).collect());
        page.into_text()
    }

    #[test]
    fn names_stay_whole_wherever_the_page_is_shown() {
        let (short, long) = ("a".repeat(50), "b".repeat(200));
        for destination in
            [Destination::Exact, Destination::Terminal { width: 80 }, Destination::Terminal { width: 120 }]
        {
            let text = table_for(destination, &[&short, &long]);
            assert!(text.contains(&short) && text.contains(&long), "{text}");
        }
    }

    #[test]
    fn a_name_has_a_line_of_its_own_only_when_it_must() {
        let name = "a".repeat(50);
        for (destination, lines) in [
            (Destination::Terminal { width: 80 }, 3),
            (Destination::Terminal { width: 120 }, 2),
            (Destination::Exact, 2),
        ] {
            let text = table_for(destination, &[&name]);
            assert_eq!(text.lines().count(), lines, "{destination:?}\n{text}");
        }
        let shown = table_for(Destination::Terminal { width: 80 }, &["short"]);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert_eq!(table_for(Destination::Exact, &[]), "");
    }

    #[test]
    fn sentences_are_folded_at_spaces_and_nothing_is_lost() {
        let arn = format!("arn:aws:s3:::{}", "x".repeat(200));
        let words = "word ".repeat(40);
        let mut page = Page::for_destination(Destination::Exact);
        page.fact("by", &arn);
        page.line(words.trim_end());
        let text = page.into_text();
        assert!(text.contains(&arn));
        assert!(text.lines().skip(1).all(|line| line.chars().count() <= SENTENCE), "{text}");
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn control_characters_do_not_reach_the_page() {
        let text = table_for(Destination::Exact, &["\u{1b}[31mred\u{202e}"]);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
