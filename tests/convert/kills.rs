//! Conversions that are killed between any two of their commits, and several at once, over log files that the lake knows already.
//!
//! A kill is made after the fact: commits are files, so the lake as it was after each one of a run is a copy without the later ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures::future::join_all;
use keytrail_convert::{ConvertInput, EVENTS, LOG_FILES, REJECTS, check_accounting};
use keytrail_lake::{Commit, CommitOperation, TransactionId};

use crate::support::{TestLake, event};

const TIME: &str = "2024-01-31T10:00:00Z";
const BAD: &str = "7";

/// What is delivered first and after it, record by record, and the records that are rows in the end.
const DELIVERIES: [(&[&str], &[&str], usize); 5] = [
    (&["a"], &["a", "b"], 2),
    (&["a", BAD], &["a", "b"], 2),
    (&["a", BAD], &["a", "b", BAD], 2),
    (&["a", BAD], &["a", BAD], 1),
    (&[], &["a", BAD, "b"], 2),
];

fn write(path: &Path, records: &[&str], padding: usize) {
    let record = |id: &&str| if *id == BAD { BAD.to_owned() } else { event(id, TIME) };
    let records: Vec<_> = records.iter().map(record).collect();
    // Another version has another size.
    fs_err::write(path, format!(r#"{{"Records":[{}]}}{}"#, records.join(","), " ".repeat(padding))).expect("file");
}

/// The entries of all logs, in the order of their making.
fn commits(lake: &Path) -> Vec<PathBuf> {
    let tables = fs_err::read_dir(lake).expect("lake").map(|table| table.expect("entry").path().join("_delta_log"));
    let entries = tables.filter(|log| log.is_dir()).flat_map(|log| fs_err::read_dir(log).expect("log"));
    let mut entries: Vec<_> = entries
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| (fs_err::metadata(&path).expect("metadata").modified().expect("time"), path))
        .collect();
    entries.sort_unstable();
    entries.into_iter().map(|(_, path)| path).collect()
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("folder");
    for entry in fs_err::read_dir(from).expect("folder").map(|entry| entry.expect("entry")) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs_err::copy(entry.path(), target).expect("copied")),
        }
    }
}

/// The lake after each commit since `before`, but the last one.
fn moments(lake: &TestLake, before: &[PathBuf]) -> Vec<TestLake> {
    let known: BTreeSet<_> = before.iter().collect();
    let made: Vec<_> = commits(&lake.path()).into_iter().filter(|path| !known.contains(path)).collect();
    let moment = |count: usize| {
        let killed = TestLake::new();
        copy(&lake.path(), &killed.path());
        for later in &made[count..] {
            let place = later.strip_prefix(lake.path()).expect("in the lake");
            fs_err::remove_file(killed.path().join(place)).expect("removed");
        }
        killed
    };
    (0..made.len()).map(moment).collect()
}

async fn convert(lake: &TestLake, source: &Path, is_retry: bool, run: &str) {
    let change = |options: &mut keytrail_convert::ConvertOptions| {
        options.run_id = run.to_owned();
        let order = ["first", "killed"].iter().position(|earlier| *earlier == run).unwrap_or(2);
        options.started += chrono::TimeDelta::seconds(i64::try_from(order).expect("small"));
        if is_retry {
            options.input = ConvertInput::Rejected;
        }
    };
    lake.convert_with(source, change).await;
}

fn sum(counts: &[String]) -> usize {
    counts.iter().map(|count| count.parse::<usize>().expect("a count")).sum()
}

async fn assert_right(lake: &TestLake, row_count: usize, what: &str) {
    assert_eq!(lake.findings().await, Vec::<String>::new(), "{what}");
    assert_eq!(lake.texts().await.len(), row_count, "{what}");
    assert_eq!(sum(&lake.column(LOG_FILES, "row_count").await), row_count, "{what}");
}

