//! What other engines have and this one has not, and what to write instead.
//!
//! One table for functions and one for statements and clauses; the guards of this crate's tests run what they advise.

/// Functions of other engines, and what does the same here.
pub(super) const FUNCTIONS: &[(&[&str], &str)] = &[
    (&["strftime", "date_format", "format_datetime", "formatdatetime"], "to_char(event_time, '%Y-%m-%d')"),
    (&["strptime", "parse_datetime", "str_to_date", "from_iso8601_timestamp"], "to_timestamp('2024-01-31T06:00:00Z')"),
    (&["group_concat", "listagg", "wm_concat"], "string_agg(event_name, ', ')"),
    (&["list", "collect_list", "group_array"], "array_agg(event_name)"),
    (&["collect_set"], "array_agg(distinct event_name)"),
    (&["ifnull", "isnull", "zeroifnull"], "coalesce(error_code, 'none')"),
    (&["epoch"], "date_part('epoch', event_time)"),
    (&["epoch_ms"], "date_part('epoch', event_time) * 1000"),
    (&["dayname"], "to_char(event_time, '%A')"),
    (&["monthname"], "to_char(event_time, '%B')"),
    (&["hex"], "to_hex(record_index)"),
    (&["to_base64", "base64"], "encode(event_name, 'base64')"),
    (&["from_base64", "unbase64"], "decode('S01T', 'base64')"),
    (&["typeof", "pg_typeof"], "arrow_typeof(event_name)"),
    (&["json_array_length"], "json_length(request_parameters, 'tags')"),
    (&["regexp_extract_all"], "regexp_match(user_agent, '([a-z]+)/([0-9.]+)')"),
    (&["regexp_split_to_array", "string_split", "str_split", "split"], "string_to_array(user_agent, '/')"),
    (&["list_aggregate", "array_aggregate"], "array_max([1, 2])"),
    (&["printf", "format"], "event_name || ' of ' || record_index::text"),
    (&["xor"], "(5 | 3) - (5 & 3)"),
    (&["map_contains", "map_contains_key"], "array_has(map_keys(encryption_context), 'aws:s3:arn')"),
    (&["if", "iif", "iff"], "case when error_code is null then 'ok' else 'failed' end"),
    (&["len", "strlen"], "length(event_name)"),
    (&["json_extract", "json_query"], "request_parameters -> 'encryptionContext'"),
    (
        &["json_extract_string", "json_extract_scalar", "json_value", "get_json_object"],
        "request_parameters ->> 'keyId'",
    ),
    (&["regexp_extract", "regexp_substr"], "(regexp_match(user_agent, 'aws-cli/([0-9.]+)'))[1]"),
    (&["regexp_matches", "rlike"], "regexp_like(user_agent, 'aws-cli')"),
    (
        &["quantile", "quantile_cont", "percentile", "approx_percentile", "approx_quantile"],
        "approx_percentile_cont(record_index, 0.95)",
    ),
    (&["approx_count_distinct", "uniq", "ndv"], "approx_distinct(principal_arn)"),
    (&["datediff", "date_diff", "timestampdiff"], "date_part('epoch', event_time - timestamp '2024-01-31') / 86400"),
    (&["dateadd", "date_add", "timestampadd"], "event_time + interval '7 days'"),
    (&["year", "month", "day", "hour", "dayofweek", "weekday"], "date_part('hour', event_time)"),
    (&["countif", "count_if"], "count(*) filter (where error_code is not null)"),
    (&["any", "arbitrary", "any_value"], "first_value(event_name)"),
    (&["mod"], "record_index % 10"),
    (&["sign"], "signum(record_index)"),
    (&["last_day"], "date_trunc('month', event_time) + interval '1 month' - interval '1 day'"),
    (&["age"], "now() - event_time"),
    (&["mode"], "(select event_name from events group by event_name order by count(*) desc limit 1)"),
    (
        &["percentile_disc", "quantile_disc"],
        "(select min(record_index) from (select record_index, cume_dist() over (order by record_index) as part from events) where part >= 0.95)",
    ),
    (&["element_at"], "encryption_context['aws:s3:arn']"),
];

/// Words that begin a statement or a clause which the parser does not know, and what to write instead.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("pivot", PIVOT),
    ("unpivot", UNPIVOT),
    (
        "summarize",
        "ask for what you want to know: `select count(*), count(distinct key_arn), min(event_time), max(event_time) from kms_events`",
    ),
    ("top", "write `limit 10` at the end"),
    ("sample", "filter by a hash: `where md5(event_id) < '1'` keeps about a sixteenth of the rows"),
    ("asof", "take the latest row before it: `max_by(value, event_time)` over a join with `<=`"),
    ("match_recognize", "number the rows with `row_number() over (partition by … order by event_time)` and join them"),
    ("lateral", "`unnest(map_keys(encryption_context))` in the select list gives a row for each element"),
    ("connect", "write `with recursive`"),
    ("ignore", NULLS),
    ("respect", NULLS),
    ("exclude", "a window has no EXCLUDE: leave it out, and take the row's own value away again"),
    ("materialized", "leave it out: the engine decides what it computes once"),
    ("help", "ask with `show tables`, `describe kms_events`, `show functions like '%json%'`"),
    ("export", "write one result into a file with the output option"),
    ("import", "attach the file to the session as a table"),
];

/// For nulls that a window passes over.
const NULLS: &str = "write it behind the brackets: `first_value(error_code) ignore nulls over (order by event_time)`";

/// For `PIVOT`.
pub(crate) const PIVOT: &str =
    "write a column for each value: `count(*) filter (where event_name = 'Decrypt') as decrypt`";

/// For `UNPIVOT`.
pub(crate) const UNPIVOT: &str = "write a `select` for each column and put `union all` between them";

/// What does the same as a function of another engine.
pub(super) fn function(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(names, _)| names.contains(&name)).map(|(_, advice)| *advice)
}

/// What to write instead of a word.
pub(super) fn word(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, advice)| *advice)
}
