//! Groups by columns of few texts: `group by event_source, event_name`.
//!
//! The engine hashes and compares the texts of every row. Here a text that has been seen in its batch is known by its view (where it lies
//! in a page's dictionary, or its bytes), and only the first of each is looked up by what it says. A row's group is then found by the
//! numbers of its texts.
//!
//! Only the first step of a grouping is replaced, the one that sees the rows: what it gives is grouped again by the engine, which merges
//! what the partitions have. Therefore it may give its groups at any time and begin anew, which bounds its memory.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use datafusion::arrow::compute::cast;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, aggregate_expressions};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use rustc_hash::FxHashMap;

use crate::few_valued;
use crate::physical::recent::{Recent, number_nulls};

/// The bits of a column's number in what stands for a group.
const NUMBER_BITS: u32 = 16;
/// The most columns whose numbers stand for a group.
const MAX_COLUMNS: usize = (u128::BITS / NUMBER_BITS) as usize;
/// The most bits that numbers may take as a place in a table of groups; it then has 256 KiB.
const MAX_PLACE_BITS: u32 = 16;
/// No group is the last of so many.
const NO_GROUP: u32 = u32::MAX;
/// The number of null among the values of a column.
const NULL: u32 = 0;
/// The most values of a column, and groups, that are held at a time; one less than the numbers there are, as no group is all ones.
const MAX_HELD: usize = (1 << NUMBER_BITS) - 2;
/// The most bytes of a column's texts that are held at a time.
const MAX_HELD_BYTES: usize = 4 << 20;
/// The most rows that are added at a time.
const MAX_ROWS: usize = 8_192;

/// The rule: where a grouping by columns of few texts sees the rows, it becomes a [`FewTextGroupsExec`].
#[derive(Debug)]
pub(crate) struct FewTextGroups;

impl PhysicalOptimizerRule for FewTextGroups {
    fn name(&self) -> &str {
        "few_text_groups"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let replace = |plan: Arc<dyn ExecutionPlan>| match plan.downcast_ref::<AggregateExec>() {
            Some(aggregate) if is_by_few_texts(aggregate) => replaced(aggregate).map(Transformed::yes),
            _ => Ok(Transformed::no(plan)),
        };
        plan.transform_up(replace).data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether the groups have texts, and only those of columns of few values.
fn is_by_few_texts(aggregate: &AggregateExec) -> bool {
    let groups = aggregate.group_expr();
    let schema = aggregate.input_schema();
    let types = groups.expr().iter().map(|(expr, _)| expr.data_type(&schema));
    let Ok(types) = types.collect::<Result<Vec<_>>>() else { return false };
    let is_supported = |(data_type, (expr, _)): (&DataType, &(Arc<dyn PhysicalExpr>, String))| match data_type {
        DataType::Utf8View => {
            expr.downcast_ref::<Column>().is_some_and(|column| few_valued::GROUPED.contains(&column.name()))
        }
        data_type => is_integer(data_type),
    };
    groups.is_single()
        && types.contains(&DataType::Utf8View)
        && types.len() <= MAX_COLUMNS
        && types.iter().zip(groups.expr()).all(is_supported)
        && aggregate.input_order_mode() == &InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && match aggregate.mode() {
            AggregateMode::Partial => true,
            // Of those that see rows in some order the engine has changed the names: they cannot be split any more.
            AggregateMode::Single | AggregateMode::SinglePartitioned => {
                aggregate.aggr_expr().iter().all(|function| function.order_bys().is_empty())
            }
            _ => false,
        }
}

/// Whether each value is one 64-bit integer, and that integer the value.
fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..))
        || data_type.is_integer() && data_type != &DataType::UInt64
}