#[tokio::test]
async fn a_run_that_is_killed_between_any_two_commits_leaves_nothing_uncounted() {
    let mut moment_count = 0;
    for (case, (first, then, row_count)) in DELIVERIES.into_iter().enumerate() {
        for is_retry in [false, true] {
            let source = tempfile::tempdir().expect("folder");
            let file = source.path().join("1.json");
            write(&source.path().join("0.json"), &[BAD], 0);
            write(&file, first, 0);
            let lake = TestLake::new();
            convert(&lake, source.path(), false, "first").await;
            write(&file, then, 1);
            let before = commits(&lake.path());
            convert(&lake, source.path(), is_retry, "killed").await;
            for (moment, killed) in moments(&lake, &before).into_iter().enumerate() {
                let what = format!("delivery {case}, retry {is_retry}, {moment} commits");
                moment_count += 1;
                let accounts = check_accounting(&killed.open().await).await.expect("checked");
                assert_eq!(accounts.findings, Vec::<String>::new(), "a kill is no finding: {what}");
                if moment % 2 == 0 {
                    convert(&killed, source.path(), true, "retried after it").await;
                }
                convert(&killed, source.path(), false, "after it").await;
                assert_right(&killed, row_count, &what).await;
                convert(&killed, source.path(), true, "retried").await;
                assert_right(&killed, row_count, &what).await;
                let rejected = sum(&killed.column(LOG_FILES, "rejected_count").await);
                assert_eq!(killed.column(REJECTS, "reason").await.len(), rejected, "{what}");
                assert_eq!(rejected, 1 + usize::from(then.contains(&BAD)), "{what}");
            }
        }
    }
    assert!(moment_count > 40, "{moment_count} moments");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shards_of_a_retry_at_once_are_one_retry() {
    let source = tempfile::tempdir().expect("folder");
    let name = |number: usize| source.path().join(format!("{number:02}.json"));
    (0..24).for_each(|number| write(&name(number), &[&format!("a{number}"), BAD], 0));
    let lake = TestLake::new();
    convert(&lake, source.path(), false, "first").await;
    (0..24).for_each(|number| write(&name(number), &[&format!("a{number}"), &format!("b{number}")], 0));
    let shards = (1..=3).map(|number| {
        lake.convert_with(source.path(), move |options| {
            options.input = ConvertInput::Rejected;
            options.shard = Some(format!("{number}/3").parse().expect("a shard"));
        })
    });
    let summaries = join_all(shards).await;
    assert!(summaries.iter().all(|summary| summary.log_files < 24), "{summaries:?}");
    assert_eq!(summaries.iter().map(|summary| (summary.log_files, summary.rows)).fold((0, 0), add), (24, 24));
    assert_right(&lake, 48, "shards").await;
    assert_eq!(lake.column(REJECTS, "reason").await, Vec::<String>::new());
}

fn add(sum: (u64, u64), counts: (u64, u64)) -> (u64, u64) {
    (sum.0 + counts.0, sum.1 + counts.1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retries_at_once_and_beside_conversions_count_each_row_once() {
    const FILES: usize = 24;
    for (turn, runs) in [[true, true, true], [true, false, true], [false, true, false]].into_iter().enumerate() {
        let source = tempfile::tempdir().expect("folder");
        let name = |number: usize| source.path().join(format!("{number:02}.json"));
        for number in 0..FILES {
            write(&name(number), &[&format!("a{number}"), BAD], 0);
        }
        let lake = TestLake::new();
        convert(&lake, source.path(), false, "first").await;
        for number in 0..FILES {
            // A third is repaired, a third delivered again as it was, a third left alone.
            match number % 3 {
                0 => write(&name(number), &[&format!("a{number}"), &format!("b{number}")], 0),
                1 => write(&name(number), &[&format!("a{number}"), BAD], 1),
                _ => {}
            }
        }
        let at_once = runs.into_iter().enumerate().map(|(number, is_retry)| {
            let change = move |options: &mut keytrail_convert::ConvertOptions| {
                options.run_id = format!("at once {number}");
                options.epoch_bytes = 700;
                if is_retry {
                    options.input = ConvertInput::Rejected;
                }
            };
            lake.convert_with(source.path(), change)
        });
        join_all(at_once).await;
        assert_right(&lake, FILES + FILES / 3, &format!("turn {turn}")).await;
        convert(&lake, source.path(), true, "last").await;
        assert_right(&lake, FILES + FILES / 3, &format!("turn {turn}, retried")).await;
        let rejected = sum(&lake.column(LOG_FILES, "rejected_count").await);
        assert_eq!((lake.column(REJECTS, "reason").await.len(), rejected), (FILES * 2 / 3, FILES * 2 / 3), "{turn}");
    }
}

/// What becomes of a log file after the run that read it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Deleted,
    Renamed,
    /// Another object has its name: one without records, or one whose records are at other places.
    Emptied,
    Mended,
    /// The whole folder has another name.
    Moved,
}

#[tokio::test]
async fn what_a_killed_run_left_of_log_files_that_are_gone_is_entered() {
    let (mut moment_count, mut entered_count) = (0, 0);
    for fate in [Fate::Deleted, Fate::Renamed, Fate::Emptied, Fate::Mended, Fate::Moved] {
        let above = tempfile::tempdir().expect("folder");
        let (mut source, moved) = (above.path().join("logs"), above.path().join("moved"));
        let file = source.join("1.json");
        let lake = TestLake::new();
        fs_err::create_dir(&source).expect("folder");
        write(&source.join("0.json"), &["z"], 0);
        convert(&lake, &source, false, "first").await;
        write(&file, &["a", BAD, "b"], 0);
        let before = commits(&lake.path());
        convert(&lake, &source, false, "killed").await;
        let moments = moments(&lake, &before);
        match fate {
            Fate::Deleted => fs_err::remove_file(&file).expect("removed"),
            Fate::Renamed => fs_err::rename(&file, source.join("2.json")).expect("renamed"),
            Fate::Emptied => write(&file, &[], 1),
            Fate::Mended => write(&file, &["a", "b"], 1),
            Fate::Moved => {
                fs_err::rename(&source, &moved).expect("renamed");
                source = moved;
            }
        }
        for (moment, killed) in moments.into_iter().enumerate() {
            let what = format!("{fate:?}, {moment} commits");
            moment_count += 1;
            convert(&killed, &source, false, "after it").await;
            assert_eq!(killed.findings().await, Vec::<String>::new(), "{what}");
            let rows = killed.texts().await.len();
            assert_eq!(sum(&killed.column(LOG_FILES, "row_count").await), rows, "{what}");
            let rejected = sum(&killed.column(LOG_FILES, "rejected_count").await);
            assert_eq!(killed.column(REJECTS, "reason").await.len(), rejected, "{what}");
            let notes = killed.column(LOG_FILES, "notes").await;
            entered_count += notes.iter().filter(|note| note.contains("a run that ended early left")).count();
            // Once is enough; and whatever comes back is read as ever.
            let entries = killed.column(LOG_FILES, "log_file_path").await.len();
            convert(&killed, &source, false, "again").await;
            assert_eq!(killed.column(LOG_FILES, "log_file_path").await.len(), entries, "{what}");
            convert(&killed, &source, true, "retried").await;
            assert_eq!(killed.findings().await, Vec::<String>::new(), "{what}, retried");
        }
        fs_err::create_dir_all(file.parent().expect("a folder")).expect("folder");
        write(&file, &["a", BAD, "b"], 2);
        for (moment, killed) in self::moments(&lake, &before).into_iter().enumerate() {
            convert(&killed, &source, false, "after it").await;
            convert(&killed, file.parent().expect("a folder"), false, "last").await;
            assert_eq!(killed.findings().await, Vec::<String>::new(), "{fate:?}, {moment} commits, back again");
        }
    }
    assert!(moment_count > 20 && entered_count >= 10, "{moment_count} moments, {entered_count} entries");
}

/// The lake of a run over twelve log files that was killed before it entered them; and the data files of a run before it, of so many rows.
async fn killed_before_the_ledger(source: &Path, earlier: usize) -> (TestLake, Vec<String>) {
    let lake = TestLake::new();
    let earlier: Vec<_> = (0..earlier).map(|number| format!("earlier{number}")).collect();
    write(&source.join("00.json"), &earlier.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    convert(&lake, source, false, "first").await;
    let earlier = lake.data_files().await;
    (1..=12).for_each(|number| write(&source.join(format!("{number:02}.json")), &[&format!("a{number}")], 0));
    let before = commits(&lake.path());
    convert(&lake, source, false, "killed").await;
    for killed in moments(&lake, &before) {
        if !killed.findings().await.is_empty() {
            return (killed, earlier);
        }
    }
    panic!("no moment between the two commits");
}

#[tokio::test]
async fn a_part_that_is_converted_after_a_kill_leaves_the_rest_unfinished_and_sound() {
    let source = tempfile::tempdir().expect("folder");
    let (lake, _) = killed_before_the_ledger(source.path(), 1).await;
    for number in 1..=3 {
        lake.convert_with(source.path(), |options| {
            options.shard = Some(format!("{number}/3").parse().expect("a shard"))
        })
        .await;
        let accounts = check_accounting(&lake.open().await).await.expect("checked");
        assert_eq!(accounts.findings, Vec::<String>::new(), "shard {number}");
        assert_eq!(accounts.unfinished.is_some(), number < 3, "shard {number}: {accounts:?}");
    }
    assert_right(&lake, 13, "all shards").await;
    assert_eq!(lake.column(LOG_FILES, "log_file_path").await.len(), 13, "each log file is entered once");
}

#[tokio::test]
async fn rows_that_are_lost_are_found_beside_rows_that_nobody_counts() {
    // As many as the killed run left, too: then the totals agree.
    for count in [1, 12] {
        let source = tempfile::tempdir().expect("folder");
        let (lake, earlier) = killed_before_the_ledger(source.path(), count).await;
        let table = lake.open().await.table(EVENTS).clone();
        let snapshot = table.snapshot().await.expect("snapshot");
        let lost = snapshot.files().iter().filter(|file| earlier.contains(&file.path)).cloned().collect();
        let commit = Commit {
            adds: Vec::new(),
            removes: lost,
            transaction: TransactionId { app_id: "damage".to_owned(), version: 0 },
            operation: CommitOperation::Replace,
            base_version: Some(snapshot.version()),
            info: Default::default(),
        };
        table.commit(commit).await.expect("committed");
        let told = format!("{count} that it counts are not there");
        let accounts = check_accounting(&lake.open().await).await.expect("checked");
        assert!(matches!(&accounts.findings[..], [lost] if lost.contains(&told)), "{accounts:?}");
        assert!(accounts.unfinished.is_some_and(|rows| rows.contains("12 rows are of log files")));
        convert(&lake, source.path(), false, "after it").await;
        let findings = lake.findings().await;
        assert!(matches!(&findings[..], [lost] if lost.contains(&told)), "{findings:?}");
    }
}
