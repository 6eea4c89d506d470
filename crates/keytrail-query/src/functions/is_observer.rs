//! `is_observer(principal)`: whether the user calls a principal an observer; see [`crate::rules::observers`].

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::documentation;
use super::text::Argument;
use crate::rules::observers::Observers;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IsObserver {
    observers: Arc<Observers>,
    signature: Signature,
    documentation: Option<Documentation>,
}

impl IsObserver {
    pub(super) fn new(observers: Observers) -> Self {
        let description =
            "Whether observer_principals.txt, beside your views, names the principal of this ARN; null for null.";
        Self {
            observers: Arc::new(observers),
            signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable),
            documentation: Some(documentation("is_observer(principal)", description)),
        }
    }
}

impl ScalarUDFImpl for IsObserver {
    fn name(&self) -> &'static str {
        "is_observer"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.documentation.as_ref()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let principal = Argument::of(&args.args[0])?;
        let answer = |row: usize| principal.text(row).map(|principal| self.observers.contains(principal));
        if let Argument::Constant(_) = principal {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(answer(0))));
        }
        Ok(ColumnarValue::Array(Arc::new((0..args.number_rows).map(answer).collect::<BooleanArray>())))
    }
}
