//! The `keytrail` command as users and scripts see it: exit code, stdout and stderr of whole runs.
//!
//! Every run happens in a sandbox of its own: an empty home, no AWS settings, no terminal unless a test makes one.
//! What the libraries compute is tested where they are; here it is what reaches people.

mod convert;
mod faults;
mod files;
mod formats;
mod help;
mod inventory;
mod mistakes;
mod prompt;
mod readme;
mod s3;
mod safety;
mod sandbox;
mod scripts;
mod signals;
mod sql;
mod terminal;
mod tmux;
mod trail;
mod verify;
