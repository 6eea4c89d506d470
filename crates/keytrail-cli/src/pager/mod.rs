//! Shows text on the terminal: as it is where it fits the screen, else through a pager.
//!
//! `$KEYTRAIL_PAGER` goes before `$PAGER`, and where neither is set the built-in one is taken; an empty value or `cat`
//! turns paging off. Nothing is paged in a pipe or on a terminal that cannot move its cursor. It renders nothing.

mod builtin;
mod keys;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};

use unicode_width::UnicodeWidthChar as _;

use crate::errors::CliError;
use crate::output::{self, DataWriter};
use crate::signals::Interruption;
use crate::spool::Spool;

/// Whether long text is paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// When it is longer than the screen.
    WhenLong,
    /// Never: what repeats itself must not wait for a key.
    Never,
}

/// How text longer than the screen is shown.
#[derive(Debug, PartialEq, Eq)]
enum Pager {
    None,
    BuiltIn,
    Command(OsString),
}

/// Shows the text on stdout.
///
/// # Errors
/// When the terminal cannot be written to or read from.
pub(crate) fn show(text: &Spool, paging: Paging) -> Result<(), CliError> {
    let is_paged = paging == Paging::WhenLong && can_page() && !fits(text, output::screen_size())?;
    let pager = if is_paged { chosen(|name| std::env::var_os(name)) } else { Pager::None };
    match pager {
        Pager::None => Ok(text.copy_to(&mut io::stdout())?),
        Pager::BuiltIn => Ok(builtin::run(text)?),
        Pager::Command(command) => through(&command, text),
    }
}

/// Data of a command for stdout or a file; a person at a terminal gets it when it is whole, so that it can be paged.
pub(crate) struct PagedWriter {
    out: DataWriter,
    /// What waits to be shown; none where it goes out as it comes.
    spool: Option<Spool>,
}

impl PagedWriter {
    /// `path`, or stdout without one.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, CliError> {
        if path.is_some() || !can_page() {
            return Ok(Self { out: DataWriter::open(path)?, spool: None });
        }
        let spool = Spool::new();
        Ok(Self { out: spool.writer(output::stdout_destination()), spool: Some(spool) })
    }

    /// What to write to.
    pub(crate) fn data(&mut self) -> &mut DataWriter {
        &mut self.out
    }

    /// Ends the data and shows what waited; from here on Ctrl-C is the pager's.
    pub(crate) fn finish(self, interruption: &Interruption) -> Result<(), CliError> {
        self.out.finish()?;
        let Some(spool) = self.spool else { return Ok(()) };
        interruption.keep_interrupts();
        show(&spool, Paging::WhenLong)
    }
}

fn can_page() -> bool {
    output::stdout_destination().is_terminal() && output::stdin_is_terminal() && output::terminal_moves_cursor()
}

fn chosen(variable: impl Fn(&str) -> Option<OsString>) -> Pager {
    match variable("KEYTRAIL_PAGER").or_else(|| variable("PAGER")) {
        None => Pager::BuiltIn,
        Some(command) if command.is_empty() || command == "cat" => Pager::None,
        Some(command) => Pager::Command(command),
    }
}

/// Whether the text and the prompt after it, with a line about the rows, fit the screen.
fn fits(text: &Spool, (width, height): (u16, u16)) -> io::Result<bool> {
    let room = usize::from(height).saturating_sub(2);
    let starts = text.line_starts(room + 1)?;
    let mut taken = 0;
    for start in starts {
        taken += screen_lines(&text.line(start)?, usize::from(width)).len();
    }
    Ok(taken <= room)
}

/// The pieces of a line that a terminal of this width shows one below the other; colour takes no room.
fn screen_lines(line: &str, width: usize) -> Vec<&str> {
    let (mut pieces, mut from, mut taken, mut is_colour) = (Vec::new(), 0, 0, false);
    for (at, character) in line.char_indices() {
        if character == '\u{1b}' || is_colour {
            is_colour = character != 'm';
            continue;
        }
        let columns = character.width().unwrap_or(0);
        if taken + columns > width {
            pieces.push(&line[from..at]);
            (from, taken) = (at, 0);
        }
        taken += columns;
    }
    pieces.push(&line[from..]);
    pieces
}

/// Pipes the text into a command of the shell; a pager that ends early has shown enough.
fn through(command: &OsString, text: &Spool) -> Result<(), CliError> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Colour is shown, and what fits the screen is not paged, as git asks of it.
        shell.env("LESS", "FRX");
    }
    let told =
        |error: io::Error| CliError::input_output(format!("cannot run the pager `{}`", command.display()), &error);
    let mut pager = shell.spawn().map_err(told)?;
    let mut keyboard = pager.stdin.take().expect("a pipe was asked for");
    match text.copy_to(&mut keyboard) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(told(error)),
        _ => drop(keyboard),
    }
    let status = pager.wait().map_err(told)?;
    // 126 and 127: the shell found nothing to run, and nothing was shown.
    if matches!(status.code(), Some(126 | 127)) {
        output::warning("set KEYTRAIL_PAGER or PAGER to a pager that exists, or to `cat`");
        text.copy_to(&mut io::stdout())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_environment_chooses_the_pager() {
        let chosen_with = |own: Option<&str>, general: Option<&str>| {
            chosen(|name| if name == "PAGER" { general } else { own }.map(OsString::from))
        };
        assert_eq!(chosen_with(None, None), Pager::BuiltIn);
        assert_eq!(chosen_with(None, Some("less")), Pager::Command("less".into()));
        assert_eq!(chosen_with(Some("most -w"), Some("less")), Pager::Command("most -w".into()));
        for off in ["", "cat"] {
            assert_eq!(chosen_with(Some(off), Some("less")), Pager::None);
        }
    }

    #[test]
    fn lines_are_counted_as_the_terminal_shows_them() {
        assert_eq!(screen_lines("", 5), [""]);
        assert_eq!(screen_lines("abcde", 5), ["abcde"]);
        assert_eq!(screen_lines("abcdef", 5), ["abcde", "f"]);
        assert_eq!(screen_lines("\u{1b}[2mabc\u{1b}[0mde", 5), ["\u{1b}[2mabc\u{1b}[0mde"]);
        assert_eq!(screen_lines("漢漢漢", 5), ["漢漢", "漢"]);
    }

    #[test]
    fn text_fits_when_the_prompt_is_still_on_the_screen() {
        for (lines, width, expected) in [(22, 80, true), (23, 80, false), (11, 5, true), (12, 5, false)] {
            let mut spool = Spool::new();
            spool.write_all("123456\n".repeat(lines).as_bytes()).expect("memory");
            assert_eq!(fits(&spool, (width, 24)).expect("memory"), expected, "{lines} lines, {width} columns");
        }
    }
}
