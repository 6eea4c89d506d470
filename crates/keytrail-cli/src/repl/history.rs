//! The history of the prompt: a private file, without lines that carry secrets or could steer the terminal.
//!
//! It keeps what it is given as it is, or not at all: half a statement would be no use.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustyline::history::{FileHistory, History, SearchDirection};

use crate::escape;

/// The history file: `$XDG_STATE_HOME/keytrail/history`, by default below `~/.local/state`; none without a home.
pub(crate) fn history_path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("keytrail/history"))
}

/// Makes a place for the history that only its owner reads: statements can name what is secret.
///
/// The file itself is made by rustyline, with the version line that it needs.
///
/// # Errors
/// When the folder cannot be made or the file cannot be made private.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if path.exists() {
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Whether a text, as it was typed, is to be remembered. Who begins it with a space wants it forgotten.
pub(super) fn is_worth_keeping(text: &str) -> bool {
    !text.trim().is_empty() && !text.starts_with(' ') && !has_secret(text) && !text.contains(steers_terminal)
}

/// Line breaks and tabs belong to statements.
fn steers_terminal(character: char) -> bool {
    escape::is_unsafe(character) && !matches!(character, '\n' | '\t')
}

/// Words in front of a secret, and parts of presigned URLs and tokens that are secret themselves.
const SECRET_MARKS: [&str; 14] = [
    "aws_secret",
    "secretaccesskey",
    "secret_access_key",
    "sessiontoken",
    "session_token",
    "securitytoken",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "password",
    "passwd",
    "authorization:",
    "bearer ",
    "private key-----",
];

/// Characters of an access key after the letters that tell its kind.
const ACCESS_KEY_REST: usize = 16;

/// Whether a text may carry a secret. An access key id is none by itself, but seldom comes without its secret; columns
/// that are named after secrets (`access_key_id`) hold none.
fn has_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    SECRET_MARKS.iter().any(|mark| lower.contains(mark)) || ["AKIA", "ASIA"].iter().any(|kind| has_key_id(text, kind))
}

fn has_key_id(text: &str, kind: &str) -> bool {
    text.match_indices(kind).any(|(at, _)| {
        let rest = text[at + kind.len()..].chars();
        rest.take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).count() >= ACCESS_KEY_REST
    })
}

/// Leaves out what an older version, or another program, wrote into the file and this one would not have; true when there
/// was something, and the file is to be written anew.
pub(super) fn forget_unwanted(history: &mut FileHistory) -> rustyline::Result<bool> {
    let entries: Vec<String> = history.iter().cloned().collect();
    if entries.iter().all(|entry| is_worth_keeping(entry)) {
        return Ok(false);
    }
    history.clear()?;
    for entry in entries.iter().filter(|entry| is_worth_keeping(entry)) {
        history.add(entry)?;
    }
    Ok(true)
}

/// The rest of the newest entry that begins with `text` and `is_offered`, up to the end of its line; none without one.
pub(super) fn hint(text: &str, history: &dyn History, is_offered: impl Fn(&str) -> bool) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let mut newest = history.len().checked_sub(1)?;
    let found = loop {
        let found = history.starts_with(text, newest, SearchDirection::Reverse).ok().flatten()?;
        if is_offered(&found.entry) {
            break found;
        }
        newest = found.idx.checked_sub(1)?;
    };
    let rest = found.entry.get(text.len()..)?.lines().next()?;
    (!rest.is_empty()).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(entries: &[&str]) -> FileHistory {
        let mut history = FileHistory::new();
        for entry in entries {
            history.add(entry).expect("an entry");
        }
        history
    }

    #[test]
    fn the_history_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keytrail/history");
        make_private(&path).expect("a folder");
        history(&["select 1;"]).append(&path).expect("a history file");
        make_private(&path).expect("a private file");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn secrets_are_not_remembered() {
        for secret in [
            "select 'AKIAIOSFODNN7EXAMPLE';",
            "select 'ASIAIOSFODNN7EXAMPLE' as a;",
            "-- aws_secret_access_key = wJalrXUtnFEMI",
            "select * from events where x = 'https://b.s3.amazonaws.com/k?X-Amz-Signature=ab12';",
            "\\set password hunter2",
            "select 'Authorization: Bearer abc';",
            "select '-----BEGIN RSA PRIVATE KEY-----';",
            "select 'X-Amz-Security-Token=IQoJ';",
            " select 'hushed';",
        ] {
            assert!(!is_worth_keeping(secret), "{secret}");
        }
        for fine in
            ["select access_key_id from events;", "select 'AKIA' || x;", "select * from kms_keys;", "\\d kms_grants"]
        {
            assert!(is_worth_keeping(fine), "{fine}");
        }
    }

    #[test]
    fn nothing_that_steers_a_terminal_comes_back_from_the_history() {
        assert!(!is_worth_keeping("select '\u{1b}[2J';") && !is_worth_keeping("select '\u{202e}';"));
        assert!(is_worth_keeping("select\n\t1;") && !is_worth_keeping(" \n"));
        let mut history = history(&["select 1;", "select '\u{1b}]0;x';", "select 2;"]);
        assert!(forget_unwanted(&mut history).expect("a history"));
        assert!(!forget_unwanted(&mut history).expect("a history"));
        assert_eq!(history.iter().collect::<Vec<_>>(), ["select 1;", "select 2;"]);
    }

    #[test]
    fn the_newest_entry_is_hinted_up_to_the_end_of_its_line() {
        let history = history(&["select 1 as old;", "select 1 as new\nfrom x;", "\\d"]);
        assert_eq!(hint("select 1", &history, |_| true), Some(" as new".to_owned()));
        assert_eq!(hint("select 1 as old", &history, |_| true), Some(";".to_owned()));
        let old = hint("select 1", &history, |entry| !entry.contains("new"));
        assert_eq!(old, Some(" as old;".to_owned()), "one that is not offered is passed over");
        assert_eq!(hint("select 1 as new", &history, |_| true), None);
        assert_eq!(hint("", &history, |_| true), None);
        assert_eq!(hint("é", &history, |_| true), None);
        assert_eq!(hint("select", &FileHistory::new(), |_| true), None);
    }
}
