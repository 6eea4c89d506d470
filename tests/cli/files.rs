//! Files beside the lake: read where they are named and allowed, and nowhere else.

use std::os::unix::fs::symlink;

use crate::sandbox::Sandbox;

const OWNERS: &str = "\u{feff}account_id,Owner Team,since\n012345678901,\"pay;ments, EU\",2024-01-31\n111122223333,,\n";

fn with_files() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("extra/owners.csv", OWNERS);
    sandbox.write("extra/deep/owners.tsv", "account_id\towner\n012345678901\tana\n");
    sandbox.write("extra/array.json", "[{\"id\":\"0012\",\"n\":9007199254740993},\n{\"id\":\"b\",\"n\":null}]");
    sandbox.write("extra/lines.ndjson", "{\"id\":\"a\",\"tags\":[\"x\"]}\n{\"id\":\"b\",\"tags\":[]}\n");
    sandbox.write("secret/secret.csv", "word\ncanary\n");
    symlink(sandbox.path("secret/secret.csv"), sandbox.path("extra/link.csv")).expect("a link");
    symlink(sandbox.path("secret"), sandbox.path("extra/way-out")).expect("a link");
    symlink(sandbox.path("extra/owners.csv"), sandbox.path("extra/inside.csv")).expect("a link");
    sandbox
}

#[test]
fn attached_files_are_tables() {
    let sandbox = with_files();
    let run =
        sandbox.run("keytrail sql --attach owners=extra/owners.csv -c 'select * from owners order by account_id'");
    assert_eq!(run.data(), "account_id,Owner Team,since\n012345678901,\"pay;ments, EU\",2024-01-31\n111122223333,,\n");
    let run = sandbox.run("keytrail sql --attach a=extra/array.json --attach l=extra/lines.ndjson -c 'select a.id, n, l.id as other, tags from a join l on true where n is not null order by l.id'");
    assert_eq!(run.data(), "id,n,other,tags\n0012,9007199254740993,a,\"[\"\"x\"\"]\"\n0012,9007199254740993,b,[]\n");
    // Attached is not allowed: the name can be read, the path cannot.
    let run = sandbox.run("keytrail sql --attach owners=extra/owners.csv -c \"select * from 'extra/owners.csv'\"");
    assert_eq!(run.code(), Some(2), "{run}");
}

#[test]
fn cells_of_a_csv_file_are_separated_as_its_first_line_says() {
    let sandbox = Sandbox::new();
    sandbox.write("semicolons.csv", "\u{feff}account;\"amount, EUR\"\n012;1,5\n013;\"a;b\"\n");
    sandbox.write("tabs.csv", "account\tamount\n012\t1,5\n");
    let run = sandbox.run("keytrail sql --attach s=semicolons.csv --attach t=tabs.csv -c 'select s.*, t.amount from s left join t using (account) order by 1'");
    assert_eq!(run.data(), "account,\"amount, EUR\",amount\n012,\"1,5\",\"1,5\"\n013,a;b,\n");
}

#[test]
fn files_under_an_allowed_folder_are_read_by_their_path() {
    let sandbox = with_files();
    for path in ["extra/owners.csv", "owners.csv", "./extra/../extra/owners.csv", "extra/inside.csv", "inside.csv"] {
        let run = sandbox.run(&format!("keytrail sql --allow-files extra -c \"select count(*) as n from '{path}'\""));
        assert_eq!(run.data(), "n\n2\n", "{path}");
    }
    let run = sandbox.run("keytrail sql --allow-files extra -c \"select o.owner from 'deep/owners.tsv' o join 'owners.csv' p on o.account_id = p.account_id\"");
    assert_eq!(run.data(), "owner\nana\n");
    let absolute = sandbox.path("extra/owners.csv");
    let sql = format!("with o as (select * from '{}') select count(*) as n from o", absolute.display());
    assert_eq!(sandbox.finish(sandbox.keytrail(["sql", "--allow-files", "extra", "-c", &sql]), "").data(), "n\n2\n");
}

