//! A place to run the command in, and what a run gave as text.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

/// An empty folder that is home, working directory and temporary directory.
pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs_err::create_dir(folder.path().join("tmp")).expect("a folder");
        Self { folder }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs_err::write(path, content).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path(name)).expect("a text file")
    }

    /// Any program, in the sandbox's environment.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.path("tmp"))
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// `keytrail` with arguments.
    pub(crate) fn keytrail<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_keytrail"));
        command.args(arguments);
        command
    }

    /// Runs a command line; words are split at spaces, quotes keep them together.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, "")
    }

    /// The same with text on stdin.
    pub(crate) fn run_with(&self, line: &str, input: &str) -> Run {
        let words = split_words(line);
        assert_eq!(words[0], "keytrail", "{line}");
        self.finish(self.keytrail(&words[1..]), input)
    }

    /// Runs to the end.
    pub(crate) fn finish(&self, mut command: Command, input: &str) -> Run {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that fails early does not read its input.
        drop(stdin.write_all(input.as_bytes()));
        drop(stdin);
        let output = child.wait_with_output().expect("the command ends");
        Run::new(output, self.folder.path())
    }
}

/// Splits like a shell that knows spaces and quotes only.
pub(crate) fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for character in line.chars() {
        match (character, quote) {
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, Some(open)) if character == open => quote = None,
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// What a run gave.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    folder: String,
}

impl Run {
    fn new(output: Output, folder: &Path) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
            folder: folder.to_str().expect("a UTF-8 path").to_owned(),
        }
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The stdout of a run that must have succeeded.
    pub(crate) fn data(self) -> String {
        assert_eq!(self.code(), Some(0), "{self}");
        self.stdout
    }

    fn stable(&self, text: &str) -> String {
        without_times(&text.replace(&self.folder, "[dir]"))
    }
}

/// Exit code, stdout and stderr, without what differs from run to run.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {}", self.code().map_or_else(|| self.status.to_string(), |code| code.to_string()))?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "-- {name}\n{}", self.stable(text))?;
            }
        }
        Ok(())
    }
}

/// Replaces numbers in front of units of time and size, which differ from run to run.
fn without_times(text: &str) -> String {
    let units = [" ms", " s", " records/s", " bytes", " KiB", " MiB"];
    text.split_inclusive('\n')
        .map(|line| units.iter().fold(line.to_owned(), |line, unit| without_number(&line, unit)))
        .collect()
}

fn without_number(line: &str, unit: &str) -> String {
    let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
    let Some(at) = line.match_indices(unit).map(|(at, _)| at).find(|at| is_end(&line[at + unit.len()..])) else {
        return line.to_owned();
    };
    let digits = line[..at].trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    if digits.len() == at {
        return line.to_owned();
    }
    format!("{digits}[n]{}", &line[at..])
}
