//! The only module that writes to the terminal: data to stdout or a file, everything else to stderr.
//!
//! It decides what a terminal gets (width, colour by `NO_COLOR`) and that notes and errors carry no control sequence
//! from data. It does not format values: see [`crate::render`].

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use tempfile::NamedTempFile;
use terminal_size::{Height, Width, terminal_size};

use crate::errors::CliError;
use crate::escape;

/// What stands behind the data writer; a terminal must be protected, a pipe and a file get exact bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A terminal of so many columns.
    Terminal {
        /// Columns of the terminal.
        width: u16,
    },
    /// A pipe or a file.
    Exact,
}

impl Destination {
    /// True when a person sees the bytes on a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Terminal { .. })
    }
}

/// Where stdout goes.
pub(crate) fn stdout_destination() -> Destination {
    if io::stdout().is_terminal() { Destination::Terminal { width: terminal_width() } } else { Destination::Exact }
}

/// True when a person types on stdin.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// True when a person reads stderr.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Columns of the terminal; 80 where it does not tell.
fn terminal_width() -> u16 {
    screen_size().0
}

/// Columns and rows of the terminal; 80 and 24 where it does not tell, or tells what nobody can read.
pub(crate) fn screen_size() -> (u16, u16) {
    let (Width(width), Height(height)) = terminal_size().unwrap_or((Width(80), Height(24)));
    (if width >= 20 { width } else { 80 }, if height >= 4 { height } else { 24 })
}

/// False for a terminal that only writes line after line.
pub(crate) fn terminal_moves_cursor() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// True when stdout shows colour.
pub(crate) fn stdout_is_coloured() -> bool {
    io::stdout().is_terminal() && colour_is_wanted()
}

/// Buffered data output: stdout, or a file that appears under its name only when it is complete.
pub(crate) struct DataWriter {
    sink: Sink,
    destination: Destination,
}

enum Sink {
    Stream(BufWriter<Box<dyn Write + Send>>),
    File { file: BufWriter<NamedTempFile>, path: PathBuf },
}

impl DataWriter {
    /// Data to stdout.
    pub(crate) fn stdout() -> Self {
        Self::stream(Box::new(io::stdout()), stdout_destination())
    }

    /// Data to a file; replaces it in one step when [`DataWriter::finish`] is called.
    pub(crate) fn file(path: &Path) -> Result<Self, CliError> {
        Self::try_file(path).map_err(|error| CliError::cannot_write(path, &error))
    }

    /// Data to the end of a file, which may be there already; it is written as it comes.
    pub(crate) fn append(path: &Path) -> Result<Self, CliError> {
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| CliError::cannot_write(path, &error))?;
        Ok(Self::stream(Box::new(file), Destination::Exact))
    }

    /// `path`, or stdout without one.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, CliError> {
        path.map_or_else(|| Ok(Self::stdout()), Self::file)
    }

    fn try_file(path: &Path) -> io::Result<Self> {
        let is_device = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        if is_device {
            let device = fs::OpenOptions::new().write(true).open(path)?;
            return Ok(Self::stream(Box::new(device), Destination::Exact));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::metadata(folder)?;
        // The error that names the temporary file would tell of what nobody asked for.
        let file = new_file_in(folder).map_err(|error| io::Error::from(error.kind()))?;
        Ok(Self {
            sink: Sink::File { file: BufWriter::with_capacity(BUFFER_BYTES, file), path: path.to_owned() },
            destination: Destination::Exact,
        })
    }

    /// Data to any writer, as if it were `destination`.
    pub(crate) fn stream(writer: Box<dyn Write + Send>, destination: Destination) -> Self {
        Self { sink: Sink::Stream(BufWriter::with_capacity(BUFFER_BYTES, writer)), destination }
    }

    /// What stands behind this writer.
    pub(crate) fn destination(&self) -> Destination {
        self.destination
    }

    /// Flushes; a file is synced and gets its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Stream(mut stream) => stream.flush(),
            Sink::File { file, path } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(path).map_err(|error| error.error)?;
                Ok(())
            }
        }
    }
}

const BUFFER_BYTES: usize = 64 * 1024;

/// A nameless-until-persisted file with the permissions any new file gets.
fn new_file_in(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".keytrail-").permissions(permissions).tempfile_in(folder)
}

impl Write for DataWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.write(bytes),
            Sink::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.flush(),
            Sink::File { file, .. } => file.flush(),
        }
    }
}

/// One line of plain data on stdout, escaped for a terminal.
pub(crate) fn data_line(out: &mut DataWriter, text: &str) -> io::Result<()> {
    if out.destination().is_terminal() { writeln!(out, "{}", escape::line(text)) } else { writeln!(out, "{text}") }
}

/// One line of data on stdout that is worth knowing, among lines of what is wrong.
pub(crate) fn data_note(out: &mut DataWriter, text: &str) -> io::Result<()> {
    data_line(out, &format!("note: {text}"))
}

/// A note on stderr for the person who runs the command.
pub(crate) fn note(text: impl Display) {
    to_stderr(&escape::lines(&text.to_string()));
}

/// What may make the result other than it seems, on stderr: a line that begins with `note:`.
pub(crate) fn warning(text: impl Display) {
    note(format_args!("note: {text}"));
}

/// What was found in the data, on stderr: a line that begins with `finding:`.
pub(crate) fn finding(text: impl Display) {
    note(format_args!("finding: {text}"));
}

/// What to do next, on stderr: a line that begins with `hint:`.
pub(crate) fn hint(text: impl Display) {
    note(format_args!("hint: {text}"));
}

/// A line on stderr that the next one takes the place of; it must fit the terminal and carry no text from data.
pub(crate) fn passing_line(text: &str) {
    let mut stderr = io::stderr().lock();
    drop(write!(stderr, "\r{text}\u{1b}[K").and_then(|()| stderr.flush()));
}

/// An event for a program that follows the command, as one line on stderr.
pub(crate) fn event_line(json: &str) {
    to_stderr(json);
}

/// An error with its causes and hints on stderr.
pub(crate) fn error(error: &CliError) {
    let label = if stderr_is_coloured() { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    to_stderr(&format!("{label} {}", escape::lines(&error.text())));
}

/// True when stderr may carry colour.
pub(crate) fn stderr_is_coloured() -> bool {
    stderr_is_terminal() && colour_is_wanted()
}

/// `NO_COLOR`, set to anything but nothing, and a dumb terminal turn colour off.
pub(crate) fn colour_is_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// A reader of stderr that has gone away is no reason to fail: there is nobody left to tell.
fn to_stderr(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn labels_of_lines_are_written_here_only() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        sources(&source, &mut files);
        assert!(files.len() > 50, "{files:?}");
        for path in files.iter().filter(|path| !path.ends_with("src/output.rs")) {
            let text = fs::read_to_string(path).expect("a source file");
            for label in ["\"note: ", "\"hint: ", "\"finding: "] {
                assert!(!text.contains(label), "{} writes {label} itself", path.display());
            }
        }
    }
}
