//! README's commands do what README says: they run.

use std::path::Path;

use crate::sandbox::{Sandbox, split_words};

/// Lines of ```` ```console ```` fences that start with `keytrail`, a leading `$ ` left out.
fn commands(markdown: &str) -> Vec<String> {
    let mut is_console = false;
    let mut commands = Vec::new();
    for line in markdown.lines() {
        if let Some(language) = line.trim().strip_prefix("```") {
            is_console = !is_console && language.trim() == "console";
            continue;
        }
        let line = line.trim();
        let line = line.strip_prefix("$ ").unwrap_or(line);
        if is_console && line.starts_with("keytrail ") {
            commands.push(line.to_owned());
        }
    }
    commands
}

#[test]
fn every_command_of_the_readme_runs() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let markdown = fs_err::read_to_string(readme).expect("README.md at the top of the repository");
    let commands = commands(&markdown);
    assert!(!commands.is_empty(), "README.md shows no command");
    let sandbox = Sandbox::new();
    for command in commands {
        let line = command.split(" #").next().unwrap_or(&command).trim();
        assert!(
            split_words(line).iter().all(|word| !matches!(word.as_str(), "|" | ">" | "&&")),
            "run it by hand: {line}"
        );
        let run = sandbox.run(line);
        assert_eq!(run.code(), Some(0), "{line}: {run}");
    }
}

#[test]
fn only_console_fences_hold_commands() {
    let markdown =
        "keytrail no\n```sh\nkeytrail no\n```\n```console\n$ keytrail yes\nkeytrail too\noutput\n```\nkeytrail no\n";
    assert_eq!(commands(markdown), ["keytrail yes", "keytrail too"]);
}
