//! `context_signature(context)`: the names of an encryption context, sorted and joined by commas; empty for a context
//! without a pair, null where none is recorded.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_schema::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::contexts::{Contexts, check_map};
use super::documentation;

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ContextSignature {
    signature: Signature,
    documentation: Documentation,
}

impl ContextSignature {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documentation(
                "context_signature(context)",
                "The names of an encryption context, sorted and joined by commas.",
            ),
        }
    }
}

impl ScalarUDFImpl for ContextSignature {
    fn name(&self) -> &str {
        "context_signature"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [context] = arg_types else {
            return plan_err!("context_signature takes a context, got {} arguments", arg_types.len());
        };
        check_map(self.name(), context)?;
        Ok(arg_types.to_vec())
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
        let mut signatures = StringViewBuilder::with_capacity(contexts.len());
        let mut text = String::new();
        for row in 0..contexts.len() {
            let Some(pairs) = contexts.pairs(row) else {
                signatures.append_null();
                continue;
            };
            text.clear();
            for (index, (name, _)) in pairs.enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(name);
            }
            signatures.append_value(&text);
        }
        Ok(ColumnarValue::Array(Arc::new(signatures.finish())))
    }
}
