//! What SQL over a lake answers: views by hand-made rows and by an oracle, statements that are refused, plans.
//!
//! One binary, since each that links the engine costs a long link. Fixed expectations are `.slt` files,
//! each run on the lake of its folder (see `fixture`); nothing here touches the network or the user's folders.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access;
mod cancel;
mod cells;
mod checklist;
mod developer_guide;
mod diagnosis;
mod earlier_formats;
mod fixture;
mod functions;
mod guards;
mod holes;
mod items;
mod joins;
mod json_values;
mod kept;
mod key;
mod key_facts;
mod last_use;
mod ledgers;
mod oracle;
mod orders;
mod parameters;
mod plans;
mod prompt;
mod read_only;
mod semantics;
mod slt;
mod spellings;
mod user_views;
mod verdicts;
