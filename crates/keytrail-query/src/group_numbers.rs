//! Groups by numbers instead of by texts: `group by event_source, event_name` becomes a grouping by one number per pair of texts, and the
//! texts come back once the groups are made.
//!
//! ```text
//! Projection  group_text(number, 0) as event_source, group_text(number, 1) as event_name, count(*)
//!   Aggregate  group by group_number(event_source, event_name), count(*)
//! ```
//! The engine hashes and compares the texts of every row. Here a text that has been seen in its batch is known by its view (where it lies
//! in a page's dictionary, or its bytes), and only the first of each is looked up by what it says. That is done for columns of few
//! values, by their names; with a column of many it would be right too, but slow.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, StringViewArray, UInt32Array};
use arrow_schema::{DataType, Field, FieldRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue, exec_err, internal_err, resources_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, LogicalPlan, Projection, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use crate::recent::Recent;

/// Columns of tables and views that have at most some hundreds of values in a million rows.
const FEW_VALUED: &[&str] = &[
    "aws_region",
    "detail_level",
    "error_code",
    "event_category",
    "event_group",
    "event_month",
    "event_name",
    "event_source",
    "event_type",
    "event_version",
    "key_arn",
    "key_resolution",
    "key_role",
    "operation_class",
    "other_key_arn",
    "outcome",
    "principal_account_id",
    "principal_type",
    "recipient_account_id",
    "source_key_arn",
];
/// The number of null among the texts of a column.
const NULL: u32 = 0;
/// The most bytes of a column's texts. No column of [`FEW_VALUED`] comes near; what a statement calls so may have as many as it likes, and
/// the engine's limit does not count them.
const MAX_TEXT_BYTES: usize = 256 << 20;

/// Plans optimized statements. The engine's own rules see them before: they would move conditions on a text to where there are numbers.
#[derive(Debug)]
pub(crate) struct NumberedGroups;

#[async_trait]
impl QueryPlanner for NumberedGroups {
    async fn create_physical_plan(&self, plan: &LogicalPlan, state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let numbered = plan.clone().transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Aggregate(aggregate) if are_few_texts(&aggregate) => numbered(aggregate).map(Transformed::yes),
            plan => Ok(Transformed::no(plan)),
        });
        DefaultPhysicalPlanner::default().create_physical_plan(&numbered?.data, state).await
    }
}

/// Whether the groups have texts, and only those of columns of few values.
fn are_few_texts(aggregate: &Aggregate) -> bool {
    let fields = aggregate.schema.fields();
    let mut texts = aggregate.group_expr.iter().zip(fields).filter(|(_, field)| is_text(field)).peekable();
    // The places of groups and fields differ in grouping sets.
    !matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)])
        && texts.peek().is_some()
        && texts.all(|(expr, _)| matches!(expr, Expr::Column(column) if FEW_VALUED.contains(&column.name.as_str())))
}

fn is_text(field: &Field) -> bool {
    field.data_type() == &DataType::Utf8View
}

fn numbered(aggregate: Aggregate) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let group_count = group_expr.len();
    let (texts, others): (Vec<_>, Vec<_>) =
        group_expr.into_iter().zip(schema.fields()).partition(|(_, field)| is_text(field));
    let numbers = Arc::new(GroupNumbers::new(texts.len()));
    let number = ScalarUDF::from(GroupNumber::new(Arc::clone(&numbers)));
    let number = Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(number),
        texts.into_iter().map(|(text, _)| text).collect(),
    ));
    let number_column = Expr::Column(Column::from_name(number.schema_name().to_string()));
    let groups = std::iter::once(number).chain(others.into_iter().map(|(other, _)| other)).collect();
    let grouped = Aggregate::try_new(input, groups, aggr_expr)?;

    let mut text_count = 0;
    let columns = schema.iter().enumerate().map(|(index, (qualifier, field))| {
        if index >= group_count || !is_text(field) {
            return Expr::Column(Column::from((qualifier, field)));
        }
        let text = GroupText::new(Arc::clone(&numbers), text_count, field.is_nullable());
        text_count += 1;
        let arguments = vec![number_column.clone(), lit(text.position as u64)];
        let text = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(text)), arguments));
        text.alias_qualified(qualifier.cloned(), field.name())
    });
    let columns = columns.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(LogicalPlan::Aggregate(grouped)))?))
}

/// The numbers of a query's groups: the same texts have the same number in every thread.
struct GroupNumbers {
    /// Per column, the number of each text.
    texts: Vec<RwLock<TextNumbers>>,
    /// Per column but the first, the number of what the columns before it have together with its text.
    pairs: Vec<RwLock<PairNumbers>>,
}

