//! Patterns that users write: literal text, and `*` for any characters.
//!
//! A pattern is taken apart once: it meets every row of a lake. There is no escape for `*`, which occurs in no name that AWS gives.

use std::hash::{Hash, Hasher};

use memchr::memmem::Finder;

/// A pattern for whole texts.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    text: String,
    /// What stands before the first `*`.
    first: String,
    /// What stands between two of them.
    inner: Vec<Finder<'static>>,
    /// What stands after the last one; none = there is no `*`.
    last: Option<String>,
}

impl Glob {
    pub(crate) fn new(text: &str) -> Self {
        let mut literals = text.split('*');
        let first = literals.next().unwrap_or_default().to_owned();
        let last = literals.next_back().map(str::to_owned);
        let inner = literals.map(|literal| Finder::new(literal).into_owned()).collect();
        Self { text: text.to_owned(), first, inner, last }
    }

    /// The pattern as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the text is the pattern's literals in their order, with anything where a `*` stands.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix(self.first.as_str()) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        for literal in &self.inner {
            let Some(found) = literal.find(rest.as_bytes()) else { return false };
            rest = &rest[found + literal.needle().len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_texts() {
        let cases = [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("a*", "a", true),
            ("*b", "ab", true),
            ("*", "", true),
            ("a**b", "ab", true),
            ("a*c", "abc", true),
            ("a*a", "a", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "axc", false),
            ("a*b*b", "ab", false),
            ("a*é*c", "axéxc", true),
            ("arn:*:s3:::*/*", "arn:aws:s3:::b", false),
            ("arn:*:s3:::*/*", "arn:aws:s3:::b/k", true),
        ];
        for (glob, text, expected) in cases {
            assert_eq!(Glob::new(glob).matches(text), expected, "{glob} {text}");
        }
    }
}
