//! `key_mentions(parameters, response, region, account)`: ARNs of the KMS keys that the parameters and the answer of a
//! call name, sorted, each once; an empty list where they name none.
//!
//! What is found is [`mentioned_keys`]'s to say; a bare key id is taken for one of the given region and account.
//!
//! `call_resource(resources, parameters, response)`: the best name of what a call made or changed: an ARN, else an id or
//! a name, out of the answer before the parameters; null where nothing looks like one.
//!
//! Conversion has worked out both, in `mentioned_key_arns` and `mentioning_resource`: the functions are for rows of older lakes, and for
//! texts from elsewhere.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_schema::{DataType, Field};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use keytrail_events::kms::{CallPlace, mentioned_keys, resource_of_call};

use super::documentation;
use super::text::{Argument, Compute, TextFunction};

/// The list of keys.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyMentions {
    signature: Signature,
    documentation: Documentation,
}

impl KeyMentions {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documentation(
                "key_mentions(request_parameters, response_elements, region, account)",
                "ARNs of the KMS keys that the parameters and the answer of a call name.",
            ),
        }
    }
}

impl ScalarUDFImpl for KeyMentions {
    fn name(&self) -> &str {
        "key_mentions"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types.len() {
            4 => Ok(vec![DataType::Utf8View; 4]),
            count => plan_err!("key_mentions takes parameters, response, region and account, got {count} arguments"),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = args.args.iter().map(Argument::of).collect::<Result<Vec<_>>>()?;
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for row in 0..args.number_rows {
            let texts = arguments[..2].iter().filter_map(|argument| argument.text(row));
            let place = CallPlace { region: arguments[2].text(row), account_id: arguments[3].text(row) };
            mentioned_keys(texts, place).into_iter().for_each(|key| lists.values().append_value(key));
            lists.append(true);
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }
}

pub(super) fn call_resource() -> TextFunction {
    let compute = Compute::Text(|texts| {
        let [resources, parameters, response] = texts else { return Ok(None) };
        Ok(resource_of_call([*resources, *response, *parameters]).map(Cow::Owned))
    });
    TextFunction::new("call_resource", &[3], compute).documented(
        "call_resource(resources, request_parameters, response_elements)",
        "The best name of what a call made or changed: an ARN, an id or a name.",
    )
}
