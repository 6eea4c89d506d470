//! What a person can set at the prompt, and the words for it. It shows and runs nothing.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use crate::errors::CliError;
use crate::progress::count_text;
use crate::render::Format;
use crate::render::grid::Expanded;

/// Rows that the screen shows unless somebody asks for more: several dozen pages.
const ROWS: u64 = 1_000;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Chosen by the person; none = a table, and in a file what its name tells.
    pub(super) format: Option<Format>,
    pub(super) expanded: Expanded,
    pub(super) is_timed: bool,
    /// Rows that the screen shows at most; none = all.
    pub(super) row_limit: Option<u64>,
    /// What `$NAME` stands for.
    pub(super) parameters: Vec<(String, String)>,
    /// Where results go instead of to the screen.
    pub(super) output: Option<PathBuf>,
    /// Where the next result goes.
    pub(super) once: Option<PathBuf>,
}

impl Settings {
    /// As the command line has them.
    pub(super) fn new(parameters: Vec<(String, String)>, format: Option<Format>) -> Self {
        Self {
            format: format.filter(|format| !format.is_binary()),
            expanded: Expanded::Auto,
            is_timed: false,
            row_limit: Some(ROWS),
            parameters,
            output: None,
            once: None,
        }
    }

    /// The format of the screen.
    pub(super) fn screen_format(&self) -> Format {
        match (self.format.unwrap_or(Format::Table), self.expanded) {
            (Format::Table, Expanded::On) => Format::Vertical,
            (format, _) => format,
        }
    }

    /// The format of a file: the one that was chosen, else what the file's name tells, else that of the screen.
    pub(super) fn file_format(&self, path: &Path) -> Format {
        let named = Format::of_file(path);
        // A binary format cannot be chosen for the screen; the name of the file is how to ask for it.
        let binary = named.filter(|format| format.is_binary());
        binary.or(self.format).or(named).unwrap_or_else(|| self.screen_format())
    }

    /// Changes how rows are laid out; without a word, from automatic to one line per value and back.
    pub(super) fn expand(&mut self, word: &str) -> Result<String, CliError> {
        self.expanded = match (word, self.expanded) {
            ("on", _) | ("", Expanded::Auto | Expanded::Off) => Expanded::On,
            ("auto", _) | ("", Expanded::On) => Expanded::Auto,
            ("off", _) => Expanded::Off,
            _ => return Err(CliError::usage(format!("expected on, off or auto, not `{word}`"))),
        };
        Ok(format!(
            "one line per value: {}",
            match self.expanded {
                Expanded::On => "on",
                Expanded::Off => "off",
                Expanded::Auto => "where columns do not fit",
            }
        ))
    }

    pub(super) fn time(&mut self, word: &str) -> Result<String, CliError> {
        self.is_timed = match word {
            "on" => true,
            "off" => false,
            "" => !self.is_timed,
            _ => return Err(CliError::usage(format!("expected on or off, not `{word}`"))),
        };
        Ok(format!("time of statements: {}", if self.is_timed { "on" } else { "off" }))
    }

    pub(super) fn choose_format(&mut self, name: &str) -> Result<String, CliError> {
        if !name.is_empty() {
            self.format = Some(prompt_format(name)?);
        }
        Ok(format!("format: {}", self.screen_format().name()))
    }

    pub(super) fn limit_rows(&mut self, text: &str) -> Result<String, CliError> {
        self.row_limit = match text {
            "" => self.row_limit,
            "all" => None,
            _ => Some(text.parse().map_err(|_no_number: std::num::ParseIntError| {
                CliError::usage(format!("expected a number of rows or `all`, not `{text}`"))
            })?),
        };
        let limit = self.row_limit.map_or_else(|| "all".to_owned(), count_text);
        Ok(format!("rows on the screen: {limit}"))
    }

    pub(super) fn set(&mut self, text: &str) -> Result<(), CliError> {
        let Some((name, value)) = text.split_once(char::is_whitespace) else {
            return Err(CliError::usage(format!("no value for `{text}`")).with_hint("write `\\set NAME VALUE`"));
        };
        let name = name.trim_start_matches(['$', ':']);
        self.unset(name);
        self.parameters.push((name.to_owned(), unquoted(value.trim()).to_owned()));
        Ok(())
    }

    /// True when there was such a parameter.
    pub(super) fn unset(&mut self, name: &str) -> bool {
        let count = self.parameters.len();
        self.parameters.retain(|(known, _)| known != name.trim_start_matches(['$', ':']));
        self.parameters.len() < count
    }
}

/// The format of this name, if the screen can show it.
pub(super) fn prompt_format(name: &str) -> Result<Format, CliError> {
    match Format::from_str(name, true) {
        Ok(format) if format.is_binary() => Err(CliError::usage(format!("not a format for the screen: `{name}`"))
            .with_hint(format!("write it to a file: `.once FILE.{name}`"))),
        Ok(format) => Ok(format),
        Err(_unknown) => Err(CliError::usage(format!("unknown format: `{name}`"))
            .with_hint(format!("formats: {}", Format::for_the_prompt().join(", ")))),
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new(vec![("a".to_owned(), "1".to_owned())], None)
    }

    #[test]
    fn lines_per_value_are_toggled_or_set() {
        let mut settings = settings();
        for (word, format) in [
            ("", Format::Vertical),
            ("", Format::Table),
            ("off", Format::Table),
            ("", Format::Vertical),
            ("auto", Format::Table),
            ("on", Format::Vertical),
        ] {
            settings.expand(word).expect("a setting");
            assert_eq!(settings.screen_format(), format, "{word}");
        }
        assert!(settings.expand("maybe").is_err());
    }

    #[test]
    fn a_file_has_the_format_of_its_name_unless_one_was_chosen() {
        let mut settings = settings();
        for (name, format) in [
            ("a.csv", Format::Csv),
            ("a.CSV", Format::Csv),
            ("a.md", Format::Markdown),
            ("a.parquet", Format::Parquet),
            ("a.txt", Format::Table),
            ("a", Format::Table),
        ] {
            assert_eq!(settings.file_format(Path::new(name)), format, "{name}");
        }
        settings.choose_format("json").expect("a format");
        assert_eq!(settings.file_format(Path::new("a.csv")), Format::Json);
        assert_eq!(settings.file_format(Path::new("a.parquet")), Format::Parquet);
    }

    #[test]
    fn parameters_are_set_over_and_forgotten() {
        let mut settings = settings();
        settings.set("$a it is").expect("a value");
        settings.set(":b 'x y'").expect("a value");
        let parameters = |settings: &Settings| settings.parameters.clone();
        let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parameters(&settings), [owned("a", "it is"), owned("b", "x y")]);
        assert!(settings.unset("a") && !settings.unset("a"));
        assert!(settings.set("alone").is_err());
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        let mut settings = settings();
        assert!(settings.choose_format("parquet").is_err() && settings.choose_format("nonsense").is_err());
        assert!(settings.limit_rows("many").is_err() && settings.time("maybe").is_err());
        assert_eq!(settings.limit_rows("all").expect("a limit"), "rows on the screen: all");
        assert_eq!(settings.limit_rows("50").expect("a limit"), "rows on the screen: 50");
    }
}
