//! Logs and lakes on S3, with the settings that AWS's own tools take from the environment.

use std::process::Command;

use keytrail_testkit::s3::{Fault, Operation, S3Server};
use keytrail_testkit::trail::{TrailConfig, generate_files, summarize};

use crate::sandbox::{Run, Sandbox};

fn config() -> TrailConfig {
    TrailConfig { days: 5, ..TrailConfig::with_events(600, 3) }
}

/// A server with a trail, and a sandbox whose commands reach it.
struct Remote {
    sandbox: Sandbox,
    server: S3Server,
}

impl Remote {
    fn new() -> Self {
        let server = S3Server::start("company-logs");
        generate_files(&config()).for_each(|file| server.put(&format!("org/{}", file.key), file.bytes));
        Self { sandbox: Sandbox::new(), server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.keytrail(arguments);
        command
            .env("AWS_ACCESS_KEY_ID", self.server.access_key())
            .env("AWS_SECRET_ACCESS_KEY", self.server.secret_key())
            .env("AWS_ENDPOINT_URL", self.server.endpoint())
            .env("AWS_REGION", "eu-central-1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.sandbox.finish(self.command(arguments), "")
    }

    fn convert(&self) -> Run {
        self.run(&["convert", "s3://company-logs/org", "--lake", "s3://company-logs/lake", "--allow-http", "--json"])
    }
}

fn summary(run: Run) -> serde_json::Value {
    serde_json::from_str(&run.data()).expect("one JSON line")
}

#[test]
fn logs_on_s3_become_a_lake_on_s3_that_answers() {
    let remote = Remote::new();
    let facts = summarize(&config());
    let first = summary(remote.convert());
    assert_eq!((&first["records"], &first["rows"]), (&facts.api_event_records.into(), &facts.distinct_events.into()));
    let objects = remote.server.list("lake/events/");
    let second = summary(remote.convert());
    assert_eq!((&second["records"], &second["rows"]), (&0.into(), &0.into()));
    assert_eq!(remote.server.list("lake/events/"), objects, "a second run adds no object");

    let lake = "s3://company-logs/lake";
    let count = remote.run(&["sql", "--lake", lake, "-c", "select count(*) as n from events"]);
    assert_eq!(count.data(), format!("n\n{}\n", facts.distinct_events));
    let key = &facts.facts.busiest_key;
    let uses = format!("select use_count from kms_key_usage where key_arn = '{key}'");
    let uses = remote.run(&["sql", "--lake", lake, "-c", &uses]).data();
    let answer = summary(remote.run(&["key", key, "--lake", lake, "--format", "json"]));
    assert_eq!(uses, format!("use_count\n{}\n", answer["usage"]["use_count"]));
    assert_eq!(remote.run(&["check", "--lake", lake]).code(), Some(0));
}

#[test]
fn requests_are_told_by_kind() {
    let remote = Remote::new();
    remote.server.inject(|call| match call.operation == Operation::Get && call.earlier == 3 {
        true => Fault::Refuse(503),
        false => Fault::None,
    });
    let run = remote.run(&["convert", "s3://company-logs/org", "--lake", "lake", "--allow-http", "--json", "-v"]);
    let files = remote.server.list("org/").len();
    let lists = remote.server.count(Operation::List);
    let told = format!("S3 requests: {lists} LIST, {} GET, 0 HEAD, 0 PUT, 0 DELETE", files + 1);
    assert!(run.stderr.contains(&told), "{told}\n{run}");
    assert!(run.stderr.contains("not served (429, 5xx or no answer): 1 of them; each is sent again"), "{run}");
    let requests = &summary(run)["s3_requests"];
    assert_eq!((&requests["get"], &requests["not_served"]), (&(files + 1).into(), &1.into()), "{requests}");

    let quiet = remote.run(&["sql", "--lake", "lake", "-c", "select 1", "-v"]);
    assert!(!quiet.stderr.contains("S3 requests"), "nothing was asked of S3: {quiet}");
}

#[test]
fn keys_that_are_wrong_are_told_and_shown_nowhere() {
    let remote = Remote::new();
    let mut command = remote.command(&["convert", "s3://company-logs/org", "--lake", "lake"]);
    command.env("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-wrong");
    let run = remote.sandbox.finish(command, "");
    assert!(run.code() != Some(0) && run.stdout.is_empty(), "{run}");
    assert!(run.stderr.contains("s3://company-logs/org"), "the message names the place: {run}");
    assert!(!run.stderr.contains("a-secret-that-is-wrong"), "{run}");
}

#[test]
fn a_lake_on_s3_is_compacted_and_vacuumed() {
    let remote = Remote::new();
    let over_lake = |arguments: &[&str]| {
        remote.run(&[arguments, &["--lake", "s3://company-logs/lake", "--allow-http"]].concat()).data()
    };
    for shard in ["1/2", "2/2"] {
        over_lake(&["convert", "s3://company-logs/org", "--shard", shard]);
    }
    over_lake(&["compact"]);
    let data_files = || remote.server.list("lake/").into_iter().filter(|key| key.ends_with(".parquet")).count();
    let (before, rows) = (data_files(), over_lake(&["export", "--lines"]));
    let vacuum = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&over_lake(&[&["vacuum", "--json"], arguments].concat())).expect("one JSON line")
    };
    assert_eq!(vacuum(&[])["files"], 0);
    let totals = vacuum(&["--older-than", "0m", "--no-other-writer"]);
    let deleted = before - data_files();
    assert!(deleted > 0 && totals["files"] == deleted, "{totals}");
    assert_eq!(over_lake(&["export", "--lines"]), rows);
    assert_eq!(over_lake(&["check", "--read-data"]), "");
}
