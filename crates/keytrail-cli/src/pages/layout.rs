//! Lines of a page: sentences are folded at spaces, names and ARNs stay whole as long as the screen holds them, text from data is made
//! harmless.
//!
//! It knows how wide the page is, not what stands on it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

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
const CELLS: usize = INDENT.len() + 2 * COUNT + 2 + 20;
/// In front of a line.
const INDENT: &str = "  ";
/// In front of what continues a name or an item of a list.
const HANGING: &str = "    ";
/// Behind these a name that no line holds goes on in the next.
const MARKS: [char; 5] = ['/', ':', ',', '=', ' '];

/// Text that grows line by line.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    /// Columns that a line may take.
    width: usize,
}

/// A row: its name and its cells, one for each column of the table.
pub(crate) type Row = (String, Vec<String>);

impl Page {
    /// An empty page. Where it is not shown on a terminal, every row is one line, however long, for `grep` and the like.
    pub(crate) fn for_destination(destination: Destination) -> Self {
        let width = match destination {
            Destination::Terminal { width } => usize::from(width),
            Destination::Exact => usize::MAX,
        };
        Self { text: String::new(), width }
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

    /// A line of its own, folded and indented; an item of a list (`- …`) goes on behind its dash.
    pub(crate) fn line(&mut self, text: &str) {
        self.fold(INDENT, if text.starts_with("- ") { HANGING } else { INDENT }, text);
    }

    /// A label and a fact.
    pub(crate) fn fact(&mut self, label: &str, text: &str) {
        self.fold(&format!("{INDENT}{label:LABEL$}"), &" ".repeat(INDENT.len() + LABEL), text);
    }

    /// A table, if it has rows: counts and a time behind a name, which has lines of its own when it is too long.
    pub(crate) fn table(&mut self, heading: &str, columns: &[&str], rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        let rows: Vec<Row> = rows.into_iter().map(|(name, cells)| (escape::line(&name).into_owned(), cells)).collect();
        let widest = self.width.saturating_sub(CELLS).max(NAME);
        let widths = rows.iter().map(|(name, _)| name.width());
        let width = INDENT.len() + widths.filter(|width| *width <= widest).max().unwrap_or(0).max(NAME);
        self.heading(format!("{}{}", padded(heading, width), aligned(columns)).trim_end());
        for (name, cells) in &rows {
            self.row(name, &aligned(cells), width);
        }
    }

    /// A name with its cells behind its end, or below it where that reaches into their columns.
    fn row(&mut self, name: &str, cells: &str, width: usize) {
        let mut lines = folded([INDENT, HANGING], name, self.width, self.width);
        if lines.last().is_some_and(|last| last.width() > width) {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            *last = format!("{}{cells}", padded(last, width));
        }
        lines.iter().for_each(|line| self.push_line(line));
    }

    fn fold(&mut self, first: &str, next: &str, text: &str) {
        let lines = folded([first, next], &escape::line(text), self.width.min(SENTENCE), self.width);
        lines.iter().for_each(|line| self.push_line(line));
    }

    fn push_line(&mut self, line: &str) {
        writeln!(self.text, "{}", line.trim_end()).expect("writing to a string cannot fail");
    }
}

/// The lines of a text behind their indents: folded at spaces where a line has `full` columns. A word that none of `widest` columns holds
/// is broken.
fn folded([first, next]: [&str; 2], text: &str, full: usize, widest: usize) -> Vec<String> {
    let (mut lines, mut line, mut is_empty) = (Vec::new(), first.to_owned(), true);
    for word in text.split(' ') {
        let is_full = line.width() + 1 + word.width() > full;
        if !is_empty && is_full && word.width() <= widest - next.width() {
            lines.push(std::mem::replace(&mut line, next.to_owned()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
        while line.width() > widest {
            let rest = line.split_off(break_of(&line, widest, next.width()));
            lines.push(std::mem::replace(&mut line, format!("{next}{rest}")));
        }
    }
    lines.push(line);
    lines
}

/// Where a line that is wider than the screen goes on in the next one: behind the last mark, unless that is far from the end.
fn break_of(line: &str, widest: usize, indent: usize) -> usize {
    let (mut taken, mut behind_mark) = (0, None);
    for (at, character) in line.char_indices() {
        taken += character.width().unwrap_or(0);
        if taken > widest {
            return behind_mark.unwrap_or(at);
        }
        if MARKS.contains(&character) && taken > indent.max(widest / 2) {
            behind_mark = Some(at + character.len_utf8());
        }
    }
    line.len()
}

/// The text with spaces up to so many columns.
fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
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
    fn names_stay_whole_as_long_as_the_screen_holds_them() {
        let (short, long) = ("a".repeat(50), "b".repeat(110));
        let text = table_for(Destination::Exact, &[&short, &long]);
        assert!(text.contains(&short) && text.contains(&long), "{text}");
        let text = table_for(Destination::Terminal { width: 120 }, &[&short, &long]);
        assert!(text.contains(&short) && text.contains(&long), "{text}");
        let text = table_for(Destination::Terminal { width: 80 }, &[&short, &long]);
        assert!(text.contains(&short) && !text.contains(&long), "{text}");
    }

    #[test]
    fn what_the_screen_does_not_hold_goes_on_under_its_own_column() {
        let object = format!("arn:aws:s3:::acme-billing/{}part-d1cbe1247f8a.csv", "full/dt=2026-01-16/".repeat(4));
        let mut page = Page::for_destination(Destination::Terminal { width: 80 });
        page.fact("by", &object);
        page.table("Contexts", &["calls", "last seen"], vec![row(&format!("aws:s3:arn = {object}"))]);
        page.line("- a list's item, which takes more than the eighty columns that a sentence has here");
        insta::assert_snapshot!(page.into_text(), @"
          by          arn:aws:s3:::acme-billing/full/dt=2026-01-16/full/dt=2026-01-16/
                      full/dt=2026-01-16/full/dt=2026-01-16/part-d1cbe1247f8a.csv

        Contexts                                 calls  last seen
          aws:s3:arn = arn:aws:s3:::acme-billing/full/dt=2026-01-16/full/dt=2026-01-16/
            full/dt=2026-01-16/full/dt=2026-01-16/part-d1cbe1247f8a.csv
                                                     1  2026-01-01T00:00:00Z
          - a list's item, which takes more than the eighty columns that a sentence has
            here
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_nothing_is_lost() {
        for name in ["b".repeat(300), "漢".repeat(90), format!("{} {}", "a/b".repeat(20), "c:d".repeat(60))] {
            for width in [20, 80, 120] {
                let mut page = Page::for_destination(Destination::Terminal { width });
                page.fact("by", &name);
                page.line(&name);
                let text = page.into_text();
                assert!(text.lines().all(|line| line.width() <= usize::from(width)), "{text}");
                let shown: String = text.chars().filter(|character| !character.is_whitespace()).collect();
                let whole = name.replace(' ', "");
                assert_eq!(shown, format!("by{whole}{whole}"), "{width}");
            }
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
