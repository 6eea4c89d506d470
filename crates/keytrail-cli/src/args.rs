//! The command line: names, defaults and help texts. It reads `KEYTRAIL_LAKE`, checks nothing beyond syntax and runs
//! nothing.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, value_parser};
use clap_complete::Shell;
use keytrail_convert::Shard;

use crate::examples;
use crate::output::Destination;
use crate::render::Format;
use crate::values::{
    parse_age, parse_attachment, parse_bytes, parse_days, parse_duration, parse_memory, parse_parameter, parse_threads,
    parse_time,
};

/// Years of AWS CloudTrail logs as a small, lossless lake: which KMS key was used, when, by whom and for what
#[derive(Debug, Parser)]
#[command(name = "keytrail", version, after_help = EXIT_CODES, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say more: on stderr times and requests to S3, in `verify` what is valid
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 900)]
    pub(crate) verbose: u8,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 a finding (with --exit-on-finding), 2 usage or SQL error,
3 incomplete (input was rejected, the logs have holes),
4 integrity failure, 10 not a lake or a newer one, 66 no such input,
69 service not available or limit reached (--timeout, --memory-limit),
70 a bug in keytrail, 73 the output cannot be made, 74 reading or writing
failed, 75 another writer was faster, 77 not permitted, 130 Ctrl-C,
143 SIGTERM.

`KEYTRAIL_LAKE` is the default of --lake. AWS settings are taken as AWS's own
tools take them (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, SSO, roles,
instance metadata).";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read trail logs into the lake; incremental, safe to repeat
    Convert(ConvertArguments),
    /// Run SQL over the lake, or over unconverted logs with --raw; a prompt on a terminal
    Sql(SqlArguments),
    /// One key: is it needed; last use, who, via what, for what data, what the logs cannot show
    Key(KeyArguments),
    /// Accounts, regions and days that the lake covers
    Coverage(CoverageArguments),
    /// Check every data file against the log, and the accounting
    Check(CheckArguments),
    /// Verify log files against AWS's digest files, on S3 or as copies
    Verify(VerifyArguments),
    /// Add what the AWS CLI prints about keys, grants, policies and IAM to the lake
    Import(ImportArguments),
    /// Merge small data files
    Compact(CompactArguments),
    /// Delete data files that the lake does not refer to any more
    Vacuum(VacuumArguments),
    /// Give event records back byte for byte
    Export(ExportArguments),
    /// List the views in a line each; with a name, show its SQL
    Views(ViewsArguments),
    /// Make a trail of 100,000 events, convert it and tell its story
    Demo(DemoArguments),
    /// Print what opens the lake in another tool: DuckDB, Polars, Spark, Athena, Python
    Connect(ConnectArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Write man pages, one for each command
    Man(ManArguments),
}

/// Where the lake is and how to reach it.
#[derive(Debug, Clone, Args)]
pub(crate) struct LakeArguments {
    /// Lake: a folder or s3://bucket/prefix
    #[arg(long, value_name = "LAKE", env = "KEYTRAIL_LAKE", hide_env_values = true)]
    pub(crate) lake: Option<String>,

    #[command(flatten)]
    pub(crate) storage: StorageArguments,
}

/// Headings of the help. Each stands on its arguments: as `next_help_heading` of a flattened struct it would stand over
/// the arguments behind that struct too.
const S3: &str = "S3";
const OWN_FILES: &str = "Files of your own";

/// AWS settings that go before the environment's.
#[derive(Debug, Clone, Args)]
pub(crate) struct StorageArguments {
    /// AWS profile
    #[arg(long, value_name = "NAME", help_heading = S3)]
    pub(crate) profile: Option<String>,

    /// AWS region
    #[arg(long, value_name = "REGION", help_heading = S3)]
    pub(crate) region: Option<String>,

    /// S3 endpoint, for stores other than AWS
    #[arg(long, value_name = "URL", help_heading = S3)]
    pub(crate) endpoint_url: Option<String>,

    /// Allow an endpoint without TLS
    #[arg(long, help_heading = S3)]
    pub(crate) allow_http: bool,
}

/// A period of delivery times.
#[derive(Debug, Clone, Args)]
pub(crate) struct PeriodArguments {
    /// Only log files delivered at or after this time (2024-01-31, 2024-01-31T06:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<DateTime<Utc>>,

