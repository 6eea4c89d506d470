//! Ready questions: statements that run on any lake and are good to begin from, one file each under `sql/examples/`.
//!
//! Each file begins with `-- question:` and `-- reads:`; nothing else is known of it here, and nothing is run.

use std::sync::LazyLock;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/example_files.rs"));
}

/// A question with the statement that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The question, in a line.
    pub question: String,
    /// The views that the statement reads.
    pub reads: Vec<String>,
    /// The statement, without the lines about it and without `;`.
    pub sql: String,
}

static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let parsed = embedded::EXAMPLE_FILES.iter().map(|(path, text)| parse(text).ok_or(path));
    parsed.collect::<Result<_, _>>().expect("compiled-in examples are checked by this crate's tests")
});

/// The examples, in the order of their files' names.
pub fn examples() -> &'static [Example] {
    &EXAMPLES
}

fn parse(text: &str) -> Option<Example> {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let statement = text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    Some(Example {
        question: line("-- question:")?.to_owned(),
        reads: line("-- reads:")?.split(',').map(|name| name.trim().to_owned()).collect(),
        sql: statement.trim().trim_end_matches(';').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::catalogue::view_catalogue;

    #[test]
    fn there_are_ten_and_each_reads_what_it_says() {
        assert_eq!(examples().len(), 10);
        for example in examples() {
            assert!(example.question.ends_with('?') && example.question.len() <= 70, "{}", example.question);
            for name in &example.reads {
                assert!(view_catalogue().iter().any(|view| view.name == *name), "{name}");
                assert!(example.sql.contains(&format!("from {name}")), "{} does not read {name}", example.question);
            }
        }
    }

    #[test]
    fn a_file_without_its_lines_is_no_example() {
        assert_eq!(parse("select 1"), None);
        assert_eq!(parse("-- question: What?\nselect 1"), None);
        let example = parse("-- question: What?\n-- reads: a, b\nselect 1;\n").unwrap();
        assert_eq!((example.reads.len(), example.sql.as_str()), (2, "select 1"));
    }
}
