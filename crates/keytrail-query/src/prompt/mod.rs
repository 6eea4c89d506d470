//! What a prompt can tell and offer of the data, the relations and the functions: descriptions, examples, names and values, and what a
//! wrong one may have meant.
//!
//! It shows nothing: the caller does.

pub(crate) mod describe;
pub(crate) mod examples;
pub(crate) mod function_list;
pub(crate) mod known_values;
pub(crate) mod similar_keys;
