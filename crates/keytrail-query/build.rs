//! Lists the SQL files under `sql/` for [`include_str!`], so that adding a file is all it takes to add a view or a report.
//!
//! It does not read what the files say: `catalogue.rs` does.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sql = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../sql").canonicalize()?;
    println!("cargo::rerun-if-changed={}", sql.display());
    let mut generated = String::new();
    for (constant, folder) in [("VIEW_FILES", "views"), ("REPORT_FILES", "reports")] {
        write_constant(&mut generated, constant, &sql.join(folder))?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs_err::write(out.join("sql_files.rs"), generated)?;
    let mut generated = String::new();
    write_constant(&mut generated, "EXAMPLE_FILES", &sql.join("examples"))?;
    fs_err::write(out.join("example_files.rs"), generated)?;
    Ok(())
}

/// Writes a constant with the path below `folder` and the text of every SQL file in it.
fn write_constant(generated: &mut String, constant: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    collect_sql_files(folder, &mut files)?;
    files.sort();
    writeln!(generated, "pub(crate) const {constant}: &[(&str, &str)] = &[")?;
    for file in files {
        let name = file.strip_prefix(folder)?.to_str().ok_or("a path below sql/ is not UTF-8")?.replace('\\', "/");
        writeln!(generated, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
    }
    writeln!(generated, "];")?;
    Ok(())
}

fn collect_sql_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_sql_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}
