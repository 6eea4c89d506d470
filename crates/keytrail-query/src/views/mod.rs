//! What views are to the engine: the catalogue of their files, one leaf of a plan for those that only select, rows that are computed once.
//!
//! The session decides which of these a view is; its SQL stands under `sql/views/`.

pub(crate) mod cases;
pub(crate) mod catalogue;
pub(crate) mod flat_view;
pub(crate) mod focus;
pub(crate) mod kept;
pub(crate) mod kept_rows;
pub(crate) mod selections;
