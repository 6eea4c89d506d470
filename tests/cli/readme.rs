//! README's commands do what README says: they run, in README's order, one after the other in one place.

use std::path::Path;

use crate::sandbox::Sandbox;

/// Fewer would mean that README lost its commands, or that this test no longer finds them.
const FEWEST_COMMANDS: usize = 5;

/// Lines of ```` ```console ```` fences that start with `$ keytrail`, without the `$ `. Other commands, such as
/// `cargo run`, need more than the binary; lines without `$ ` need an account at AWS.
fn commands(markdown: &str) -> Vec<&str> {
    let mut language = None;
    let mut commands = Vec::new();
    for line in markdown.lines().map(str::trim) {
        match (line.strip_prefix("```"), language) {
            (Some(opened), None) => language = Some(opened.trim()),
            (Some(_), Some(_)) => language = None,
            (None, Some("console")) => commands.extend(line.strip_prefix("$ ").filter(|line| is_ours(line))),
            (None, _) => {}
        }
    }
    commands
}

fn is_ours(line: &str) -> bool {
    line.split_whitespace().next() == Some("keytrail")
}

#[test]
fn every_command_of_the_readme_runs() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let markdown = fs_err::read_to_string(readme).expect("README.md at the top of the repository");
    let commands = commands(&markdown);
    assert!(commands.len() >= FEWEST_COMMANDS, "README.md shows too few commands: {commands:#?}");
    let sandbox = Sandbox::new();
    for line in commands {
        let run = sandbox.finish(shell(&sandbox, line), "");
        assert_eq!(run.code(), Some(0), "{line}\n{run}");
    }
}

/// A command line for a shell, as a person types it; `keytrail` is the tested binary.
fn shell(sandbox: &Sandbox, line: &str) -> std::process::Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_keytrail")).parent().expect("a folder");
    let mut folders = vec![binary.to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = sandbox.program("/bin/sh");
    command.args(["-e", "-c", line]).env("PATH", std::env::join_paths(folders).expect("folders"));
    command
}

#[test]
fn a_command_that_fails_is_noticed() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.finish(shell(&sandbox, "keytrail sql -c \"select 'a b' as x\" # one"), "").data(), "x\na b\n");
    assert_eq!(sandbox.finish(shell(&sandbox, "keytrail sql -c nonsense"), "").code(), Some(2));
}

#[test]
fn only_console_fences_hold_commands() {
    let markdown = concat!(
        "$ keytrail no\n```sh\n$ keytrail no\n```\n```console\n$ keytrail yes\nkeytrail no\n$ cargo run -- no\n",
        "$ keytrail too # why\n$ keytrailing no\noutput\n```\n$ keytrail no\n```\n$ keytrail no\n```\n"
    );
    assert_eq!(commands(markdown), ["keytrail yes", "keytrail too # why"]);
}
