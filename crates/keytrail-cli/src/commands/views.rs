//! `keytrail views`: the views in a line each, with what their headers say, or the SQL of one.

use std::io::Write as _;

use keytrail_query::{ViewDefinition, similar, view_catalogue};

use crate::args::ViewsArguments;
use crate::errors::{CliError, Exit};
use crate::hints::did_you_mean;
use crate::output::{self, DataWriter, Destination};
use crate::pages::layout::Page;

/// Lists all views, or prints one view's SQL.
pub(crate) fn run(arguments: &ViewsArguments) -> Result<Exit, CliError> {
    let views = view_catalogue();
    let mut out = DataWriter::stdout();
    match &arguments.name {
        None if arguments.full => {
            let mut page = Page::for_destination(out.destination());
            views.iter().for_each(|view| push_header(view, &mut page));
            out.write_all(page.into_text().as_bytes())?;
        }
        None => write_list(views, &mut out)?,
        Some(name) => {
            let view = views.iter().find(|view| view.name == *name).ok_or_else(|| no_such_view(name, views))?;
            writeln!(out, "{}", view.sql.trim_end())?;
        }
    }
    let is_list = arguments.name.is_none() && !arguments.full && out.destination().is_terminal();
    out.finish()?;
    if is_list {
        output::note(
            "`keytrail views NAME` shows the SQL of one, `keytrail views --full` what a row is and where it comes from",
        );
    }
    Ok(Exit::Done)
}

/// A line for each view: its name and its summary, which is cut where a terminal is narrower.
fn write_list(views: &[ViewDefinition], out: &mut DataWriter) -> Result<(), CliError> {
    let width = match out.destination() {
        Destination::Terminal { width } => usize::from(width),
        Destination::Exact => usize::MAX,
    };
    for line in list_lines(views, width) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn list_lines(views: &[ViewDefinition], width: usize) -> impl Iterator<Item = String> {
    let widest = views.iter().map(|view| view.name.len()).max().unwrap_or(0);
    views.iter().map(move |view| cut(format!("{:widest$}  {}", view.name, view.summary), width))
}

/// The text in so many columns; `…` stands for what does not fit.
fn cut(text: String, width: usize) -> String {
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_a_line_for_each_view_that_fits() {
        let views = view_catalogue();
        let lines: Vec<String> = list_lines(views, 80).collect();
        assert_eq!(lines.len(), views.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        assert!(list_lines(views, usize::MAX).all(|line| !line.ends_with('…')));
    }
}
