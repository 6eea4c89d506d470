//! One funnel: every library error becomes a message, `caused by:` lines, `hint:` lines and an exit code.
//!
//! It reads error values only. Which statement they are about is added by [`CliError::about`]; printing is the output
//! module's work, deciding what to do next the commands', what to advise that of [`crate::hints`].

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use arrow_schema::ArrowError;
use keytrail_convert::ConvertError;
use keytrail_lake::LakeError;
use keytrail_query::{Diagnosis, QueryError};
use parquet::errors::ParquetError;

use crate::hints;
use crate::signals::Signal;

/// How the process ends; the numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything that was asked for was done.
    Done = 0,
    /// What was looked for was found, and the caller wants to know by the exit code.
    Finding = 1,
    /// A usage or SQL error.
    Usage = 2,
    /// Done as far as it went: input was rejected, or the logs have holes.
    Incomplete = 3,
    /// The lake contradicts itself.
    Integrity = 4,
    /// Not a lake, or one in a newer format.
    NotALake = 10,
    /// An input does not exist.
    NoInput = 66,
    /// A service does not answer.
    Unavailable = 69,
    /// A bug in keytrail.
    Software = 70,
    /// An output cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    InputOutput = 74,
    /// Another writer was faster; trying again helps.
    TryAgain = 75,
    /// Not permitted.
    Permission = 77,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Signal> for Exit {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Terminated,
        }
    }
}

/// How the engine introduces the debug form of a parser's error; the error itself follows as its source.
const DEBUG_FORM: &str = "SQL error: ParserError(";

/// What went wrong, ready to be told.
#[derive(Debug)]
pub(crate) struct CliError {
    message: String,
    /// Lines of the statement that it is about, with a mark at the place.
    excerpt: Vec<String>,
    causes: Vec<String>,
    hints: Vec<String>,
    exit: Exit,
    is_broken_pipe: bool,
    /// The query's error that it tells, to be looked up in its statement.
    query: Option<Box<QueryError>>,
}

impl CliError {
    /// An error without causes.
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            excerpt: Vec::new(),
            causes: Vec::new(),
            hints: Vec::new(),
            exit,
            is_broken_pipe: false,
            query: None,
        }
    }

    /// A wrong command line or statement.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failed read or write; the exit code tells absence, lack of permission and the rest apart.
    pub(crate) fn input_output(message: impl Display, error: &io::Error) -> Self {
        Self::new(exit_of_io(error.kind()), message).with_cause(error)
    }

    /// A file that cannot be made.
    pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::CannotCreate } else { exit_of_io(error.kind()) };
        let told = Self::new(exit, format!("cannot write `{}`", path.display()));
        match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            Some(folder) => told.with_hint(hints::no_folder(folder)),
            None => told.with_cause(error),
        }
    }

    /// A failed write of data; recognises a reader that has gone away.
    pub(crate) fn from_write(message: impl Display, error: impl StdError + 'static) -> Self {
        let is_broken_pipe = chain(&error).any(is_broken_pipe);
        Self { is_broken_pipe, ..Self::new(Exit::InputOutput, message).with_causes_of(&error) }
    }

    /// Any error with its own text first and its sources as causes.
    pub(crate) fn from_source(exit: Exit, error: &(dyn StdError + 'static)) -> Self {
        let mut told = Self::new(exit, error);
        let sources = chain(error).skip(1).map(ToString::to_string).collect();
        told.push_causes(sources);
        told.is_broken_pipe = chain(error).any(is_broken_pipe);
        told
    }

    /// Adds one cause.
    pub(crate) fn with_cause(mut self, cause: impl Display) -> Self {
        self.push_causes(vec![cause.to_string()]);
        self
    }

    /// Adds an error and its sources as causes.
    pub(crate) fn with_causes_of(mut self, error: &(dyn StdError + 'static)) -> Self {
        self.push_causes(chain(error).map(ToString::to_string).collect());
        self
    }

    /// Adds a hint.
    pub(crate) fn with_hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Puts `message` in front; what was the message becomes the first cause.
    pub(crate) fn within(mut self, message: impl Display) -> Self {
        let inner = std::mem::replace(&mut self.message, message.to_string());
        self.causes.insert(0, inner);
        self
    }

    /// The query's error that it tells, if it is one.
    pub(crate) fn query(&self) -> Option<&QueryError> {
        self.query.as_deref()
    }

    /// Tells it in the words of a diagnosis, with the lines of the statement that it is about.
    pub(crate) fn about(mut self, diagnosis: &Diagnosis, excerpt: Vec<String>) -> Self {
        if let Some(problem) = &diagnosis.problem {
            self.message.clone_from(problem);
            self.causes.clear();
            self.hints.clear();
        }
        self.excerpt = excerpt;
        let advice = hints::did_you_mean(&diagnosis.similar).into_iter().chain(diagnosis.advice.iter().cloned());
        self.hints.splice(0..0, advice);
        self
    }

    /// Tells the hints in the words of the prompt.
    pub(crate) fn for_prompt(mut self) -> Self {
        self.hints.iter_mut().for_each(|hint| *hint = hints::at_prompt(hint));
        self
    }

    /// Shows the lines of the statement that it is about.
    pub(crate) fn at(mut self, excerpt: Vec<String>) -> Self {
        self.excerpt = excerpt;
        self
    }

    /// Leaves out a cause that the lines above already say, as wrapping errors often repeat their source.
    fn push_causes(&mut self, causes: Vec<String>) {
        for cause in causes {
            let last = self.causes.last().unwrap_or(&self.message);
            let is_told = cause.is_empty() || last.contains(&cause) || cause.starts_with(DEBUG_FORM);
            if !is_told {
                self.causes.push(cause);
            }
        }
    }

    /// Rewrites what the engine says of a statement: each thing once, and no list of every column that there is.
    fn without_engine_noise(mut self) -> Self {
        self.causes.retain(|cause| !cause.starts_with("SQL error: "));
        for cause in &mut self.causes {
            for label in ["sql parser error: ", "Schema error: ", "Error during planning: "] {
                if let Some(rest) = cause.strip_prefix(label) {
                    *cause = rest.to_owned();
                }
            }
            if let Some((what, _)) = cause.split_once(VALID_COLUMNS) {
                *cause = what.trim_end().trim_end_matches('.').to_owned();
            }
        }
        self
    }

    /// Leaves out which settings of the engine to change: nobody can, here.
    fn without_settings(mut self) -> Self {
        for cause in &mut self.causes {
            let Some((before, rest)) = cause.split_once(" Consider increasing ") else { continue };
            let behind = rest.split_once('\n').map(|(_, behind)| format!("\n{behind}")).unwrap_or_default();
            *cause = format!("{}{behind}", before.trim_end_matches('.'));
        }
        self
    }

    /// How the process is to end.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// True when the reader of our output has closed it: nothing failed, nobody is interested any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.is_broken_pipe
    }

    /// The lines as they are shown after `error:`.
    pub(crate) fn text(&self) -> String {
        let excerpt = self.excerpt.iter().map(|line| format!("\n{line}"));
        let causes = self.causes.iter().map(|cause| format!("\ncaused by: {cause}"));
        let hints = self.hints.iter().map(|hint| format!("\nhint: {hint}"));
        std::iter::once(self.message.clone()).chain(excerpt).chain(causes).chain(hints).collect()
    }
}

