//! What is wrong with a statement: the problem in a line, its place in the text, names that were meant, what to write.
//!
//! ```text
//! error + text ─┬─▶ of our own: the name that it carries is looked up in the text
//!               └─▶ of the engine: its kind, its span, or what its words say ─▶ engine
//! ```
//! It knows no command line and shows nothing: where a file or an option helps, the caller says so.

mod engine;
mod instead;
mod place;
mod similar;
mod words;

use std::ops::Range;

use crate::error::QueryError;
use crate::files::names_a_file;
use crate::session::Session;
use crate::statement::time_zones;

pub(crate) use instead::{PIVOT, UNPIVOT};
pub use similar::similar;

/// What is wrong with a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong, in a line; none where the error's own text says it.
    pub problem: Option<String>,
    /// The bytes of the statement that it is about; none where that is not known.
    pub place: Option<Range<usize>>,
    /// Names that could have been meant, the most alike first.
    pub similar: Vec<String>,
    /// What to write instead, or to look at.
    pub advice: Vec<String>,
}

/// Names that a statement can use.
pub(crate) struct KnownNames {
    /// Tables and views.
    pub(crate) relations: Vec<String>,
    /// Functions of every kind.
    pub(crate) functions: Vec<String>,
}

impl KnownNames {
    fn similar_relations(&self, name: &str) -> Vec<String> {
        similar(name, self.relations.iter().map(String::as_str))
    }

    fn similar_functions(&self, name: &str) -> Vec<String> {
        similar(name, self.functions.iter().map(String::as_str))
    }
}

impl Session {
    /// What an error of [`Session::execute`], or of the rows that it gave, says about the statement `sql`.
    pub fn diagnose(&self, sql: &str, error: &QueryError) -> Diagnosis {
        let names = self.known_names();
        match error {
            QueryError::Sql(error) | QueryError::Engine(error) => engine::diagnose(sql, error, &names),
            QueryError::UnknownRelation { name } => Diagnosis {
                place: place::of_name(sql, name),
                similar: names.similar_relations(name),
                ..Diagnosis::default()
            },
            QueryError::MissingParameter { name } | QueryError::BadParameter { name, .. } => {
                Diagnosis { place: place::of_parameter(sql, name), ..Diagnosis::default() }
            }
            QueryError::FileNotAllowed { file } => Diagnosis {
                place: place::of_name(sql, file),
                similar: self.similar_files(file),
                advice: file.contains(['*', '?']).then(|| GLOB.to_owned()).into_iter().collect(),
                ..Diagnosis::default()
            },
            QueryError::Unsupported { what, instead } => Diagnosis {
                place: subquery_place(sql, what).or_else(|| word_place(sql, what)).or_else(|| quoted_place(sql, what)),
                advice: instead.clone().into_iter().collect(),
                ..Diagnosis::default()
            },
            QueryError::UnknownTimeZone { name } => Diagnosis {
                place: place::of_literal(sql, name),
                similar: similar(name, time_zones::names()),
                advice: vec![ZONES.to_owned()],
                ..Diagnosis::default()
            },
            QueryError::TooLarge { advice, .. } => {
                Diagnosis { advice: vec![(*advice).to_owned()], ..Diagnosis::default() }
            }
            QueryError::NotReadOnly { what } => Diagnosis { place: word_place(sql, what), ..Diagnosis::default() },
            _ => Diagnosis::default(),
        }
    }
}

/// For a zone that is none.
const ZONES: &str =
    "zones are named by region and city, `'Europe/Zurich'`, or by how far they are from UTC, `'+01:00'`";

/// For a path that is a pattern.
const GLOB: &str = "a path names one file: `select * from 'a.csv' union all select * from 'b.csv'` reads several";

/// Whether a statement has a parameter of this name, `$name` or `:name`.
pub fn has_parameter(sql: &str, name: &str) -> bool {
    place::of_parameter(sql, name).is_some()
}

/// What an error says about a text that is no SQL; names are not looked at.
pub fn diagnose_syntax(sql: &str, error: &QueryError) -> Diagnosis {
    let names = KnownNames { relations: Vec::new(), functions: Vec::new() };
    match error {
        QueryError::Sql(error) => engine::diagnose(sql, error, &names),
        _ => Diagnosis::default(),
    }
}

/// The place of the text, the name or the operator that `words` have between backticks.
fn quoted_place(sql: &str, words: &str) -> Option<Range<usize>> {
    let quoted = words.split('`').nth(1)?;
    place::of_literal(sql, quoted).or_else(|| place::of_name(sql, quoted)).or_else(|| place::of_symbol(sql, quoted))
}

/// The place of the keyword that `words` begin with, where it stands before a query in parentheses: `all` occurs elsewhere, too.
fn subquery_place(sql: &str, words: &str) -> Option<Range<usize>> {
    place::of_word_before_query(sql, words.strip_suffix(" over a subquery")?)
}

/// The place of the first keyword or file of `words` that the statement has.
fn word_place(sql: &str, words: &str) -> Option<Range<usize>> {
    let words = words.split_whitespace().map(|word| word.trim_matches(['\'', '"', '`']));
    let is_keyword = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let mut named = words.filter(|word| is_keyword(word) || names_a_file(word));
    named.find_map(|word| place::of_name(sql, word))
}
