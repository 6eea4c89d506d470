//! `keytrail sql` without a lake: statements, formats, errors.

use crate::sandbox::Sandbox;

#[test]
fn statements_run_without_a_lake() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select 1 as one'"), @"
    exit 0
    -- stdout
    one
    1
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --format table -c 'select 1 as one, null as two'"), @"
    exit 0
    -- stdout
     one | two
    -----+------
       1 | NULL
    ");
}

#[test]
fn a_table_without_a_lake_is_told_with_a_hint() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select * from events'"), @"
    exit 2
    -- stderr
    error: no such table or view: `events`
      | select * from events
      |               ^^^^^^
    hint: `keytrail views` lists the views; the tables are events, log_files, rejects, runs and inventory
    hint: name a lake with `--lake LAKE` or in `KEYTRAIL_LAKE`, or logs with `--raw SOURCE`
    ");
}

#[test]
fn statements_stop_at_the_first_failure() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select 1 as a; selec 2; select 3' -c 'select 4'"), @"
    exit 2
    -- stdout
    a
    1
    -- stderr
    error: expected an SQL statement, found `selec`
      | selec 2
      | ^^^^^
    hint: did you mean `select`?
    ");
}

#[test]
fn commands_and_files_run_in_the_order_of_the_line() {
    let sandbox = Sandbox::new();
    sandbox.write("two.sql", "-- the second\nselect 2 as b;\nselect 'a;b' as c\n");
    let run = sandbox.run_with("keytrail sql -c 'select 1 as a' -f two.sql -c 'select 3 as d' -f -", "select 4 as e;");
    insta::assert_snapshot!(run, @"
    exit 0
    -- stdout
    a
    1
    b
    2
    c
    a;b
    d
    3
    e
    4
    ");
}

#[test]
fn a_pipe_is_a_file() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run_with("keytrail sql", "select 1 as a;\n\nselect 2 as a;\n"), @"
    exit 0
    -- stdout
    a
    1
    a
    2
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql -f nowhere.sql"), @"
    exit 66
    -- stderr
    error: cannot read `nowhere.sql`
    caused by: failed to open file `nowhere.sql`: No such file or directory (os error 2)
    hint: the folder `.` holds nothing of that name
    ");
}

#[test]
fn parameters_are_values_and_never_sql() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql --param 'who=x; drop' -c 'select $who as who'"), @"
    exit 0
    -- stdout
    who
    x; drop
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select $who as who'"), @r"
    exit 2
    -- stderr
    error: no value for the parameter `$who`
      | select $who as who
      |        ^^^^
    hint: give it with `--param who=VALUE`, at the prompt with `\set who VALUE`
    ");
}

#[test]
fn only_queries_are_allowed() {
    let sandbox = Sandbox::new();
    for statement in [
        "copy (select 1) to ''out.csv''",
        "create table t as select 1",
        "create external table t stored as csv location ''/etc/passwd''",
        "insert into t values (1)",
        "delete from t",
        "drop table t",
        "set datafusion.execution.batch_size = 1",
        "select * from ''/etc/passwd''",
        "select * from '/etc/passwd.csv'",
        "select * from (select 1) tablesample (10)",
    ] {
        let run = sandbox.finish(sandbox.keytrail(["sql", "-c", &statement.replace("''", "'")]), "");
        assert_eq!(run.code(), Some(2), "{statement}: {run}");
        assert_eq!(run.stdout, "", "{statement}");
    }
    assert!(!sandbox.path("out.csv").exists());
}

#[test]
fn data_in_a_pipe_is_exact_and_messages_are_safe() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("keytrail sql -c 'select chr(27) as x'");
    assert_eq!(run.data(), "x\n\u{1b}\n");
    let run = sandbox.run("keytrail sql --format table -c 'select chr(27) as x'");
    assert_eq!(run.data(), " x\n--------\n \\u{1b}\n");
    let hostile = "select \u{1b}]0;pwned\u{7} from \u{202e}x";
    let run = sandbox.finish(sandbox.keytrail(["sql", "-c", hostile]), "");
    assert_eq!(run.code(), Some(2));
    assert!(!run.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{}", run.stderr);
}

