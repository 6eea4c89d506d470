//! What to do next about an error: one line each, in the words of this command line.
//!
//! It tells nothing of what is wrong: the errors do, and [`keytrail_query::Diagnosis`] what to write instead in SQL.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io::ErrorKind;
use std::path::Path;

use keytrail_convert::{ConvertError, EVENTS, INVENTORY, LOG_FILES, REJECTS, RUNS};
use keytrail_lake::LakeError;
use keytrail_query::{QueryError, similar};

use crate::errors::chain;

/// `did you mean …?`; none without a name.
pub(crate) fn did_you_mean(names: &[String]) -> Option<String> {
    let (last, others) = names.split_last()?;
    let quoted: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
    Some(match quoted.is_empty() {
        true => format!("did you mean `{last}`?"),
        false => format!("did you mean {} or `{last}`?", quoted.join(", ")),
    })
}

/// For an error of a lake.
pub(crate) fn of_lake(error: &LakeError) -> Vec<String> {
    let hint = match error {
        LakeError::NotALake { .. } => {
            "`keytrail convert SOURCE --lake LAKE` makes a lake; `keytrail sql --raw SOURCE` reads logs without one"
        }
        LakeError::NewerFormat { .. } => "use the keytrail version that wrote it, or a later one",
        LakeError::Conflict { .. } | LakeError::Overtaken { .. } => {
            "run the command again: what is committed is not read twice"
        }
        LakeError::Corrupt { path, .. } => return vec![of_damage(path)],
        LakeError::InvalidLocation { .. } => "a location is a folder or s3://bucket/prefix",
        LakeError::Storage { source, .. } => return of_storage(source).map(str::to_owned).into_iter().collect(),
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

/// A text as one word of a POSIX shell: what is told to be typed can be.
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:=@%+,-~".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

/// For a damaged file of a lake.
fn of_damage(path: &str) -> String {
    let lake = lake_of(path).map_or(Cow::Borrowed("LAKE"), shell_word);
    format!(
        "put it back from a copy, or convert the log files into a new lake; `keytrail check --lake {lake} --read-data` names all that is damaged"
    )
}

/// The lake that a file or folder of one of its tables lies in.
fn lake_of(path: &str) -> Option<&str> {
    let above = |table| {
        let (lake, inside) = path.rsplit_once(table)?;
        (lake.ends_with('/') && (inside.is_empty() || inside.starts_with('/'))).then(|| lake.trim_end_matches('/'))
    };
    [EVENTS, LOG_FILES, REJECTS, RUNS, INVENTORY].into_iter().filter_map(above).max_by_key(|lake| lake.len())
}

/// For an error of a conversion.
pub(crate) fn of_convert(error: &ConvertError) -> Vec<String> {
    match error {
        ConvertError::NoSuchSource(path) => of_missing(path),
        ConvertError::NoLogFile { places, is_bounded } => of_no_log_file(places, *is_bounded),
        _ => storage_error(error).and_then(of_storage).map(str::to_owned).into_iter().collect(),
    }
}

/// For sources without a log file: a lake in their place, a period, a wrong folder.
fn of_no_log_file(places: &[String], is_bounded: bool) -> Vec<String> {
    let lake = places.iter().find(|place| Path::new(place).join("events/_delta_log").is_dir());
    if let Some(lake) = lake {
        return vec![format!("`{lake}` is a lake: name it with `--lake`")];
    }
    let period =
        is_bounded.then_some("leave --since and --until away to see whether there are log files of other times");
    let place = "check the path: a trail's log files lie below AWSLogs/ACCOUNT/CloudTrail/REGION/YEAR/MONTH/DAY; name one of these folders, or one above them";
    period.into_iter().chain([place]).map(str::to_owned).collect()
}

/// The object store's error below an error; the lake crate keeps it in a box.
pub(crate) fn storage_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a object_store::Error> {
    let boxed =
        |error: &'a (dyn StdError + 'static)| error.downcast_ref::<Box<object_store::Error>>().map(AsRef::as_ref);
    chain(error).find_map(|error| error.downcast_ref().or_else(|| boxed(error)))
}

/// Whether a store says that the bucket does not exist.
pub(crate) fn names_no_bucket(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { store: "S3", .. } | object_store::Error::NotFound { .. })
        && error.to_string().contains("NoSuchBucket")
}

/// Whether a store refuses what is asked; listings tell it in words only.
pub(crate) fn is_denied(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::PermissionDenied { .. })
        || matches!(error, object_store::Error::Generic { store: "S3", .. } if error.to_string().contains("AccessDenied"))
}

/// For a file or folder that is not there: what stands beside it, or which folder is missing.
pub(crate) fn of_missing(path: &Path) -> Vec<String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_statement(name) {
        return vec![as_command(name)];
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs_err::read_dir(folder) else {
        return vec![no_folder(folder)];
    };
    let names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let meant = did_you_mean(&similar(name, names.iter().map(String::as_str)));
    vec![meant.unwrap_or_else(|| format!("the folder `{}` holds nothing of that name", folder.display()))]
}