fn replaced(aggregate: &AggregateExec) -> Result<Arc<dyn ExecutionPlan>> {
    let step = |mode, groups, filters, input| {
        let schema = aggregate.input_schema();
        AggregateExec::try_new(mode, groups, aggregate.aggr_expr().to_vec(), filters, input, schema)
    };
    let last = match aggregate.mode() {
        AggregateMode::Single => AggregateMode::Final,
        AggregateMode::SinglePartitioned => AggregateMode::FinalPartitioned,
        _ => return Ok(Arc::new(FewTextGroupsExec::new(aggregate.clone()))),
    };
    let (groups, filters) = (aggregate.group_expr(), aggregate.filter_expr().to_vec());
    let no_filters = vec![None; filters.len()];
    let first = step(AggregateMode::Partial, groups.clone(), filters, Arc::clone(aggregate.input()))?;
    let first = Arc::new(FewTextGroupsExec::new(first));
    Ok(Arc::new(step(last, groups.as_final(), no_filters, first)?))
}

/// The operator. It gives what the engine's own would: the groups, and of each the states of its aggregates.
#[derive(Debug)]
struct FewTextGroupsExec {
    /// The engine's first step.
    aggregate: AggregateExec,
    metrics: ExecutionPlanMetricsSet,
}

impl FewTextGroupsExec {
    fn new(aggregate: AggregateExec) -> Self {
        Self { aggregate, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for FewTextGroupsExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FewTextGroupsExec: ")?;
        self.aggregate.fmt_as(format, f)
    }
}

impl ExecutionPlan for FewTextGroupsExec {
    fn name(&self) -> &'static str {
        "FewTextGroupsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.aggregate.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.aggregate.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.aggregate.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let aggregate = Arc::new(self.aggregate.clone()).replace_children(children, options)?;
        let Some(aggregate) = aggregate.downcast_ref::<AggregateExec>() else { return internal_err!("no aggregation") };
        Ok(Arc::new(Self::new(aggregate.clone())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.aggregate.input().execute(partition, Arc::clone(&context))?;
        let groups = Grouping {
            groups: Groups::new(&self.aggregate)?,
            aggregates: Aggregate::all(&self.aggregate)?,
            group_exprs: self.aggregate.group_expr().input_exprs(),
            schema: self.schema(),
            reservation: MemoryConsumer::new(format!("{}[{partition}]", self.name()))
                .with_can_spill(true)
                .register(context.memory_pool()),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batch_size = context.session_config().batch_size();
        let batches = stream::try_unfold(Some((input, groups)), |state| async move {
            let Some((mut input, mut groups)) = state else { return Ok(None) };
            while let Some(batch) = input.next().await {
                let taken = groups.add(&batch?)?;
                if !taken.is_empty() {
                    return Ok(Some((taken, Some((input, groups)))));
                }
            }
            Ok::<_, DataFusionError>(Some((groups.take()?.into_iter().collect(), None)))
        });
        let in_pieces = move |batches: Vec<RecordBatch>| {
            stream::iter(batches).flat_map(move |batch| stream::iter(pieces(batch, batch_size)).map(Ok))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.map_ok(in_pieces).try_flatten().boxed())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// A batch in pieces of at most so many rows, of which there are none of no rows.
fn pieces(batch: RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(rows.max(1));
    starts.map(move |start| batch.slice(start, rows.min(batch.num_rows() - start)))
}

/// What one partition has been found to have since its groups were last taken.
struct Grouping {
    groups: Groups,
    aggregates: Vec<Aggregate>,
    group_exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
}

impl Grouping {
    /// Adds rows; takes the groups whenever there is no room for more of them.
    fn add(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let time = self.metrics.elapsed_compute().clone();
        let _timer = time.timer();
        let mut taken = Vec::new();
        for piece in pieces(batch.clone(), MAX_ROWS) {
            if self.groups.are_full() {
                taken.extend(self.take()?);
            }
            self.groups.add(&evaluate_expressions_to_arrays(&self.group_exprs, &piece)?)?;
            for aggregate in &mut self.aggregates {
                aggregate.add(&piece, self.groups.of_rows(), self.groups.len())?;
            }
        }
        match self.reservation.try_resize(self.bytes()) {
            Err(DataFusionError::ResourcesExhausted(_)) => taken.extend(self.take()?),
            resized => resized?,
        }
        Ok(taken)
    }

    /// The groups, if there are any, which are then forgotten.
    fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.groups.len() == 0 {
            return Ok(None);
        }
        let mut columns = self.groups.take()?;
        for aggregate in &mut self.aggregates {
            columns.extend(aggregate.accumulator.state(EmitTo::All)?);
        }
        self.reservation.try_resize(self.bytes())?;
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?.record_output(&self.metrics)))
    }

    fn bytes(&self) -> usize {
        self.groups.bytes() + self.aggregates.iter().map(|aggregate| aggregate.accumulator.size()).sum::<usize>()
    }
}

/// An aggregate of each group.
struct Aggregate {
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    accumulator: Box<dyn GroupsAccumulator>,
}

impl Aggregate {
    fn all(aggregate: &AggregateExec) -> Result<Vec<Self>> {
        let arguments = aggregate_expressions(aggregate.aggr_expr(), aggregate.mode(), 0)?;
        let aggregates = aggregate.aggr_expr().iter().zip(arguments).zip(aggregate.filter_expr());
        let aggregates = aggregates.map(|((function, arguments), filter)| {
            Ok(Self { arguments, filter: filter.clone(), accumulator: accumulator(function)? })
        });
        aggregates.collect()
    }

