//! `max_by(value, by)` and `min_by(value, by)`: the value of the row where `by` is greatest or least.
//!
//! Both are rewritten, before planning, to the engine's own `last_value`/`first_value` ordered by `by`; nothing is
//! accumulated here. Rows where `by` is null do not take part; ties are broken arbitrarily.

use arrow_schema::{DataType, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Documentation, Expr, Signature, Volatility};

use super::documentation;

/// Which row's value is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pick {
    /// The row with the greatest `by`.
    Greatest,
    /// The row with the least `by`.
    Least,
}

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExtremeBy {
    pick: Pick,
    signature: Signature,
    aliases: Vec<String>,
    documentation: Documentation,
}

impl ExtremeBy {
    pub(super) fn new(pick: Pick) -> Self {
        let (alias, syntax, description) = match pick {
            Pick::Greatest => ("arg_max", "max_by(value, by)", "The value of the row where `by` is greatest."),
            Pick::Least => ("arg_min", "min_by(value, by)", "The value of the row where `by` is least."),
        };
        Self {
            pick,
            signature: Signature::any(2, Volatility::Immutable),
            aliases: vec![alias.to_owned()],
            documentation: documentation(syntax, description),
        }
    }
}

impl AggregateUDFImpl for ExtremeBy {
    fn name(&self) -> &str {
        match self.pick {
            Pick::Greatest => "max_by",
            Pick::Least => "min_by",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let pick = match self.pick {
            Pick::Greatest => last_value_udaf(),
            Pick::Least => first_value_udaf(),
        };
        pick.return_field(&arg_fields[..1])
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        internal_err!("{} is rewritten before it is planned", self.name())
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let pick = self.pick;
        Some(Box::new(move |function, _| rewrite(pick, function)))
    }
}

fn rewrite(pick: Pick, function: AggregateFunction) -> Result<Expr> {
    let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = function.params;
    if distinct || !order_by.is_empty() {
        return plan_err!("max_by and min_by take neither distinct nor order by");
    }
    let Ok([value, by]) = <[Expr; 2]>::try_from(args) else {
        return internal_err!("the signature takes two arguments");
    };
    let takes_part = by.clone().is_not_null();
    let filter = match filter {
        Some(filter) => filter.and(takes_part),
        None => takes_part,
    };
    let udaf = match pick {
        Pick::Greatest => last_value_udaf(),
        Pick::Least => first_value_udaf(),
    };
    let order_by = vec![by.sort(true, true)];
    let rewritten =
        AggregateFunction::new_udf(udaf, vec![value], false, Some(Box::new(filter)), order_by, null_treatment);
    Ok(Expr::AggregateFunction(rewritten))
}
