//! Ctrl-C, SIGTERM and readers that go away.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::sandbox::Sandbox;

/// Runs for longer than any test waits.
const ENDLESS: &str = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b cross join generate_series(1, 100000) c";

/// Starts a query that has shown a first row and is busy with the next.
fn busy(sandbox: &Sandbox) -> Child {
    start_busy(sandbox.keytrail(["sql", "-c", &begun_and_endless()]))
}

fn begun_and_endless() -> String {
    format!("select 'begun' as x; {ENDLESS}")
}

fn start_busy(mut command: Command) -> Child {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.as_mut().expect("a pipe"));
    let mut line = String::new();
    while line.trim() != "begun" {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the query ended too early");
    }
    child
}

#[test]
fn signals_end_a_query_with_their_exit_codes() {
    let sandbox = Sandbox::new();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut child = busy(&sandbox);
        let killed = sandbox.program("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        assert_eq!(child.wait().expect("an end").code(), Some(code), "{signal}");
    }
}

/// glibc looks at the memory of a thread that is being detached even if it ends just then, and that of a large stack is given back at
/// once: one run in ten thousand ended with a segmentation fault. `detach.c` stands before glibc's function and ends the process.
#[cfg(target_os = "linux")]
#[test]
fn no_thread_with_a_large_stack_is_detached() {
    let sandbox = Sandbox::new();
    let (source, library) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cli/detach.c"), sandbox.path("detach.so"));
    let built = Command::new("cc").args(["-shared", "-fPIC", source, "-ldl", "-o"]).arg(&library).status().expect("cc");
    assert!(built.success());
    let watched = |mut command: Command| {
        command.env("LD_PRELOAD", &library);
        command
    };
    for (arguments, code) in [(&["views"][..], 0), (&["sql", "-c", "select 1"], 0), (&["key", "nonsense"], 2)] {
        let run = sandbox.finish(watched(sandbox.keytrail(arguments)), "");
        assert_eq!(run.code(), Some(code), "{arguments:?}: {}", run.stderr);
    }
    let mut child = start_busy(watched(sandbox.keytrail(["sql", "-c", &begun_and_endless()])));
    let killed = sandbox.program("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    assert_eq!(child.wait().expect("an end").code(), Some(143));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .keytrail(["sql", "-c", "select value from generate_series(1, 5000000)"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut first).expect("a line");
    drop(stdout);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(first, "value\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
