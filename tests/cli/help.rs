//! Help that teaches: every example of every command runs, man pages come from the same definitions, and what `connect`
//! prints names the lake.

use crate::sandbox::{Run, Sandbox};

const COMMANDS: [&str; 16] = [
    "convert",
    "sql",
    "key",
    "coverage",
    "check",
    "verify",
    "import",
    "compact",
    "vacuum",
    "export",
    "views",
    "demo",
    "connect",
    "completions",
    "man",
    "help",
];

/// Runs a line as a person types it into a shell; `keytrail` is the tested binary.
fn shell(sandbox: &Sandbox, line: &str) -> Run {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_keytrail")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = sandbox.program("/bin/sh");
    command.args(["-e", "-c", line]).env("PATH", format!("{}:{path}", binary.display()));
    sandbox.finish(command, "")
}

/// Lines that begin with `$ `, each with those that continue it.
fn examples(help: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut is_continued = false;
    for line in help.lines().map(str::trim) {
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(line), _) => examples.push(line.to_owned()),
            (None, Some(last)) if is_continued => *last = format!("{last}\n{line}"),
            _ => continue,
        }
        // A line goes on behind a `\\`, and within quotes.
        let open = examples.last().is_some_and(|example| example.matches('"').count() % 2 == 1);
        is_continued = line.ends_with('\\') || open;
    }
    examples
}

#[test]
fn every_example_of_the_help_runs() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir demo --events 6000").data();
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        let help = sandbox.run(&format!("keytrail {command} --help")).data();
        assert!(help.contains("Examples:"), "{command} has no examples");
        let examples = examples(&help);
        assert!(!examples.is_empty() || *command == "import", "{command} has no example that can be run");
        for line in examples {
            let run = shell(&sandbox, &line);
            // The demo's logs have holes, and its digest files no signatures: the exit code tells it.
            let expected = if matches!(*command, "coverage" | "key" | "verify") { &[0, 3][..] } else { &[0] };
            assert!(run.code().is_some_and(|code| expected.contains(&code)), "{line}\n{run}");
        }
        assert!(help.lines().skip_while(|line| *line != "Examples:").all(|line| line.len() <= 80), "{help}");
    }
}

#[test]
fn every_command_is_in_the_list_and_in_the_pages() {
    let sandbox = Sandbox::new();
    let help = sandbox.run("keytrail --help").data();
    let listed: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut expected = COMMANDS.to_vec();
    expected.sort_unstable();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(sandbox.run("keytrail man pages/man1").data(), "");
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        let page = sandbox.read(&format!("pages/man1/keytrail-{command}.1"));
        assert!(page.contains(".TH keytrail") && page.contains("Examples"), "{command}: {page}");
    }
    let page = sandbox.read("pages/man1/keytrail.1");
    assert!(page.contains("KEYTRAIL_LAKE") && page.contains("Exit codes"), "{page}");
    sandbox.write("file", "");
    assert_eq!(sandbox.run("keytrail man file/man1").code(), Some(74));
}

/// Options of a help under a heading.
fn options_under(help: &str, heading: &str) -> Vec<String> {
    let section = help.lines().skip_while(|line| *line != heading).skip(1);
    let section = section.take_while(|line| line.is_empty() || line.starts_with(' '));
    // Only a line that begins an option has a dash there; the others are indented further.
    let lines = section.filter(|line| line.trim_start().starts_with('-'));
    lines.filter_map(|line| line.split(' ').find(|word| word.starts_with("--")).map(str::to_owned)).collect()
}

#[test]
fn headings_stand_over_their_own_options_only() {
    let sandbox = Sandbox::new();
    for command in ["convert", "sql", "key", "coverage", "check", "verify", "import", "compact", "vacuum", "export"] {
        // The short help has a line for each option.
        let help = sandbox.run(&format!("keytrail {command} -h")).data();
        assert_eq!(options_under(&help, "S3:"), ["--profile", "--region", "--endpoint-url", "--allow-http"], "{help}");
    }
    let help = sandbox.run("keytrail sql -h").data();
    assert_eq!(options_under(&help, "Files of your own:"), ["--attach", "--allow-files"], "{help}");
    assert_eq!(sandbox.run("keytrail man pages").data(), "");
    let page = sandbox.read("pages/keytrail-key.1");
    let (before, s3) = page.split_once("\n.SH S3\n").expect("a section");
    let s3 = s3.split("\n.SH ").next().expect("a section");
    assert!(before.contains("min\\-window") && s3.contains("profile") && !s3.contains("min\\-window"), "{page}");
    let synopsis = page.lines().skip_while(|line| *line != ".SH SYNOPSIS").nth(1);
    assert_eq!(synopsis, Some("\\fBkeytrail key\\fR [OPTIONS] <KEY>"), "{page}");
}

#[test]
fn connect_names_the_lake_and_its_files() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir de'mo --events 2000".replace('\'', "").as_str()).data();
    let lake = sandbox.path("demo/lake");
    let duckdb = sandbox.run("keytrail connect duckdb --lake demo/lake").data();
    let files: Vec<&str> =
        duckdb.lines().filter_map(|line| line.trim().strip_prefix('\'')?.split('\'').next()).collect();
    assert!(files.len() > 3, "{duckdb}");
    for file in files {
        assert!(std::path::Path::new(file).is_file(), "{file}");
    }
    assert!(duckdb.contains("-- rejects has no rows yet") && duckdb.contains("create or replace view events as"));
    for tool in ["polars", "python", "spark"] {
        let text = sandbox.run(&format!("keytrail connect {tool} --lake demo/lake")).data();
        assert!(text.contains(&format!("lake = \"{}\"\n", lake.display())), "{text}");
        assert!(text.contains("log_files") && !text.contains("{tables}"), "{text}");
    }
    let athena = sandbox.run("keytrail connect athena --lake s3://my-lake/keytrail").data();
    assert!(athena.contains("location 's3://my-lake/keytrail/events/'"), "{athena}");
    let run = sandbox.run("keytrail connect athena --lake demo/lake");
    assert!(run.code() == Some(2) && run.stderr.contains("Athena reads S3 only"), "{run}");
    assert_eq!(sandbox.run("keytrail connect duckdb --lake nowhere").code(), Some(10));
}
