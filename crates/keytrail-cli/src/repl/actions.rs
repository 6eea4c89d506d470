//! What each command of the prompt does. It decides nothing about rows: see [`super::results`].

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use keytrail_query::{KeyQuestion, report_sql};

use super::commands::{Action, PromptCommand};
use super::describe::Listing;
use super::results::{Ran, Target, cancelled};
use super::{Next, Prompt, describe, files, help};
use crate::commands::{ALIASES_SQL, BY_PLACE, answer_key, unseen_note};
use crate::errors::CliError;
use crate::output::{self, DataWriter};
use crate::pager::Paging;
use crate::query_progress::Live;
use crate::render::Format;
use crate::{escape, pages};

/// Seconds between two runs of `\watch` when none are given, and at most.
const WATCH_SECONDS: f64 = 2.0;
const MAX_WATCH_SECONDS: f64 = 86_400.0;

impl Prompt {
    /// Does what a command says.
    pub(super) async fn act(&mut self, command: &PromptCommand, argument: &str) -> Result<Next, CliError> {
        let runs_example = command.action == Action::Examples && !argument.is_empty();
        if runs_example || matches!(command.action, Action::ShowKey | Action::ShowCoverage) {
            self.session.require_data()?;
        }
        match command.action {
            Action::Quit => return Ok(Next::End),
            Action::Examples if runs_example => return self.run_example(argument).await,
            Action::ShowKey => return self.show_key(argument).await,
            Action::ShowCoverage => return self.run_statements(report_sql(BY_PLACE)).await,
            Action::Last => return self.show_last(argument).await,
            Action::Plot => return self.plot_last().await,
            Action::ReadFile => return Box::pin(self.read_file(argument)).await,
            Action::Again => return self.again(argument).await,
            Action::AgainExpanded => {
                let before = self.settings.format.replace(Format::Vertical);
                let next = self.again(argument).await;
                self.settings.format = before;
                return next;
            }
            Action::Watch => return self.watch(argument).await,
            Action::Describe | Action::DescribeInFull | Action::Definition if !argument.is_empty() => {
                self.describe(command.action, argument).await?;
            }
            Action::Describe
            | Action::DescribeInFull
            | Action::Definition
            | Action::ListRelations
            | Action::ListViews
            | Action::ListFunctions
            | Action::Examples
            | Action::Help
            | Action::KeywordHelp => self.look(command.action, argument)?,
            Action::Edit => self.edit()?,
            Action::Set if argument.is_empty() => self.list_parameters()?,
            Action::Refresh => self.refresh()?,
            _ => self.change(command.action, argument)?,
        }
        Ok(Next::Line)
    }

    /// Shows what needs no query.
    fn look(&self, action: Action, argument: &str) -> Result<(), CliError> {
        let (session, format) = (&self.session, self.settings.screen_format());
        self.show(|out| match action {
            Action::ListViews => describe::list(session, Listing::Views, format, out),
            Action::ListFunctions => describe::functions(session, argument, format, out),
            Action::Examples => help::write_examples(out),
            Action::Help => help::write(session, argument, out),
            Action::KeywordHelp => help::write_word(session, argument, out),
            _ => describe::list(session, Listing::All, format, out),
        })
    }

    async fn describe(&self, action: Action, name: &str) -> Result<(), CliError> {
        let spool = crate::spool::Spool::new();
        let mut out = spool.writer(output::stdout_destination());
        let (session, format) = (&self.session, self.settings.screen_format());
        match action {
            Action::DescribeInFull => describe::in_full(session, name, &mut out).await?,
            Action::Definition => describe::definition(session, name, format, &mut out).await?,
            _ => describe::columns(session, name, format, &mut out).await?,
        }
        out.finish()?;
        crate::pager::show(&spool, Paging::WhenLong)
    }

    /// Changes a setting and tells what it is now.
    fn change(&mut self, action: Action, argument: &str) -> Result<(), CliError> {
        let told = match action {
            Action::Expanded => self.settings.expand(argument)?,
            Action::Timing => self.settings.time(argument)?,
            Action::SetFormat => self.settings.choose_format(argument)?,
            Action::Rows => self.settings.limit_rows(argument)?,
            Action::Set => return self.settings.set(argument),
            Action::Unset if !self.settings.unset(argument) => {
                return Err(CliError::usage(format!("no such parameter: `{argument}`")).with_hint("`\\set` lists them"));
            }
            Action::Once => self.write_once(argument),
            Action::Output => self.write_to(argument)?,
            _ => return Ok(()),
        };
        output::note(told);
        Ok(())
    }

    fn write_once(&mut self, file: &str) -> String {
        let path = files::path(file);
        let format = self.settings.file_format(&path);
        let told = format!("the next result goes to `{}` as {}", path.display(), format.name());
        self.settings.once = Some(path);
        told
    }

    fn write_to(&mut self, file: &str) -> Result<String, CliError> {
        if file.is_empty() {
            self.settings.output = None;
            return Ok("results go to the screen".to_owned());
        }
        self.write_to_file(files::path(file))
    }

