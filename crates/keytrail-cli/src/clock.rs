//! The one place that reads the wall clock, for the libraries too: they take the time as a parameter.

use chrono::{DateTime, Utc};

/// This moment.
#[expect(clippy::disallowed_methods, reason = "somebody has to")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