/// For a folder that is not there.
pub(crate) fn no_folder(folder: &Path) -> String {
    format!("there is no folder `{}`", folder.display())
}

/// Whether a text that stands where none is expected is a statement: it begins as one, and has more than one word.
pub(crate) fn is_statement(text: &str) -> bool {
    let (first, rest) = text.trim_start().split_once(char::is_whitespace).unwrap_or((text, ""));
    let begins = ["select", "with", "show", "describe", "explain", "values", "from"];
    !rest.trim().is_empty() && begins.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// How a statement is given.
pub(crate) fn as_command(sql: &str) -> String {
    let quote = if sql.contains('"') || !sql.contains('\'') { '\'' } else { '"' };
    match sql.contains(quote) {
        true => "a statement is given with `-c SQL`, a file of them with `-f FILE`".to_owned(),
        false => format!("a statement is given with -c: `-c {quote}{sql}{quote}`"),
    }
}

/// For an object store's error.
fn of_storage(error: &object_store::Error) -> Option<&'static str> {
    match error {
        error if is_denied(error) => Some(
            "reading needs s3:ListBucket and s3:GetObject (and kms:Decrypt), writing a lake s3:PutObject and s3:DeleteObject too",
        ),
        error if names_no_bucket(error) => Some(
            "there is no such bucket, or it is in another region or account: check the name, --region and --profile",
        ),
        object_store::Error::Generic { store: "LocalFileSystem", source }
            if source.to_string().contains("os error 20") =>
        {
            Some("a lake is a folder: name one that is empty or not there yet")
        }
        object_store::Error::NotFound { .. } => Some("check the path, --region and --profile"),
        object_store::Error::Generic { store: "S3", .. } | object_store::Error::Unauthenticated { .. } => {
            Some("check AWS_PROFILE or --profile, the region and, for other stores, --endpoint-url")
        }
        _ => None,
    }
}

/// For an error of a query.
pub(crate) fn of_query(error: &QueryError) -> Vec<String> {
    let hint = match error {
        QueryError::AmbiguousKey { key, candidates } => return of_ambiguous_key(key, candidates),
        QueryError::AliasNotYet { since, key_arn, .. } => {
            return vec![format!("it does since {since:?}, for {key_arn}: leave --at away, or give a later time")];
        }
        QueryError::AliasGone { until, key_arn, .. } => {
            return vec![format!("it was deleted at {until:?}; before that it stood for {key_arn}: ask for that")];
        }
        QueryError::NotAKey { .. } => {
            "a key is named as arn:aws:kms:REGION:ACCOUNT:key/ID, as its ID, as alias/NAME or as an alias ARN"
        }
        QueryError::UnknownRelation { .. } => {
            "`keytrail views` lists the views; the tables are events, log_files, rejects, runs and inventory"
        }
        QueryError::OutOfMemory(_) => {
            "raise `--memory-limit`, or ask for less at a time: fewer columns, a shorter period"
        }
        QueryError::MissingParameter { name } => {
            return vec![format!("give it with `--param {name}=VALUE`, at the prompt with `\\set {name} VALUE`")];
        }
        QueryError::BadParameter { name, expected, .. } => return of_parameter(name, expected),
        QueryError::NotReadOnly { what } => return of_refusal(what).map(str::to_owned).into_iter().collect(),
        QueryError::ReadFile { path, source } if source.kind() == ErrorKind::NotFound => return of_missing(path),
        QueryError::FileNotAllowed { .. } | QueryError::AllowFolder { .. } => {
            "`--allow-files DIR` allows the files of a folder, `--attach NAME=FILE` makes one file a table"
        }
        QueryError::Attach { reason, .. } if !reason.starts_with("the file") => {
            "a name is of small letters, digits and `_`, and is taken once: `--attach owners_file=FILE`"
        }
        QueryError::Attach { .. } | QueryError::BadFile { .. } => {
            "CSV with a first line of column names, JSON (a line or an array element per row) and Parquet can be read"
        }
        QueryError::ViewFile { .. } => {
            "a view file begins with `-- view: NAME` and `-- summary: TEXT`; `keytrail views kms_key_usage` shows one"
        }
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

/// The keys, one of which is to be named; keys that share a multi-Region id are members of one set.
fn of_ambiguous_key(key: &str, candidates: &[String]) -> Vec<String> {
    let ask = format!("give the ARN of one of them: {}", candidates.join(", "));
    let set = key
        .starts_with("mrk-")
        .then(|| "they are members of a multi-Region set: `kms_mrk_families` shows it".to_owned());
    [Some(ask), set].into_iter().flatten().collect()
}

/// What hints of the command line are at the prompt.
const AT_PROMPT: [(&str, &str); 6] = [
    ("`keytrail views` lists the views", "`\\d` lists tables and views"),
    ("`keytrail views kms_key_usage` shows one", "`.schema kms_key_usage` shows one"),
    ("`-o FILE --format parquet` writes a result to a file", "`.once FILE` writes a result to a file"),
    ("`-o FILE` keeps a result", "`.once FILE` keeps a result"),
    (
        "`describe kms_events` shows columns, `show tables` tables and views",
        "`\\d kms_events` shows columns, `\\d` tables and views",
    ),
    ("give the ARN of one of them", "give `\\key` the ARN of one of them"),
];

/// A hint in the words of the prompt.
pub(crate) fn at_prompt(hint: &str) -> String {
    AT_PROMPT.iter().fold(hint.to_owned(), |hint, (command, prompt)| hint.replace(command, prompt))
}

fn of_parameter(name: &str, expected: &str) -> Vec<String> {
    let how = match expected {
        "timestamp" => "times are written 2024-01-31T06:00:00Z, in UTC",
        "date" => "dates are written 2024-01-31",
        "interval" => "intervals are written `90 days` or `6 hours`",
        "bool" => "write true or false",
        _ => "",
    };
    let declared = format!(
        "`--param {name}:text=VALUE` gives it another type: int, float, bool, date, timestamp, interval or text"
    );
    [how.to_owned(), declared].into_iter().filter(|hint| !hint.is_empty()).collect()
}

/// For statements of a transaction.
const TRANSACTION: &str = "leave it out: a session sees its tables as they were when it first named them";

/// What to do instead of a statement that would change something.
fn of_refusal(what: &str) -> Option<&'static str> {
    let hints = [
        ("COPY", "`-o FILE --format parquet` writes a result to a file"),
        ("EXPORT", "`-o FILE --format parquet` writes a result to a file"),
        (
            "reading a file",
            "`--allow-files DIR` allows the files of a folder, `--attach NAME=FILE` makes one file a table",
        ),
        ("CREATE EXTERNAL TABLE", "`--attach NAME=FILE` makes a CSV, JSON or Parquet file a table"),
        ("ATTACH", "`--attach NAME=FILE` makes a CSV, JSON or Parquet file a table"),
        ("CREATE VIEW", "`--views DIR` adds views of your own; within a statement, write `with name as (select …)`"),
        ("CREATE TABLE", "within a statement, write `with name as (select …)`; `-o FILE` keeps a result"),
        ("SELECT INTO", "`-o FILE` keeps a result"),
        ("SET", "`--memory-limit`, `--workers` and `--timeout` limit the engine; all times are UTC"),
        ("PRAGMA", "`describe kms_events` shows columns, `show tables` tables and views"),
        ("BEGIN", TRANSACTION),
        ("START", TRANSACTION),
        ("COMMIT", TRANSACTION),
        ("ROLLBACK", TRANSACTION),
        ("USE", "tables and views stand in no schema: their names alone are written"),
        ("INSTALL", "there are no extensions: everything is built in"),
        ("LOAD", "there are no extensions: everything is built in"),
        ("PIVOT", "write a column for each value: `count(*) filter (where event_name = 'Decrypt') as decrypt`"),
    ];
    let written = ["INSERT", "UPDATE", "DELETE", "MERGE", "DROP", "ALTER", "TRUNCATE"];
    let hint = hints.iter().find(|(kind, _)| what.starts_with(kind)).map(|(_, hint)| *hint);
    let is_write = written.iter().any(|kind| what.starts_with(kind));
    hint.or_else(|| {
        is_write.then_some("what a lake holds is changed by `keytrail convert`, `import` and `compact` only")
    })
}

/// Regions of AWS, for telling a misspelt one; a name that is not among them may still be one.
const REGIONS: [&str; 37] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-2",
];