/// How the engine starts its list of columns.
const VALID_COLUMNS: &str = "Valid fields are ";
/// The error and its sources, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The operating system's error behind an error, if there is one.
pub(crate) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    chain(error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// An `io::Error` does not name the error that it wraps as its source, so that is looked into here.
fn is_broken_pipe(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        let wraps_one = error.get_ref().is_some_and(|inner| chain(inner).any(is_broken_pipe));
        error.kind() == io::ErrorKind::BrokenPipe || wraps_one
    })
}

/// The sysexits code for a kind of I/O error.
pub(crate) fn exit_of_io(kind: io::ErrorKind) -> Exit {
    match kind {
        io::ErrorKind::NotFound => Exit::NoInput,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::Permission,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Exit::Unavailable,
        _ => Exit::InputOutput,
    }
}

impl From<LakeError> for CliError {
    fn from(error: LakeError) -> Self {
        let told = Self::from_source(exit_of_lake(&error), &error);
        hints::of_lake(&error).into_iter().fold(told, Self::with_hint)
    }
}

fn exit_of_lake(error: &LakeError) -> Exit {
    match error {
        LakeError::InvalidLocation { .. } => Exit::Usage,
        LakeError::NotALake { .. } | LakeError::NewerFormat { .. } | LakeError::SchemaMismatch { .. } => Exit::NotALake,
        LakeError::Conflict { .. } | LakeError::Overtaken { .. } => Exit::TryAgain,
        LakeError::Corrupt { .. } => Exit::Integrity,
        LakeError::Unsupported { .. } => Exit::Unavailable,
        LakeError::InvalidRows { .. } => Exit::Software,
        _ => exit_of_storage(error),
    }
}

impl From<ConvertError> for CliError {
    fn from(error: ConvertError) -> Self {
        let exit = match error {
            ConvertError::Lake(error) => return error.into(),
            ConvertError::NoSuchSource(_) | ConvertError::NoLogFile { .. } => Exit::NoInput,
            ConvertError::NotTaken { .. } => Exit::Usage,
            ConvertError::Encode { .. } | ConvertError::Internal(_) => Exit::Software,
            ConvertError::Stopped(_) => Exit::Interrupted,
            _ => exit_of_storage(&error),
        };
        hints::of_convert(&error).into_iter().fold(Self::from_source(exit, &error), Self::with_hint)
    }
}

