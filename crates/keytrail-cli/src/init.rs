//! The file that the prompt starts with: settings and statements, as they are typed.
//!
//! It is optional, and for the prompt only: a script that ran otherwise for one person than for another would be none.
//! It cannot widen what a session may do: it holds lines of the prompt and nothing else.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::errors::CliError;

/// Lines of the prompt to begin with, and the file that they come from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Init {
    /// The file; empty without one.
    pub(crate) path: PathBuf,
    /// Its entries: commands of one line, statements of one or more.
    pub(crate) entries: Vec<String>,
}

/// Reads the file that was asked for, else the person's own where there is one.
///
/// # Errors
/// When a file that was asked for, or that is there, cannot be read.
pub(crate) fn read(asked: Option<&Path>, is_unwanted: bool) -> Result<Init, CliError> {
    let own = || own_file().filter(|path| path.exists());
    let Some(path) = asked.map(Path::to_owned).or_else(own).filter(|_| !is_unwanted) else {
        return Ok(Init::default());
    };
    let text = fs::read_to_string(&path)
        .map_err(|error| CliError::input_output(format!("cannot read `{}`", path.display()), &error))
        .map_err(|error| error.with_hint("`--no-init` starts the prompt without such a file"))?;
    Ok(Init { path, entries: entries(&text, crate::repl::is_complete) })
}

/// `keytrail/init.sql` where configuration lives.
fn own_file() -> Option<PathBuf> {
    let from_xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = from_xdg.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(folder.join("keytrail/init.sql"))
}

/// Puts lines together until they are complete; what is left at the end is an entry too.
fn entries(text: &str, is_complete: fn(&str) -> bool) -> Vec<String> {
    let mut entries = Vec::new();
    let mut entry = String::new();
    for line in text.lines() {
        entry.push_str(line);
        if is_complete(&entry) {
            entries.push(std::mem::take(&mut entry));
        } else {
            entry.push('\n');
        }
    }
    entries.push(entry.trim_end().to_owned());
    entries.retain(|entry| !entry.trim().is_empty());
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_until_a_statement_ends() {
        let text = "-- mine\n\\x\nselect 1,\n 2;\n\n\\timing\nselect 3";
        let read = entries(text, crate::repl::is_complete);
        assert_eq!(read, ["-- mine", "\\x", "select 1,\n 2;", "\\timing", "select 3"]);
        assert!(entries("\n\n", crate::repl::is_complete).is_empty());
    }
}
