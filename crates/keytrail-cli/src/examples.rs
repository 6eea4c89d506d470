//! Examples under the help of each command, in lines that a terminal of 80 columns shows unbroken.
//!
//! Those that begin with `$ keytrail` are run by the tests, in order, in a folder with the demo's trail and lake; the
//! others need an account at AWS or change what is outside of the folder.

/// For `keytrail convert`.
pub(crate) const CONVERT: &str = r"Examples:
  $ keytrail convert demo/trail --lake lake      # a second run adds nothing
  $ keytrail convert demo/trail --dry-run        # what would be read
  keytrail convert s3://my-trail-bucket/AWSLogs --lake s3://my-lake/keytrail \
    --since 2024-01-01 --max-runtime 50m";

/// For `keytrail sql`.
pub(crate) const SQL: &str = r#"Examples:
  $ keytrail sql --lake demo/lake -c "select event_name, count(*) as n
      from events group by all order by n desc limit 5"
  $ keytrail sql --lake demo/lake --format json -o usage.json \
    -c "select * from kms_key_usage"
  $ keytrail sql --lake demo/lake --param since=2024-01-01 \
    -c "select count(*) from kms_events where event_time >= :since"
  $ keytrail sql --lake demo/lake --timeout 60s --format parquet \
    -o daily.parquet -c "select * from kms_key_usage_daily"
  $ keytrail sql --attach usage=usage.json -c "select count(*) from usage"
  $ keytrail sql --allow-files . -c "select count(*) from 'daily.parquet'"
  $ keytrail sql --raw demo/trail -c "select count(*) from events"
  $ echo "select 1 as a; select 2 as b" | keytrail sql --keep-going
  keytrail sql --lake s3://my-lake/keytrail      # a prompt: \? helps

Results go to stdout or to the file of -o, everything else to stderr.
Statements only read: the tables and views of the lake, and the files that
--attach and --allow-files name."#;

/// For `keytrail key`.
pub(crate) const KEY: &str = r"Examples:
  $ keytrail key alias/legacy-billing-export --lake demo/lake
  $ keytrail key alias/legacy-billing-export --lake demo/lake --format json
  keytrail key 1234abcd-12ab-34cd-56ef-1234567890ab --min-window 400d \
    --exit-on-finding

On a terminal more than a screen goes through $KEYTRAIL_PAGER, else $PAGER,
else a pager that is built in; `cat` turns that off.

Exit codes: 3 the logs have holes, which are named; 1 the key is used or
needed, with --exit-on-finding.";

/// For `keytrail coverage`.
pub(crate) const COVERAGE: &str = r"Examples:
  $ keytrail coverage --lake demo/lake
  $ keytrail coverage --lake demo/lake --days
  $ keytrail coverage --lake demo/lake --format csv -o coverage.csv

On a terminal more than a screen goes through $KEYTRAIL_PAGER, else $PAGER,
else a pager that is built in; `cat` turns that off.";

/// For `keytrail check`.
pub(crate) const CHECK: &str = r"Examples:
  $ keytrail check --lake demo/lake
  $ keytrail check --lake demo/lake --read-data --against demo/trail";

/// For `keytrail verify`.
pub(crate) const VERIFY: &str = r"Examples:
  $ keytrail verify demo/trail                   # the demo has no signatures
  aws cloudtrail list-public-keys --output json --start-time 2024-01-01 \
    --end-time 2024-02-01 > keys.json            # once for each region
  keytrail verify trail-copy --public-keys keys.json --since 2024-01-01
  keytrail verify s3://my-trail-bucket/AWSLogs --public-keys keys.json \
    --since 2024-01-01 --until 2024-02-01 --json

A digest file is signed when a public key proves its signature, hash-chained
only when nothing but the digest file after it names its hash, and unverified
else. A copy has lost the signatures that S3 keeps beside the objects; each
digest file carries that of the one before it, so that only the newest of a
chain needs --signatures.

Exit codes: 4 something was altered, moved or has a wrong signature; 3 a file
that is named is missing, a digest file is not signed, a period has none, or
a log file is named by none; 0 all that was asked for is signed and intact.";

/// For `keytrail import`.
pub(crate) const IMPORT: &str = r"Examples:
  scripts/collect-inventory inventory && keytrail import inventory --lake lake

scripts/collect-inventory prints all of it for one account, read-only.";

/// For `keytrail compact`.
pub(crate) const COMPACT: &str = r"Examples:
  $ keytrail compact --lake demo/lake";

/// For `keytrail vacuum`.
pub(crate) const VACUUM: &str = r"Examples:
  $ keytrail vacuum --lake demo/lake --dry-run   # lists, deletes nothing
  $ keytrail vacuum --lake demo/lake --older-than 2w

keytrail compact replaces data files and leaves the old ones for readers that
have them open; a conversion that was killed leaves files that no commit knows.
What the newest version of a table refers to is never deleted. Older versions,
to which Delta readers can travel back, cannot be read any more when their files
are gone. The age of a replaced file counts from its replacement, which the log
remembers for a week.";

/// For `keytrail export`.
pub(crate) const EXPORT: &str = r#"Examples:
  $ keytrail export --lake demo/lake --where "event_name = 'DeleteKey'"
  $ keytrail export --lake demo/lake --lines -o first-day.ndjson \
    --where "event_time < timestamp '2024-01-02'"
  $ keytrail export --lake demo/lake --rejects rejects

Records come in the order of the lake's data files: first those that touch KMS
keys, by month, then the others, by month; within a file by key, or by service
and event name, and then by time. The same lake gives the same bytes each time,
until something is added or compacted. To have them by time, sort the lines of
--lines by their eventTime."#;

/// For `keytrail views`.
pub(crate) const VIEWS: &str = r"Examples:
  $ keytrail views
  $ keytrail views --full
  $ keytrail views kms_key_usage";

/// For `keytrail demo`.
pub(crate) const DEMO: &str = r"Examples:
  $ keytrail demo --dir small --events 2000
  keytrail demo";

/// For `keytrail connect`.
pub(crate) const CONNECT: &str = r"Examples:
  $ keytrail connect duckdb --lake demo/lake > open.sql
  $ keytrail connect polars --lake demo/lake > open.py
  duckdb -init open.sql
  keytrail connect athena --lake s3://my-lake/keytrail

DuckDB gets the list of the files that are in the lake now: print it again
after `keytrail convert` or `compact`. The others read the Delta log and see
every commit.";

/// For `keytrail completions`.
pub(crate) const COMPLETIONS: &str = r#"Examples:
  $ keytrail completions bash > keytrail.bash
  keytrail completions zsh > "${fpath[1]}/_keytrail""#;

/// For `keytrail man`.
pub(crate) const MAN: &str = r"Examples:
  $ keytrail man man1
  man -l man1/keytrail-sql.1";