    fn add(&mut self, batch: &RecordBatch, groups: &[usize], group_count: usize) -> Result<()> {
        let arguments = evaluate_expressions_to_arrays(&self.arguments, batch)?;
        let filter = evaluate_expressions_to_arrays(&self.filter, batch)?.pop();
        let filter = filter.as_ref().map(|filter| as_boolean_array(filter)).transpose()?;
        self.accumulator.update_batch(&arguments, groups, filter, group_count)
    }
}

/// Some functions have an accumulator per group only.
fn accumulator(function: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let function = Arc::clone(function);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator())))
}

/// Groups of rows, in the order of their first rows.
struct Groups {
    columns: Vec<GroupColumn>,
    /// The numbers that make each group, side by side.
    combinations: Vec<u128>,
    groups: FxHashMap<u128, u32>,
    recent: Recent,
    places: Places,
    /// Of the rows added last.
    row_numbers: Vec<Vec<u32>>,
    row_combinations: Vec<u128>,
    /// The places, or with too many for them the groups.
    row_places: Vec<u32>,
    row_groups: Vec<usize>,
}

impl Groups {
    fn new(aggregate: &AggregateExec) -> Result<Self> {
        let (groups, schema) = (aggregate.group_expr(), aggregate.input_schema());
        let columns = groups.expr().iter().map(|(expr, _)| Ok(GroupColumn::new(expr.data_type(&schema)?)));
        Ok(Self::of_columns(columns.collect::<Result<_>>()?))
    }

