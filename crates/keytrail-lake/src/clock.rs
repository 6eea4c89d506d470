//! The one place of this crate that reads the clock: for the times that commits and data files carry, and for credentials that expire.
//!
//! Nothing that a reader is told of the data follows from it.

use chrono::{DateTime, Utc};

/// This moment.
#[expect(clippy::disallowed_methods, reason = "the log's format asks for times, and credentials have an end")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