impl GroupNumbers {
    fn new(columns: usize) -> Self {
        let texts = (0..columns).map(|_| RwLock::default()).collect();
        Self { texts, pairs: (1..columns).map(|_| RwLock::default()).collect() }
    }

    /// The number of each row.
    fn numbers(&self, columns: &[&StringViewArray]) -> Result<Vec<u32>> {
        let mut columns = columns.iter().zip(&self.texts);
        let Some((first, texts)) = columns.next() else { return internal_err!("a group of no column") };
        let mut numbers = numbers_of_texts(texts, first)?;
        for ((column, texts), pairs) in columns.zip(&self.pairs) {
            let of_column = numbers_of_texts(texts, column)?;
            number_pairs(pairs, &mut numbers, &of_column)?;
        }
        Ok(numbers)
    }

    /// The texts of one column for these groups.
    fn texts(&self, numbers: &[u32], position: usize) -> ArrayRef {
        let pairs: Vec<_> = self.pairs.iter().map(read).collect();
        let texts = read(&self.texts[position]);
        let mut values = StringViewBuilder::with_capacity(numbers.len()).with_deduplicate_strings();
        for number in numbers {
            // Columns are paired from the left: those behind this one are taken off, then what stands before it.
            let behind = pairs[position..].iter().rev();
            let number = behind.fold(*number, |number, pairs| pairs.pairs[number as usize].0);
            let number = position.checked_sub(1).map_or(number, |before| pairs[before].pairs[number as usize].1);
            values.append_option(texts.text(number));
        }
        Arc::new(values.finish())
    }
}

/// Each is its own: the numbers of two groupings have nothing in common.
impl PartialEq for GroupNumbers {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for GroupNumbers {}

impl Hash for GroupNumbers {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self).hash(state);
    }
}

impl fmt::Debug for GroupNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupNumbers").field("columns", &self.texts.len()).finish_non_exhaustive()
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A number for each text, from 1 on in the order of their coming; 0 is null.
#[derive(Default)]
struct TextNumbers {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    bytes: usize,
}

impl TextNumbers {
    fn insert(&mut self, text: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        self.bytes += text.len();
        if self.bytes > MAX_TEXT_BYTES {
            return resources_err!("the groups' texts take more than {} MiB", MAX_TEXT_BYTES >> 20);
        }
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        let number = number_of(self.texts.len())?;
        self.numbers.insert(text, number);
        Ok(number)
    }

    fn text(&self, number: u32) -> Option<&str> {
        let index = (number as usize).checked_sub(1)?;
        Some(&self.texts[index])
    }
}

/// A number for each pair of numbers, from 0 on in the order of their coming.
#[derive(Default)]
struct PairNumbers {
    numbers: HashMap<(u32, u32), u32>,
    pairs: Vec<(u32, u32)>,
}

impl PairNumbers {
    fn insert(&mut self, pair: (u32, u32)) -> Result<u32> {
        if let Some(number) = self.numbers.get(&pair) {
            return Ok(*number);
        }
        let number = number_of(self.pairs.len())?;
        self.pairs.push(pair);
        self.numbers.insert(pair, number);
        Ok(number)
    }
}

fn number_of(count: usize) -> Result<u32> {
    match u32::try_from(count) {
        Ok(number) if number < Recent::<u128>::NONE => Ok(number),
        _ => exec_err!("more groups than there are numbers for them"),
    }
}

fn numbers_of_texts(texts: &RwLock<TextNumbers>, column: &StringViewArray) -> Result<Vec<u32>> {
    let (mut recent, mut numbers) = (Recent::new(), Vec::with_capacity(column.len()));
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    for (row, view) in column.views().iter().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            numbers.push(NULL);
            continue;
        }
        numbers.push(recent.number(*view, || {
            let text = column.value(row);
            let known = read(texts).numbers.get(text).copied();
            known.map_or_else(|| write(texts).insert(text), Ok)
        })?);
    }
    Ok(numbers)
}

/// Replaces numbers by those of their pairs with numbers of a further column.
fn number_pairs(pairs: &RwLock<PairNumbers>, numbers: &mut [u32], of_column: &[u32]) -> Result<()> {
    let mut recent = Recent::new();
    for (number, of_column) in numbers.iter_mut().zip(of_column) {
        let pair = (*number, *of_column);
        *number = recent.number(pair, || {
            let known = read(pairs).numbers.get(&pair).copied();
            known.map_or_else(|| write(pairs).insert(pair), Ok)
        })?;
    }
    Ok(())
}

/// `group_number(text, …)`: the number of the group that these texts make.
#[derive(Debug, PartialEq, Eq, Hash)]
struct GroupNumber {
    numbers: Arc<GroupNumbers>,
    signature: Signature,
}

