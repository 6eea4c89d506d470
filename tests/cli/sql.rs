//! `keytrail sql` without a lake: statements, formats, errors.

use crate::sandbox::Sandbox;

#[test]
fn statements_run_without_a_lake() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select 1 as one'"), @"");
    insta::assert_snapshot!(sandbox.run("keytrail sql --format table -c 'select 1 as one, null as two'"), @"");
}

#[test]
fn a_table_without_a_lake_is_told_with_a_hint() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select * from events'"), @"");
}

#[test]
fn statements_stop_at_the_first_failure() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select 1 as a; selec 2; select 3' -c 'select 4'"), @"");
}

#[test]
fn commands_and_files_run_in_the_order_of_the_line() {
    let sandbox = Sandbox::new();
    sandbox.write("two.sql", "-- the second\nselect 2 as b;\nselect 'a;b' as c\n");
    let run = sandbox.run_with("keytrail sql -c 'select 1 as a' -f two.sql -c 'select 3 as d' -f -", "select 4 as e;");
    insta::assert_snapshot!(run, @"");
}

#[test]
fn a_pipe_is_a_file() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run_with("keytrail sql", "select 1 as a;\n\nselect 2 as a;\n"), @"");
    insta::assert_snapshot!(sandbox.run("keytrail sql -f nowhere.sql"), @"");
}

#[test]
fn parameters_are_values_and_never_sql() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql --param 'who=x; drop' -c 'select $who as who'"), @"");
    insta::assert_snapshot!(sandbox.run("keytrail sql -c 'select $who as who'"), @"");
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
    insta::assert_snapshot!(sandbox.run("keytrail sql --format parquet -c 'select 1' -c 'select 2'"), @"");
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
    insta::assert_snapshot!(sandbox.run("keytrail sql --format nonsense -c 'select 1'"), @"");
    insta::assert_snapshot!(sandbox.run("keytrail sql --since 2024-01-01 -c 'select 1'"), @"");
    insta::assert_snapshot!(sandbox.run("keytrail coverage"), @"");
}

#[test]
fn later_commands_say_so_and_are_not_advertised() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail report deletion-check --key x"), @"");
    for command in ["import", "verify"] {
        assert_eq!(sandbox.run(&format!("keytrail {command} --help")).code(), Some(2), "{command}");
    }
    insta::assert_snapshot!(sandbox.run("keytrail --help"), @"");
}

#[test]
fn views_are_listed_with_their_headers() {
    let sandbox = Sandbox::new();
    let list = sandbox.run("keytrail views").data();
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

#[test]
fn hostile_sql_ends_in_an_error_or_an_answer() {
    let sandbox = Sandbox::new();
    let sums = format!("select 1{}", " + 1".repeat(2_000));
    let alternatives = format!("select 1 where 1 = 2{}", " or 1 = 2".repeat(20_000));
    let nested = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("select '{}' as x", "x".repeat(10_000_000));
    for (name, sql) in [("sums", sums), ("alternatives", alternatives), ("nested", nested), ("long", long)] {
        let run = sandbox.run_with("keytrail sql", &sql);
        assert!(matches!(run.code(), Some(0 | 2)), "{name}: exit {:?}", run.code());
    }
}
