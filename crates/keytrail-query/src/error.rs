//! Everything that can go wrong between a statement and its rows.
//!
//! It decides no exit code and no hint: the kinds below are what a caller needs to do so.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use datafusion::common::DataFusionError;
use keytrail_convert::ConvertError;
use keytrail_lake::LakeError;
use thiserror::Error;

use crate::tables::predicate_errors;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement cannot be parsed or planned; the fault is in its text.
    #[error("cannot understand the statement")]
    Sql(#[source] Box<DataFusionError>),
    /// The statement would change something, or read something that is not part of the lake.
    #[error("only queries are allowed, not {what}")]
    NotReadOnly {
        /// What the statement tried, such as `COPY`.
        what: String,
    },
    /// The statement asks for something that the engine accepts and ignores; its answer would be wrong.
    #[error("not supported: {what}")]
    Unsupported {
        /// The part of the statement.
        what: String,
        /// What to write instead; null where nothing does the same.
        instead: Option<String>,
    },
    /// The statement would take the engine more than a few seconds to plan.
    #[error("the statement is too large: {what}")]
    TooLarge {
        /// The part that is.
        what: &'static str,
        /// What to write instead.
        advice: &'static str,
    },
    /// There is no such time zone.
    #[error("no such time zone: `{name}`")]
    UnknownTimeZone {
        /// The name as typed.
        name: String,
    },
    /// There is nothing to run, or more than one statement.
    #[error("expected one statement, got {count}")]
    StatementCount {
        /// Number of statements in the text.
        count: usize,
    },
    /// The statement has a parameter without a value.
    #[error("no value for the parameter `${name}`")]
    MissingParameter {
        /// The parameter's name, without `$`.
        name: String,
    },
    /// The value of a parameter is none of the type that it is to have.
    #[error("the parameter `${name}` is not a valid {expected}: `{text}`")]
    BadParameter {
        /// The parameter's name, without `$`.
        name: String,
        /// The value as given.
        text: String,
        /// The type, as it was declared or as the statement asks for.
        expected: String,
    },
    /// No file of this path may be read, whether there is one or not.
    #[error("no such file under a folder that is allowed: `{file}`")]
    FileNotAllowed {
        /// The path as typed.
        file: String,
    },
    /// A folder whose files are to be readable is none.
    #[error("cannot allow the folder `{}`", path.display())]
    AllowFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be attached under this name.
    #[error("cannot attach a file as `{name}`: {reason}")]
    Attach {
        /// The table's name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A file or folder beside the lake cannot be read: of the user's data, views or rules.
    #[error("cannot read `{}`", path.display())]
    ReadFile {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file beside the lake is not what its name says.
    #[error("cannot read `{}` as a table", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<DataFusionError>,
    },
    /// There is no table or view of this name.
    #[error("no such table or view: `{name}`")]
    UnknownRelation {
        /// The name as typed.
        name: String,
    },
    /// A view file cannot be taken into the catalogue.
    #[error("cannot take the view file `{}`: {reason}", path.display())]
    ViewFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of rules or of observers beside the user's views is not what its name says.
    #[error("cannot take `{}`: {reason}", path.display())]
    RulesFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A view cannot be planned.
    #[error("cannot plan the view `{view}`")]
    View {
        /// The view's name.
        view: String,
        /// Why not.
        #[source]
        source: Box<DataFusionError>,
    },
    /// The query needs more memory than the session may use and cannot spill the rest.
    #[error("the query needs more memory than the limit allows")]
    OutOfMemory(#[source] Box<DataFusionError>),
    /// The query failed while it ran.
    #[error("the query failed")]
    Engine(#[source] Box<DataFusionError>),
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The log files cannot be listed or decoded.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The key cannot be a key's ARN, id, alias name or alias ARN.
    #[error("not a key ARN, key id, alias name or alias ARN: `{key}`")]
    NotAKey {
        /// The text as typed.
        key: String,
    },
    /// No event in the lake names the key.
    #[error("no event names the key: `{key}`")]
    KeyNotFound {
        /// The text as typed.
        key: String,
    },
    /// The alias stood for no key yet at the moment that was asked for, as far as the lake tells.
    #[error("the alias stood for no key yet at {at:?}, as far as the logs tell: `{alias}`")]
    AliasNotYet {
        /// The text as typed.
        alias: String,
        /// The moment, UTC.
        at: DateTime<Utc>,
        /// Since when it stands for a key, UTC.
        since: DateTime<Utc>,
        /// That key.
        key_arn: String,
    },
    /// The alias stood for no key any more at the moment that was asked for, as far as the lake tells.
    #[error("the alias stood for no key any more at {at:?}, as far as the logs tell: `{alias}`")]
    AliasGone {
        /// The text as typed.
        alias: String,
        /// The moment, UTC.
        at: DateTime<Utc>,
        /// Until when it stood for a key before, UTC.
        until: DateTime<Utc>,
        /// That key.
        key_arn: String,
    },
    /// Several keys answer to the name; a multi-Region key's id and an alias name can.
    #[error("several keys answer to `{key}`")]
    AmbiguousKey {
        /// The text as typed.
        key: String,
        /// ARNs of the keys, sorted.
        candidates: Vec<String>,
    },
    /// A result does not have the shape that the code expects; a defect of this crate.
    #[error("unexpected result: {what}")]
    UnexpectedResult {
        /// What was missing.
        what: String,
    },
}

impl QueryError {
    /// Classifies an error that the engine raised while it planned a statement.
    pub(crate) fn planning(error: DataFusionError) -> Self {
        match error.find_root() {
            // Of our own rules, which run within the engine's.
            DataFusionError::External(own) => match own.downcast_ref() {
                Some(Self::Unsupported { what, instead }) => {
                    Self::Unsupported { what: what.clone(), instead: instead.clone() }
                }
                _ => Self::running(error),
            },
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Collection(_)
            | DataFusionError::Diagnostic(..) => Self::Sql(Box::new(error)),
            _ => Self::running(error),
        }
    }

    /// Classifies an error that the engine raised while it ran a query.
    pub(crate) fn running(error: DataFusionError) -> Self {
        let error = predicate_errors::of_expression(error);
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::OutOfMemory(Box::new(error)),
            _ => Self::Engine(Box::new(error)),
        }
    }

    /// Whether the fault is in what the user typed, not in the lake or the machine.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Sql(_)
                | Self::NotReadOnly { .. }
                | Self::Unsupported { .. }
                | Self::TooLarge { .. }
                | Self::UnknownTimeZone { .. }
                | Self::StatementCount { .. }
                | Self::MissingParameter { .. }
                | Self::BadParameter { .. }
                | Self::FileNotAllowed { .. }
                | Self::Attach { .. }
                | Self::BadFile { .. }
                | Self::UnknownRelation { .. }
                | Self::ViewFile { .. }
                | Self::RulesFile { .. }
                | Self::View { .. }
                | Self::NotAKey { .. }
                | Self::KeyNotFound { .. }
                | Self::AliasNotYet { .. }
                | Self::AliasGone { .. }
                | Self::AmbiguousKey { .. }
        )
    }
}
