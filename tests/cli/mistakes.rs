//! Mistakes that people make, in one snapshot: each message names the cause and the next step.

use std::fmt::Write as _;
use std::process::Command;

use keytrail_testkit::s3::{Fault, S3Server};

use crate::sandbox::{Run, Sandbox, split_words};

/// Over the demo's lake; the line is what follows `keytrail`.
const OVER_THE_LAKE: &[&str] = &[
    // Names in statements.
    r#"sql -c "select key_arm from kms_events""#,
    r#"sql -c "select eventTime from events""#,
    r#"sql -c "select event_time from event""#,
    r#"sql -c "select * from kms_key_usge""#,
    r#"sql -c "select * from kms.events""#,
    r#"sql -c "select e.key_arn, k.key_state from kms_events e join kms_keys k on e.key_arn = k.key_arm""#,
    r#"sql -c "select x.key_arn from kms_events e""#,
    r#"sql -c "select key_arn from kms_events e join kms_keys k on e.key_arn = k.key_arn""#,
    r#"sql -c "select colour from kms_key_usage""#,
    r#"sql -c "select event_id from events where event_name = Decrypt""#,
    r#"sql -c "select cuont(*) from events""#,
    r#"sql -c "select strftime(event_time, '%Y') from events""#,
    r#"sql -c "select group_concat(event_name) from events""#,
    r#"sql -c "select if(error_code is null, 1, 2) from events""#,
    // Words of SQL.
    r#"sql -c "selct * from events""#,
    r#"sql -c "select event_name form events""#,
    r#"sql -c "select event_name from events were event_name = 'Decrypt'""#,
    r#"sql -c "select event_name, count(*) from events gruop by event_name""#,
    r#"sql -c "select event_name, count(*) from events""#,
    r#"sql -c "select event_name from events where""#,
    r#"sql -c "select (1 + 2 from events""#,
    r#"sql -c "select 'open from events""#,
    r#"sql -c "select top 10 * from events""#,
    r#"sql -c "pivot events on event_name using count(*)""#,
    r#"sql -c "select * from (select event_name from events) pivot (count(*) for event_name in ('Decrypt'))""#,
    r#"sql -c "summarize events""#,
    r#"sql -c "select * from events tablesample (10 percent)""#,
    // Values.
    r#"sql -c "select * from events where event_time > timestamp '2024-13-01'""#,
    r#"sql -c "select * from events where event_time > 'yesterday'""#,
    r#"sql -c "select date '31.01.2024'""#,
    r#"sql -c "select * from events where event_time >= '2026-02-30'""#,
    r#"sql -c "select to_char(event_time, 'YYYY-MM') from events""#,
    r#"sql -c "select * from events where event_time > now() - interval '3 fortnights'""#,
    r#"sql -c "select cast('many' as bigint)""#,
    r#"sql -c "select * from events where event_time > 20240131""#,
    r#"sql -c "select * from events where event_time >= :since""#,
    r#"sql --param since=yesterday -c "select * from events where event_time >= :since""#,
    r#"sql --param n:itn=5 -c "select :n""#,
    // What would change something, or read what is not allowed.
    r#"sql -c "delete from events""#,
    r#"sql -c "copy events to 'out.csv'""#,
    r#"sql -c "create view mine as select 1""#,
    r#"sql -c "set time zone 'UTC'""#,
    r#"sql -c "attach 'other.db'""#,
    r#"sql -c "select * from 'owners.csv'""#,
    r#"sql --allow-files demo -c "select * from 'ownres.csv'""#,
    r#"sql --attach owners=ownres.csv -c "select * from owners""#,
    // The command line.
    r"sql -c '\d kms_keys'",
    "sql --workers 0 -c 'select 1'",
    "sql --memory-limit 10 -c 'select 1'",
    "sql --raw demo/trail --lake demo/other -c 'select 1'",
    "sql --views nowhere -c 'select 1'",
    "sql -o nowhere/out.csv -c 'select 1'",
    "sql --formt csv -c 'select 1'",
    "sql --format cvs -c 'select 1'",
    "sql --format parquet -c 'select 1' -c 'select 2'",
    "sql --since 2024-01-01 -c 'select 1'",
    "sql --timeout soon -c 'select 1'",
    "sql --memory-limit lots -c 'select 1'",
    "sql -f nowhere.sql",
    "convrt demo/trail",
    "convert demo/trial --lake lake",
    "convert demo/trail --lake lake --since 2024-02-30",
    "convert demo/trail --lake lake --shard 9/8",
    "convert demo/trail --lake demo/trail/file",
    "views kms_key_usge",
    r#"export --where "event_nam = 'Decrypt'""#,
    "key alias/legacy-biling-export",
    "key nonsense",
    "key alias/nothing-like-it",
    "key alias/legacy-billing-export --at 2020-01-01",
    "key legacy-billing-export",
    "key 00000000-0000-0000-0000-00000000000",
    "key arn:aws:kms:us-esat-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "key alias/legacy-billing-export --min-window 400",
    "connect duckbd",
    "connect athena",
    // The lake.
    "coverage --lake nowhere",
    "coverage --lake demo/trail",
    "coverage --lake gs://bucket/lake",
    "coverage --lake s3:///lake",
    "sql --lake '' -c 'select * from events'",
];

