//! `json_get(json, step, …)`, which `->` calls: what a JSON text has at a path, as JSON text; null where it has nothing, or JSON's null.
//!
//! That of the JSON functions gives a union of types instead, which the engine compares by type, and which no file holds. The field's metadata
//! says that it is JSON: [`crate::logical`] gives it the type that its place asks for.

use std::sync::{Arc, LazyLock};

use arrow_array::StringArray;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::nullif;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_functions_json::udfs::json_get_json_udf;

use super::documentation;

/// The function's name.
pub(crate) const JSON_GET: &str = "json_get";

/// The function.
pub(crate) fn json_get() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(JsonGet::new())));
    Arc::clone(&FUNCTION)
}

/// Whether a field's texts are JSON, as its metadata says.
pub fn is_json_field(field: &Field) -> bool {
    field.metadata().get("ARROW:extension:name").is_some_and(|name| name == "arrow.json")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonGet {
    /// Gives the same with JSON's nulls as texts.
    engine: Arc<ScalarUDF>,
    documentation: Documentation,
}

impl JsonGet {
    fn new() -> Self {
        let description = "What a JSON text has at a path of names and places, as JSON text; `->` for short.";
        Self { engine: json_get_json_udf(), documentation: documentation("json_get(json, step, …)", description) }
    }
}

impl ScalarUDFImpl for JsonGet {
    fn name(&self) -> &str {
        JSON_GET
    }

    fn signature(&self) -> &Signature {
        self.engine.inner().signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.engine.inner().return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.engine.inner().return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match self.engine.inner().invoke_with_args(args)? {
            ColumnarValue::Scalar(value) => ColumnarValue::Scalar(match value.try_as_str() {
                Some(Some("null")) => ScalarValue::try_new_null(&value.data_type())?,
                _ => value,
            }),
            ColumnarValue::Array(texts) => {
                let is_null = eq(&texts.as_ref(), &StringArray::new_scalar("null"))?;
                ColumnarValue::Array(nullif(&texts, &is_null)?)
            }
        })
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.engine.inner().placement(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
