//! A real terminal for whole-prompt tests: tmux keeps the screen, the test presses keys and looks.
//!
//! A test waits for what the screen shows, never for so much time: it looks again and again, and a screen that does not
//! come fails the test.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// None comes near it.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks at a screen that is not as wanted yet: the program under test needs the processor more.
const PAUSE: Duration = Duration::from_millis(20);

/// What stands before the exit code.
const ENDED: &str = "ended with ";

/// Sockets of one test process, by number.
static SOCKETS: AtomicU32 = AtomicU32::new(0);

/// A terminal with one program; both end with the value.
pub(crate) struct Tmux<'a> {
    sandbox: &'a Sandbox,
    socket: String,
}

impl<'a> Tmux<'a> {
    /// `keytrail` with arguments on a screen of 80 columns and 24 rows; the environment is added to the sandbox's.
    pub(crate) fn start(sandbox: &'a Sandbox, arguments: &str, environment: &[(&str, &str)]) -> Self {
        let number = SOCKETS.fetch_add(1, Ordering::Relaxed);
        let tmux = Self { sandbox, socket: format!("keytrail-{}-{number}", std::process::id()) };
        // The shell tells the exit code on the screen; it must outlive a Ctrl-C that is meant for the program.
        let mut line = String::from("trap : INT; env");
        for (name, value) in environment {
            write!(line, " {name}='{value}'").expect("a string");
        }
        write!(line, " {} {arguments}; echo {ENDED}$?", env!("CARGO_BIN_EXE_keytrail")).expect("a string");
        // The screen stays when the shell has ended.
        let session = ["new-session", "-d", "-x", "80", "-y", "24", &line];
        tmux.run(&[&["-f", "/dev/null", "set-option", "-g", "remain-on-exit", "on", ";"][..], &session].concat());
        tmux
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.program("tmux");
        command.env("LC_ALL", "C.UTF-8").args(["-L", &self.socket, "-u"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("tmux starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Types a text.
    pub(crate) fn type_text(&self, text: &str) {
        // A `;` at the end of an argument would end tmux's command.
        let text = text.strip_suffix(';').map_or_else(|| text.to_owned(), |text| format!("{text}\\;"));
        self.run(&["send-keys", "-l", "--", &text]);
    }

    /// Presses keys by their names: `Enter`, `Tab`, `C-c`, `Up`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"][..], keys].concat());
    }

    /// Types a text, and presses Enter when the screen shows it: until then an empty prompt is the one typed at.
    #[track_caller]
    pub(crate) fn type_line(&self, text: &str) {
        self.type_text(text);
        self.wait_until(text, |screen| {
            let typed = screen.rsplit("keytrail>").next().unwrap_or_default();
            without_space(typed).contains(&without_space(text))
        });
        self.press(&["Enter"]);
    }

    /// The same at the next prompt: what is typed before it stands would be lost.
    #[track_caller]
    pub(crate) fn enter(&self, text: &str) {
        self.wait_for_prompt();
        self.type_line(text);
    }

    /// Pastes a text as a terminal does, between the marks that tell a paste from typing.
    pub(crate) fn paste(&self, text: &str) {
        let mut load = self.command(&["load-buffer", "-"]).stdin(Stdio::piped()).spawn().expect("tmux starts");
        load.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a pipe");
        assert!(load.wait().expect("tmux ends").success());
        self.run(&["paste-buffer", "-p", "-r"]);
    }

    /// Changes the size of the screen.
    pub(crate) fn resize(&self, width: u16, height: u16) {
        self.run(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// Sends SIGTERM to the program.
    pub(crate) fn terminate(&self) {
        self.run(&["run-shell", "kill -TERM $(cat /proc/#{pane_pid}/task/#{pane_pid}/children)"]);
    }

    /// What the screen shows, without space at the ends of lines.
    pub(crate) fn screen(&self) -> String {
        let shown = String::from_utf8(self.run(&["capture-pane", "-p"]).stdout).expect("UTF-8");
        shown.trim_end().to_owned()
    }

    /// The screen and everything that has left it at the top.
    pub(crate) fn history(&self) -> String {
        String::from_utf8(self.run(&["capture-pane", "-p", "-S", "-"]).stdout).expect("UTF-8")
    }

    /// The same with the sequences that make its colours.
    pub(crate) fn coloured_screen(&self) -> String {
        String::from_utf8(self.run(&["capture-pane", "-p", "-e"]).stdout).expect("UTF-8")
    }

    /// Waits until the screen is as wanted, and gives it.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if is_wanted(&screen) {
                return screen;
            }
            assert!(start.elapsed() < DEADLINE, "the screen never showed {what}:\n{screen}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// Presses Tab until the screen shows a text: an answer that is late is there for the next Tab.
    #[track_caller]
    pub(crate) fn complete_to(&self, text: &str) {
        let start = Instant::now();
        while !self.screen().contains(text) {
            assert!(start.elapsed() < DEADLINE, "never completed to {text}:\n{}", self.screen());
            self.press(&["Tab"]);
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until the last line is a prompt with nothing behind it.
    #[track_caller]
    pub(crate) fn wait_for_prompt(&self) -> String {
        self.wait_until("an empty prompt", |screen| screen.lines().last() == Some("keytrail>"))
    }

    /// Waits until the program has ended; its exit code.
    #[track_caller]
    pub(crate) fn wait_for_end(&self) -> i32 {
        let code = |screen: &str| {
            let told = screen.lines().rev().find_map(|line| line.split_once(ENDED))?;
            told.1.trim().parse::<i32>().ok()
        };
        let screen = self.wait_until("an exit code", |screen| code(screen).is_some());
        code(&screen).expect("waited for")
    }
}

/// Where the terminal wraps a line, space is lost.
fn without_space(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        // The server may have ended with its only session.
        drop(self.command(&["kill-server"]).output());
    }
}
