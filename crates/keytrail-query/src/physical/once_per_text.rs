//! Expressions over one column of few texts, computed once for each text of a batch instead of once for each row.
//!
//! `operation_class in (…)` takes the engine some 20 ns a row, and `case when operation_class in (…) then …` more. The rows of a batch
//! have the same few texts, and a text that comes again has the same view.
//!
//! What is computed this way says nothing to the pruning of files and row groups. It is therefore for columns whose statistics leave out
//! nothing: in every file of KMS events there are calls that use keys. A list of eleven texts costs the engine a comparison of bounds for
//! each, in every file it opens.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringViewArray, UInt32Array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::compute::take;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CaseExpr, Column, InListExpr};
use datafusion::physical_expr::utils::collect_columns;

use crate::few_valued;
use crate::physical::recent::{Recent, number_nulls};

/// The most texts of a batch that are worth it.
const MAX_TEXTS: usize = 256;

/// The expression, which is not volatile, with the parts of it computed once per text that are worth it.
pub(crate) fn once_per_text(expr: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let rewritten = expr.transform_down(|part| {
        let Some(column) = only_column(&part).filter(|_| is_costly(&part)) else { return Ok(Transformed::no(part)) };
        let field = schema.field(column.index());
        if field.data_type() != &DataType::Utf8View {
            return Ok(Transformed::no(part));
        }
        let part = OncePerText::try_new(part, column, field)?;
        Ok(Transformed::new(Arc::new(part) as Arc<dyn PhysicalExpr>, true, TreeNodeRecursion::Jump))
    });
    rewritten.data()
}

/// The one column that an expression names, if it is one of few texts.
fn only_column(expr: &Arc<dyn PhysicalExpr>) -> Option<Column> {
    let mut columns = collect_columns(expr).into_iter();
    columns.next().filter(|column| columns.next().is_none() && few_valued::IN_EVERY_FILE.contains(&column.name()))
}

/// Whether an expression looks at more than one text for each row.
fn is_costly(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let is_costly = |part: &Arc<dyn PhysicalExpr>| Ok(part.is::<InListExpr>() || part.is::<CaseExpr>());
    expr.exists(is_costly).unwrap_or(false)
}

/// An expression over one column.
#[derive(Debug)]
struct OncePerText {
    column: Arc<dyn PhysicalExpr>,
    /// Over a schema of this column alone.
    of_text: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
}

impl OncePerText {
    fn try_new(expr: Arc<dyn PhysicalExpr>, column: Column, field: &Field) -> Result<Self> {
        let alone: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), 0));
        let of_text = expr.transform_down(|part| match part.is::<Column>() {
            true => Ok(Transformed::yes(Arc::clone(&alone))),
            false => Ok(Transformed::no(part)),
        });
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        Ok(Self { column: Arc::new(column), of_text: of_text.data()?, schema })
    }

    fn of_texts(&self, texts: ArrayRef) -> Result<ArrayRef> {
        let count = texts.len();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![texts])?;
        self.of_text.evaluate(&batch)?.into_array(count)
    }
}

/// The texts of some rows.
struct Texts {
    /// A row of each.
    rows: Vec<u32>,
    /// Which of them each row has.
    numbers: Vec<u32>,
}

impl Texts {
    /// None where there are too many for it to be worth it.
    fn of(column: &StringViewArray) -> Option<Self> {
        let (mut rows, mut numbers) = (Vec::new(), Vec::new());
        Recent::new().number(column.views(), &mut numbers, |row| push(&mut rows, row));
        if let Some(row) = (0..column.len()).find(|row| column.is_null(*row)) {
            number_nulls(&mut numbers, column.nulls(), push(&mut rows, row));
        }
        (rows.len() <= MAX_TEXTS).then_some(Self { rows, numbers })
    }
}

