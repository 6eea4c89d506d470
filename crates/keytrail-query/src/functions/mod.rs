//! SQL functions that the engine lacks: what an analyst expects (`max_by`, `min_by`, also `arg_max`, `arg_min`,
//! `histogram` and `time_bucket`, beside the JSON functions and operators, of which `json_get` is our own), what AWS's texts need (`aws_time`, `kms_logging_effect`,
//! `policy_statements`), and what keys need: parts of ARNs, encryption contexts and what they protect.
//!
//! The first are thin where they can be: put together from functions that the engine has.

mod arn_part;
mod aws_time;
mod bounded;
mod checked_sum;
mod context_get;
mod context_pattern;
mod context_resource;
mod context_signature;
mod contexts;
mod extreme_by;
mod histogram;
mod is_observer;
pub(crate) mod json_get;
mod key_id;
mod key_mentions;
mod kms_logging_effect;
mod local_bins;
mod policy_statements;
mod principal_role;
mod same_key_family;
mod text;
mod time_bucket;
pub(crate) mod with_seconds;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{AggregateUDF, DocSection, Documentation, ScalarUDF};

use crate::rules::context_rules::ContextRules;
use crate::rules::observers::Observers;
use aws_time::AwsTime;
use context_get::ContextGet;
use context_resource::ContextResource;
use context_signature::ContextSignature;
use extreme_by::{ExtremeBy, Pick};
use histogram::Histogram;
use is_observer::IsObserver;
use key_mentions::KeyMentions;
use kms_logging_effect::KmsLoggingEffect;
use local_bins::DateBin;
use policy_statements::PolicyStatements;
use time_bucket::TimeBucket;

/// What `show functions` tells of a function.
fn documentation(syntax: &str, description: &str) -> Documentation {
    let section = DocSection { include: true, label: "keytrail", description: None };
    Documentation::builder(section, description, syntax).build()
}

/// Registers all of them with a session, and the engine's own that are bounded by its memory.
pub(crate) fn register(
    context: &mut SessionContext,
    rules: ContextRules,
    observers: Observers,
    memory_limit_bytes: Option<usize>,
) -> Result<()> {
    datafusion_functions_json::register_all(context)?;
    context.register_udf(json_get::json_get().as_ref().clone());
    bounded::register(context, memory_limit_bytes);
    checked_sum::register(context);
    context.register_udaf(AggregateUDF::new_from_impl(ExtremeBy::new(Pick::Greatest)));
    context.register_udaf(AggregateUDF::new_from_impl(ExtremeBy::new(Pick::Least)));
    context.register_udaf(AggregateUDF::new_from_impl(Histogram::new()));
    context.register_udf(ScalarUDF::new_from_impl(TimeBucket::new()));
    context.register_udf(ScalarUDF::new_from_impl(DateBin::new()));
    context.register_udf(ScalarUDF::new_from_impl(AwsTime::new()));
    context.register_udf(ScalarUDF::new_from_impl(KmsLoggingEffect::new()));
    context.register_udf(ScalarUDF::new_from_impl(PolicyStatements::new()));
    context.register_udf(ScalarUDF::new_from_impl(ContextGet::new()));
    context.register_udf(ScalarUDF::new_from_impl(ContextSignature::new()));
    context.register_udf(ScalarUDF::new_from_impl(ContextResource::new(Arc::new(rules))));
    context.register_udf(ScalarUDF::new_from_impl(IsObserver::new(observers)));
    context.register_udf(ScalarUDF::new_from_impl(KeyMentions::new()));
    for function in [
        arn_part::arn_part(),
        context_pattern::context_pattern(),
        key_id::key_id(),
        key_mentions::call_resource(),
        principal_role::principal_role(),
        same_key_family::same_key_family(),
    ] {
        context.register_udf(ScalarUDF::new_from_impl(function));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;
    use crate::session::{Session, SessionOptions};

    /// `show functions` and completion tell of a function what is written down about it.
    #[test]
    fn every_function_is_documented() {
        let mut context = SessionContext::new();
        datafusion_functions_json::register_all(&mut context).unwrap();
        let state = context.state();
        let of_others: BTreeSet<_> =
            state.scalar_functions().keys().chain(state.aggregate_functions().keys()).collect();
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).unwrap();
        let own = |name: &String| !of_others.contains(name) && !state.window_functions().contains_key(name);
        let own: Vec<_> = session.functions().into_iter().filter(|function| own(&function.name)).collect();
        assert!(own.len() > 15, "{own:?}");
        for function in own {
            assert!(!function.syntax.is_empty() && !function.description.is_empty(), "{}", function.name);
        }
    }
}
