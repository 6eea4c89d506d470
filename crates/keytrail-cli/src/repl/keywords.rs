//! Words of SQL: how each is written, for `\h`, completion and colour. The list is `text/keywords.txt`.
//!
//! Functions are not among them: the session knows those.

use std::sync::LazyLock;

/// A word of SQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keyword {
    /// In lower case.
    pub(super) word: &'static str,
    /// How it is written.
    pub(super) syntax: &'static str,
    /// What it does; may be empty where the syntax says it.
    pub(super) meaning: &'static str,
}

static KEYWORDS: LazyLock<Vec<Keyword>> = LazyLock::new(|| {
    let parse = |line: &'static str| {
        let mut parts = line.split('|').map(str::trim);
        let mut part = || parts.next().unwrap_or_default();
        Keyword { word: part(), syntax: part(), meaning: part() }
    };
    include_str!("text/keywords.txt").lines().map(parse).collect()
});

/// All of them, sorted.
pub(super) fn keywords() -> &'static [Keyword] {
    &KEYWORDS
}

/// The keyword of this spelling, whatever its case.
pub(super) fn keyword(word: &str) -> Option<&'static Keyword> {
    keywords().iter().find(|keyword| keyword.word.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_complete() {
        assert!(keywords().is_sorted_by(|one, other| one.word < other.word));
        for keyword in keywords() {
            assert!(keyword.word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{keyword:?}");
            assert!(keyword.syntax.to_lowercase().contains(keyword.word), "{keyword:?}");
        }
        assert_eq!(keyword("SELECT").map(|keyword| keyword.word), Some("select"));
        assert_eq!(keyword("selec"), None);
    }
}