impl From<QueryError> for CliError {
    fn from(error: QueryError) -> Self {
        let told = match error {
            QueryError::Lake(error) => return error.into(),
            QueryError::Convert(error) => return error.into(),
            QueryError::OutOfMemory(_) => Self::from_source(Exit::Unavailable, &error).without_settings(),
            QueryError::UnexpectedResult { .. } => Self::from_source(Exit::Software, &error),
            QueryError::AllowFolder { ref source, .. } | QueryError::ReadFile { ref source, .. } => {
                Self::from_source(exit_of_io(source.kind()), &error)
            }
            _ if error.is_usage() => Self::from_source(Exit::Usage, &error).without_engine_noise(),
            _ => Self::from_source(exit_of_engine(&error), &error),
        };
        let told = hints::of_query(&error).into_iter().fold(told, Self::with_hint);
        Self { query: Some(Box::new(error)), ..told }
    }
}

/// A query fails over its data (exit code 2: the statement can be changed), or over the files below it.
fn exit_of_engine(error: &QueryError) -> Exit {
    let is_storage = hints::storage_error(error).is_some() || chain(error).any(|error| error.is::<io::Error>());
    let is_of_file = |error: &ArrowError| matches!(error, ArrowError::ParquetError(_));
    let is_damage = chain(error)
        .any(|error| error.is::<ParquetError>() || error.downcast_ref::<ArrowError>().is_some_and(is_of_file));
    match (is_storage, is_damage) {
        (true, _) => exit_of_storage(error),
        (false, true) => Exit::Integrity,
        (false, false) => Exit::Usage,
    }
}

/// Whether a path is that of a lake's data file, which the log says is there.
fn is_data_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("part-") && name.ends_with(".parquet"))
}

/// The exit code of an error below which an object store or the file system failed.
fn exit_of_storage(error: &(dyn StdError + 'static)) -> Exit {
    match hints::storage_error(error) {
        Some(object_store::Error::NotFound { path, .. }) if is_data_file(path) => Exit::Integrity,
        Some(object_store::Error::NotFound { .. }) => Exit::NoInput,
        Some(error) if hints::names_no_bucket(error) => Exit::NoInput,
        Some(error) if hints::is_denied(error) => Exit::Permission,
        Some(object_store::Error::Unauthenticated { .. }) => Exit::Permission,
        Some(object_store::Error::Generic { store: "S3", .. }) => Exit::Unavailable,
        _ => io_kind(error).map_or(Exit::InputOutput, exit_of_io),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = CliError::usage("a: b").with_cause("b").with_cause("c").with_hint("d");
        assert_eq!(error.text(), "a: b\ncaused by: c\nhint: d");
        assert_eq!(error.within("e").text(), "e\ncaused by: a: b\ncaused by: c\nhint: d");
    }

    #[test]
    fn the_engine_s_words_are_told_once_and_in_short() {
        let parser = CliError::usage("cannot understand the statement")
            .with_cause("SQL error: ParserError(\"Expected: x\")")
            .with_cause("sql parser error: Expected: x");
        assert_eq!(parser.without_engine_noise().text(), "cannot understand the statement\ncaused by: Expected: x");
        let column = CliError::usage("no").with_cause("Schema error: No field named x.\nValid fields are t.a, t.b.");
        assert_eq!(column.without_engine_noise().text(), "no\ncaused by: No field named x");
    }

    #[test]
    fn a_diagnosis_goes_before_the_engine_s_words() {
        let diagnosis = Diagnosis {
            problem: Some("no such column: `a`".to_owned()),
            similar: vec!["b".to_owned()],
            advice: vec!["look".to_owned()],
            ..Diagnosis::default()
        };
        let told = CliError::usage("cannot understand the statement").with_cause("No field named a").with_hint("try");
        let told = told.about(&diagnosis, vec!["  | select a".to_owned()]);
        assert_eq!(told.text(), "no such column: `a`\n  | select a\nhint: did you mean `b`?\nhint: look");
    }

    #[test]
    fn io_errors_have_their_own_exit_codes() {
        for (kind, exit) in [
            (io::ErrorKind::NotFound, Exit::NoInput),
            (io::ErrorKind::PermissionDenied, Exit::Permission),
            (io::ErrorKind::ConnectionRefused, Exit::Unavailable),
            (io::ErrorKind::StorageFull, Exit::InputOutput),
        ] {
            assert_eq!(CliError::input_output("x", &io::Error::from(kind)).exit(), exit);
        }
    }

    #[test]
    fn a_closed_reader_is_found_below_other_errors() {
        let broken = io::Error::other(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(CliError::from_write("x", broken).is_broken_pipe());
        assert!(!CliError::from_write("x", io::Error::from(io::ErrorKind::StorageFull)).is_broken_pipe());
    }
}
