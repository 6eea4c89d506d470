//! `date_trunc('hour', time)` and `cast(time as date)` of times in UTC, where each is one division.
//!
//! The engine asks a calendar of time zones for every value, which takes longer than the rest of a grouping by days.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, FieldRef, Schema, TimeUnit};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::sort_properties::ExprProperties;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::projection::ProjectionExec;

/// Microseconds.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 60 * 60 * SECOND;
/// Further from 1970, where nanoseconds have no 64 bits, the engine cuts no times, and much further has no dates, and says so.
const MAX_TIME: u64 = i64::MAX.unsigned_abs() / 1_000;

/// The rule, for what projections and groups compute. Conditions are left as they are: files are left out by them.
#[derive(Debug)]
pub(crate) struct UtcFloors;

impl PhysicalOptimizerRule for UtcFloors {
    fn name(&self) -> &str {
        "utc_floors"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let replace = |plan: Arc<dyn ExecutionPlan>| {
            let replaced = match (plan.downcast_ref::<ProjectionExec>(), plan.downcast_ref::<AggregateExec>()) {
                (Some(projection), _) => floored_projection(projection)?,
                (_, Some(aggregate)) => floored_groups(aggregate)?,
                _ => None,
            };
            Ok(replaced.map_or_else(|| Transformed::no(plan), Transformed::yes))
        };
        plan.transform_up(replace).data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn floored_projection(projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let schema = projection.input().schema();
    let floored = |column: &ProjectionExpr| Ok((floored(&column.expr, &schema)?, column.alias.clone()));
    let columns = projection.expr().iter().map(floored).collect::<Result<Vec<_>>>()?;
    if columns.iter().all(|(expr, _)| !expr.transformed) {
        return Ok(None);
    }
    let columns = columns.into_iter().map(|(expr, alias)| ProjectionExpr { expr: expr.data, alias });
    Ok(Some(Arc::new(ProjectionExec::try_new(columns, Arc::clone(projection.input()))?)))
}

fn floored_groups(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (groups, schema) = (aggregate.group_expr(), aggregate.input_schema());
    let sees_rows =
        matches!(aggregate.mode(), AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned);
    // Of aggregates that see rows in some order the engine has changed the names: they cannot be made anew.
    if !sees_rows || aggregate.aggr_expr().iter().any(|function| !function.order_bys().is_empty()) {
        return Ok(None);
    }
    let floored = |(expr, name): &(Arc<dyn PhysicalExpr>, String)| Ok((floored(expr, &schema)?, name.clone()));
    let exprs = groups.expr().iter().map(floored).collect::<Result<Vec<_>>>()?;
    if exprs.iter().all(|(expr, _)| !expr.transformed) {
        return Ok(None);
    }
    let exprs = exprs.into_iter().map(|(expr, name)| (expr.data, name)).collect();
    let groups =
        PhysicalGroupBy::new(exprs, groups.null_expr().to_vec(), groups.groups().to_vec(), groups.has_grouping_set());
    let (functions, filters) = (aggregate.aggr_expr().to_vec(), aggregate.filter_expr().to_vec());
    let input = Arc::clone(aggregate.input());
    let floored = AggregateExec::try_new(*aggregate.mode(), groups, functions, filters, input, schema)?;
    Ok(Some(Arc::new(floored.with_limit_options(aggregate.limit_options()))))
}

fn floored(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    Arc::clone(expr).transform_up(|part| match UtcFloor::of(&part, schema) {
        Some(floor) => Ok(Transformed::yes(Arc::new(floor) as Arc<dyn PhysicalExpr>)),
        None => Ok(Transformed::no(part)),
    })
}

/// One of the two.
#[derive(Debug)]
struct UtcFloor {
    engine: Arc<dyn PhysicalExpr>,
    /// Which of its children the times are.
    times: usize,
    /// The length of what a time is cut to, in microseconds; none = it becomes a date.
    width: Option<i64>,
}

impl UtcFloor {
    fn of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        let is_utc = |expr: &Arc<dyn PhysicalExpr>| {
            expr.data_type(schema).is_ok_and(|data_type| {
                matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &*zone == "UTC")
            })
        };
        let engine = Arc::clone(expr);
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            let is_date = cast.cast_type() == &DataType::Date32 && is_utc(cast.expr());
            return is_date.then_some(Self { engine, times: 0, width: None });
        }
        let function = expr.downcast_ref::<ScalarFunctionExpr>().filter(|function| function.name() == "date_trunc")?;
        let [unit, times] = function.args() else { return None };
        let unit = unit.downcast_ref::<Literal>()?.value().try_as_str()??;
        let width = width(&unit.to_lowercase()).filter(|_| is_utc(times))?;
        Some(Self { engine, times: 1, width: Some(width) })
    }

    /// None where the engine is to say what becomes of a time.
    fn floor(&self, times: &ArrayRef) -> Option<ArrayRef> {
        let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
        if times.values().iter().any(|time| time.unsigned_abs() > MAX_TIME) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, reason = "the days of 64-bit microseconds have 27 bits")]
        let day = |time: i64| time.div_euclid(DAY) as i32;
        Some(match self.width {
            None => Arc::new(times.unary::<_, Date32Type>(day)),
            Some(width) => {
                let floored = times.unary::<_, TimestampMicrosecondType>(|time| time - time.rem_euclid(width));
                Arc::new(floored.with_timezone("UTC"))
            }
        })
    }
}

