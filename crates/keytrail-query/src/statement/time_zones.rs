//! The names of time zones in `event_time at time zone 'Europe/Zurich'`: they are looked up before the statement is planned, and capitals and
//! small letters are one. The engine takes any text, and fails while the rows are written.

use arrow_array::timezone::Tz;
use chrono_tz::TZ_VARIANTS;
use datafusion::sql::sqlparser::ast::{Expr, Value};

use crate::error::QueryError;

/// Writes a zone as the engine reads it.
///
/// # Errors
/// [`QueryError::UnknownTimeZone`].
pub(crate) fn write_out(zone: &mut Expr) -> Result<(), QueryError> {
    let Expr::Value(value) = zone else { return Ok(()) };
    let Value::SingleQuotedString(name) = &mut value.value else { return Ok(()) };
    if name.parse::<Tz>().is_ok() {
        return Ok(());
    }
    let known = if name.eq_ignore_ascii_case("z") {
        Some("UTC")
    } else {
        names().find(|known| known.eq_ignore_ascii_case(name))
    };
    match known {
        Some(known) => known.clone_into(name),
        None => return Err(QueryError::UnknownTimeZone { name: name.clone() }),
    }
    Ok(())
}

/// The names of all zones.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TZ_VARIANTS.iter().map(|zone| zone.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::dialect::parse_expression;

    #[test]
    fn zones_are_written_as_the_engine_reads_them() {
        for (typed, written) in [
            ("Europe/Zurich", "Europe/Zurich"),
            ("europe/zurich", "Europe/Zurich"),
            ("utc", "UTC"),
            ("z", "UTC"),
            ("+01:00", "+01:00"),
        ] {
            let mut zone = parse_expression(&format!("'{typed}'")).expect("a text").expr;
            write_out(&mut zone).expect("a zone");
            assert_eq!(zone.to_string(), format!("'{written}'"));
        }
        let mut zone = parse_expression("'Mars/Olympus'").expect("a text").expr;
        assert!(matches!(write_out(&mut zone), Err(QueryError::UnknownTimeZone { .. })));
    }
}
