//! `sum` of whole numbers that 64 bits cannot hold, and of decimals that their digits cannot, is an error; the engine's begins again at the other
//! end. It is the engine's `sum` with other accumulators for these.
//!
//! Rows that are added up at once have 128 bits, 256 for decimals; groups have those of their type: a sum of groups may fail though later rows
//! would bring it back.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Decimal256Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, BooleanArray, PrimitiveArray};
use arrow_schema::{DataType, FieldRef};
use datafusion::arrow::compute::{not, nullif, prep_null_mask_filter};
use datafusion::arrow::datatypes::i256;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, Expr, GroupsAccumulator, Operator,
    ReversedUDAF, SetMonotonicity, Signature, StatisticsArgs,
};
use datafusion::physical_expr::NullState;

use crate::logical::decimal_digits;

/// Puts it in the place of the engine's.
pub(super) fn register(context: &SessionContext) {
    let engine = context.state().aggregate_functions().get("sum").map(Arc::clone);
    if let Some(engine) = engine {
        context.register_udaf(AggregateUDF::new_from_impl(CheckedSum { engine }));
    }
}

#[derive(Debug, PartialEq, Eq)]
struct CheckedSum {
    engine: Arc<AggregateUDF>,
}

impl Hash for CheckedSum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.engine.hash(state);
    }
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn aliases(&self) -> &[String] {
        self.engine.aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.engine.inner().schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.engine.inner().human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.engine.inner().window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.engine.inner().display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.engine.inner().window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.engine.inner().return_type(arg_types)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        self.engine.inner().return_field(arg_fields)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            DataType::Int64 if !args.is_distinct => Ok(Box::new(Sum::<Int64Type>::default())),
            DataType::UInt64 if !args.is_distinct => Ok(Box::new(Sum::<UInt64Type>::default())),
            kind @ (DataType::Decimal128(..) | DataType::Decimal256(..)) if !args.is_distinct => {
                Ok(Box::new(DecimalSum { data_type: kind.clone(), total: i256::ZERO, value_count: 0 }))
            }
            _ => self.engine.inner().accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            DataType::Int64 | DataType::UInt64 | DataType::Decimal128(..) | DataType::Decimal256(..)
                if !args.is_distinct =>
            {
                self.accumulator(args)
            }
            _ => self.engine.inner().create_sliding_accumulator(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            kind @ DataType::Int64 => Ok(Box::new(GroupSums::<Int64Type>::new(kind))),
            kind @ DataType::UInt64 => Ok(Box::new(GroupSums::<UInt64Type>::new(kind))),
            kind @ DataType::Decimal128(..) => Ok(Box::new(GroupSums::<Decimal128Type>::new(kind))),
            kind @ DataType::Decimal256(..) => Ok(Box::new(GroupSums::<Decimal256Type>::new(kind))),
            _ => self.engine.inner().create_groups_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.engine.inner().groups_accumulator_supported(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.engine.inner().state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.engine.inner().order_sensitivity()
    }

    fn simplify_expr_op_literal(
        &self,
        function: &AggregateFunction,
        arg: &Expr,
        op: Operator,
        literal: &Expr,
        arg_is_left: bool,
    ) -> Result<Option<Expr>> {
        self.engine.inner().simplify_expr_op_literal(function, arg, op, literal, arg_is_left)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.engine.inner().reverse_expr()
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.engine.inner().value_from_stats(statistics)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.engine.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }
}

fn overflow(data_type: &DataType) -> DataFusionError {
    let overflow = match data_type {
        DataType::Decimal128(digits, _) | DataType::Decimal256(digits, _) => decimal_digits::overflow(*digits),
        _ => ArrowError::ArithmeticOverflow("Overflow happened on: sum".to_owned()),
    };
    overflow.into()
}

/// The sum of some rows, or of those in a window.
struct Sum<T> {
    total: i128,
    /// Values in it, in a sum that rows leave again, or at least one.
    value_count: usize,
    marker: PhantomData<fn() -> T>,
}

impl<T> Default for Sum<T> {
    fn default() -> Self {
        Self { total: 0, value_count: 0, marker: PhantomData }
    }
}

impl<T> fmt::Debug for Sum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sum").field("total", &self.total).finish_non_exhaustive()
    }
}

