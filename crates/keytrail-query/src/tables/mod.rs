//! Where rows come from: the tables of a lake and those over unconverted log files, and what is read of their files.
//!
//! What the columns mean is not known here, and no view.

pub(crate) mod damage;
pub(crate) mod footers;
pub(crate) mod lake_table;
pub(crate) mod predicate_errors;
pub(crate) mod raw_ledger;
pub(crate) mod raw_table;
pub(crate) mod stores;
