//! The `keytrail` command as users and scripts see it: exit code, stdout and stderr of whole runs.
//!
//! Every run happens in a sandbox of its own: an empty home, no AWS settings, no terminal unless a test makes one.
//! What the libraries compute is tested where they are; here it is what reaches people.

#[path = "faults/checks.rs"]
mod checks;
#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/formats.rs"]
mod formats;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/inventory.rs"]
mod inventory;
#[path = "cli/mistakes.rs"]
mod mistakes;
#[path = "faults/names.rs"]
mod names;
#[path = "cli/prompt.rs"]
mod prompt;
#[path = "cli/readme.rs"]
mod readme;
#[path = "faults/rejects.rs"]
mod rejects;
#[path = "cli/s3.rs"]
mod s3;
#[path = "cli/safety.rs"]
mod safety;
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "cli/scripts.rs"]
mod scripts;
#[path = "cli/signals.rs"]
mod signals;
#[path = "faults/sources.rs"]
mod sources;
#[path = "cli/sql.rs"]
mod sql;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tmux.rs"]
mod tmux;
#[path = "faults/trail.rs"]
mod trail;
#[path = "cli/verify.rs"]
mod verify;
#[path = "faults/writers.rs"]
mod writers;
