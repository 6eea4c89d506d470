//! Folders of sources with everything in them that is no log file, or cannot be read: no hang, the rest is taken, what was not is told.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{Run, Sandbox};
use crate::trail::{event, log_file, sorted_lines};

/// Seconds after which a run that hangs is ended, so that its test fails; none comes near it.
const DEADLINE_SECONDS: &str = "120";

/// `keytrail`, ended when it hangs.
fn bounded(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let mut command = sandbox.program("timeout");
    command.args([DEADLINE_SECONDS, env!("CARGO_BIN_EXE_keytrail")]).args(arguments);
    sandbox.finish(command, "")
}

fn exported(sandbox: &Sandbox, lake: &str) -> Vec<String> {
    sorted_lines(&bounded(sandbox, &["export", "--lake", lake, "--lines"]).data())
}

fn events(numbers: &[u32]) -> Vec<String> {
    let mut events: Vec<String> = numbers.iter().map(|number| event(*number)).collect();
    events.sort_unstable();
    events
}

#[test]
fn what_is_no_file_is_left_alone_and_what_cannot_be_read_is_told() {
    let sandbox = Sandbox::new();
    let logs = sandbox.path("logs");
    sandbox.write("logs/a/one.json", log_file([event(1)]));
    sandbox.write("logs/two.json", log_file([event(2), event(3)]));
    assert!(sandbox.program("mkfifo").arg(logs.join("pipe.json")).status().expect("mkfifo").success());
    let _socket = UnixListener::bind(logs.join("socket.json")).expect("a socket");
    // Regular by its kind, and reading it fails, also for root: nothing is mapped at address 0.
    for (target, name) in [
        ("/dev/zero", "zero.json"),
        ("/dev/tty", "tty.json"),
        ("/proc/self/mem", "mem.json"),
        ("nowhere", "dangling.json"),
        ("itself.json", "itself.json"),
        ("..", "a/loop"),
        ("/dev", "a/devices"),
    ] {
        symlink(target, logs.join(name)).expect("a link");
    }
    let run = bounded(&sandbox, &["convert", "logs", "--lake", "lake"]);
    assert_eq!(run.code(), Some(3), "{run}");
    for unread in ["mem.json", "dangling.json", "itself.json"] {
        assert!(run.stderr.contains(&format!("logs/{unread}: ")), "{unread} is not told: {run}");
    }
    assert_eq!(exported(&sandbox, "lake"), events(&[1, 2, 3]));
    assert_eq!(bounded(&sandbox, &["check", "--lake", "lake", "--read-data"]).code(), Some(0));

    fs_err::remove_file(logs.join("dangling.json")).expect("a link");
    sandbox.write("logs/dangling.json", log_file([event(4)]));
    bounded(&sandbox, &["convert", "logs", "--lake", "lake"]);
    assert_eq!(exported(&sandbox, "lake"), events(&[1, 2, 3, 4]), "what could not be read is read when it can be");
}

#[test]
fn names_that_are_no_text_are_names_all_the_same() {
    let sandbox = Sandbox::new();
    let logs = sandbox.path("logs");
    fs_err::create_dir(&logs).expect("a folder");
    // The first two look alike where what is no UTF-8 is replaced.
    let names: [&[u8]; 5] = [b"\xff.json", b"\xfe.json", b"a\nb.json", b"\x1b[2J.json", b"-rf --lake.json"];
    for (number, name) in (0..).zip(names) {
        fs_err::write(logs.join(OsStr::from_bytes(name)), log_file([event(number)])).expect("a file");
    }
    let run = bounded(&sandbox, &["convert", "logs", "--lake", "lake"]);
    assert_eq!(run.code(), Some(0), "{run}");
    assert_eq!(exported(&sandbox, "lake"), events(&[0, 1, 2, 3, 4]), "{run}");
    let again = bounded(&sandbox, &["convert", "logs", "--lake", "lake", "--json"]).data();
    assert!(again.contains("\"log_files\":0"), "{again}");
}

/// A copy of the command that anybody may run.
fn public_command(sandbox: &Sandbox) -> PathBuf {
    let copy = sandbox.path("keytrail");
    let original = env!("CARGO_BIN_EXE_keytrail");
    if fs_err::hard_link(original, &copy).is_err() {
        fs_err::copy(original, &copy).expect("a copy of the command");
    }
    copy
}

