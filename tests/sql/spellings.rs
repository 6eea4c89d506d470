//! What other databases write and the engine does not read so: long numbers, escapes, paths, semi joins, questions in the select list.

use keytrail_query::{QueryError, Session};

use crate::cells::{chain, value};
use crate::fixture;
use crate::semantics::column;

/// The only value of a query, as a text.
async fn text(session: &Session, sql: &str) -> String {
    value(session, sql).await.unwrap_or_else(|| "null".to_owned())
}

#[tokio::test]
async fn numbers_keep_their_digits_where_they_are_to_be_exact() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select 99999999999999999999999::decimal(38,0)", "99999999999999999999999"),
        ("select 123456789012345678.123456789::decimal(38,9)", "123456789012345678.123456789"),
        ("select 1.005::decimal(10,2)", "1.01"),
        ("select -1.005::decimal(10,2)", "-1.01"),
        ("select cast((-1.005) as numeric(10,2))", "-1.01"),
        ("select try_cast(1.005 as decimal(10,2))", "1.01"),
        ("select 99999999999999999999999", "99999999999999999999999"),
        ("select -9223372036854775809", "-9223372036854775809"),
        ("select 18446744073709551616 - 1", "18446744073709551615"),
        ("select 1 < 99999999999999999999999", "true"),
        ("select arrow_typeof(18446744073709551615)", "UInt64"),
        ("select 1_000 + 1", "1001"),
        ("select 1_000.5", "1000.5"),
        // These are doubles as before.
        ("select arrow_typeof(1.5)", "Float64"),
        ("select 1.0 / 3", "0.3333333333333333"),
        ("select 1e3::decimal(10,1)", "1000.0"),
        ("select arrow_typeof(1e30)", "Float64"),
    ] {
        assert_eq!(text(&session, sql).await, expected, "{sql}");
    }
}
