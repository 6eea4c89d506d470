//! Principals that the user calls observers: scanners, inventories, auditors, whose calls on keys say nothing of a need for data.
//!
//! They stand in the file `observer_principals.txt` beside the user's views: one role's or user's ARN a line, `*` for any characters,
//! `#` before a remark. Without the file nobody is one: no call is ever set aside that the user did not name.

use std::path::Path;

use crate::error::QueryError;
use crate::rules::glob::Glob;
use crate::rules::user_file;

/// The file, in the folder of the user's views.
const USER_FILE: &str = "observer_principals.txt";

/// The user's observers.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Observers {
    /// Patterns of ARNs.
    patterns: Vec<Glob>,
}

impl Observers {
    /// Those of the folder with the user's views.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is no ARN.
    pub(crate) fn load(views_dir: Option<&Path>) -> Result<Self, QueryError> {
        let Some((path, text)) = user_file(views_dir, USER_FILE)? else {
            return Ok(Self::default());
        };
        parse(&text).map_err(|reason| QueryError::RulesFile { path, reason })
    }

    /// Whether the principal of this ARN is one.
    pub(crate) fn contains(&self, principal: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(principal))
    }

    /// The patterns as one text: what answers follow from.
    pub(crate) fn text(&self) -> String {
        self.patterns.iter().map(Glob::as_str).collect::<Vec<_>>().join("\n")
    }
}

fn parse(text: &str) -> Result<Observers, String> {
    let mut patterns = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let pattern = line.split('#').next().unwrap_or_default().trim();
        if pattern.is_empty() {
            continue;
        }
        if !pattern.starts_with("arn:") {
            return Err(format!("line {}: not a principal's ARN: {pattern}", index + 1));
        }
        patterns.push(Glob::new(pattern));
    }
    Ok(Observers { patterns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_are_named_by_pattern() {
        let observers =
            parse("# scanners\narn:aws:iam::*:role/scan-*  # nightly\n\narn:aws:iam::111122223333:user/eve\n").unwrap();
        for (principal, expected) in [
            ("arn:aws:iam::444455556666:role/scan-keys", true),
            ("arn:aws:iam::111122223333:user/eve", true),
            ("arn:aws:iam::111122223333:user/eve2", false),
            ("arn:aws:iam::111122223333:role/app", false),
        ] {
            assert_eq!(observers.contains(principal), expected, "{principal}");
        }
        assert!(!Observers::default().contains("arn:aws:iam::111122223333:user/eve"));
    }

    #[test]
    fn a_line_that_is_no_arn_is_told() {
        assert_eq!(parse("\nscanner\n").unwrap_err(), "line 2: not a principal's ARN: scanner");
        assert!(parse("*").is_err(), "everybody is nobody");
    }
}
