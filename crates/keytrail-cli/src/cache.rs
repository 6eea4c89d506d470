//! The folder in which rows of kept views outlast a session. It names the folder and writes nothing: `keytrail-query` does.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use keytrail_query::KeptRowsOptions;

/// Another folder than the cache's, or `off`.
const CACHE_VARIABLE: &str = "KEYTRAIL_CACHE";

/// Where rows are kept: `$KEYTRAIL_CACHE`, else `$XDG_CACHE_HOME/keytrail`, else `~/.cache/keytrail`; none for `off`, and without a
/// home.
pub(crate) fn kept_rows() -> Option<KeptRowsOptions> {
    let folder = folder(|name| std::env::var_os(name))?;
    Some(KeptRowsOptions { folder: folder.join("views"), program: program()? })
}

fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match variable(CACHE_VARIABLE) {
        Some(named) if named == "off" => None,
        Some(named) if !named.is_empty() => Some(PathBuf::from(named)),
        _ => absolute("XDG_CACHE_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".cache")))
            .map(|cache| cache.join("keytrail")),
    }
}

/// This very build: what another one computed may mean something else.
fn program() -> Option<String> {
    let file = fs_err::metadata(std::env::current_exe().ok()?).ok()?;
    let written = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {} {}", env!("CARGO_PKG_VERSION"), file.len(), written.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_by_the_environment() {
        const HOME: (&str, &str) = ("HOME", "/home/ana");
        let cases = [
            (vec![HOME], Some("/home/ana/.cache/keytrail")),
            (vec![HOME, ("XDG_CACHE_HOME", "/cache")], Some("/cache/keytrail")),
            (vec![HOME, ("XDG_CACHE_HOME", "relative")], Some("/home/ana/.cache/keytrail")),
            (vec![HOME, ("KEYTRAIL_CACHE", "/tmp/kt")], Some("/tmp/kt")),
            (vec![HOME, ("KEYTRAIL_CACHE", "off")], None),
            (vec![], None),
        ];
        for (variables, expected) in cases {
            let variable =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            assert_eq!(folder(variable), expected.map(PathBuf::from), "{variables:?}");
        }
    }
}
