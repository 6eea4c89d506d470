//! Functions of texts, one row at a time: what the engine needs around a plain Rust function.
//!
//! Which functions there are is decided in the files beside this one.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::documentation;

/// A text of the arguments' row, or null.
pub(super) type Texts<'r, 'a> = &'r [Option<&'a str>];

/// What is computed from the texts of one row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compute {
    /// A text.
    Text(for<'a> fn(Texts<'_, 'a>) -> Result<Option<Cow<'a, str>>>),
    /// True, false or null.
    Truth(fn(Texts<'_, '_>) -> Option<bool>),
}

/// A scalar function whose arguments are texts.
#[derive(Debug)]
pub(super) struct TextFunction {
    name: &'static str,
    /// Numbers of arguments that it takes.
    arities: &'static [usize],
    compute: Compute,
    signature: Signature,
    documentation: Option<Documentation>,
}

impl TextFunction {
    pub(super) fn new(name: &'static str, arities: &'static [usize], compute: Compute) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, arities, compute, signature, documentation: None }
    }

    /// Adds what `show functions` tells.
    pub(super) fn documented(self, syntax: &str, description: &str) -> Self {
        Self { documentation: Some(documentation(syntax, description)), ..self }
    }

    fn compute(&self, arguments: &[Argument<'_>], rows: usize) -> Result<ArrayRef> {
        let texts_of = |row: usize| arguments.iter().map(move |argument| argument.text(row));
        let mut texts = vec![None; arguments.len()];
        match self.compute {
            Compute::Text(function) => {
                let mut values = StringViewBuilder::with_capacity(rows);
                for row in 0..rows {
                    texts.iter_mut().zip(texts_of(row)).for_each(|(text, found)| *text = found);
                    values.append_option(function(&texts)?);
                }
                Ok(Arc::new(values.finish()))
            }
            Compute::Truth(function) => {
                let mut values = BooleanBuilder::with_capacity(rows);
                for row in 0..rows {
                    texts.iter_mut().zip(texts_of(row)).for_each(|(text, found)| *text = found);
                    values.append_option(function(&texts));
                }
                Ok(Arc::new(values.finish()))
            }
        }
    }
}

/// The name stands for the function: no two have one.
impl PartialEq for TextFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TextFunction {}

impl Hash for TextFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        if !self.arities.contains(&arg_types.len()) {
            let expected: Vec<_> = self.arities.iter().map(usize::to_string).collect();
            return plan_err!("{} takes {} texts, got {}", self.name, expected.join(" or "), arg_types.len());
        }
        Ok(vec![DataType::Utf8View; arg_types.len()])
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.compute {
            Compute::Text(_) => DataType::Utf8View,
            Compute::Truth(_) => DataType::Boolean,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.documentation.as_ref()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = args.args.iter().map(Argument::of).collect::<Result<Vec<_>>>()?;
        if arguments.iter().all(|argument| matches!(argument, Argument::Constant(_))) {
            let value = self.compute(&arguments, 1)?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?));
        }
        Ok(ColumnarValue::Array(self.compute(&arguments, args.number_rows)?))
    }
}

/// One argument of a call: the same for all rows, or a text for each.
pub(super) enum Argument<'a> {
    Constant(Option<&'a str>),
    Column(&'a StringViewArray),
}

impl<'a> Argument<'a> {
    pub(super) fn of(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(scalar) => match scalar.try_as_str() {
                Some(text) => Ok(Self::Constant(text)),
                None => exec_err!("not a text: {}", scalar.data_type()),
            },
            ColumnarValue::Array(array) => match array.as_string_view_opt() {
                Some(column) => Ok(Self::Column(column)),
                None => exec_err!("not a column of texts: {}", array.data_type()),
            },
        }
    }

    pub(super) fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Constant(text) => *text,
            Self::Column(column) => (!column.is_null(row)).then(|| column.value(row)),
        }
    }
}