#[test]
fn a_file_holds_one_result_or_a_stream_of_them() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("keytrail sql -o rows.csv -c 'select 1 as a' -c 'select 2 as b'").data(), "");
    assert_eq!(sandbox.read("rows.csv"), "a\n1\nb\n2\n");
    assert_eq!(sandbox.run("keytrail sql --format parquet -o rows.parquet -c 'select 1 as a'").data(), "");
    assert!(fs_err::read(sandbox.path("rows.parquet")).expect("a file").starts_with(b"PAR1"));
    insta::assert_snapshot!(sandbox.run("keytrail sql --format parquet -c 'select 1' -c 'select 2'"), @"
    exit 2
    -- stderr
    error: this format holds one result, not 2
    hint: write each result to a file of its own with `-o FILE`
    ");
    for format in ["json", "html"] {
        let run = sandbox.run(&format!("keytrail sql -o two.{format} -c 'select 1' -c 'select 2'"));
        assert!(run.code() == Some(2) && run.stderr.contains("this format holds one result, not 2"), "{run}");
        assert!(!sandbox.path(format!("two.{format}")).exists());
    }
}

#[test]
fn a_failed_run_leaves_no_file() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("keytrail sql -o rows.csv -c 'select 1 as a' -c 'selec 2'");
    assert_eq!(run.code(), Some(2));
    assert!(!sandbox.path("rows.csv").exists());
}

#[test]
fn usage_errors_are_told_on_stderr() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql --format nonsense -c 'select 1'"), @"
    exit 2
    -- stderr
    error: invalid value 'nonsense' for '--format <FORMAT>'
      [possible values: table, vertical, csv, tsv, json, ndjson, markdown, html, parquet, arrow, plot]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --since 2024-01-01 -c 'select 1'"), @"
    exit 2
    -- stderr
    error: --since and --until are for --raw
    hint: over a lake, say it in SQL: `where event_time >= timestamp '2024-01-31'`
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql 'select 1'"), @"
    exit 2
    -- stderr
    error: unexpected argument: `select 1`
    hint: a statement is given with -c: `-c 'select 1'`
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --raw tmp 'select 1'"), @"
    exit 66
    -- stderr
    error: no such file or folder: [dir]/select 1
    hint: a statement is given with -c: `-c 'select 1'`
    ");
    let run = sandbox.run("keytrail sql tmp");
    assert!(run.code() == Some(2) && run.stderr.contains("`--lake tmp`"), "{run}");
    insta::assert_snapshot!(sandbox.run("keytrail coverage"), @"
    exit 2
    -- stderr
    error: no lake is given
    hint: name it with `--lake LAKE` or in `KEYTRAIL_LAKE`
    ");
}

#[test]
fn help_lists_the_commands() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail --help"), @"
    exit 0
    -- stdout
    Years of AWS CloudTrail logs as a small, lossless lake: which KMS key was used, when, by whom and
    for what

    Usage: keytrail [OPTIONS] <COMMAND>

    Commands:
      convert      Read trail logs into the lake; incremental, safe to repeat
      sql          Run SQL over the lake, or over unconverted logs with --raw; a prompt on a terminal
      key          One key: is it needed; last use, who, via what, for what data, what the logs cannot
                   show
      coverage     Accounts, regions and days that the lake covers
      check        Check every data file against the log, and the accounting
      verify       Verify log files against AWS's digest files, on S3 or as copies
      import       Add what the AWS CLI prints about keys, grants, policies and IAM to the lake
      compact      Merge small data files
      vacuum       Delete data files that the lake does not refer to any more
      export       Give event records back byte for byte
      views        List the views in a line each; with a name, show its SQL
      demo         Make a trail of 100,000 events, convert it and tell its story
      connect      Print what opens the lake in another tool: DuckDB, Polars, Spark, Athena, Python
      completions  Print a completion script for a shell
      man          Write man pages, one for each command
      help         Print this message or the help of the given subcommand(s)

    Options:
      -v, --verbose...  Say more: on stderr times and requests to S3, in `verify` what is valid
      -h, --help        Print help
      -V, --version     Print version

    Exit codes: 0 done, 1 a finding (with --exit-on-finding), 2 usage or SQL error,
    3 incomplete (input was rejected, the logs have holes),
    4 integrity failure, 10 not a lake or a newer one, 66 no such input,
    69 service not available or limit reached (--timeout, --memory-limit),
    70 a bug in keytrail, 73 the output cannot be made, 74 reading or writing
    failed, 75 another writer was faster, 77 not permitted, 130 Ctrl-C,
    143 SIGTERM.

    `KEYTRAIL_LAKE` is the default of --lake. AWS settings are taken as AWS's own
    tools take them (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, SSO, roles,
    instance metadata).
    ");
}

