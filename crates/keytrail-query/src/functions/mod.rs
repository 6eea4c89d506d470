//! SQL functions that the engine lacks: what an analyst expects (`max_by`, `min_by`, also `arg_max`, `arg_min`, and
//! `time_bucket`, beside the JSON functions and operators) and what AWS's texts need (`aws_time`,
//! `kms_logging_effect`, `policy_statements`).
//!
//! The first are thin: each is put together from functions that the engine has.

mod aws_time;
mod extreme_by;
mod kms_logging_effect;
mod policy_statements;
mod time_bucket;

use datafusion::common::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use aws_time::AwsTime;
use extreme_by::{ExtremeBy, Pick};
use kms_logging_effect::KmsLoggingEffect;
use policy_statements::PolicyStatements;
use time_bucket::TimeBucket;

/// Registers all of them with a session.
pub(crate) fn register(context: &mut SessionContext) -> Result<()> {
    datafusion_functions_json::register_all(context)?;
    context.register_udaf(AggregateUDF::new_from_impl(ExtremeBy::new(Pick::Greatest)));
    context.register_udaf(AggregateUDF::new_from_impl(ExtremeBy::new(Pick::Least)));
    context.register_udf(ScalarUDF::new_from_impl(TimeBucket::new()));
    context.register_udf(ScalarUDF::new_from_impl(AwsTime::new()));
    context.register_udf(ScalarUDF::new_from_impl(KmsLoggingEffect::new()));
    context.register_udf(ScalarUDF::new_from_impl(PolicyStatements::new()));
    Ok(())
}