    /// Only log files delivered before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<DateTime<Utc>>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::CONVERT)]
pub(crate) struct ConvertArguments {
    /// Log files: a file, a folder, s3://bucket/prefix, or - for stdin
    #[arg(required_unless_present = "retry_rejected", value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,

    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    /// Say what would be read, per kind, and write nothing; S3 objects are listed, not read
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read the log files with rejects in the lake once more, instead of SOURCE
    #[arg(long, conflicts_with_all = ["sources", "since", "until", "dry_run"])]
    pub(crate) retry_rejected: bool,

    /// Convert one of N parts, so that N processes or machines can convert one source at once (2/8)
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,

    /// Threads that decode [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    pub(crate) workers: Option<std::num::NonZeroUsize>,

    /// Memory to stay within, about (such as 512MiB, 2GB)
    #[arg(long, value_name = "BYTES", value_parser = parse_memory, default_value = "512MiB")]
    pub(crate) memory_limit: usize,

    /// Reject log files that unpack to more than this
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value = "1GiB")]
    pub(crate) max_file_size: usize,

    /// Read no further log file after this time, and commit what was read (such as 90s, 30m, 2h)
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) max_runtime: Option<std::time::Duration>,

    /// Progress as JSON lines on stderr, and one line with the totals on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::SQL)]
pub(crate) struct SqlArguments {
    /// Not taken: it is here to say how a statement or a lake is given.
    #[arg(value_name = "TEXT", hide = true)]
    pub(crate) misplaced: Option<String>,

    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// Query these log files instead of a lake: files, folders, s3://bucket/prefix
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    pub(crate) raw: Vec<String>,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    #[command(flatten)]
    pub(crate) scripts: Scripts,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    /// A value for `:NAME` and `$NAME` in the statements, bound and never pasted; typed by its place or as NAME:TYPE=VALUE
    /// (int, float, bool, date, timestamp, interval, text); may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    pub(crate) parameters: Vec<(String, String)>,

    /// Run the statements after a failed one too; the exit code is that of the first failure
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Give up a statement that takes longer (such as 30s, 5m)
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,

    /// Settings and statements that the prompt starts with [default: keytrail/init.sql in the configuration folder]
    #[arg(long, value_name = "FILE", env = "KEYTRAIL_INIT", hide_env_values = true, conflicts_with = "no_init")]
    pub(crate) init: Option<PathBuf>,

    /// Start the prompt without such a file
    #[arg(long)]
    pub(crate) no_init: bool,

    #[command(flatten)]
    pub(crate) files: FileArguments,

    /// Show the time of each statement on stderr
    #[arg(long)]
    pub(crate) timing: bool,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Files beside the lake that statements may read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FileArguments {
    /// Make a CSV, JSON or Parquet file the table NAME; cells of CSV are texts (`n::bigint`); may be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_attachment, help_heading = OWN_FILES)]
    pub(crate) attach: Vec<(String, PathBuf)>,

    /// Allow statements to read the files of this folder, as in `from 'owners.csv'`; may be repeated
    #[arg(long, value_name = "DIR", help_heading = OWN_FILES)]
    pub(crate) allow_files: Vec<PathBuf>,
}

/// Statements to run, in the order of the command line; clap alone would lose the order between `-c` and `-f`.
#[derive(Debug, Default)]
pub(crate) struct Scripts(pub(crate) Vec<Script>);

/// One `-c` or `-f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// The statements themselves.
    Text(String),
    /// A file with statements; `-` is stdin.
    File(PathBuf),
}

const TEXT_ID: &str = "command";
const FILE_ID: &str = "file";

