//! `keytrail man`: a man page for each command, made from the command line's own definition.

use clap::CommandFactory as _;
use fs_err as fs;

use crate::args::{Arguments, ManArguments};
use crate::errors::{CliError, Exit};

/// Writes the pages; what stood under their names is replaced.
pub(crate) fn run(arguments: &ManArguments) -> Result<Exit, CliError> {
    let folder = &arguments.folder;
    let failed = |error| CliError::input_output(format!("cannot write man pages to `{}`", folder.display()), &error);
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)?;
    Ok(Exit::Done)
}
