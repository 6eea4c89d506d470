//! SQL over a keytrail lake, or over unconverted trail logs, with the KMS-usage views.
//!
//! ```text
//! text ─▶ statement ─▶ session ─▶ views ─▶ physical ─▶ rows
//!          (read-only)    ▲                             │
//! lake, log files ─▶ tables   functions, rules          ├─▶ key: the answer about one key
//! the user's files ─▶ files                             └─▶ prompt, diagnosis: what helps to ask
//! ```
//!
//! What it never does: it prints nothing, reads no environment, writes nothing but spill files and the rows of
//! kept views where its caller says so, and holds no SQL text: every statement is a file under `sql/`, compiled in by `build.rs`.
#![warn(missing_docs)]

mod coverage;
mod diagnosis;
mod error;
mod few_valued;
mod files;
mod functions;
mod key;
mod locks;
mod logical;
mod physical;
mod prompt;
mod rows;
mod rules;
mod session;
mod statement;
mod statement_metrics;
mod tables;
mod views;

pub use coverage::{CoverageSummary, CoveredPlace, coverage_summary};
pub use diagnosis::{Diagnosis, diagnose_syntax, has_parameter, similar};
pub use error::QueryError;
pub use functions::json_get::is_json_field;
pub use key::{
    AliasCalls, AliasUse, BlindSpot, Caveat, ContextUse, CoverageWindow, Dependency, Evidence, FailedAttempts,
    FamilyMember, KeyAnswer, KeyFacts, KeyQuestion, KeyUsage, KeyVerdict, OperationUse, PotentialAccess, PrincipalUse,
    ProtectedKind, Reason, ServiceUse, StateSource, Verdict, key_answer, key_statements,
};
pub use prompt::describe::{ColumnDescription, RelationDescription, RelationKind, sql_type};
pub use prompt::examples::{Example, examples};
pub use prompt::function_list::{FunctionInfo, FunctionKind};
pub use prompt::known_values::{AbsentValue, has_few_values};
pub use prompt::similar_keys::similar_keys;
pub use session::{QueryResult, Session, SessionOptions, SpillFolders};
pub use statement::parameters::ParameterType;
pub use statement::texts::StatementText;
pub use statement_metrics::{StatementCounts, StatementMetrics, StatementRun};
pub use tables::raw_table::RawSource;
pub use views::catalogue::{ColumnNote, ViewDefinition, report_sql, view_catalogue};
pub use views::kept_rows::KeptRowsOptions;