    fn of_columns(columns: Vec<GroupColumn>) -> Self {
        Self {
            row_numbers: vec![Vec::new(); columns.len()],
            columns,
            combinations: Vec::new(),
            groups: FxHashMap::default(),
            recent: Recent::new(),
            places: Places::default(),
            row_combinations: Vec::new(),
            row_places: Vec::new(),
            row_groups: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.combinations.len()
    }

    /// Whether [`MAX_ROWS`] further rows may be too many.
    fn are_full(&self) -> bool {
        let is_full =
            |column: &GroupColumn| column.values.len() + MAX_ROWS > MAX_HELD || column.values.bytes() > MAX_HELD_BYTES;
        self.len() + MAX_ROWS > MAX_HELD || self.columns.iter().any(is_full)
    }

    /// Finds the groups of at most [`MAX_ROWS`] rows, for which there is room.
    fn add(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for ((group_column, column), numbers) in self.columns.iter_mut().zip(columns).zip(&mut self.row_numbers) {
            group_column.number(column, numbers)?;
        }
        let row_numbers = &self.row_numbers;
        let combination = |row: usize| {
            row_numbers.iter().fold(0, |combination, numbers| combination << NUMBER_BITS | u128::from(numbers[row]))
        };
        let (groups, combinations) = (&mut self.groups, &mut self.combinations);
        let mut group_of = |combination: u128| {
            *groups.entry(combination).or_insert_with(|| {
                combinations.push(combination);
                number_of(combinations.len() - 1)
            })
        };
        self.row_groups.clear();
        let bits: Vec<u32> = self.columns.iter().map(|column| bits_of(column.values.len())).collect();
        if bits.iter().sum::<u32>() <= MAX_PLACE_BITS {
            self.places.of_rows(bits, row_numbers, &mut self.row_places);
            self.row_groups.extend(self.row_places.iter().enumerate().map(|(row, place)| {
                let group = &mut self.places.groups[*place as usize];
                if *group == NO_GROUP {
                    *group = group_of(combination(row));
                }
                *group as usize
            }));
        } else {
            let rows = columns.first().map_or(0, Array::len);
            self.row_combinations.clear();
            self.row_combinations.extend((0..rows).map(combination));
            let combinations = &self.row_combinations;
            self.recent.number(combinations, &mut self.row_places, |row| group_of(combinations[row]));
            self.row_groups.extend(self.row_places.iter().map(|group| *group as usize));
        }
        Ok(())
    }

    /// The groups of the rows that were added last.
    fn of_rows(&self) -> &[usize] {
        &self.row_groups
    }

    /// The columns of all groups, which are then forgotten.
    fn take(&mut self) -> Result<Vec<ArrayRef>> {
        let combinations = std::mem::take(&mut self.combinations);
        self.groups = FxHashMap::default();
        self.places = Places::default();
        self.recent.forget();
        // The last column's numbers stand in the lowest bits.
        let shifts = (0..u128::BITS).step_by(NUMBER_BITS as usize);
        let columns = self.columns.iter_mut().rev().zip(shifts);
        let mut columns = columns
            .map(|(column, shift)| {
                column.take(combinations.iter().map(|combination| lowest_number(combination >> shift)))
            })
            .collect::<Result<Vec<_>>>()?;
        columns.reverse();
        Ok(columns)
    }

    fn bytes(&self) -> usize {
        // A place of the map is taken by a combination and a group, and up to as much is free.
        let per_group = size_of::<u128>() + 2 * size_of::<(u128, u32)>();
        self.combinations.capacity() * per_group
            + self.places.groups.capacity() * size_of::<u32>()
            + self.columns.iter().map(|column| column.values.bytes()).sum::<usize>()
    }
}

/// Where a row's group is found without hashing as long as the columns have few values: at the place that its numbers make side by
/// side, each in as many bits as the column needs.
#[derive(Default)]
struct Places {
    bits: Vec<u32>,
    /// [`NO_GROUP`] = not found yet, which says nothing about whether there is one.
    groups: Vec<u32>,
}

impl Places {
    fn of_rows(&mut self, bits: Vec<u32>, row_numbers: &[Vec<u32>], places: &mut Vec<u32>) {
        if self.bits != bits {
            self.groups = vec![NO_GROUP; 1 << bits.iter().sum::<u32>()];
            self.bits = bits;
        }
        let mut columns = row_numbers.iter().zip(&self.bits);
        places.clear();
        places.extend(columns.next().into_iter().flat_map(|(numbers, _)| numbers));
        for (numbers, bits) in columns {
            places.iter_mut().zip(numbers).for_each(|(place, number)| *place = *place << bits | number);
        }
    }
}

/// The bits of the largest number of so many values; null has one too.
fn bits_of(values: usize) -> u32 {
    usize::BITS - values.leading_zeros()
}

/// The values of a column of the groups, each with a number, from 1 on in the order of their coming.
struct GroupColumn {
    data_type: DataType,
    values: Values,
    recent: Recent,
}

enum Values {
    Texts { numbers: FxHashMap<Arc<str>, u32>, texts: Vec<Arc<str>>, bytes: usize },
    Integers { numbers: FxHashMap<i64, u32>, integers: Vec<i64> },
}

impl Values {
    fn of_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8View => Self::Texts { numbers: FxHashMap::default(), texts: Vec::new(), bytes: 0 },
            _ => Self::Integers { numbers: FxHashMap::default(), integers: Vec::new() },
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Texts { texts, .. } => texts.len(),
            Self::Integers { integers, .. } => integers.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            // Of a text there is one copy, and two pointers with their lengths.
            Self::Texts { numbers, bytes, .. } => bytes + numbers.capacity() * 3 * size_of::<Arc<str>>(),
            Self::Integers { numbers, .. } => numbers.capacity() * 3 * size_of::<i64>(),
        }
    }
}

