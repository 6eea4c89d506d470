//! The prompt and everything else that only a terminal shows, on a pseudo-terminal made by `script`.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use keytrail_testkit::digests::{DigestChain, write_copy};

use crate::sandbox::Sandbox;

/// Seconds after which a program that hangs is ended, so that its test fails; none comes near it.
const DEADLINE_SECONDS: &str = "120";

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn start(sandbox: &Sandbox, arguments: &str, environment: &[(&str, &str)]) -> Self {
        let line = format!("stty cols 100 rows 40; exec {} {arguments}", env!("CARGO_BIN_EXE_keytrail"));
        let mut child = sandbox
            .program("timeout")
            .args([
                "--kill-after=5",
                DEADLINE_SECONDS,
                "script",
                "--quiet",
                "--return",
                "--command",
                &line,
                "/dev/null",
            ])
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`timeout` of coreutils starts `script` of util-linux");
        let (keyboard, screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, keyboard, screen, shown: String::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush()).expect("a keyboard");
    }

    /// Reads the screen until it shows `text` after everything that was waited for before.
    fn wait_for(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            let count = self.screen.read(&mut bytes).expect("a screen");
            assert_ne!(count, 0, "the program ended before it showed {text:?}: {:?}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Waits for the end; the exit code and what was still to be shown.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.keyboard);
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).expect("a screen");
        self.shown.push_str(&String::from_utf8_lossy(&rest));
        (self.child.wait().expect("an end").code(), self.shown)
    }
}

const PROMPT: &str = "keytrail> ";

#[test]
fn the_prompt_runs_statements_and_survives_errors() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox, "sql", &[("NO_COLOR", "1")]);
    terminal.wait_for(PROMPT);
    terminal.press("select 40\r+ 2 as answer;\r");
    terminal.wait_for(" answer");
    terminal.wait_for("     42");
    terminal.wait_for("(1 row)");
    terminal.press("select nonsense;\r");
    terminal.wait_for("error: ");
    terminal.press("\\x\r");
    terminal.wait_for("one line per value: on");
    terminal.press("select 7 as seven;\r");
    terminal.wait_for("seven | 7");
    terminal.press("\\q\r");
    let (code, _) = terminal.end();
    assert_eq!(code, Some(0));
    let history = sandbox.read(".local/state/keytrail/history");
    assert!(history.contains("+ 2 as answer;"), "{history}");
}

#[test]
fn ctrl_c_cancels_the_query_and_keeps_the_prompt() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox, "sql", &[("NO_COLOR", "1")]);
    terminal.wait_for(PROMPT);
    terminal.press("select 'be' || 'gun' as x; select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b cross join generate_series(1, 100000) c;\r");
    terminal.wait_for("begun");
    terminal.wait_for("(1 row)");
    terminal.press("\u{3}");
    terminal.wait_for("cancelled");
    terminal.wait_for(PROMPT);
    terminal.press("select 'half-typed\u{3}");
    // The editor leaves the line and the next prompt stands; what is typed in between would be lost.
    terminal.wait_for("\u{1b}[?2004l");
    terminal.wait_for(PROMPT);
    terminal.press("select 6 * 7 as answer;\r");
    terminal.wait_for("     42");
    terminal.press("\u{4}");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn a_terminal_gets_no_control_sequence_from_data() {
    let sandbox = Sandbox::new();
    for format in ["table", "vertical", "csv", "tsv", "json", "ndjson", "markdown", "html"] {
        let sql = "\"select chr(27) || ']0;pwned' || chr(7) || chr(8238) || chr(155) || '31m' as x\"";
        let terminal = Terminal::start(&sandbox, &format!("sql --format {format} -c {sql}"), &[]);
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(0), "{format}: {shown}");
        assert!(shown.contains("pwned"), "{format}: {shown:?}");
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{format}: {shown:?}");
    }
}

#[test]
fn errors_are_coloured_unless_nobody_wants_it() {
    let sandbox = Sandbox::new();
    for (environment, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let (code, shown) = Terminal::start(&sandbox, "sql -c nonsense", environment).end();
        assert_eq!(code, Some(2));
        assert_eq!(shown.contains("\u{1b}["), is_coloured, "{shown:?}");
    }
}

#[test]
fn binary_data_does_not_go_to_a_terminal() {
    let sandbox = Sandbox::new();
    let (code, shown) = Terminal::start(&sandbox, "sql --format parquet -c 'select 1'", &[]).end();
    assert_eq!(code, Some(2));
    assert!(shown.contains("redirect it"), "{shown}");
}

#[test]
fn a_terminal_shows_the_summary_of_a_verification_below_some_findings() {
    let mut chain = DigestChain::new("111122223333", "eu-west-1");
    let contents: Vec<String> = (0..30).map(|number| format!("{{\"Records\":[{number}]}}")).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    chain.deliver(&contents);
    chain.objects.drain(..contents.len());
    let sandbox = Sandbox::new();
    write_copy(&chain.objects, &sandbox.path("copy")).expect("written");
    // Each finding about a log file names it once.
    let findings = |arguments: &str| {
        let (code, shown) = Terminal::start(&sandbox, arguments, &[]).end();
        assert_eq!(code, Some(3), "{shown}");
        shown.matches("_Delivery").count()
    };
    // The first line is about the digest file.
    assert_eq!(findings("verify copy"), 19);
    assert_eq!(findings("verify copy --verbose"), 30);
    let (_, shown) = Terminal::start(&sandbox, "verify copy", &[]).end();
    assert!(shown.contains("… and 11 more findings; --verbose lists all"), "{shown}");
    let piped = sandbox.run("keytrail verify copy").stdout;
    assert_eq!(piped.lines().filter(|line| line.starts_with("Log file")).count(), 30, "{piped}");
}

#[test]
fn a_terminal_gets_a_table_and_a_progress_bar_leaves_no_trace() {
    let sandbox = Sandbox::new();
    let (code, shown) = Terminal::start(&sandbox, "sql -c 'select 1 as one'", &[]).end();
    assert_eq!((code, shown.as_str()), (Some(0), " one\r\n-----\r\n   1\r\n"));
}