/// The microseconds of what is always as long.
fn width(unit: &str) -> Option<i64> {
    match unit {
        "second" => Some(SECOND),
        "minute" => Some(60 * SECOND),
        "hour" => Some(60 * 60 * SECOND),
        "day" => Some(DAY),
        _ => None,
    }
}

impl PhysicalExpr for UtcFloor {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.engine.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if let ColumnarValue::Array(times) = self.engine.children()[self.times].evaluate(batch)?
            && let Some(floored) = self.floor(&times)
        {
            return Ok(ColumnarValue::Array(floored));
        }
        self.engine.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.engine.children()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let engine = Arc::clone(&self.engine).with_new_children(children)?;
        Ok(Arc::new(Self { engine, times: self.times, width: self.width }))
    }

    fn get_properties(&self, children: &[ExprProperties]) -> Result<ExprProperties> {
        self.engine.get_properties(children)
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt_sql(f)
    }
}

impl fmt::Display for UtcFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "utc_floor({})", self.engine)
    }
}

impl PartialEq for UtcFloor {
    fn eq(&self, other: &Self) -> bool {
        self.engine.eq(&other.engine)
    }
}

impl Eq for UtcFloor {}

impl Hash for UtcFloor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.engine.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::TimestampMicrosecondArray;
    use datafusion::common::assert_batches_eq;
    use datafusion::datasource::MemTable;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionContext;

    use super::*;

    fn context(times: TimestampMicrosecondArray, zone: Option<&str>, rule: bool) -> SessionContext {
        let times = Arc::new(times.with_timezone_opt(zone));
        let batch = RecordBatch::try_from_iter_with_nullable([("t", times as ArrayRef, true)]).expect("a batch");
        let mut state = SessionStateBuilder::new_with_default_features();
        if rule {
            state = state.with_physical_optimizer_rule(Arc::new(UtcFloors));
        }
        let context = SessionContext::new_with_state(state.build());
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).expect("a table");
        context.register_table("times", Arc::new(table)).expect("no such table");
        context
    }

    async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
        context.sql(sql).await?.collect().await
    }

    async fn plan(context: &SessionContext, sql: &str) -> String {
        let plan = rows(context, &format!("explain {sql}")).await.expect("a plan");
        datafusion::arrow::util::pretty::pretty_format_batches(&plan).expect("a table").to_string()
    }

    const FLOORS: [&str; 5] = [
        "cast(t as date)",
        "date_trunc('second', t)",
        "date_trunc('MINUTE', t)",
        "date_trunc('hour', t)",
        "date_trunc('day', t)",
    ];

    #[tokio::test]
    async fn floors_are_those_of_the_engine() {
        // Around the epoch, in leap years, null, and days apart by an odd step.
        let edges = [-1, 0, 1, -DAY, -DAY - 1, DAY - 1, 951_782_400_000_000, -8_520_336_000_000_000].map(Some);
        let steps = (-500..500).map(|step| Some(step * 7_919_000 * SECOND + step * 999_983));
        let times: TimestampMicrosecondArray = edges.into_iter().chain([None]).chain(steps).collect();
        let (ours, engine) = (context(times.clone(), Some("UTC"), true), context(times, Some("UTC"), false));
        for floor in FLOORS {
            for sql in [
                format!("select {floor} as floor from times"),
                format!("select {floor} as floor, count(*), min(t) from times group by 1 order by 1"),
                format!("select extract(year from {floor}) as floor, count(*) from times group by 1 order by 1"),
            ] {
                assert!(plan(&ours, &sql).await.contains("utc_floor("), "{sql}");
                assert!(!plan(&engine, &sql).await.contains("utc_floor("), "{sql}");
                assert_eq!(rows(&ours, &sql).await.unwrap(), rows(&engine, &sql).await.unwrap(), "{sql}");
            }
        }
    }

    #[tokio::test]
    async fn times_without_a_date_are_told_by_the_engine() {
        for time in [i64::MAX, i64::MIN, -62_135_596_800_000_000] {
            assert_left_to_the_engine(TimestampMicrosecondArray::from(vec![0, time])).await;
        }
    }

    async fn assert_left_to_the_engine(times: TimestampMicrosecondArray) {
        let (ours, engine) = (context(times.clone(), Some("UTC"), true), context(times, Some("UTC"), false));
        for floor in FLOORS {
            let sql = format!("select {floor} as floor from times");
            let (ours, engine) = (rows(&ours, &sql).await, rows(&engine, &sql).await);
            assert_eq!(ours.map_err(|error| error.to_string()), engine.map_err(|error| error.to_string()), "{sql}");
        }
    }

    #[tokio::test]
    async fn other_zones_units_and_conditions_are_left_to_the_engine() {
        let times = TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]);
        let berlin = context(times.clone(), Some("Europe/Berlin"), true);
        for floor in FLOORS {
            let sql = format!("select {floor} as floor from times");
            assert!(!plan(&berlin, &sql).await.contains("utc_floor("), "{sql}");
        }
        let utc = context(times, Some("UTC"), true);
        for sql in [
            "select date_trunc('week', t), date_trunc('month', t) from times",
            "select t from times where cast(t as date) = date '2023-11-14'",
        ] {
            assert!(!plan(&utc, sql).await.contains("utc_floor("), "{sql}");
        }
        let found = rows(&utc, "select date_trunc('hour', t) as hour from times").await.unwrap();
        assert_batches_eq!(
            [
                "+----------------------+",
                "| hour                 |",
                "+----------------------+",
                "| 2023-11-14T22:00:00Z |",
                "+----------------------+"
            ],
            &found
        );
    }
}
