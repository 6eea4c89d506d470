//! SQL over a keytrail lake, or over unconverted trail logs, with the KMS-usage views.
//!
//! ```text
//! Lake (Delta log) ─▶ lake_table ─┐                      ┌─▶ rows
//!                                 ├─▶ session ─▶ views ──┤
//! log files        ─▶ raw_table  ─┘   (read-only)        └─▶ key answer
//! ```
//!
//! What it never does: it prints nothing, reads no environment, writes nothing but spill files and the rows of
//! kept views where its caller says so, and holds no SQL text: every statement is a file under `sql/`, compiled in by `build.rs`.
#![warn(missing_docs)]

mod cases;
mod catalogue;
mod column_names;
mod coverage;
mod damage;
mod describe;
mod diagnosis;
mod dialect;
mod error;
mod examples;
mod few_text_groups;
mod few_valued;
mod files;
mod flat_view;
mod focus;
mod footers;
mod function_list;
mod functions;
mod glob;
mod kept;
mod kept_rows;
mod key;
mod known_values;
mod lake_table;
mod locks;
mod narrow;
mod observers;
mod once_per_text;
mod parameters;
mod raw_ledger;
mod raw_table;
mod read_only;
mod recent;
mod rows;
mod rules;
mod selections;
mod session;
mod similar_keys;
mod statement_metrics;
mod statement_size;
mod stores;
mod texts;
mod time_format;
mod utc_floor;
mod yielding;

pub use catalogue::{ColumnNote, ViewDefinition, report_sql, view_catalogue};
pub use coverage::{CoverageSummary, CoveredPlace, coverage_summary};
pub use describe::{ColumnDescription, RelationDescription, RelationKind, sql_type};
pub use diagnosis::{Diagnosis, diagnose_syntax, has_parameter, similar};
pub use error::QueryError;
pub use examples::{Example, examples};
pub use function_list::{FunctionInfo, FunctionKind};
pub use kept_rows::KeptRowsOptions;
pub use key::{
    AliasCalls, AliasUse, BlindSpot, Caveat, ContextUse, CoverageWindow, Dependency, Evidence, FailedAttempts,
    FamilyMember, KeyAnswer, KeyFacts, KeyQuestion, KeyUsage, KeyVerdict, OperationUse, PotentialAccess, PrincipalUse,
    ProtectedKind, Reason, ServiceUse, StateSource, Verdict, key_answer, key_statements,
};
pub use known_values::{AbsentValue, has_few_values};
pub use parameters::ParameterType;
pub use raw_table::RawSource;
pub use session::{QueryResult, Session, SessionOptions};
pub use similar_keys::similar_keys;
pub use statement_metrics::{StatementCounts, StatementMetrics, StatementRun};
pub use texts::StatementText;