impl GroupColumn {
    fn new(data_type: DataType) -> Self {
        Self { values: Values::of_type(&data_type), data_type, recent: Recent::new() }
    }

    /// The number of each row's value.
    fn number(&mut self, column: &dyn Array, row_numbers: &mut Vec<u32>) -> Result<()> {
        match &mut self.values {
            Values::Texts { numbers, texts, bytes } => {
                let Some(column) = column.as_string_view_opt() else { return internal_err!("a text is no view") };
                self.recent.forget();
                self.recent.number(column.views(), row_numbers, |row| {
                    let text = column.value(row);
                    if let Some(number) = numbers.get(text) {
                        return *number;
                    }
                    let text: Arc<str> = Arc::from(text);
                    *bytes += text.len();
                    texts.push(Arc::clone(&text));
                    *numbers.entry(text).or_insert(number_of(texts.len()))
                });
            }
            Values::Integers { numbers, integers } => {
                let column = cast(column, &DataType::Int64)?;
                let column = column.as_primitive::<Int64Type>();
                let bits: Vec<_> = column.values().iter().map(|value| u128::from(value.cast_unsigned())).collect();
                self.recent.number(&bits, row_numbers, |row| {
                    *numbers.entry(column.value(row)).or_insert_with(|| {
                        integers.push(column.value(row));
                        number_of(integers.len())
                    })
                });
            }
        }
        number_nulls(row_numbers, column.nulls(), NULL);
        Ok(())
    }