#[test]
fn nothing_else_is_read_and_nothing_is_told_of_it() {
    let sandbox = with_files();
    let outside = [
        "secret/secret.csv",
        "../secret/secret.csv",
        "extra/../secret/secret.csv",
        "link.csv",
        "extra/link.csv",
        "way-out/secret.csv",
        "/etc/passwd.csv",
        "absent-words.csv",
        "deep",
        "/etc/passwd",
        "s3://bucket/file.csv",
        "http://127.0.0.1/file.csv",
        "file:///etc/passwd.csv",
        "extra/",
        "extra/*.csv",
        "/dev/stdin.csv",
    ];
    let told: Vec<String> = outside
        .iter()
        .map(|path| {
            let sql = format!("select * from '{path}'");
            let run = sandbox.finish(sandbox.keytrail(["sql", "--allow-files", "extra", "-c", &sql]), "canary");
            assert_eq!((run.code(), run.stdout.as_str()), (Some(2), ""), "{path}: {run}");
            assert!(!run.stderr.contains("canary"), "{run}");
            run.stderr.replace(path, "PATH").replace(&"^".repeat(path.len() + 2), "^")
        })
        .collect();
    // What is there and what is not look alike.
    assert_eq!(told[0], told[7], "{told:#?}");
    assert_eq!(told[3], told[7], "{told:#?}");
}

#[test]
fn a_misspelt_path_is_told_with_the_file_that_was_meant() {
    let sandbox = with_files();
    for (path, hint) in [
        ("ownres.csv", "did you mean `owners.csv`?"),
        ("extra/ownres.csv", "did you mean `extra/owners.csv`?"),
        ("deep/owner.tsv", "did you mean `deep/owners.tsv`?"),
        ("*.csv", "a path names one file"),
    ] {
        let run = sandbox.run(&format!("keytrail sql --allow-files extra -c \"select * from '{path}'\""));
        assert!(run.code() == Some(2) && run.stderr.contains(hint), "{path}: {run}");
    }
    // Neither what is elsewhere nor what leads there is offered.
    for path in ["secret/secrets.csv", "link.cvs", "way-out/secrets.csv", "links.csv"] {
        let run = sandbox.run(&format!("keytrail sql --allow-files extra -c \"select * from '{path}'\""));
        assert!(run.code() == Some(2) && !run.stderr.contains("did you mean"), "{path}: {run}");
    }
}

#[test]
fn an_attached_file_is_looked_for_at_the_start() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("keytrail sql --attach owners=ownres.csv -c 'select 1'");
    assert!(run.code() == Some(66) && run.stderr.contains("cannot read `ownres.csv`"), "{run}");
}

#[test]
fn what_cannot_be_attached_is_told() {
    let sandbox = with_files();
    sandbox.write("broken.parquet", "no Parquet at all");
    sandbox.write("notes.txt", "a");
    for (argument, code, part) in [
        ("events=extra/owners.csv", 2, "cannot attach a file as `events`"),
        ("kms_events=extra/owners.csv", 2, "a table or view has this name"),
        ("Owners=extra/owners.csv", 2, "made of a-z, 0-9 and _"),
        ("owners=notes.txt", 2, "must end with one of .csv"),
        ("owners", 2, "expected NAME=FILE"),
        ("owners=nowhere.csv", 66, "cannot read `nowhere.csv`"),
        ("owners=broken.parquet", 2, "cannot read `broken.parquet` as a table"),
        ("owners=/dev/zero.csv", 66, "cannot read"),
    ] {
        let run = sandbox.finish(sandbox.keytrail(["sql", "--attach", argument, "-c", "select * from owners"]), "");
        assert_eq!(run.code(), Some(code), "{argument}: {run}");
        assert!(run.stderr.contains(part), "{argument}: {run}");
    }
    let run = sandbox.run("keytrail sql --allow-files nowhere -c 'select 1'");
    assert_eq!(run.code(), Some(66), "{run}");
    let run = sandbox.run("keytrail sql --allow-files notes.txt -c 'select 1'");
    assert!(run.code() == Some(74) && run.stderr.contains("cannot allow the folder"), "{run}");
}