impl GroupNumber {
    fn new(numbers: Arc<GroupNumbers>) -> Self {
        let signature = Signature::any(numbers.texts.len(), Volatility::Immutable);
        Self { numbers, signature }
    }
}

impl ScalarUDFImpl for GroupNumber {
    fn name(&self) -> &'static str {
        "group_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt32)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::UInt32, false)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let texts: Option<Vec<_>> = columns.iter().map(|column| column.as_string_view_opt()).collect();
        let Some(texts) = texts else { return internal_err!("a group's column is not of text views") };
        let numbers = self.numbers.numbers(&texts)?;
        let numbers = UInt32Array::from(numbers);
        // Of a constant, which may be given for any number of rows.
        match arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_))) {
            true => ScalarValue::try_from_array(&numbers, 0).map(ColumnarValue::Scalar),
            false => Ok(ColumnarValue::Array(Arc::new(numbers))),
        }
    }
}

/// `group_text(number, position)`: one of the texts that make the group of a number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct GroupText {
    numbers: Arc<GroupNumbers>,
    position: usize,
    is_nullable: bool,
    signature: Signature,
}

impl GroupText {
    fn new(numbers: Arc<GroupNumbers>, position: usize, is_nullable: bool) -> Self {
        Self { numbers, position, is_nullable, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for GroupText {
    fn name(&self) -> &'static str {
        "group_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, self.is_nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(numbers) = arguments.args.first() else { return internal_err!("no number of a group") };
        let numbers = numbers.to_array(arguments.number_rows)?;
        let numbers = numbers.as_primitive::<UInt32Type>();
        Ok(ColumnarValue::Array(self.numbers.texts(numbers.values(), self.position)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of one column: some short, some long, some null, more than there are places to remember.
    fn column(rows: usize, values: usize, step: usize) -> StringViewArray {
        let text = |row: usize| match row * step % values {
            0 => None,
            value if value % 3 == 0 => Some(format!("arn:aws:kms:us-east-1:111122223333:key/{value}")),
            value => Some(format!("{value}")),
        };
        (0..rows).map(text).collect()
    }

    #[test]
    fn rows_have_one_number_exactly_where_their_texts_are_the_same() {
        for (values, step) in [(2, 1), (7, 5), (5_000, 1), (5_000, 77)] {
            let numbers = GroupNumbers::new(3);
            let mut texts_of = HashMap::new();
            for batch in 0..3 {
                let columns =
                    [column(4_000 + batch, values, step), column(4_000 + batch, 3, 1), column(4_000 + batch, 11, 3)];
                let found = numbers.numbers(&columns.each_ref()).expect("numbers");
                let back: Vec<_> = (0..3).map(|position| numbers.texts(&found, position)).collect();
                for (position, column) in columns.iter().enumerate() {
                    assert_eq!(back[position].as_string_view(), column, "{values} values, column {position}");
                }
                for (row, number) in found.into_iter().enumerate() {
                    let texts =
                        columns.each_ref().map(|column| column.is_valid(row).then(|| column.value(row).to_owned()));
                    assert_eq!(texts_of.entry(number).or_insert_with(|| texts.clone()), &texts);
                }
            }
            let distinct: std::collections::HashSet<_> = texts_of.values().collect();
            assert_eq!(distinct.len(), texts_of.len(), "{values} values");
        }
    }

    #[test]
    fn threads_give_the_same_numbers() {
        let (numbers, column) = (GroupNumbers::new(1), column(9_000, 2_500, 1));
        let found = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| numbers.numbers(&[&column]))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic").expect("numbers")).collect::<Vec<_>>()
        });
        assert!(found.iter().all(|numbers| *numbers == found[0]));
        assert_eq!(numbers.texts(&found[0], 0).as_string_view(), &column);
    }

    #[test]
    fn texts_without_end_are_refused() {
        let (numbers, mut count) = (GroupNumbers::new(1), 0);
        let refused = loop {
            let column: StringViewArray =
                (0..16).map(|row| Some(format!("{count} {row} {}", "x".repeat(1 << 20)))).collect();
            count += 16;
            if let Err(error) = numbers.numbers(&[&column]) {
                break error;
            }
        };
        assert!(matches!(refused, datafusion::common::DataFusionError::ResourcesExhausted(_)), "{refused}");
        assert_eq!(count, 256);
    }

    #[test]
    fn null_alone_is_a_group() {
        let numbers = GroupNumbers::new(1);
        let column = StringViewArray::from(vec![None, Some(""), None]);
        let found = numbers.numbers(&[&column]).expect("numbers");
        assert_eq!(found, [0, 1, 0]);
        assert_eq!(numbers.texts(&found, 0).as_string_view(), &column);
    }
}