/// Known regions like one that is not known; none for a known one.
pub(crate) fn similar_regions(region: &str) -> Vec<String> {
    if REGIONS.contains(&region) { Vec::new() } else { similar(region, REGIONS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        for (text, word) in
            [("a/b-1.c", "a/b-1.c"), ("my lake", "'my lake'"), ("it's", r"'it'\''s'"), ("", "''"), ("$x", "'$x'")]
        {
            assert_eq!(shell_word(text), word);
        }
    }

    #[test]
    fn names_are_offered_in_a_sentence() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(did_you_mean(&[]), None);
        assert_eq!(did_you_mean(&names(&["a"])).as_deref(), Some("did you mean `a`?"));
        assert_eq!(did_you_mean(&names(&["a", "b", "c"])).as_deref(), Some("did you mean `a`, `b` or `c`?"));
    }

    #[test]
    fn a_damaged_file_tells_its_lake() {
        for (path, lake) in [
            ("/data/lake/events/event_group=kms/event_month=2024-01/part-1.parquet", Some("/data/lake")),
            ("/events/of/acme/log_files/_delta_log/00000000000000000001.json", Some("/events/of/acme")),
            ("s3://bucket/prefix/events", Some("s3://bucket/prefix")),
            ("/data/lake/my-events/part-1.parquet", None),
            ("part-1.parquet", None),
        ] {
            assert_eq!(lake_of(path), lake, "{path}");
        }
        assert!(of_damage("/data/lake/runs/part-1.parquet").contains("--lake /data/lake --read-data"));
    }

    #[test]
    fn misspelt_regions_are_told() {
        assert_eq!(similar_regions("us-esat-1").first().map(String::as_str), Some("us-east-1"));
        assert!(similar_regions("us-east-1").is_empty());
        assert!(similar_regions("moon").is_empty());
    }
}
