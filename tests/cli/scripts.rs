//! `keytrail sql` without a person: parameters, failures, readers that go away, limits, the prompt's own file.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::sandbox::Sandbox;

#[test]
fn a_byte_order_mark_is_no_part_of_a_script() {
    let sandbox = Sandbox::new();
    sandbox.write("windows.sql", "\u{feff}select 1 as a;");
    assert_eq!(sandbox.run("keytrail sql -f windows.sql").data(), "a\n1\n");
}

#[test]
fn failures_are_gone_over_only_when_asked() {
    let sandbox = Sandbox::new();
    sandbox.write("three.sql", "select 1 as a;\n\n  select nonsense;\nselect 3 as c;\n");
    insta::assert_snapshot!(sandbox.run("keytrail sql -f three.sql"), @"
    exit 2
    -- stdout
    a
    1
    -- stderr
    error: no such column: `nonsense`; the statement reads no table
     --> three.sql:3:10
      | select nonsense
      |        ^^^^^^^^
    hint: a text stands in single quotes: `'text'`; a table is read with `from`
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --keep-going -f three.sql -f nowhere.sql"), @"
    exit 66
    -- stderr
    error: cannot read `nowhere.sql`
    caused by: failed to open file `nowhere.sql`: No such file or directory (os error 2)
    hint: the folder `.` holds nothing of that name
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --keep-going -f three.sql"), @"
    exit 2
    -- stdout
    a
    1
    c
    3
    -- stderr
    error: no such column: `nonsense`; the statement reads no table
     --> three.sql:3:10
      | select nonsense
      |        ^^^^^^^^
    hint: a text stands in single quotes: `'text'`; a table is read with `from`
    ");
}

#[test]
fn the_exit_code_is_that_of_the_first_failure() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("keytrail sql --keep-going -c 'selec' -c 'select 1' -c \"select * from 'x.csv'\"");
    assert_eq!(run.code(), Some(2), "{run}");
    let endless = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b \
                   where length(md5(cast(a.value + b.value as varchar))) = 1";
    let line = format!("keytrail sql --keep-going --timeout 3s -c '{endless}' -c 'selec' -c 'select 1 as a'");
    let run = sandbox.run(&line);
    assert_eq!((run.code(), run.stdout.as_str()), (Some(69), "a\n1\n"), "{run}");
}

#[test]
fn an_error_in_a_pipe_names_the_line() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run_with("keytrail sql", "select 1 as a;\nselect\n  1 +;\n"), @"
    exit 2
    -- stdout
    a
    1
    -- stderr
    error: the statement ends too early: an expression is missing
     --> stdin:3:6
      |   1 +
      |      ^
    ");
    insta::assert_snapshot!(sandbox.run_with("keytrail sql", "select 1 as a;\nselect 'open;\n"), @"
    exit 2
    -- stderr
    error: a text is not closed
     --> stdin:2:8
      | select 'open;
      |        ^
    hint: a quote within a text is written twice: `'it''s'`
    ");
}

#[test]
fn commands_of_the_prompt_are_told_from_sql() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run_with("keytrail sql", "select 1 as a;\n\\timing\nselect 2;\n"), @r"
    exit 2
    -- stdout
    a
    1
    -- stderr
    error: commands work at the prompt only, not in scripts: `\timing`
     --> stdin:2:1
      | \timing
      | ^^^^^^^
    hint: `--timing` shows the time of each statement
    ");
}

#[test]
fn a_parameter_that_no_statement_has_is_told() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run("keytrail sql --param a=1 --param b:int=2 --param c=3 -c 'select :a as a' -c 'select $b as b'"), @"
    exit 0
    -- stdout
    a
    1
    b
    2
    -- stderr
    note: no statement has the parameter `$c`
    ");
}

#[test]
fn columns_without_a_name_have_that_of_their_text() {
    let sandbox = Sandbox::new();
    for (sql, head) in [
        ("select 1", "1"),
        ("select 'abc'", "'abc'"),
        ("select upper('a'), 1 + 2 as three", "upper('a'),three"),
        ("select sum(v) from generate_series(1, 3) as t(v) group by v % 2 order by sum(v)", "sum(v)"),
        ("select distinct upper('a') order by 1", "upper('a')"),
        ("(select 1) union all select 2", "1"),
        ("select unnest([1, 2])", "\"UNNEST(make_array(Int64(1),Int64(2)))\""),
    ] {
        let data = sandbox.finish(sandbox.keytrail(["sql", "-c", sql]), "").data();
        assert_eq!(data.lines().next(), Some(head), "{sql}");
    }
}

