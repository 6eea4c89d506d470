//! `keytrail views`: the views with what their headers say, or the SQL of one.

use std::io::Write as _;

use keytrail_query::{ViewDefinition, similar, view_catalogue};

use crate::args::ViewsArguments;
use crate::errors::{CliError, Exit};
use crate::hints::did_you_mean;
use crate::output::DataWriter;
use crate::pages::layout::Page;

/// Lists all views, or prints one view's SQL.
pub(crate) fn run(arguments: &ViewsArguments) -> Result<Exit, CliError> {
    let views = view_catalogue();
    let mut out = DataWriter::stdout();
    match &arguments.name {
        None => {
            let mut page = Page::for_destination(out.destination());
            views.iter().for_each(|view| push_header(view, &mut page));
            out.write_all(page.into_text().as_bytes())?;
        }
        Some(name) => {
            let view = views.iter().find(|view| view.name == *name).ok_or_else(|| no_such_view(name, views))?;
            writeln!(out, "{}", view.sql.trim_end())?;
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// A view's header as a paragraph.
fn push_header(view: &ViewDefinition, page: &mut Page) {
    page.heading(&view.name);
    page.line(&view.summary);
    page.fact("grain:", &view.grain.join(", "));
    page.fact("reads:", &view.reads.join(", "));
    view.notes.iter().for_each(|note| page.fact("note:", note));
}

fn no_such_view(name: &str, views: &[ViewDefinition]) -> CliError {
    let error = CliError::usage(format!("no such view: `{name}`"));
    let meant = did_you_mean(&similar(name, views.iter().map(|view| view.name.as_str())));
    error.with_hint(meant.as_deref().unwrap_or("`keytrail views` lists the views"))
}
