//! Answers that are a page and not rows, as text within 80 columns and as JSON. They hold no query.

pub(crate) mod key;
pub(crate) mod layout;