/// The number of a further text.
#[allow(clippy::cast_possible_truncation, reason = "a batch has some thousands of rows")]
fn push(rows: &mut Vec<u32>, row: usize) -> u32 {
    rows.push(row as u32);
    (rows.len() - 1) as u32
}

impl PhysicalExpr for OncePerText {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        self.of_text.return_field(&self.schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let column = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let values = match column.as_string_view_opt().and_then(Texts::of) {
            Some(texts) => {
                let of_texts = self.of_texts(take(&column, &UInt32Array::from(texts.rows), None)?)?;
                take(&of_texts, &UInt32Array::from(texts.numbers), None)?
            }
            None => self.of_texts(column)?,
        };
        Ok(ColumnarValue::Array(values))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Ok([column]) = <[_; 1]>::try_from(children) else { return internal_err!("it has one column") };
        Ok(Arc::new(Self { column, of_text: Arc::clone(&self.of_text), schema: Arc::clone(&self.schema) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of_text.fmt_sql(f)
    }
}

impl fmt::Display for OncePerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "once_per_text({})", self.of_text)
    }
}

impl PartialEq for OncePerText {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.of_text.eq(&other.of_text)
    }
}

impl Eq for OncePerText {}

impl Hash for OncePerText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.of_text.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{binary, case, in_list, lit};

    use super::*;

    fn batch(rows: usize, texts: usize) -> RecordBatch {
        let text = |row: usize| match row * 7 % texts {
            0 => None,
            1 => Some("encrypt".to_owned()),
            2 => Some("generate_data_key".to_owned()),
            other => Some(format!("an operation with a long name {other}")),
        };
        let column: StringViewArray = (0..rows).map(text).collect();
        let schema = Schema::new(vec![
            Field::new("other", DataType::Utf8View, true),
            Field::new("operation_class", DataType::Utf8View, true),
        ]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column.clone()), Arc::new(column)]).expect("a batch")
    }

    fn expressions(schema: &Schema, column: &str) -> Vec<Arc<dyn PhysicalExpr>> {
        let index = schema.index_of(column).expect("a column");
        let column = || Arc::new(Column::new(column, index)) as Arc<dyn PhysicalExpr>;
        let view = |text: &str| lit(datafusion::common::ScalarValue::Utf8View(Some(text.to_owned())));
        let list = |is_negated: &bool| {
            in_list(column(), ["encrypt", "generate_data_key", "sign"].map(view).to_vec(), is_negated, schema)
                .expect("a list")
        };
        let cases = case(None, vec![(list(&false), view("used"))], Some(column())).expect("a case");
        let compared = binary(Arc::clone(&cases), Operator::NotEq, view("used"), schema).expect("a comparison");
        vec![list(&false), list(&true), cases, compared]
    }

    #[test]
    fn values_are_those_of_the_expression() {
        for (rows, texts) in [(0, 1), (1, 1), (8_000, 1), (8_000, 3), (8_000, 17), (8_000, 2_000)] {
            let batch = batch(rows, texts);
            for expr in expressions(&batch.schema(), "operation_class") {
                let expected = expr.evaluate(&batch).and_then(|value| value.into_array(rows)).expect("values");
                let rewritten = once_per_text(Arc::clone(&expr), &batch.schema()).expect("an expression");
                assert!(rewritten.to_string().starts_with("once_per_text("), "{rewritten}");
                let found = rewritten.evaluate(&batch).and_then(|value| value.into_array(rows)).expect("values");
                assert_eq!(&found, &expected, "{expr} of {texts} texts");
                assert_eq!(rewritten.data_type(&batch.schema()).ok(), expr.data_type(&batch.schema()).ok());
            }
        }
    }

    #[test]
    fn other_columns_are_left_to_the_engine() {
        let batch = batch(1, 1);
        for expr in expressions(&batch.schema(), "other") {
            let same = once_per_text(Arc::clone(&expr), &batch.schema()).expect("an expression");
            assert_eq!(same.to_string(), expr.to_string());
        }
    }
}