#[test]
fn views_are_listed_in_a_line_each_or_with_their_headers() {
    let sandbox = Sandbox::new();
    let list = sandbox.run("keytrail views --full").data();
    let short = sandbox.run("keytrail views").data();
    assert_eq!(short.lines().count(), keytrail_query::view_catalogue().len(), "{short}");
    assert!(short.lines().any(|line| line.ends_with("  Which key an alias stood for, and when")), "{short}");
    for view in ["kms_events", "kms_key_usage", "kms_key_usage_daily", "kms_encryption_contexts", "log_file_coverage"] {
        assert!(list.lines().any(|line| line == view), "{view} is not listed:\n{list}");
        let sql = sandbox.run(&format!("keytrail views {view}")).data();
        assert!(sql.contains(&format!("-- view:    {view}")), "{sql}");
    }
    let run = sandbox.run("keytrail views nowhere");
    assert_eq!(run.code(), Some(2), "{run}");
}

#[test]
fn completions_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.run(&format!("keytrail completions {shell}")).data();
        assert!(script.contains("convert") && script.contains("coverage"), "{shell}");
    }
}

/// The stack that a level of an expression takes shows at the depths that are planned, and at those that are parsed and then refused.
#[test]
fn hostile_sql_ends_in_an_error_or_an_answer() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir demo --events 2000").data();
    let events = |condition: &str| format!("select count(*) as n from kms_events where {condition}");
    let conditions = |count: usize, operator: &str| {
        let condition = |number| match number % 2 {
            0 => format!("event_name like 'Nothing{number}%'"),
            _ => format!("error_code = 'e{number}' and key_arn = 'k{number}'"),
        };
        (0..count).map(condition).collect::<Vec<_>>().join(operator)
    };
    let none = Ok("0");
    let too_deep = Err("the statement is too large: an expression of more than some 1,400 terms one after the other");
    for (name, sql, expected) in [
        ("sums", format!("select 1{} as n", " + 1".repeat(1_000)), Ok("1001")),
        ("more sums", format!("select 1{} as n", " + 1".repeat(20_000)), too_deep),
        ("alternatives of one", events(&format!("1 = 2{}", " or 1 = 2".repeat(20_000))), none),
        ("alternatives", events(&conditions(2_000, " or ")), none),
        ("20,000 alternatives", format!("explain {}", events(&conditions(20_000, " or "))), Ok("plan_type")),
        ("conditions", events(&conditions(20_000, " and ")), too_deep),
        ("none of the alternatives", events(&format!("not ({})", conditions(20_000, " or "))), too_deep),
        ("unions", format!("select 1 as n{}", " union all select 1".repeat(500)), Ok("1")),
        ("nested", format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000)), Err("nested too deeply")),
        ("long", format!("select length('{}') as n", "x".repeat(10_000_000)), Ok("10000000")),
    ] {
        let run = sandbox.run_with("keytrail sql --lake demo/lake --format csv", &sql);
        match expected {
            Ok(value) => {
                assert_eq!(run.code(), Some(0), "{name}: {:.300}", run.stderr);
                assert!(run.stdout.lines().any(|line| line.starts_with(value)), "{name}: {:.300}", run.stdout);
            }
            Err(message) => {
                assert_eq!(run.code(), Some(2), "{name}: {:.300}", run.stderr);
                assert!(run.stderr.contains(message), "{name}: {:.300}", run.stderr);
            }
        }
    }
}

#[test]
fn times_are_told_for_programs_to_read() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("keytrail sql --timing -c 'select 1 as a; select 2 as a'");
    assert_eq!((run.code(), run.stdout.as_str()), (Some(0), "a\n1\na\n2\n"), "{run}");
    let times: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(times.len(), 2, "{run}");
    for line in times {
        let number = line.strip_prefix("time: ").and_then(|line| line.strip_suffix(" ms")).expect(line);
        assert!(number.parse::<f64>().expect("a number") >= 0.0, "{line}");
    }
}

#[test]
fn the_name_of_a_file_tells_its_format() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("keytrail sql -c 'select 1 as a' -o out.json").code(), Some(0));
    assert_eq!(sandbox.read("out.json"), "[\n{\"a\":1}\n]\n");
    assert_eq!(sandbox.run("keytrail sql -c 'select 1 as a' -o out.json --format csv").code(), Some(0));
    assert_eq!(sandbox.read("out.json"), "a\n1\n", "a format that is asked for holds");
    assert_eq!(sandbox.run("keytrail sql -c 'select 1 as a' -o out.parquet").code(), Some(0));
    assert!(fs_err::read(sandbox.path("out.parquet")).expect("a file").starts_with(b"PAR1"));
}
