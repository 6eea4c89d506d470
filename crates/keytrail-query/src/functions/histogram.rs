//! `histogram(value)`: how often each value occurs, as a map from the value's text to the count, sorted by that text.
//!
//! Nulls are not counted. Its memory grows with the number of distinct values: it is for columns with few of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, MapBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Documentation, Signature, Volatility};

use super::documentation;

/// The aggregate function.
#[derive(Debug)]
pub(super) struct Histogram {
    signature: Signature,
    documentation: Documentation,
}

/// There is one function of the name.
impl PartialEq for Histogram {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Histogram {}

impl std::hash::Hash for Histogram {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Histogram {
    pub(super) fn new() -> Self {
        let description = "How often each value occurs: a map from the value's text to the count, sorted by that text. Nulls are not counted.";
        Self {
            signature: Signature::any(1, Volatility::Immutable),
            documentation: documentation("histogram(value)", description),
        }
    }
}

/// `map<text, bigint>`
fn map_type() -> DataType {
    empty_map().finish().data_type().clone()
}

fn empty_map() -> MapBuilder<StringBuilder, Int64Builder> {
    MapBuilder::new(None, StringBuilder::new(), Int64Builder::new())
}

impl AggregateUDFImpl for Histogram {
    fn name(&self) -> &'static str {
        "histogram"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        if arg_types.iter().any(DataType::is_nested) {
            return plan_err!("histogram takes one value with a text of its own, got {}", arg_types[0]);
        }
        Ok(map_type())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[counts]", args.name), map_type(), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return plan_err!("histogram does not take distinct: each value is counted once anyway");
        }
        Ok(Box::new(Counts::default()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// Texts of one group with their counts.
#[derive(Debug, Default)]
struct Counts {
    counts: HashMap<String, i64>,
    /// Bytes of all texts.
    text_bytes: usize,
}

impl Counts {
    fn add(&mut self, text: &str, count: i64) {
        match self.counts.get_mut(text) {
            Some(sum) => *sum += count,
            None => {
                self.text_bytes += text.len();
                self.counts.insert(text.to_owned(), count);
            }
        }
    }

    fn map(&self) -> Result<ScalarValue> {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_unstable();
        let mut map = empty_map();
        for (text, count) in counts {
            map.keys().append_value(text);
            map.values().append_value(*count);
        }
        map.append(true)?;
        ScalarValue::try_from_array(&map.finish(), 0)
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let texts = cast(&values[0], &DataType::Utf8View)?;
        texts.as_string_view().iter().flatten().for_each(|text| self.add(text, 1));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let maps = states[0].as_map_opt().ok_or_else(|| exec_datafusion_err!("the state of histogram is a map"))?;
        for row in (0..maps.len()).filter(|row| !maps.is_null(*row)) {
            let entries = maps.value(row);
            let (texts, counts) = (entries.column(0).as_string::<i32>(), entries.column(1).as_primitive::<Int64Type>());
            texts.iter().zip(counts.values()).for_each(|(text, count)| self.add(text.unwrap_or_default(), *count));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.map()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.map()
    }

    fn size(&self) -> usize {
        let entry = size_of::<(String, i64)>() + 1;
        size_of_val(self) + self.text_bytes + self.counts.capacity() * entry
    }
}
