//! Logs and test suites that others published. They stand outside of the repository, as their licences differ; `KEYTRAIL_CORPUS` names
//! their folder, and without it the tests over them are skipped, which each says.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks members of an archive of the corpus, all without any, and gives the corpus's folder; `None` where no corpus is named.
///
/// # Panics
/// The archive is not in the folder that is named, or cannot be unpacked.
pub fn unpack(archive: &str, members: &[&str], into: &Path) -> Option<PathBuf> {
    let Some(folder) = env::var_os("KEYTRAIL_CORPUS").map(PathBuf::from) else {
        // Not by a macro: the test harness would keep the line of a test that passes to itself.
        drop(writeln!(std::io::stderr(), "SKIPPED: KEYTRAIL_CORPUS names no folder with {archive}"));
        return None;
    };
    let path = folder.join(archive);
    assert!(path.exists(), "KEYTRAIL_CORPUS names a folder without the archive: {}", path.display());
    let unpacked = Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(into).args(members).status();
    assert!(unpacked.expect("tar is installed").success(), "cannot be unpacked: {}", path.display());
    Some(folder)
}
