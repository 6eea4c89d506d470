//! `context_get(context, name)`: the value that an encryption context gives a name, case and all; null where it has none.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_schema::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::contexts::{Contexts, check_map};
use super::documentation;
use super::text::Argument;

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ContextGet {
    signature: Signature,
    documentation: Documentation,
}

impl ContextGet {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documentation(
                "context_get(context, name)",
                "The value that an encryption context gives a name; null where it has none.",
            ),
        }
    }
}

impl ScalarUDFImpl for ContextGet {
    fn name(&self) -> &str {
        "context_get"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [context, _] = arg_types else {
            return plan_err!("context_get takes a context and a name, got {} arguments", arg_types.len());
        };
        check_map(self.name(), context)?;
        Ok(vec![context.clone(), DataType::Utf8View])
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let contexts = args.args[0].to_array(args.number_rows)?;
        let contexts = Contexts::of(&contexts)?;
        let wanted = Argument::of(&args.args[1])?;
        let mut values = StringViewBuilder::with_capacity(contexts.len());
        for row in 0..contexts.len() {
            let pair = contexts.pairs(row).and_then(|mut pairs| {
                let wanted = wanted.text(row)?;
                pairs.find(|(name, _)| *name == wanted)
            });
            values.append_option(pair.and_then(|(_, value)| value));
        }
        Ok(ColumnarValue::Array(Arc::new(values.finish())))
    }
}