#[test]
fn parameters_have_types() {
    let sandbox = Sandbox::new();
    let cases = [
        ("n=5", "select count(*) as n from generate_series(1, 10) as t(value) where value > :n", "n\n5\n"),
        (
            "n=5",
            "select value as n from generate_series(1, 10) as t(value) order by value limit $n",
            "n\n1\n2\n3\n4\n5\n",
        ),
        ("n=2.5", "select count(*) as n from generate_series(1, 10) as t(value) where value < :n", "n\n2\n"),
        ("n:int=40", "select :n + 2 as n", "n\n42\n"),
        ("n:int=42", "select arrow_typeof(:n) as n", "n\nInt64\n"),
        ("n=42", "select arrow_typeof(:n) as n", "n\nUtf8\n"),
        ("n:bool=true", "select :n and true as n", "n\ntrue\n"),
        ("n:float=0.5", "select :n * 2 as n", "n\n1.0\n"),
        ("n:date=2024-01-31", "select :n + interval '1 day' as n", "n\n2024-02-01\n"),
        ("t:timestamp=2024-01-31T06:00:00Z", "select date_part('hour', :t) as n", "n\n6\n"),
        ("d:interval=2 days", "select date '2024-01-31' - :d as n", "n\n2024-01-29T00:00:00\n"),
        // What only looks like a parameter.
        ("b=x", "select 'a:b $b' as n, '1'::text as m, :b as o", "n,m,o\na:b $b,1,x\n"),
        (
            "b=x",
            "select timestamp '2024-01-31 06:00:00'::date as n, [1, 2, 3][2:3] as m, :b as o",
            "n,m,o\n2024-01-31,\"[2,3]\",x\n",
        ),
    ];
    for (parameter, sql, expected) in cases {
        let run = sandbox.finish(sandbox.keytrail(["sql", "--param", parameter, "-c", sql]), "");
        assert_eq!(run.data(), expected, "{parameter}: {sql}");
    }
}

