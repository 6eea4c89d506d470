//! Several selections from one input, which is read once: `select … where … union all select … where …` for tables that are costly to
//! read.
//!
//! The rows of a selection come in the order of the input; those of several are mixed batch by batch.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

/// The rows that meet a condition, and expressions over them.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Over the input's columns; none = all rows are meant.
    condition: Option<Arc<dyn PhysicalExpr>>,
    /// Over the input's columns.
    columns: Vec<Arc<dyn PhysicalExpr>>,
    /// The places of the input's columns that `columns` name: rows are picked from these only.
    picked: Vec<usize>,
    /// `columns`, over the picked ones.
    of_picked: Vec<Arc<dyn PhysicalExpr>>,
}

impl Selection {
    /// Both are over the columns of `input`, whose names differ.
    pub(crate) fn try_new(
        condition: Option<Arc<dyn PhysicalExpr>>,
        columns: Vec<Arc<dyn PhysicalExpr>>,
        input: &Schema,
    ) -> Result<Self> {
        let named = columns.iter().flat_map(collect_columns).map(|column| column.index());
        let picked: Vec<usize> = named.collect::<BTreeSet<_>>().into_iter().collect();
        let schema = input.project(&picked)?;
        let of_picked = columns.iter().map(|column| reassign_expr_columns(Arc::clone(column), &schema));
        let of_picked = of_picked.collect::<Result<_>>()?;
        Ok(Self { condition, columns, picked, of_picked })
    }

    /// The selection of a batch; none where no row meets the condition.
    fn of(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let picked = batch.project(&self.picked)?;
        let selected = match &self.condition {
            Some(condition) => {
                let is_met = condition.evaluate(batch)?.into_array(batch.num_rows())?;
                filter_record_batch(&picked, as_boolean_array(&is_met)?)?
            }
            None => picked,
        };
        let row_count = selected.num_rows();
        if row_count == 0 {
            return Ok(None);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let columns = evaluate_expressions_to_arrays(&self.of_picked, &selected)?;
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?))
    }
}

/// The operator.
#[derive(Debug)]
pub(crate) struct SelectionsExec {
    input: Arc<dyn ExecutionPlan>,
    selections: Arc<[Selection]>,
    properties: Arc<PlanProperties>,
}

impl SelectionsExec {
    /// All selections give the columns of `schema`.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, selections: Arc<[Selection]>, schema: SchemaRef) -> Self {
        let partitioning = Partitioning::UnknownPartitioning(input.output_partitioning().partition_count());
        let equivalence = EquivalenceProperties::new(schema);
        let properties =
            PlanProperties::new(equivalence, partitioning, EmissionType::Incremental, Boundedness::Bounded);
        Self { input, selections, properties: Arc::new(properties) }
    }
}

impl DisplayAs for SelectionsExec {
    fn fmt_as(&self, _type: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SelectionsExec: {}", self.selections.len())
    }
}

impl ExecutionPlan for SelectionsExec {
    fn name(&self) -> &'static str {
        "SelectionsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for selection in self.selections.iter() {
            for expr in selection.condition.iter().chain(&selection.columns) {
                if f(expr)? == TreeNodeRecursion::Stop {
                    return Ok(TreeNodeRecursion::Stop);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else { return internal_err!("one input is read") };
        Ok(Arc::new(Self::new(input, Arc::clone(&self.selections), self.schema())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (selections, schema) = (Arc::clone(&self.selections), self.schema());
        let selected = move |batch: RecordBatch| {
            let batches = selections.iter().filter_map(|selection| selection.of(&batch, &schema).transpose());
            stream::iter(batches.collect::<Vec<_>>())
        };
        let batches = self.input.execute(partition, context)?.map_ok(selected).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.boxed())))
    }
}
