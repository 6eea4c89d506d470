//! `keytrail man`: a man page for each command, made from the command line's own definition.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use fs_err as fs;

use crate::args::{Arguments, ManArguments};
use crate::errors::{CliError, Exit};

/// Writes the pages; what stood under their names is replaced.
pub(crate) fn run(arguments: &ManArguments) -> Result<Exit, CliError> {
    let folder = &arguments.folder;
    let failed = |error| CliError::input_output(format!("cannot write man pages to `{}`", folder.display()), &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write_page(subcommand.clone(), folder).map_err(failed)?;
    }
    write_page(command, folder).map_err(failed)?;
    Ok(Exit::Done)
}

/// Writes one page. Its synopsis is the usage line of `--help`: the generator's own names options without their values.
fn write_page(mut command: clap::Command, folder: &Path) -> io::Result<()> {
    let usage = command.render_usage().to_string();
    let synopsis = usage.trim_start_matches("Usage: ").to_owned();
    Man::new(command.override_usage(synopsis)).generate_to(folder)?;
    Ok(())
}