#[test]
fn a_value_of_another_type_is_told_with_its_parameter() {
    let sandbox = Sandbox::new();
    let sql = "select 1 from generate_series(1, 2) as t(value) where value > :n";
    let run = sandbox.finish(sandbox.keytrail(["sql", "--param", "n=many", "-c", sql]), "");
    insta::assert_snapshot!(run, @"
    exit 2
    -- stderr
    error: the parameter `$n` is not a valid int: `many`
      | …enerate_series(1, 2) as t(value) where value > :n
      |                                                 ^^
    hint: `--param n:text=VALUE` gives it another type: int, float, bool, date, timestamp, interval or text
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --param n:itn=5 -c 'select :n'"), @"
    exit 2
    -- stderr
    error: invalid value 'n:itn=5' for '--param <NAME=VALUE>': no such type: `itn`; types are int, float, bool, date, timestamp, interval, text; did you mean `int`?

    For more information, try '--help'.
    ");
}

/// `| head -n 1`, as a reader sees it: one line is read, then the pipe is closed.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::new();
    for format in ["csv", "ndjson", "table", "html"] {
        let sql = "select value from generate_series(1, 3000000) as t(value)";
        let mut child = sandbox
            .keytrail(["sql", "--format", format, "-c", sql, "-c", "select 2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("the command starts");
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
        reader.read_line(&mut line).expect("a line");
        drop(reader);
        let output = child.wait_with_output().expect("an end");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{format}");
    }
}

#[test]
fn a_statement_that_takes_too_long_is_given_up() {
    let sandbox = Sandbox::new();
    let endless = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b \
                   where length(md5(cast(a.value + b.value as varchar))) = 1";
    insta::assert_snapshot!(sandbox.run(&format!("keytrail sql --timeout 1s -c '{endless}'")), @"
    exit 69
    -- stderr
    error: the statement took longer than `--timeout` allows: [n] s
    hint: allow more, or ask for less: a shorter period, one key, fewer columns
    ");
}

#[test]
fn a_query_spills_or_says_that_memory_is_short() {
    let sandbox = Sandbox::new();
    let sorted =
        "select value, repeat('x', 100) || value as t from generate_series(1, 300000) as t(value) order by t desc";
    let run = sandbox.run(&format!("keytrail sql --workers 1 --memory-limit 24MiB -o rows.csv -c \"{sorted}\""));
    assert_eq!(run.data(), "");
    assert_eq!(sandbox.read("rows.csv").lines().count(), 300_001);
    assert_eq!(fs_err::read_dir(sandbox.path("tmp")).expect("a folder").count(), 0, "spill files are gone");
    let grouped =
        "select array_length(array_agg(repeat('x', 100) || value)) as n from generate_series(1, 900000) as t(value)";
    let run = sandbox.run(&format!("keytrail sql --memory-limit 16MiB -c \"{grouped}\""));
    assert_eq!(run.code(), Some(69), "{run}");
    assert!(run.stderr.contains("hint: raise `--memory-limit`"), "{run}");
}

/// Runs the prompt on a terminal; the file that it begins with ends it.
fn prompt(sandbox: &Sandbox, arguments: &str) -> String {
    let line = format!("{} sql {arguments}", env!("CARGO_BIN_EXE_keytrail"));
    let mut command = sandbox.program("timeout");
    command.args(["120", "script", "--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("TERM", "xterm").env("SHELL", "/bin/sh").env("NO_COLOR", "1");
    sandbox.finish(command, "").data()
}

#[test]
fn the_prompt_begins_with_a_file_of_ones_own() {
    let sandbox = Sandbox::new();
    sandbox.write(".config/keytrail/init.sql", "-- mine\n\\x\nselect 40 +\n  2 as answer;\nselect nonsense;\n\\q\n");
    let shown = prompt(&sandbox, "");
    assert!(shown.contains("answer | 42") && shown.contains("init.sql"), "{shown}");
    assert!(shown.contains("no such column: `nonsense`"), "{shown}");
    sandbox.write("other.sql", "select 'another' as file;\n\\q\n");
    assert!(prompt(&sandbox, "--init other.sql").contains("another"));
    // A script is the same for everybody.
    assert_eq!(sandbox.run("keytrail sql -c 'select 1 as a'").data(), "a\n1\n");
    let both = sandbox.run("keytrail sql --init other.sql --no-init -c 'select 1'");
    assert_eq!(both.code(), Some(2), "{both}");
    let script = sandbox.run("keytrail sql --init other.sql -c 'select 1'");
    assert!(script.code() == Some(2) && script.stderr.contains("`--init` is for the prompt"), "{script}");
}

/// The editor reads more than a line at once.
#[test]
fn lines_that_are_typed_ahead_are_all_run() {
    let sandbox = Sandbox::new();
    let line = format!("{} sql --no-init", env!("CARGO_BIN_EXE_keytrail"));
    let mut command = sandbox.program("timeout");
    command.args(["120", "script", "--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("TERM", "xterm").env("SHELL", "/bin/sh").env("NO_COLOR", "1");
    let typed = "select 11 * 11 as x;\nselect 12 * 12 as x;\nselect 13 * 13 as x;\n\\q\n";
    let shown = sandbox.finish(command, typed).data();
    for number in ["121", "144", "169"] {
        assert!(shown.contains(number), "{shown}");
    }
}

/// Spill files hold rows of events.
#[test]
fn a_statement_that_runs_out_of_time_leaves_no_spill_file() {
    let sandbox = Sandbox::new();
    let sorted =
        "select value, repeat('x', 100) || value as t from generate_series(1, 100000000) as t(value) order by t desc";
    let run = sandbox.run(&format!("keytrail sql --timeout 4s --memory-limit 64MiB -o rows.csv -c \"{sorted}\""));
    assert_eq!(run.code(), Some(69), "{run}");
    assert_eq!(fs_err::read_dir(sandbox.path("tmp")).expect("a folder").count(), 0, "spill files are gone");
}
