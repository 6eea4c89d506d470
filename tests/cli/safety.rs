//! What must never happen: a socket for local work, a secret in an output.

use std::path::Path;

use crate::sandbox::Sandbox;

/// `strace` tells every socket that a command opens; without it (or where it may not trace) nothing is claimed.
fn traces(sandbox: &Sandbox) -> bool {
    let mut command = sandbox.program("strace");
    command.args(["-f", "-o", "probe.trace", "true"]);
    let outcome = command.output();
    outcome.is_ok_and(|output| output.status.success())
}

#[test]
fn local_work_opens_no_socket() {
    let sandbox = Sandbox::new();
    if !traces(&sandbox) {
        return;
    }
    for (number, line) in [
        "demo --dir demo --events 6000",
        "convert demo/trail --lake lake",
        "sql --lake lake -c 'select count(*) from kms_key_usage'",
        "sql --raw demo/trail -c 'select count(*) from events'",
        "key alias/legacy-billing-export --lake lake",
        "connect duckdb --lake lake",
        "check --lake lake",
    ]
    .iter()
    .enumerate()
    {
        let trace = format!("{number}.trace");
        let line = format!(
            "strace -f -e trace=socket,connect,bind,sendto -o {trace} {} {line}",
            env!("CARGO_BIN_EXE_keytrail")
        );
        let mut command = sandbox.program("/bin/sh");
        command.args(["-c", &line]).env("AWS_REGION", "eu-central-1").env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
        let run = sandbox.finish(command, "");
        assert!(matches!(run.code(), Some(0 | 3)), "{line}: {run}");
        let calls = sandbox.read(&trace);
        let opened: Vec<&str> =
            calls.lines().filter(|call| call.contains("AF_INET") || call.contains("connect(")).collect();
        assert_eq!(opened, Vec::<&str>::new(), "{line}");
    }
}

const CANARIES: [&str; 4] =
    ["canarySecretKey0123456789abcdefghijklmnop", "canarySessionToken", "canaryX-Amz-Signature", "canaryPassword"];

/// Every file under a folder, as text where it can be.
fn contents(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            contents(&path, found);
        } else {
            let bytes = fs_err::read(&path).expect("a file");
            found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

#[test]
fn secrets_of_the_environment_reach_no_output_and_no_file() {
    let sandbox = Sandbox::new();
    let mut told = String::new();
    for line in [
        &["demo", "--dir", "demo", "--events", "500"][..],
        &["-v", "convert", "demo/trail", "--lake", "lake", "--json"],
        &["-v", "sql", "--lake", "lake", "-c", "select * from runs", "-c", "show all", "-c", "nonsense"],
        &[
            "sql",
            "--lake",
            "s3://nowhere/lake",
            "--endpoint-url",
            "http://127.0.0.1:9",
            "--allow-http",
            "-c",
            "select 1",
        ],
        &[
            "sql",
            "--raw",
            "s3://nowhere/logs?X-Amz-Signature=x",
            "--endpoint-url",
            "http://127.0.0.1:9",
            "--allow-http",
            "-c",
            "select 1 from events",
        ],
        &["check", "--lake", "lake"],
    ] {
        let mut command = sandbox.keytrail(line);
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", CANARIES[0])
            .env("AWS_SESSION_TOKEN", CANARIES[1])
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_REGION", "eu-central-1");
        let run = sandbox.finish(command, "");
        told.push_str(&run.stdout);
        told.push_str(&run.stderr);
    }
    let mut files = vec![("output".to_owned(), told)];
    contents(&sandbox.path("."), &mut files);
    assert!(files.len() > 10);
    for (name, text) in &files {
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary} is in {name}");
        }
    }
}
