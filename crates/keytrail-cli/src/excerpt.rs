//! Lines of a statement with a mark under the place that an error is about.
//!
//! ```text
//!  --> report.sql:3:8
//!   | select key_arm from kms_events
//!   |        ^^^^^^^
//! ```
//! What stands in the statement is made harmless before it is measured, so that the mark stands where the place is shown.
//! It knows no error.

use std::ops::Range;

use crate::escape;

/// Characters of a line that are shown in front of the place at most, and from its beginning on.
const BEFORE: usize = 48;
const BEHIND: usize = 72;

/// Where a statement comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line or the prompt: a statement that its writer sees.
    Typed,
    /// A text with a name and the place in it where the statement begins, from 1.
    Named {
        /// A file's name, or `stdin`.
        name: String,
        /// The line.
        line: usize,
        /// The character of that line.
        column: usize,
    },
}

/// The lines; none without a place, unless the statement comes from a file.
pub(crate) fn excerpt(sql: &str, place: Option<&Range<usize>>, origin: &Origin) -> Vec<String> {
    let position = position_line(sql, place, origin);
    let marked = place.and_then(|place| marked_lines(sql, place));
    position.into_iter().chain(marked.into_iter().flatten()).collect()
}

/// ` --> file:line:column`, or the line of a typed statement that has several.
fn position_line(sql: &str, place: Option<&Range<usize>>, origin: &Origin) -> Option<String> {
    let before = place.and_then(|place| sql.get(..place.start)).unwrap_or_default();
    let line_index = before.matches('\n').count();
    let column_index = before.rsplit('\n').next().unwrap_or_default().chars().count();
    match origin {
        Origin::Named { name, line, column } => {
            let column = if line_index == 0 { column + column_index } else { column_index + 1 };
            Some(format!(" --> {name}:{}:{column}", line + line_index))
        }
        Origin::Typed if sql.trim().contains('\n') => {
            place.map(|_| format!(" --> line {}, column {}", line_index + 1, column_index + 1))
        }
        Origin::Typed => None,
    }
}

fn marked_lines(sql: &str, place: &Range<usize>) -> Option<[String; 2]> {
    let start = sql.get(..place.start)?.rfind('\n').map_or(0, |at| at + 1);
    let end = sql.get(place.start..)?.find('\n').map_or(sql.len(), |at| place.start + at);
    let (before, rest) = (sql.get(start..place.start)?, sql.get(place.start..end)?);
    let marked = rest.get(..place.end.min(end) - place.start).unwrap_or(rest);
    let behind = &rest[marked.len()..];
    let before = last_characters(&shown(before), BEFORE);
    let marked = first_characters(&shown(marked), BEHIND);
    let behind = first_characters(&shown(behind), BEHIND.saturating_sub(marked.chars().count()));
    let mark = "^".repeat(marked.chars().count().max(1));
    let indent = " ".repeat(before.chars().count());
    Some([format!("  | {before}{marked}{behind}"), format!("  | {indent}{mark}")])
}

/// The text as a terminal shows it; a tab takes one column.
fn shown(text: &str) -> String {
    escape::line(&text.replace('\t', " ")).into_owned()
}

fn first_characters(text: &str, count: usize) -> String {
    if text.chars().count() <= count {
        return text.to_owned();
    }
    text.chars().take(count.saturating_sub(1)).chain(['…']).collect()
}

fn last_characters(text: &str, count: usize) -> String {
    let length = text.chars().count();
    if length <= count {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(length + 1 - count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sql: &str, word: &str, origin: &Origin) -> String {
        let start = sql.find(word).expect("a word of the statement");
        excerpt(sql, Some(&(start..start + word.len())), origin).join("\n")
    }

    #[test]
    fn the_mark_stands_under_the_place() {
        assert_eq!(told("select x from t", "x", &Origin::Typed), "  | select x from t\n  |        ^");
        let file = Origin::Named { name: "a.sql".to_owned(), line: 3, column: 5 };
        assert_eq!(told("select x", "x", &file), " --> a.sql:3:12\n  | select x\n  |        ^");
        assert_eq!(told("select\n\tx,\ny", "x", &file), " --> a.sql:4:2\n  |  x,\n  |  ^");
        assert_eq!(told("select\nx", "x", &Origin::Typed), " --> line 2, column 1\n  | x\n  | ^");
        assert_eq!(excerpt("select x", None, &file), [" --> a.sql:3:5"]);
        assert!(excerpt("select x", None, &Origin::Typed).is_empty());
    }

    #[test]
    fn long_lines_are_cut_around_the_place_and_nothing_steers_the_terminal() {
        let sql = format!("select '{}', nowhere, '{}'", "a".repeat(500), "b".repeat(500));
        let told = told(&sql, "nowhere", &Origin::Typed);
        assert!(told.lines().all(|line| line.chars().count() <= 4 + BEFORE + BEHIND), "{told}");
        assert!(told.contains("nowhere") && told.contains('…'), "{told}");
        let hostile = "select '\u{1b}[2J\u{202e}' x";
        let shown = self::told(hostile, "x", &Origin::Typed);
        assert_eq!(shown, "  | select '\\u{1b}[2J\\u{202e}' x\n  |                            ^");
    }

    #[test]
    fn a_place_at_the_end_or_nowhere_is_no_bug() {
        assert_eq!(excerpt("select", Some(&(6..6)), &Origin::Typed), ["  | select", "  |       ^"]);
        assert!(excerpt("é", Some(&(1..9)), &Origin::Typed).is_empty());
        assert!(excerpt("a", Some(&(7..9)), &Origin::Typed).is_empty());
    }
}