fn total<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>) -> i128
where
    T::Native: Into<i128>,
{
    values.iter().flatten().map(Into::into).sum()
}

impl<T: ArrowPrimitiveType> Accumulator for Sum<T>
where
    T::Native: Into<i128> + TryFrom<i128>,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<T>();
        self.total += total(values);
        self.value_count += values.len() - values.null_count();
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<T>();
        self.total -= total(values);
        self.value_count -= values.len() - values.null_count();
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let total = match self.value_count {
            0 => None,
            _ => Some(T::Native::try_from(self.total).ok().ok_or_else(|| overflow(&T::DATA_TYPE))?),
        };
        ScalarValue::new_primitive::<T>(total, &T::DATA_TYPE)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of some decimals, or of those in a window.
#[derive(Debug)]
struct DecimalSum {
    data_type: DataType,
    total: i256,
    /// Values in it.
    value_count: usize,
}

impl DecimalSum {
    /// Adds values, or takes them away.
    fn add(&mut self, values: &ArrayRef, with: fn(i256, i256) -> Option<i256>) -> Result<()> {
        let wide: Vec<i256> = match values.data_type() {
            DataType::Decimal128(..) => {
                values.as_primitive::<Decimal128Type>().iter().flatten().map(i256::from_i128).collect()
            }
            _ => values.as_primitive::<Decimal256Type>().iter().flatten().collect(),
        };
        let total = wide.into_iter().try_fold(self.total, with);
        self.total = total.ok_or_else(|| overflow(&self.data_type))?;
        Ok(())
    }
}

impl Accumulator for DecimalSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.value_count += values[0].len() - values[0].null_count();
        self.add(&values[0], i256::checked_add)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.value_count -= values[0].len() - values[0].null_count();
        self.add(&values[0], i256::checked_sub)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.value_count == 0 {
            return ScalarValue::try_new_null(&self.data_type);
        }
        let sum = match self.data_type {
            DataType::Decimal128(digits, scale) => {
                let sum = self.total.to_i128().ok_or_else(|| decimal_digits::overflow(digits))?;
                ScalarValue::Decimal128(Some(sum), digits, scale)
            }
            DataType::Decimal256(digits, scale) => ScalarValue::Decimal256(Some(self.total), digits, scale),
            _ => return internal_err!("a sum of decimals"),
        };
        decimal_digits::check(&sum.to_array()?)?;
        Ok(sum)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sums of groups.
struct GroupSums<T: ArrowPrimitiveType> {
    /// With the digits of decimals.
    data_type: DataType,
    sums: Vec<T::Native>,
    nulls: NullState,
}

impl<T: ArrowPrimitiveType> GroupSums<T> {
    fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), sums: Vec::new(), nulls: NullState::new() }
    }
}

impl<T: ArrowPrimitiveType + Send> GroupsAccumulator for GroupSums<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        let Self { sums, nulls, .. } = self;
        sums.resize(group_count, T::Native::ZERO);
        let mut has_overflown = false;
        nulls.accumulate(group_indices, values[0].as_primitive::<T>(), filter, group_count, |group, value| match sums
            [group]
            .add_checked(value)
        {
            Ok(sum) => sums[group] = sum,
            Err(_) => has_overflown = true,
        });
        if has_overflown { Err(overflow(&self.data_type)) } else { Ok(()) }
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], group_count: usize) -> Result<()> {
        self.update_batch(states, group_indices, None, group_count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let nulls = self.nulls.build(emit_to);
        let sums = PrimitiveArray::<T>::new(sums.into(), nulls).with_data_type(self.data_type.clone());
        let sums: ArrayRef = Arc::new(sums);
        decimal_digits::check(&sums)?;
        Ok(sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    /// A row's own sum is its value, where it takes part.
    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let state = match filter {
            Some(filter) => nullif(&values[0], &not(&prep_null_mask_filter(filter))?)?,
            None => Arc::clone(&values[0]),
        };
        Ok(vec![state])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<T::Native>() + self.nulls.size()
    }
}