    /// The file is made at once, so that one that cannot be is told now.
    pub(super) fn write_to_file(&mut self, path: PathBuf) -> Result<String, CliError> {
        self.settings.output = None;
        let format = self.settings.file_format(&path);
        if format.is_binary() {
            return Err(CliError::usage(format!("{} holds one result, not all that follow", format.name()))
                .with_hint(format!("write one: `.once {}`", path.display())));
        }
        DataWriter::file(&path)?.finish()?;
        let told = format!("results go to `{}` as {} until `\\o`", path.display(), format.name());
        self.settings.output = Some(path);
        Ok(told)
    }

    fn list_parameters(&self) -> Result<(), CliError> {
        if self.settings.parameters.is_empty() {
            output::note("no parameters; `\\set NAME VALUE` sets one");
        }
        self.show(|out| {
            for (name, value) in &self.settings.parameters {
                writeln!(out, "${} = '{}'", escape::line(name), escape::line(value))?;
            }
            Ok(())
        })
    }

    fn refresh(&self) -> Result<(), CliError> {
        self.session.session.refresh()?;
        output::note("tables and views are read anew");
        Ok(())
    }

    /// The text comes back to the prompt, where it can be looked at before it is run.
    fn edit(&mut self) -> Result<(), CliError> {
        let begun = self.begun.take().or_else(|| self.last_sql.as_deref().map(|sql| format!("{sql};")));
        let text = files::edit(&begun.unwrap_or_default())?;
        self.begun = Some(text).filter(|text| !text.is_empty());
        Ok(())
    }

    async fn run_example(&mut self, number: &str) -> Result<Next, CliError> {
        let example = help::numbered_example(number)?;
        output::note(format!("-- {}\n{};", example.question, example.sql));
        self.run_statements(&example.sql).await
    }

    async fn show_key(&mut self, key: &str) -> Result<Next, CliError> {
        let session = self.shared_session();
        let question = KeyQuestion { key: key.to_owned(), at: None, min_window: None };
        let ask = |_: Live| async move {
            let list = format!("{ALIASES_SQL};");
            let answer = answer_key(&session.session, &question, &list, |error| session.tell(error)).await?;
            let note = unseen_note(&answer);
            Ok((answer, note))
        };
        let mut interrupts = self.interruption.interrupts();
        match self.cancellable(ask, &mut interrupts).await? {
            Ran::Done((answer, note)) => {
                note.into_iter().for_each(output::warning);
                self.show(|out| Ok(out.write_all(pages::key::page(&answer, out.destination()).as_bytes())?))?;
                Ok(Next::Line)
            }
            other => Ok(cancelled(&other)),
        }
    }

    /// Runs statements and shows their rows one line per value, whatever is set.
    pub(super) async fn run_expanded(&mut self, sql: &str) -> Result<Next, CliError> {
        let before = self.settings.format.replace(Format::Vertical);
        let next = self.run_statements(sql).await;
        self.settings.format = before;
        next
    }

    /// Runs the last statement again.
    async fn again(&mut self, file: &str) -> Result<Next, CliError> {
        let sql = self.last_statement()?;
        let target = if file.is_empty() { Target::Usual(Paging::WhenLong) } else { Target::File(files::path(file)) };
        let mut interrupts = self.interruption.interrupts();
        self.run_statement(sql, target, &mut interrupts).await
    }

    /// Runs the last statement again and again, each time over the tables as they are then.
    async fn watch(&mut self, seconds: &str) -> Result<Next, CliError> {
        let (sql, pause) = (self.last_statement()?, watch_pause(seconds)?);
        let mut interrupts = self.interruption.interrupts();
        output::note(format!("every {} s; Ctrl-C ends", pause.as_secs_f64()));
        loop {
            self.session.session.refresh()?;
            let next = self.run_statement(sql.clone(), Target::Usual(Paging::Never), &mut interrupts).await?;
            if next != Next::Line {
                return Ok(next);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = interrupts.next() => return Ok(cancelled(&Ran::<()>::Cancelled)),
            }
        }
    }

    fn last_statement(&self) -> Result<String, CliError> {
        self.last_sql.clone().ok_or_else(|| CliError::usage("there is no statement yet"))
    }
}

fn watch_pause(seconds: &str) -> Result<Duration, CliError> {
    let seconds = if seconds.is_empty() { Ok(WATCH_SECONDS) } else { seconds.parse::<f64>() };
    let known = seconds.ok().filter(|seconds| (0.1..=MAX_WATCH_SECONDS).contains(seconds));
    known
        .map(Duration::from_secs_f64)
        .ok_or_else(|| CliError::usage("expected seconds, from 0.1 to 86400").with_hint("such as `\\watch 5`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_seconds() {
        for (text, expected) in [("", Some(2000)), ("0.5", Some(500)), ("60", Some(60_000))] {
            assert_eq!(watch_pause(text).ok().map(|pause| pause.as_millis()), expected, "{text}");
        }
        for wrong in ["x", "0", "-1", "1e9", "NaN"] {
            assert!(watch_pause(wrong).is_err(), "{wrong}");
        }
    }
}
