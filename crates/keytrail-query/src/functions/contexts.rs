//! Encryption contexts as the engine holds them: the pairs of a row of a map column.
//!
//! Which service a context belongs to is not decided here.

use std::collections::BTreeMap;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, MapArray, StringArray, StringViewArray};
use arrow_schema::DataType;
use datafusion::common::{Result, exec_err, plan_err};

/// A column of contexts.
pub(super) struct Contexts<'a> {
    map: &'a MapArray,
    names: &'a StringArray,
    values: &'a StringArray,
}

impl<'a> Contexts<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Result<Self> {
        let columns = array.as_map_opt().and_then(|map| {
            Some(Self { map, names: map.keys().as_string_opt()?, values: map.values().as_string_opt()? })
        });
        match columns {
            Some(contexts) => Ok(contexts),
            None => exec_err!("not a map of texts: {}", array.data_type()),
        }
    }

    /// Names and values of a row's pairs, by name; none = no context recorded.
    pub(super) fn pairs(
        &self,
        row: usize,
    ) -> Option<impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone + use<'a>> {
        if self.map.is_null(row) {
            return None;
        }
        let offsets = self.map.value_offsets();
        #[expect(clippy::cast_sign_loss, reason = "offsets are never negative")]
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        let (names, values) = (self.names, self.values);
        Some(range.map(move |pair| (names.value(pair), (!values.is_null(pair)).then(|| values.value(pair)))))
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }
}

/// The contexts that JSON objects of texts are, as in a grant's constraints; null = another JSON value, or none.
pub(super) fn maps_of(texts: &StringViewArray) -> Result<MapArray> {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for text in texts {
        let object: Option<BTreeMap<String, Option<String>>> = text.and_then(|text| serde_json::from_str(text).ok());
        for (name, value) in object.iter().flatten() {
            maps.keys().append_value(name);
            maps.values().append_option(value.as_ref());
        }
        maps.append(object.is_some())?;
    }
    Ok(maps.finish())
}

/// Whether a type is one of texts.
pub(super) fn is_text(arg_type: &DataType) -> bool {
    matches!(arg_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Refuses what is no map of texts, when a call is planned.
pub(super) fn check_map(function: &str, arg_type: &DataType) -> Result<()> {
    let is_text_map = matches!(arg_type, DataType::Map(entries, _) if match entries.data_type() {
        DataType::Struct(fields) => fields.iter().all(|field| *field.data_type() == DataType::Utf8),
        _ => false,
    });
    if is_text_map { Ok(()) } else { plan_err!("{function} takes a map of texts, such as encryption_context") }
}