impl Args for Scripts {
    fn augment_args(command: clap::Command) -> clap::Command {
        let text = Arg::new(TEXT_ID).short('c').long("command").value_name("SQL");
        let file = Arg::new(FILE_ID).short('f').long("file").value_name("FILE").value_parser(value_parser!(PathBuf));
        // SQL may begin with a comment.
        let text = text.allow_hyphen_values(true);
        command.arg(text.action(ArgAction::Append).help("Run these statements and end; may be repeated")).arg(
            file.action(ArgAction::Append)
                .help("Run the statements of this file (- is stdin) and end; may be repeated"),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Scripts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let texts = positions::<String>(matches, TEXT_ID).map(|(at, text)| (at, Script::Text(text)));
        let files = positions::<PathBuf>(matches, FILE_ID).map(|(at, file)| (at, Script::File(file)));
        let mut scripts: Vec<_> = texts.chain(files).collect();
        scripts.sort_by_key(|(at, _)| *at);
        Ok(Self(scripts.into_iter().map(|(_, script)| script).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an argument with their places on the command line.
fn positions<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> impl Iterator<Item = (usize, T)> {
    let values = matches.get_many::<T>(id).into_iter().flatten().cloned();
    matches.indices_of(id).into_iter().flatten().zip(values)
}

/// Limits of the query engine.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArguments {
    /// Memory for sorts, joins and groups before they spill to disk (such as 512MiB, 2GB)
    #[arg(long, value_name = "BYTES", value_parser = parse_memory, default_value = "1GiB")]
    pub(crate) memory_limit: usize,

    /// Threads that a query uses [default: all cores]
    #[arg(long = "workers", value_name = "N", value_parser = parse_threads)]
    pub(crate) query_workers: Option<std::num::NonZeroUsize>,

    /// Folder with *.sql views of your own
    #[arg(long = "views", value_name = "DIR")]
    pub(crate) views_folder: Option<PathBuf>,
}

/// How rows are written and where to.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArguments {
    /// Format of rows [default: table on a terminal, csv in a pipe]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Leave texts in csv and tsv as they are; else those that a spreadsheet would run get an apostrophe in front
    #[arg(long)]
    pub(crate) csv_raw: bool,
}

impl OutputArguments {
    /// The format of rows that go to `destination`: the one asked for, else the one that the file's name tells.
    pub(crate) fn format_for(&self, destination: Destination) -> Format {
        let named = || self.output.as_deref().and_then(Format::of_file);
        let format = self.format.or_else(named).unwrap_or_else(|| Format::default_for(destination));
        if self.csv_raw { format.raw() } else { format }
    }
}

#[derive(Debug, Args)]
#[command(after_help = examples::KEY)]
pub(crate) struct KeyArguments {
    /// Key: ARN, key id, alias/NAME or alias ARN
    #[arg(value_name = "KEY")]
    pub(crate) key: String,

    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// Take an alias as it stood at this moment: a date (midnight UTC) or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) at: Option<DateTime<Utc>>,

    /// Call the answer incomplete when the logs cover less than this, such as 400d for yearly jobs
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    pub(crate) min_window: Option<TimeDelta>,

    /// Show the SQL behind every part of the page
    #[arg(long, conflicts_with = "format")]
    pub(crate) explain: bool,

    /// Show hashes instead of the values of encryption contexts, which can be personal
    #[arg(long)]
    pub(crate) hash_contexts: bool,

    /// End with exit code 1 when the key is used or needed
    #[arg(long)]
    pub(crate) exit_on_finding: bool,

    /// `table` is the page, `json` its data
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: PageFormat,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
#[command(after_help = examples::IMPORT)]
pub(crate) struct ImportArguments {
    /// JSON that the AWS CLI printed: files, or folders of them; what each holds is told by its content
    #[arg(value_name = "FILE", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// When it was printed: a date (midnight UTC) or an RFC 3339 time [default: when each file was written]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) as_of: Option<DateTime<Utc>>,

    /// One JSON line with the totals on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Formats of an answer that is a page, not rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PageFormat {
    /// A page for people
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = examples::COVERAGE)]
pub(crate) struct CoverageArguments {
    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// A row for each day in a table too, as the other formats have it, instead of one for each account and region
    #[arg(long)]
    pub(crate) days: bool,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
#[command(after_help = examples::CHECK)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// Read every byte and every row too, not only sizes and footers
    #[arg(long, alias = "rows")]
    pub(crate) read_data: bool,

    /// Compare every record's bytes and every log file's accounting with the log files themselves
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    pub(crate) against: Vec<String>,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    /// Keep notes in FILE, and after an interruption go on where they end; a check that ends deletes them
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,

    /// End with one JSON line on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::VERIFY)]
pub(crate) struct VerifyArguments {
    /// Log files and digest files: folders, s3://bucket/prefix
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<String>,

    /// What `aws cloudtrail list-public-keys` printed: a file, or a folder of .json files; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) public_keys: Vec<PathBuf>,

    /// What `aws s3api head-object` printed of the newest digest files, whose signatures a copy does not have; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) signatures: Vec<PathBuf>,

    /// Only what was delivered at or after this time (2024-01-31, 2024-01-31T06:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<DateTime<Utc>>,

    /// Only what was delivered before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<DateTime<Utc>>,

    /// Only this account
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,

    /// Take files wherever they lie; else one that is not where AWS delivered it is invalid
    #[arg(long)]
    pub(crate) anywhere: bool,

    /// End with one JSON line on stdout, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) storage: StorageArguments,
}

#[derive(Debug, Args)]
#[command(after_help = examples::COMPACT)]
pub(crate) struct CompactArguments {
    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// Size of the files to aim for
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value = "128MiB")]
    pub(crate) target_file_size: usize,

    /// End with one JSON line on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::VACUUM)]
pub(crate) struct VacuumArguments {
    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// Only files that were written, and replaced if they were, longer ago than this (such as 12h, 7d, 2w)
    #[arg(long, value_name = "AGE", value_parser = parse_age, default_value = "7d")]
    pub(crate) older_than: TimeDelta,

    /// Allow ages under an hour: nothing else writes into the lake now, whose files would be deleted before they are committed
    #[arg(long)]
    pub(crate) no_other_writer: bool,

    /// List what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// End with one JSON line on stdout, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::EXPORT)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) lake: LakeArguments,

    /// Only events for which this SQL condition over the columns of `events` is true; with --rejects, over those of `rejects`
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) condition: Option<String>,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// One record per line instead of one {"Records":[…]}
    #[arg(long)]
    pub(crate) lines: bool,

    /// Write the bytes of what was rejected into this new folder instead, a file each, and `rejects.csv` that says why
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["output", "lines"])]
    pub(crate) rejects: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
#[command(after_help = examples::VIEWS)]
pub(crate) struct ViewsArguments {
    /// View whose SQL to print
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// All that the headers say: what makes a row, what is read, what to know
    #[arg(long, conflicts_with = "name")]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::DEMO)]
pub(crate) struct DemoArguments {
    /// Folder for the trail and the lake, kept afterwards [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Events to make
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) events: u64,