#[test]
fn files_are_never_written() {
    let sandbox = with_files();
    for sql in [
        "insert into owners values ('1', '2', '3')",
        "copy owners to 'extra/out.csv'",
        "copy (select 1) to 'extra/out.csv'",
        "create external table t stored as csv location 'extra/owners.csv'",
        "drop table owners",
        "delete from owners",
        "insert into 'extra/owners.csv' values ('1', '2', '3')",
    ] {
        let command =
            sandbox.keytrail(["sql", "--allow-files", "extra", "--attach", "owners=extra/owners.csv", "-c", sql]);
        assert_eq!(sandbox.finish(command, "").code(), Some(2), "{sql}");
    }
    assert_eq!(sandbox.read("extra/owners.csv"), OWNERS);
    assert!(!sandbox.path("extra/out.csv").exists());
}

#[test]
fn what_was_written_is_read_back() {
    let sandbox = Sandbox::new();
    let rows = "select x, y from (values (1, 'a', null), (2, null, 'tab' || chr(9) || 'line' || chr(10) || 'back' || chr(92)), (3, chr(34) || 'q', '')) t(i, x, y) order by i";
    for (format, same) in [("tsv", "x is null, y = ''"), ("csv", "x is null, y = ''")] {
        sandbox.finish(sandbox.keytrail(["sql", "-o", &format!("rows.{format}"), "-c", rows]), "").data();
        let attached = format!("r=rows.{format}");
        let sql = "select count(*), count(x), count(*) filter (where y = 'tab' || chr(9) || 'line' || chr(10) || 'back' || chr(92)) from r";
        let run = sandbox.finish(sandbox.keytrail(["sql", "--attach", &attached, "-c", sql]), "");
        assert_eq!(run.data().lines().last(), Some("3,2,1"), "{format}");
        let sql = format!("select {same} from r where x = chr(34) || 'q'");
        let run = sandbox.finish(sandbox.keytrail(["sql", "--attach", &attached, "-c", &sql]), "");
        assert_eq!(run.data().lines().last(), Some("false,true"), "{format}");
    }
    // A line without anything is the null of the only column.
    for format in ["csv", "tsv"] {
        let file = format!("one.{format}");
        sandbox.run(&format!("keytrail sql -o {file} -c \"select x from (values (1), (null), (2)) t(x)\"")).data();
        let run = sandbox.run(&format!("keytrail sql --attach o={file} -c 'select count(*), count(x) from o'"));
        assert_eq!(run.data().lines().last(), Some("3,2"), "{format}");
    }
}

#[test]
fn what_is_wrong_with_a_file_of_cells_is_told_with_its_line() {
    let sandbox = Sandbox::new();
    sandbox.write("ragged.csv", "a,b\n1,2\n3\n");
    sandbox.write("twice.csv", "a,a\n1,2\n");
    let run = sandbox.run("keytrail sql --attach r=ragged.csv -c 'select * from r'");
    assert!(run.stderr.contains("`ragged.csv`, line 3: 1 cell, but 2 column names"), "{run}");
    let run = sandbox.run("keytrail sql --attach t=twice.csv -c 'select * from t'");
    assert_eq!(run.data(), "a,a_2\n1,2\n");
}

#[test]
fn functions_that_read_files_elsewhere_are_told_with_the_path() {
    let sandbox = with_files();
    let run = sandbox.run("keytrail sql --allow-files extra -c \"select * from read_csv('owners.csv')\"");
    assert!(run.code() == Some(2) && run.stderr.contains("`select * from 'owners.csv'`"), "{run}");
    let run = sandbox.run("keytrail sql -c \"select * from read_parquet('x.parquet')\"");
    assert!(run.code() == Some(2) && run.stderr.contains("--allow-files"), "{run}");
}
