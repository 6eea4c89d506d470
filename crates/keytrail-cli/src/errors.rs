//! One funnel: every library error becomes a message, `caused by:` lines, `hint:` lines and an exit code.
//!
//! It reads error values only. Printing is the output module's work, deciding what to do next the commands'.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use keytrail_convert::ConvertError;
use keytrail_lake::LakeError;
use keytrail_query::QueryError;
use parquet::errors::ParquetError;

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
    causes: Vec<String>,
    hints: Vec<String>,
    exit: Exit,
    is_broken_pipe: bool,
}

impl CliError {
    /// An error without causes.
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { message: message.to_string(), causes: Vec::new(), hints: Vec::new(), exit, is_broken_pipe: false }
    }

    /// A wrong command line or statement.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failed read or write; the exit code tells absence, lack of permission and the rest apart.
    pub(crate) fn input_output(message: impl Display, error: &io::Error) -> Self {
        Self::new(exit_of_io(error.kind()), message).with_cause(error)
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
            if let Some((what, columns)) = cause.split_once(VALID_COLUMNS) {
                let hint = columns_hint(what, columns);
                *cause = what.trim_end().trim_end_matches('.').to_owned();
                self.hints.push(hint);
            }
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
        let causes = self.causes.iter().map(|cause| format!("\ncaused by: {cause}"));
        let hints = self.hints.iter().map(|hint| format!("\nhint: {hint}"));
        std::iter::once(self.message.clone()).chain(causes).chain(hints).collect()
    }
}

/// How the engine starts its list of columns.
const VALID_COLUMNS: &str = "Valid fields are ";
/// Columns that a hint names at most.
const HINTED_COLUMNS: usize = 8;

/// Characters that two names must share before one is taken for the other.
const SHORTEST_LIKENESS: usize = 3;

/// The columns that could have been meant, of a complaint `No field named NAME.` and the list of all columns.
fn columns_hint(complaint: &str, columns: &str) -> String {
    let last_part = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_owned();
    let columns: Vec<String> = columns.trim_end_matches('.').split(", ").map(last_part).collect();
    let wrong = complaint.split_once("named ").map_or("", |(_, name)| name);
    let wrong = last_part(wrong.trim().trim_end_matches('.'));
    let is_alike = |column: &&String| {
        let (shorter, longer) = if column.len() < wrong.len() { (*column, &wrong) } else { (&wrong, *column) };
        shorter.len() >= SHORTEST_LIKENESS && longer.contains(shorter.as_str())
    };
    let alike: Vec<&str> = columns.iter().filter(is_alike).map(String::as_str).take(HINTED_COLUMNS).collect();
    match alike.is_empty() {
        false => format!("columns like it: {}", alike.join(", ")),
        true if columns.len() <= HINTED_COLUMNS => format!("columns: {}", columns.join(", ")),
        true => "`\\d NAME` at the prompt lists the columns of a table or view".to_owned(),
    }
}

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
        match &error {
            LakeError::NotALake { .. } => told.with_hint("`keytrail convert SOURCE --lake LAKE` makes a lake"),
            LakeError::NewerFormat { .. } => told.with_hint("use the keytrail version that wrote it, or a later one"),
            LakeError::Conflict { .. } | LakeError::Overtaken { .. } => {
                told.with_hint("run the command again: what is committed is not read twice")
            }
            LakeError::Corrupt { .. } => told.with_hint("`keytrail check` looks at every file of the lake"),
            LakeError::Storage { source, .. } => with_storage_hint(told, source),
            _ => told,
        }
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
            ConvertError::NoSuchSource(_) => Exit::NoInput,
            ConvertError::Encode { .. } | ConvertError::Internal(_) => Exit::Software,
            ConvertError::Stopped(_) => Exit::Interrupted,
            _ => exit_of_storage(&error),
        };
        Self::from_source(exit, &error)
    }
}

impl From<QueryError> for CliError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Lake(error) => error.into(),
            QueryError::Convert(error) => error.into(),
            QueryError::AmbiguousKey { ref candidates, .. } => {
                candidates.iter().fold(Self::from_source(Exit::Usage, &error), |told, key| told.with_hint(key))
            }
            QueryError::UnknownRelation { .. } => Self::from_source(Exit::Usage, &error)
                .with_hint("`keytrail views` lists the views; the tables are events, log_files and rejects"),
            QueryError::OutOfMemory(_) => Self::from_source(Exit::Unavailable, &error)
                .with_hint("raise `--memory-limit`, or ask for less at a time: fewer columns, a shorter period"),
            QueryError::UnexpectedResult { .. } => Self::from_source(Exit::Software, &error),
            _ if error.is_usage() => Self::from_source(Exit::Usage, &error).without_engine_noise(),
            _ => Self::from_source(exit_of_engine(&error), &error),
        }
    }
}

/// A query fails over its data (exit code 2: the statement can be changed), or over the files below it.
fn exit_of_engine(error: &QueryError) -> Exit {
    let is_storage = chain(error).any(|error| error.is::<object_store::Error>() || error.is::<io::Error>());
    let is_damage = chain(error).any(|error| error.is::<ParquetError>());
    match (is_storage, is_damage) {
        (true, _) => exit_of_storage(error),
        (false, true) => Exit::Integrity,
        (false, false) => Exit::Usage,
    }
}

/// The exit code of an error below which an object store or the file system failed.
fn exit_of_storage(error: &(dyn StdError + 'static)) -> Exit {
    let store = chain(error).find_map(|error| error.downcast_ref::<object_store::Error>());
    match store {
        Some(object_store::Error::NotFound { .. }) => Exit::NoInput,
        Some(object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }) => {
            Exit::Permission
        }
        Some(object_store::Error::Generic { store: "S3", .. }) => Exit::Unavailable,
        _ => io_kind(error).map_or(Exit::InputOutput, exit_of_io),
    }
}

fn with_storage_hint(told: CliError, source: &object_store::Error) -> CliError {
    match source {
        object_store::Error::Generic { store: "S3", .. } | object_store::Error::Unauthenticated { .. } => {
            told.with_hint("check AWS_PROFILE or --profile, the region and, for other stores, --endpoint-url")
        }
        _ => told,
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
        let columns = "t.user_name, t.alias_name, t.a, t.b, t.c, t.d, t.e, t.f, t.g";
        for (name, hint) in [
            ("name", "columns like it: user_name, alias_name"),
            ("nonsense", "`\\d NAME` at the prompt lists the columns of a table or view"),
        ] {
            let told = CliError::usage("no")
                .with_cause(format!("Schema error: No field named {name}.\nValid fields are {columns}."))
                .without_engine_noise();
            assert_eq!(told.text(), format!("no\ncaused by: No field named {name}\nhint: {hint}"));
        }
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