    /// Seed of the generator: the same seed makes the same trail
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
#[command(after_help = examples::COMPLETIONS)]
pub(crate) struct CompletionsArguments {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = examples::CONNECT)]
pub(crate) struct ConnectArguments {
    /// Tool to open the lake with
    #[arg(value_name = "TOOL")]
    pub(crate) tool: Tool,

    #[command(flatten)]
    pub(crate) lake: LakeArguments,
}

/// Tools that read a lake without keytrail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tool {
    /// SQL for the DuckDB shell
    Duckdb,
    /// Python with Polars
    Polars,
    /// Python with Spark and the Delta extension
    Spark,
    /// DDL for Athena; the lake must be on S3
    Athena,
    /// Python with deltalake and PyArrow
    Python,
}

#[derive(Debug, Args)]
#[command(after_help = examples::MAN)]
pub(crate) struct ManArguments {
    /// Folder for the pages, made where there is none
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn scripts_keep_the_order_of_the_command_line() {
        let line = ["keytrail", "sql", "-c", "a", "-f", "b.sql", "--command", "c", "-f", "-"];
        let Command::Sql(arguments) = Arguments::parse_from(line).command else { panic!("not sql") };
        let (text, file) = (|text: &str| Script::Text(text.to_owned()), |path: &str| Script::File(path.into()));
        assert_eq!(arguments.scripts.0, [text("a"), file("b.sql"), text("c"), file("-")]);
    }

    #[test]
    fn a_statement_may_begin_with_a_comment() {
        let sql = "--explained\nselect 1";
        let Command::Sql(arguments) = Arguments::parse_from(["keytrail", "sql", "-c", sql]).command else {
            panic!("not sql")
        };
        assert_eq!(arguments.scripts.0, [Script::Text(sql.to_owned())]);
    }
}
