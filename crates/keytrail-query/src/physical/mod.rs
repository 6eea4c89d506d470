//! Operators, expressions and rules of physical plans that are cheaper than the engine's own where texts come again and times are UTC
//! (docs/decisions/0013-texts-that-come-again.md).
//!
//! None changes an answer; each is put in the place of the engine's by a rule, and only where its conditions hold. `named_filters` is
//! another matter: there the engine's own rules answer wrong.

pub(crate) mod few_text_groups;
pub(crate) mod named_filters;
pub(crate) mod once_per_text;
pub(crate) mod recent;
pub(crate) mod utc_floor;
pub(crate) mod yielding;