    /// The values of these numbers; all are then forgotten.
    fn take(&mut self, numbers: impl Iterator<Item = u32>) -> Result<ArrayRef> {
        self.recent.forget();
        let places = numbers.map(|number| number.checked_sub(1).map(|place| place as usize));
        let column: ArrayRef = match std::mem::replace(&mut self.values, Values::of_type(&self.data_type)) {
            Values::Texts { texts, .. } => {
                let mut column = StringViewBuilder::new().with_deduplicate_strings();
                places.for_each(|place| column.append_option(place.map(|place| &texts[place])));
                Arc::new(column.finish())
            }
            Values::Integers { integers, .. } => {
                let integers: Int64Array = places.map(|place| place.map(|place| integers[place])).collect();
                cast(&integers, &self.data_type)?
            }
        };
        Ok(column)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the rest are other columns' numbers")]
fn lowest_number(combination: u128) -> u32 {
    combination as u32 & ((1 << NUMBER_BITS) - 1)
}

#[allow(clippy::cast_possible_truncation, reason = "there is room for what is added")]
fn number_of(count: usize) -> u32 {
    debug_assert!(count <= MAX_HELD);
    count as u32
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use arrow_array::{BooleanArray, Float64Array, StringViewArray, TimestampMicrosecondArray};
    use arrow_schema::{Field, Schema, TimeUnit};
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::datasource::MemTable;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    /// Rows of few and of many texts, short and long, some null.
    fn batch(first: usize, rows: usize, names: usize) -> RecordBatch {
        let text = |row: usize, values: usize| match (first + row) * 7 % values {
            1 => None,
            value if value % 3 == 0 => Some(format!("arn:aws:kms:us-east-1:111122223333:key/{value}")),
            value => Some(format!("{value}")),
        };
        let texts = |values| (0..rows).map(|row| text(row, values)).collect::<StringViewArray>();
        let integers = |values: usize| (0..rows).map(move |row| i64::try_from((first + row) % values).ok());
        let times: TimestampMicrosecondArray = integers(5).map(|value| value.filter(|value| *value != 2)).collect();
        let numbers: Int64Array = integers(1_000).collect();
        let schema = Schema::new(vec![
            Field::new("event_source", DataType::Utf8View, true),
            Field::new("event_name", DataType::Utf8View, true),
            Field::new("event_hour", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("is_read", DataType::Boolean, true),
            Field::new("number", DataType::Int64, true),
            Field::new("ratio", DataType::Float64, true),
        ]);
        let is_read: BooleanArray = (0..rows).map(|row| (row % 4 != 3).then_some(row % 2 == 0)).collect();
        let ratio: Float64Array =
            (0..rows).map(|row| Some(f64::from(u8::try_from(row % 64).unwrap_or_default()))).collect();
        let times = Arc::new(times.with_timezone("UTC"));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(texts(11)),
            Arc::new(texts(names)),
            times,
            Arc::new(is_read),
            Arc::new(numbers),
            Arc::new(ratio),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).expect("a batch")
    }

    fn context(partitions: Vec<Vec<RecordBatch>>, rule: bool, memory: Option<usize>) -> SessionContext {
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(bytes) = memory {
            runtime = runtime.with_memory_limit(bytes, 1.0);
        }
        let config = SessionConfig::new().with_target_partitions(partitions.len());
        let mut state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_runtime_env(runtime.build_arc().expect("a runtime"));
        if rule {
            state = state.with_physical_optimizer_rule(Arc::new(FewTextGroups));
        }
        let context = SessionContext::new_with_state(state.build());
        let schema = partitions[0][0].schema();
        let table = MemTable::try_new(schema, partitions).expect("a table");
        context.register_table("t", Arc::new(table)).expect("no such table");
        context
    }

    async fn rows(context: &SessionContext, sql: &str) -> String {
        let batches = context.sql(sql).await.expect("a plan").collect().await.expect("rows");
        pretty_format_batches(&batches).expect("a table").to_string()
    }

    async fn has_operator(context: &SessionContext, sql: &str) -> bool {
        rows(context, &format!("explain {sql}")).await.contains("FewTextGroupsExec")
    }

    const GROUPS: [&str; 6] = [
        "event_source",
        "event_name",
        "event_source, event_name",
        "event_name, event_hour",
        "is_read, event_source, cast(event_hour as date)",
        "number, event_name, is_read, event_hour, event_source",
    ];
    /// Such with and without accumulators for all groups at once, of several states, and of the order of rows.
    const AGGREGATES: &str = "count(*), count(event_name), sum(number), avg(ratio), min(event_name), max(event_hour), \
        count(distinct number), count(*) filter (where is_read), sum(number) filter (where event_source is null), \
        bool_or(is_read), median(number), stddev(ratio)";
    const OF_AN_ORDER: &str = "array_agg(distinct number order by number), first_value(number order by number desc)";

    async fn assert_same(partitions: &[Vec<RecordBatch>], aggregates: &str) {
        let (ours, engine) = (context(partitions.to_vec(), true, None), context(partitions.to_vec(), false, None));
        for groups in GROUPS {
            let places = (1..=groups.split(", ").count()).map(|place| place.to_string()).collect::<Vec<_>>().join(", ");
            let sql = format!("select {groups}, {aggregates} from t group by {places} order by {places}");
            assert!(has_operator(&ours, &sql).await, "{sql}");
            assert!(!has_operator(&engine, &sql).await, "{sql}");
            assert_eq!(rows(&ours, &sql).await, rows(&engine, &sql).await, "{sql}");
        }
    }

    #[tokio::test]
    async fn groups_and_their_aggregates_are_those_of_the_engine() {
        let few = [vec![batch(0, 3_000, 50), batch(3_000, 10, 50)], vec![batch(9, 3_000, 50)], vec![batch(0, 0, 50)]];
        assert_same(&few, &format!("{AGGREGATES}, {OF_AN_ORDER}")).await;
        // One partition: the engine would group in a single step.
        assert_same(&few[..1], AGGREGATES).await;
    }

    #[tokio::test]
    async fn more_texts_than_are_held_at_a_time_are_no_fewer_groups() {
        let many = 3 * MAX_HELD;
        // A batch with more rows than are added at a time, and more groups than are held.
        let partitions = [vec![batch(0, many, many), batch(0, 100, many)], vec![batch(5, many, many)]];
        assert_same(&partitions, "count(*), sum(number)").await;
    }

    #[tokio::test]
    async fn without_memory_the_groups_are_given_early() {
        let sql = "select event_name, count(*), min(event_source) from t group by event_name";
        let partitions =
            || (0..2).map(|part| (0..8).map(|at| batch(part + at * 5_000, 5_000, 4_000)).collect()).collect();
        let sorted = |rows: &str| rows.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let expected = rows(&context(partitions(), false, None), sql).await;
        let scarce = context(partitions(), true, Some(1 << 20));
        assert!(has_operator(&scarce, sql).await);
        assert_eq!(sorted(&rows(&scarce, sql).await), sorted(&expected));
    }

    #[tokio::test]
    async fn other_groupings_are_left_to_the_engine() {
        let one_partition = context(vec![vec![batch(0, 10, 5)]], true, None);
        let of_an_order = format!("select event_name, {OF_AN_ORDER} from t group by event_name");
        assert!(!has_operator(&one_partition, &of_an_order).await);
        assert!(rows(&one_partition, &of_an_order).await.contains("first_value"));
        let context = context(vec![vec![batch(0, 10, 5)], vec![batch(0, 10, 5)]], true, None);
        for sql in [
            "select count(*) from t",
            "select number, count(*) from t group by 1",
            "select ratio, event_name, count(*) from t group by 1, 2",
            "select event_name || '', count(*) from t group by 1",
            "select event_name as other, count(*) from (select event_name || '' as text, event_name from t) group by text, 1",
            "select event_name, count(*) from t group by grouping sets ((event_name), ())",
            "select distinct event_name from t limit 2",
        ] {
            assert!(!has_operator(&context, sql).await, "{sql}");
        }
    }

    #[test]
    fn a_group_is_found_again_in_other_batches() {
        let mut groups = Groups::of_columns([DataType::Utf8View, DataType::Int64].map(GroupColumn::new).into());
        let (mut expected, mut of_texts) = (Vec::new(), HashMap::new());
        // At first as few that they have places, then too many.
        for (at, names) in [3, 40, 40, 700, 700].into_iter().enumerate() {
            let batch = batch(at * 1_000, 4_000, names);
            groups.add(&[Arc::clone(batch.column(1)), Arc::clone(batch.column(4))]).expect("there is room");
            let (texts, integers) = (batch.column(1).as_string_view(), batch.column(4).as_primitive::<Int64Type>());
            for (row, group) in groups.of_rows().iter().enumerate() {
                let values = (texts.is_valid(row).then(|| texts.value(row).to_owned()), integers.value(row));
                let known = *of_texts.entry(values.clone()).or_insert(expected.len());
                if known == expected.len() {
                    expected.push(values);
                }
                assert_eq!(*group, known, "batch {at}, row {row}");
            }
        }
        assert_eq!(groups.len(), expected.len());
        let columns = groups.take().expect("columns");
        let (texts, integers) = (columns[0].as_string_view(), columns[1].as_primitive::<Int64Type>());
        let taken: Vec<_> =
            texts.iter().zip(integers).map(|(text, integer)| (text.map(str::to_owned), integer.unwrap())).collect();
        assert_eq!(taken, expected);
        assert_eq!((groups.len(), groups.are_full()), (0, false));
    }
}
