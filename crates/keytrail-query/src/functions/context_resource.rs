//! `context_resource(context)`: what an encryption context protects, by the table of rules: a struct of `service`,
//! `resource_kind`, `resource`, `is_call_per_object` and `is_latent`; all of them null where nothing tells. The context is a map, or a JSON
//! object as in a grant's constraints.
//!
//! The rules and their order are [`crate::rules`]'.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringViewBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, StructArray};
use arrow_schema::{DataType, Field, Fields};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::contexts::{Contexts, check_map, is_text, maps_of};
use super::documentation;
use crate::rules::context_rules::ContextRules;

/// The scalar function.
#[derive(Debug)]
pub(super) struct ContextResource {
    rules: Arc<ContextRules>,
    signature: Signature,
    documentation: Documentation,
}

impl ContextResource {
    pub(super) fn new(rules: Arc<ContextRules>) -> Self {
        let documentation = documentation(
            "context_resource(context)",
            "What an encryption context protects: a struct of service, resource_kind, resource, is_call_per_object, is_latent.",
        );
        Self { rules, signature: Signature::user_defined(Volatility::Immutable), documentation }
    }
}

/// A session has one table of rules.
impl PartialEq for ContextResource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rules, &other.rules)
    }
}

impl Eq for ContextResource {}

impl Hash for ContextResource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.rules).hash(state);
    }
}

fn fields() -> Fields {
    let texts = ["service", "resource_kind", "resource"].map(|name| Field::new(name, DataType::Utf8View, true));
    let truths = ["is_call_per_object", "is_latent"].map(|name| Field::new(name, DataType::Boolean, true));
    texts.into_iter().chain(truths).collect()
}

impl ScalarUDFImpl for ContextResource {
    fn name(&self) -> &str {
        "context_resource"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [context] = arg_types else {
            return plan_err!("context_resource takes a context, got {} arguments", arg_types.len());
        };
        if is_text(context) {
            return Ok(vec![DataType::Utf8View]);
        }
        check_map(self.name(), context)?;
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut contexts = args.args[0].to_array(args.number_rows)?;
        if let Some(texts) = contexts.as_string_view_opt() {
            contexts = Arc::new(maps_of(texts)?);
        }
        let contexts = Contexts::of(&contexts)?;
        let mut texts: [StringViewBuilder; 3] = Default::default();
        let mut truths: [BooleanBuilder; 2] = Default::default();
        for row in 0..contexts.len() {
            let found = contexts.pairs(row).and_then(|pairs| self.rules.resource(pairs));
            let found = found.as_ref();
            texts[0].append_option(found.and_then(|found| found.service.as_deref()));
            texts[1].append_option(found.map(|found| found.resource_kind));
            texts[2].append_option(found.and_then(|found| found.resource.as_deref()));
            truths[0].append_option(found.and_then(|found| found.is_call_per_object));
            truths[1].append_option(found.map(|found| found.is_latent));
        }
        let texts = texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let truths = truths.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let columns = texts.chain(truths).collect();
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(fields(), columns, None)?)))
    }
}