/// The command as somebody who is not root: as `nobody` where the tests run as root.
fn unprivileged(sandbox: &Sandbox, command: &Path, arguments: &[&str]) -> Command {
    let is_root = sandbox.program("id").arg("-u").output().expect("id").stdout == b"0\n";
    let mut program = sandbox.program("timeout");
    program.arg(DEADLINE_SECONDS);
    if is_root {
        program.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    program.arg(command).args(arguments);
    program
}

fn permit(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
fn what_may_not_be_read_or_written_is_told() {
    let sandbox = Sandbox::new();
    permit(&sandbox.path(""), 0o777);
    permit(&sandbox.path("tmp"), 0o777);
    sandbox.write("logs/one.json", log_file([event(1)]));
    sandbox.write("logs/secret.json", log_file([event(2)]));
    sandbox.write("logs/closed/three.json", log_file([event(3)]));
    permit(&sandbox.path("logs/secret.json"), 0o000);
    permit(&sandbox.path("logs/closed"), 0o000);
    let command = public_command(&sandbox);
    let run = |arguments: &[&str]| sandbox.finish(unprivileged(&sandbox, &command, arguments), "");

    let converted = run(&["convert", "logs", "--lake", "lake"]);
    assert_eq!(converted.code(), Some(3), "{converted}");
    for unread in ["logs/secret.json", "logs/closed"] {
        assert!(converted.stderr.contains(unread), "{unread} is not told: {converted}");
    }
    assert_eq!(sorted_lines(&run(&["export", "--lake", "lake", "--lines"]).data()), events(&[1]));

    // A lake that may be read and not written: reading works, writing has an exit code of its own.
    let chmod = |mode: &str| sandbox.program("chmod").args(["-R", mode]).arg(sandbox.path("lake")).status();
    assert!(chmod("a-w,a+rX").expect("chmod").success());
    permit(&sandbox.path("logs/secret.json"), 0o444);
    for arguments in [["check", "--lake", "lake", "--read-data"], ["export", "--lake", "lake", "--lines"]] {
        let read = run(&arguments);
        assert_eq!(read.code(), Some(0), "{read}");
    }
    let refused = run(&["convert", "logs", "--lake", "lake"]);
    assert_eq!(refused.code(), Some(77), "{refused}");
    assert!(refused.stderr.contains("/lake/"), "the message names no path: {refused}");
    assert!(chmod("u+w").expect("chmod").success());
    permit(&sandbox.path("logs/closed"), 0o755);
    let healed = run(&["convert", "logs", "--lake", "lake"]);
    assert_eq!(healed.code(), Some(0), "{healed}");
    assert_eq!(sorted_lines(&run(&["export", "--lake", "lake", "--lines"]).data()), events(&[1, 2, 3]));
}

#[test]
fn a_part_of_a_result_is_told() {
    let sandbox = Sandbox::new();
    let query = format!(r#"{{"QueryStatus":"RUNNING","QueryResultRows":[[{{"eventJson":{:?}}}]]}}"#, event(1));
    sandbox.write("logs/query.json", query);
    let run = sandbox.run("keytrail convert logs --lake lake --json");
    assert_eq!(run.code(), Some(0), "{run}");
    assert!(run.stderr.contains("1 log files say that they are parts of results"), "{run}");
    assert!(run.stdout.contains("\"parts\":1"), "{run}");
    let notes = sandbox.run("keytrail sql --lake lake --format csv -c 'select notes from log_files'").data();
    assert!(notes.contains("the query's status is `RUNNING`"), "{notes}");
}

#[test]
fn a_file_that_is_reached_over_dots_is_known() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/t/a.json", log_file([event(1)]));
    let run = sandbox.run("keytrail convert logs logs/t/../t/a.json logs/../logs/t --lake lake --json");
    assert!(run.data().contains("\"log_files\":1,"), "one log file");
}

#[test]
fn a_limit_of_file_sizes_is_an_error_that_names_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("small.json", log_file([event(1)]));
    assert_eq!(sandbox.run("keytrail convert small.json --lake lake").code(), Some(0));
    sandbox.write("logs/big.json", log_file((0..20_000).map(event)));
    let mut command = sandbox.program("sh");
    let line = format!("ulimit -f 40; exec {} convert logs --lake lake", env!("CARGO_BIN_EXE_keytrail"));
    command.args(["-c", &line]);
    let run = sandbox.finish(command, "");
    assert_eq!(run.code(), Some(74), "{run}");
    assert!(run.stderr.contains("/lake/events/"), "the message names no file: {run}");
    assert_eq!(sandbox.run("keytrail check --lake lake").code(), Some(0));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0), "without the limit");
}
