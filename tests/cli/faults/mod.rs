//! The command over damaged, hostile and changing input, over failing storage, and with several writers at once.

mod checks;
mod names;
mod rejects;
mod sources;
mod writers;
