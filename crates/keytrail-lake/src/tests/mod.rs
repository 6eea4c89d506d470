//! Tests of the crate as a whole: a small lake in memory and on disk, with faults.

mod checks;
mod commits;
mod compaction;
mod faults;
mod files;
mod fixtures;
mod upgrades;
mod vacuums;