/// With a store on S3; `BUCKET` is the one that is there.
const ON_S3: &[&str] = &[
    "coverage --lake s3://no-such-bucket/lake",
    "coverage --lake s3://company-logs/no/such/lake",
    "convert s3://no-such-bucket/org --lake lake",
];

/// Enough of them.
const FEWEST: usize = 50;

fn tell(told: &mut String, line: &str, run: &Run) {
    let shown = run.to_string();
    writeln!(told, "$ keytrail {line}\n{shown}").expect("writing to a string cannot fail");
    assert_ne!(run.code(), Some(0), "{line} is a mistake: {run}");
    assert_ne!(run.code(), Some(70), "{line} is no bug: {run}");
    let is_next_step = |text: &str| {
        ["hint: ", "tip: ", "expected ", "possible values", "--help", "did you mean"]
            .iter()
            .any(|part| text.contains(part))
    };
    assert!(is_next_step(&run.stderr), "{line} names no next step: {run}");
    assert!(run.stderr.starts_with("error: ") || run.stderr.starts_with("note: "), "{line}: {run}");
}

#[test]
fn an_answer_without_rows_tells_what_no_event_has() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir demo --events 6000").data();
    let run = |source: &str, sql: &str| sandbox.run(&format!("keytrail sql {source} -c \"{sql}\""));
    let sql = "select event_id from kms_events where aws_region = 'us-esat-1'";
    insta::assert_snapshot!(run("--lake demo/lake", sql), @"
    exit 0
    -- stdout
    event_id
    -- stderr
    note: no event has the aws_region `us-esat-1`; did you mean `us-east-1`?
    ");
    assert_eq!(run("--lake demo/lake", "select 1 from events where event_id = 'none'").stderr, "");
    let told = run("--lake demo/lake", sql).stderr;
    for sql in [
        "select count(*) from events where aws_region = 'us-esat-1'",
        "select max(event_time), sum(record_index), count(*) from events where aws_region = 'us-esat-1'",
    ] {
        assert_eq!(run("--lake demo/lake", sql).stderr, told, "{sql}");
    }
    assert_eq!(run("--lake demo/lake", "select count(*) from events where aws_region <> 'us-esat-1'").stderr, "");
    assert_eq!(run("--raw demo/trail", sql).stderr, "");
}

#[test]
fn mistakes_are_told_with_their_cause_and_the_next_step() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir demo --events 6000").data();
    sandbox.write("demo/trail/file", "");
    let mut told = String::new();
    for line in OVER_THE_LAKE {
        let mut command = sandbox.keytrail(split_words(line));
        command.env("KEYTRAIL_LAKE", "demo/lake");
        tell(&mut told, line, &sandbox.finish(command, ""));
    }
    assert!(OVER_THE_LAKE.len() + ON_S3.len() >= FEWEST);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("mistakes", told);
    });
}

fn on_s3(sandbox: &Sandbox, server: &S3Server, line: &str) -> Command {
    let mut command = sandbox.keytrail(split_words(line));
    command
        .env("AWS_ACCESS_KEY_ID", server.access_key())
        .env("AWS_SECRET_ACCESS_KEY", server.secret_key())
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_MAX_ATTEMPTS", "1")
        .arg("--allow-http");
    command
}

/// The server's port differs from run to run, so these are looked at and not compared.
#[test]
fn mistakes_with_a_store_are_told_too() {
    let sandbox = Sandbox::new();
    let server = S3Server::start("company-logs");
    server.put("org/a.json", b"{\"Records\":[]}".to_vec());
    let mut told = String::new();
    for line in ON_S3 {
        let run = sandbox.finish(on_s3(&sandbox, &server, line), "");
        tell(&mut told, line, &run);
        assert!(run.stderr.contains("s3://"), "the place is named: {run}");
    }
    server.inject(|_| Fault::Refuse(403));
    for line in ["convert s3://company-logs/org --lake lake", "coverage --lake s3://company-logs/lake"] {
        let run = sandbox.finish(on_s3(&sandbox, &server, line), "");
        tell(&mut told, line, &run);
        assert_eq!(run.code(), Some(77), "{run}");
        assert!(run.stderr.contains("s3:GetObject"), "the permission is named: {run}");
    }
}
