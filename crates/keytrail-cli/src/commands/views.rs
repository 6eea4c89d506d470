//! `keytrail views`: the views with what their headers say, or the SQL of one.

use std::io::{self, Write};

use keytrail_query::{ViewDefinition, view_catalogue};

use crate::args::ViewsArguments;
use crate::errors::{CliError, Exit};
use crate::output::DataWriter;

/// Lists all views, or prints one view's SQL.
pub(crate) fn run(arguments: &ViewsArguments) -> Result<Exit, CliError> {
    let views = view_catalogue();
    let mut out = DataWriter::stdout();
    match &arguments.name {
        None => views.iter().try_for_each(|view| write_header(view, &mut out))?,
        Some(name) => {
            let view = views.iter().find(|view| view.name == *name).ok_or_else(|| no_such_view(name, views))?;
            writeln!(out, "{}", view.sql.trim_end())?;
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// A view's header as a paragraph.
pub(crate) fn write_header(view: &ViewDefinition, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", view.name)?;
    writeln!(out, "    {}", view.summary)?;
    writeln!(out, "    grain: {}", view.grain.join(", "))?;
    writeln!(out, "    reads: {}", view.reads.join(", "))?;
    for note in &view.notes {
        writeln!(out, "    note:  {note}")?;
    }
    writeln!(out)
}

fn no_such_view(name: &str, views: &[ViewDefinition]) -> CliError {
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    CliError::usage(format!("no such view: `{name}`")).with_hint(format!("views: {}", names.join(", ")))
}
