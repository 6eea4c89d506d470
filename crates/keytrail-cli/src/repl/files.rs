//! Files that a person names at the prompt: their paths, their text, and the editor.

use std::ffi::OsString;
use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::errors::CliError;
use crate::escape;

/// The path that a text names: `~/` is the home folder, quotes around it are left out.
pub(super) fn path(text: &str) -> PathBuf {
    let text = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text);
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(text),
    }
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read or is no UTF-8.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path)
        .map_err(|error| CliError::input_output(format!("cannot read `{}`", path.display()), &error))
}

/// Paths that begin as typed, folders with a `/` at their end; hidden ones only when a dot was typed.
pub(super) fn beginning_with(typed: &str) -> Vec<String> {
    let (folder, name) = typed.rfind(MAIN_SEPARATOR).map_or(("", typed), |at| typed.split_at(at + 1));
    let place = if folder.is_empty() { PathBuf::from(".") } else { path(folder) };
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let known = entry.file_name().into_string().ok()?;
            let is_offered = known.starts_with(name)
                && (name.starts_with('.') || !known.starts_with('.'))
                && !known.contains(escape::is_unsafe);
            let end = if entry.path().is_dir() { "/" } else { "" };
            is_offered.then(|| format!("{folder}{known}{end}"))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Opens `text` in the person's editor and gives what became of it, without space at its ends.
///
/// # Errors
/// When there is no editor, it fails, or it leaves something that is no text.
pub(super) fn edit(text: &str) -> Result<String, CliError> {
    let editor = editor();
    let told = |error: io::Error| {
        CliError::input_output(format!("cannot edit with `{}`", editor.display()), &error)
            .with_hint("name an editor in `VISUAL` or `EDITOR`")
    };
    let folder = tempfile::tempdir().map_err(told)?;
    let path = folder.path().join("statement.sql");
    fs::write(&path, format!("{text}\n")).map_err(told)?;
    // By the shell, for an editor may come with options.
    let status = Command::new("sh").arg("-c").arg("$0 \"$1\"").arg(&editor).arg(&path).status().map_err(told)?;
    if !status.success() {
        return Err(told(io::Error::other(format!("it ended with {status}"))));
    }
    Ok(read(&path)?.trim().to_owned())
}

fn editor() -> OsString {
    let named = |name: &str| std::env::var_os(name).filter(|editor| !editor.is_empty());
    named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_completed_below_their_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_str().expect("UTF-8");
        for name in ["one.sql", "other.sql", ".hidden", "on\u{1b}[2J"] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        fs::create_dir(folder.path().join("on")).expect("a folder");
        assert_eq!(beginning_with(&format!("{root}/on")), [format!("{root}/on/"), format!("{root}/one.sql")]);
        assert_eq!(beginning_with(&format!("{root}/.")), [format!("{root}/.hidden")]);
        assert_eq!(beginning_with(&format!("{root}/")).len(), 3);
        assert!(beginning_with("/no such folder/x").is_empty());
    }

    #[test]
    fn quotes_around_a_path_are_left_out() {
        for text in ["a b.csv", "'a b.csv'", "\"a b.csv\""] {
            assert_eq!(path(text), Path::new("a b.csv"), "{text}");
        }
        assert_eq!(path("'"), Path::new("'"));
    }
}
