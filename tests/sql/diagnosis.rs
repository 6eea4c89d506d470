//! What errors say about their statements, and that what they advise runs.

use keytrail_query::{Diagnosis, Session};

use crate::cells::{chain, rows};
use crate::fixture;

/// The diagnosis of a statement that must fail, when it is planned or while it runs.
async fn diagnosed(session: &Session, sql: &str) -> Diagnosis {
    let error = match session.execute(sql, &[]).await {
        Err(error) => error,
        Ok(result) => result.collect().await.err().unwrap_or_else(|| panic!("{sql} runs")),
    };
    let diagnosis = session.diagnose(sql, &error);
    assert!(diagnosis.place.clone().is_none_or(|place| sql.get(place).is_some()), "{sql}: {diagnosis:?}");
    assert!(error.is_usage() || diagnosis.problem.is_some(), "{sql}: {}", chain(&error));
    diagnosis
}

#[tokio::test]
async fn the_place_and_the_name_that_was_meant_are_found() {
    let session = fixture::session().await;
    for (sql, marked, meant) in [
        ("select key_arm from kms_events", "key_arm", "key_arn"),
        ("select 'é', e.event_tiem from events e", "e.event_tiem", "event_time"),
        ("select event_id,\n  EventNam\nfrom events", "EventNam", "event_name"),
        ("select * from (select key_arn from kms_event)", "kms_event", "kms_events"),
        ("select kye_id(key_arn) from events", "kye_id", "key_id"),
        ("select x.event_id from events e", "x.event_id", ""),
        ("slect 1", "slect", "select"),
        ("select event_id form events limit 1", "form", "from"),
        ("select event_id from events were event_id = 'a'", "were", "where"),
        ("select event_id from events oder by event_id", "oder", "order"),
        ("select date '2024-13-01'", "'2024-13-01'", ""),
        ("select cast('ten' as bigint)", "'ten'", ""),
        ("select key_arn, count(*) from kms_events", "key_arn", ""),
        ("select 1 + from events", "from", ""),
        ("select :nothing", ":nothing", ""),
        ("select * from events tablesample (1 percent)", "tablesample", ""),
        ("select to_char(event_time, 'YYYY-MM') from events", "'YYYY-MM'", ""),
        ("select to_timestamp('2024-12-31 10', '%Y-%m-%d %H')", "'%Y-%m-%d %H'", ""),
        ("select 1 from events where event_name similar to 'Get%'", "similar", ""),
        ("select event_id from events natural full join log_files", "natural", ""),
        ("select * from (select 1 as twice, 2 as twice)", "twice", ""),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        let place = diagnosis.place.clone().unwrap_or_else(|| panic!("{sql}: no place: {diagnosis:?}"));
        assert_eq!(&sql[place], marked, "{sql}: {diagnosis:?}");
        match meant {
            "" => assert!(!diagnosis.advice.is_empty() || diagnosis.similar.is_empty(), "{sql}: {diagnosis:?}"),
            meant => assert!(diagnosis.similar.iter().any(|name| name == meant), "{sql}: {diagnosis:?}"),
        }
    }
}

/// What the engine says of these has no place, no next step, or a word about a bug of its own.
#[tokio::test]
async fn what_the_engine_says_in_its_own_words_is_told_in_ours() {
    let session = fixture::session().await;
    for (sql, told, marked, advice) in [
        ("select max_by(event_id, event_time) over (partition by event_name) from events", "", "max_by", "first_value"),
        ("select max(encryption_context) from events", "", "max", "encryption_context["),
        ("select regexp_like('a', '(')", "not a regular expression: `(`: unclosed group", "'('", "backslash"),
        ("select upper(5)", "`upper` takes a text, not bigint", "upper", "::text"),
        ("select 1 where 5", "a condition is true or false, not bigint", "where", "compare"),
        ("select ~5", "not supported: `~`", "~", "-n - 1"),
        ("select 1::ubigint", "not supported: the type `ubigint`", "ubigint", "bigint"),
        ("select event_name from events group event_name", "found `group`", "group", "`group by`"),
        ("select event_name from events limit -1", "`limit` takes", "limit", "order by"),
        ("select event_name from events order by 99", "there is no column 99", "99", "counted from 1"),
        ("select useridentity.arn from events", "useridentity", "useridentity.arn", "user_identity ->> 'arn'"),
        ("select concat(encryption_context, 'x') from events", "concat(map, text)", "concat", "map_values"),
        ("select interval '1 day' / 2", "an interval is not divided", "", "date_part"),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        let problem = diagnosis.problem.clone().unwrap_or_default();
        let marks = diagnosis.place.clone().map_or("", |place| &sql[place]);
        assert!(problem.contains(told) && marks == marked, "{sql}: {diagnosis:?}");
        assert!(diagnosis.advice.iter().any(|told| told.contains(advice)), "{sql}: {diagnosis:?}");
        assert!(!problem.contains("DataFusion"), "{sql}: {diagnosis:?}");
    }
}

#[tokio::test]
async fn a_text_is_thought_of_only_where_one_may_have_been_meant() {
    let session = fixture::session().await;
    for (sql, is_thought_of) in [
        ("select \"colour\" from kms_keys", true),
        ("select 1 from events where event_name = Decrypt", true),
        ("select colour from kms_keys", false),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        let is_told = diagnosis.advice.iter().any(|advice| advice.contains("in single quotes"));
        assert_eq!(is_told, is_thought_of, "{sql}: {diagnosis:?}");
    }
}

/// Functions of other engines whose replacements are expressions.
const FOREIGN: [&str; 46] = [
    "strftime",
    "strptime",
    "group_concat",
    "list",
    "collect_list",
    "collect_set",
    "ifnull",
    "iif",
    "len",
    "json_extract",
    "json_extract_string",
    "regexp_extract",
    "regexp_matches",
    "quantile",
    "approx_percentile",
    "approx_count_distinct",
    "datediff",
    "dateadd",
    "year",
    "dayofweek",
    "countif",
    "any_value",
    "arbitrary",
    "rlike",
    "mod",
    "sign",
    "last_day",
    "age",
    "mode",
    "percentile_disc",
    "epoch",
    "epoch_ms",
    "dayname",
    "monthname",
    "hex",
    "to_base64",
    "from_base64",
    "typeof",
    "json_array_length",
    "regexp_extract_all",
    "regexp_split_to_array",
    "list_aggregate",
    "printf",
    "xor",
    "map_contains",
    "approx_quantile",
];

#[tokio::test]
async fn what_is_advised_instead_of_a_function_runs() {
    let session = fixture::session().await;
    let mut advised = 0;
    for name in FOREIGN {
        let sql = format!("select {name}(event_name, 1) from events");
        // A function that the engine has may take other arguments; then there is nothing to replace.
        let Err(error) = session.execute(&sql, &[]).await else { continue };
        let diagnosis = session.diagnose(&sql, &error);
        let Some(instead) =
            diagnosis.advice.first().and_then(|advice| advice.strip_prefix("write `")?.strip_suffix('`'))
        else {
            continue;
        };
        let sql = format!("select {instead} as instead from events limit 1");
        let rows = match session.execute(&sql, &[]).await {
            Ok(result) => result.collect().await,
            Err(error) => Err(error),
        };
        rows.unwrap_or_else(|error| panic!("{name}: {instead}: {}", chain(&error)));
        advised += 1;
    }
    assert!(advised > 37, "{advised}");
}

#[tokio::test]
async fn what_the_engine_says_is_told_in_words() {
    let session = fixture::session().await;
    for (sql, problem) in [
        ("select * from (select 1 as twice, 2 as twice)", "two columns have one name: `twice`"),
        ("with e as (select event_id, event_id from events) select * from e", "two columns have one name: `event_id`"),
        ("select 1 from events where read_only = 'perhaps'", "a boolean is compared with a text"),
        (
            "select event_id from events order by exists (select 1)",
            "not supported: `exists` or `in` over a subquery in this place",
        ),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        assert_eq!(diagnosis.problem.as_deref(), Some(problem), "{sql}: {diagnosis:?}");
        assert!(!diagnosis.advice.is_empty(), "{sql}: {diagnosis:?}");
    }
}

#[tokio::test]
async fn what_is_not_planned_is_marked_with_what_to_write() {
    let session = fixture::session().await;
    for (sql, marked, advice) in [
        ("select count(*) from events where event_time like '2026-02%'", "like", "event_time::text like"),
        ("select count(*) from events where record_index like '1%'", "like", "record_index::text like"),
        (
            "select request_parameters['keyId'] from events",
            "request_parameters['keyId']",
            "`request_parameters ->> 'keyId'`",
        ),
        ("select event_time['a'] from events", "event_time['a']", ""),
        (
            "select (select max(l.run_id) from log_files l where l.run_id < e.event_id) from events e",
            "(select",
            "left join",
        ),
        (
            "select (select l.run_id from log_files l where l.run_id = e.event_id order by l.status limit 1) from events e",
            "(select",
            "max_by",
        ),
        ("select 1 from events e where event_id = 'a' order by event_id in (select run_id from runs)", "in", "where"),
        ("select event_id from events, unnest(map_keys(encryption_context))", "unnest", "select list"),
        ("select x from unnest([1, 2]) with ordinality", "unnest", "row_number"),
        ("select 1 from events e, lateral (select 1 from runs r where r.run_id = e.event_id)", "lateral", "left join"),
        ("select count(*) from events group by ()", "group", "leave it out"),
        ("select event_id collate \"C\" from events", "collate", "lower("),
        ("select event_id from events where event_name like event_id escape '!'", "like", "backslash"),
        ("select user_identity ->> '$[*]' from events", "'$[*]'", "->>"),
        ("select 1 / 0", "/ 0", "nullif"),
        ("select record_index % (record_index - record_index) from events", "%", "nullif"),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        let place = diagnosis.place.clone().unwrap_or_else(|| panic!("{sql}: no place: {diagnosis:?}"));
        assert_eq!(&sql[place], marked, "{sql}: {diagnosis:?}");
        let advised = diagnosis.advice.join("; ");
        assert!(advised.contains(advice), "{sql}: {advised}");
        assert!(!diagnosis.problem.is_some_and(|problem| problem.contains("Utf8")), "{sql}");
    }
}

#[tokio::test]
async fn errors_point_to_what_is_wrong() {
    let session = fixture::session().await;
    for (sql, marked, told) in [
        ("select * from (select event_name, count(*) form events group by 1) t", "form", "from"),
        ("select * from (select event_name oder by event_name from events) t", "oder", "order"),
        ("select * from (select a from (select event_name, count(*) form events) t, events) u", "form", "from"),
        ("select * from (values (1, 2), (3 4)) t", "4", ""),
        ("select * from (select event_name, from events where) t", "", ""),
        ("with a as (select event_name, count(*) n form events) select * from a", "form", "from"),
        (
            "select first_value(event_name ignore nulls) over (order by event_time) from events",
            "ignore",
            "ignore nulls over",
        ),
        (
            "select sum(record_index) over (order by event_time rows between 5 preceding and current row exclude current row) from events",
            "exclude",
            "no EXCLUDE",
        ),
        ("select [x+1 for x in [1,2]]", "for", "unnest"),
        ("select E'a\\nb'", "E", "chr(10)"),
        ("select (1 + 2", "", ""),
        ("with a as materialized (select 1) select * from a", "materialized", "leave it out"),
        ("select * from events a asof join events b on a.event_time >= b.event_time", "on", "max_by"),
        ("select event_name as n, n || 'x' from events", "n", "an alias of this select list"),
        ("select record_index r from events where r > 3", "r", "an alias of this select list"),
        ("select ({'a':1,'b':'x'}).b", "b", "['b']"),
        ("select events.* from kms_events", "events", "write `*`"),
        ("select cast(2147483648 as int)", "2147483648", "bigint"),
        ("select avg(event_time) from events", "avg", "date_part('epoch'"),
        ("select substring(event_time, 1, 10) from events", "", "event_time::text"),
        ("select sum(event_name) from events", "sum", "sum(n::double)"),
        ("help", "help", "show tables"),
        ("select *, event_id || 'x' from events order by all", "all", "order by 1, 2"),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        if !marked.is_empty() {
            let place = diagnosis.place.clone().unwrap_or_else(|| panic!("{sql}: no place: {diagnosis:?}"));
            assert_eq!(&sql[place], marked, "{sql}: {diagnosis:?}");
        }
        let advised = diagnosis.advice.iter().chain(&diagnosis.similar).any(|advice| advice.contains(told));
        assert!(advised || told.is_empty(), "{sql}: {diagnosis:?}");
        let is_open = sql.matches('(').count() > sql.matches(')').count();
        let is_bracket = diagnosis.advice.iter().any(|advice| advice.contains("a bracket is not closed"));
        assert!(!is_bracket || is_open, "{sql}: {diagnosis:?}");
    }
}

#[tokio::test]
async fn messages_have_the_words_of_sql() {
    let session = fixture::session().await;
    for (sql, problem, advice) in [
        ("select 'abc' + 1", "cannot coerce arithmetic expression text + bigint to valid types", "cast"),
        (
            "select event_time + 1 from events",
            "cannot coerce arithmetic expression timestamp + bigint to valid types",
            "interval '1 day'",
        ),
        (
            "select max(event_time) * 1.0 from events",
            "cannot coerce arithmetic expression timestamp * double to valid types",
            "date_part('epoch'",
        ),
        (
            "select (event_time - event_time) / 2 from events",
            "cannot coerce arithmetic expression interval / bigint to valid types",
            "date_part('epoch'",
        ),
        ("select 1 = true", "cannot be compared: bigint = boolean", ""),
        ("select sum(null)", "a null without a type is added up", "sum(null::bigint)"),
        ("select concat_ws(',')", "concat_ws expects at least 2 arguments, got 1", ""),
        (
            "select time_bucket(interval '1 day', event_time, 3) from events",
            "time_bucket takes a width and a time, got 3 arguments",
            "",
        ),
        (
            "select * from (values (1, null::boolean), (2, -0.0)) t(a, b)",
            "`values` have several types in column 2, from row 2 on: boolean before, now double",
            "",
        ),
        ("select * from (values (1, 2), (3)) t(a, b)", "`values` have 1 columns in row 2, and 2 in the first", ""),
        (
            "select cast(123456 as decimal(5,2))",
            "123456.00 is too large to store in a decimal of precision 5. Max is 999.99",
            "",
        ),
        ("select encryption_context::text from events", "not supported: a cast of a map", "map_values"),
        ("select avg(event_time) from events", "no such call: `avg(timestamp)`", ""),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        assert_eq!(diagnosis.problem.as_deref(), Some(problem), "{sql}: {diagnosis:?}");
        let advised = diagnosis.advice.join("; ");
        assert!(advised.contains(advice), "{sql}: {advised}");
        assert!(!advised.contains("times are written"), "{sql}: {advised}");
    }
}

#[tokio::test]
async fn show_functions_knows_the_functions_that_can_be_called() {
    let session = fixture::session().await;
    for name in
        ["max_by", "arg_max", "time_bucket", "histogram", "arn_part", "key_id", "count", "row_number", "array_agg"]
    {
        let shown = rows(&session, &format!("show functions like '{name}'")).await;
        assert_eq!(shown.len(), 1, "{name}");
        assert_eq!(shown[0][0].as_deref(), Some(name));
    }
    let parts: Vec<_> =
        rows(&session, "show functions like '%part%'").await.into_iter().map(|row| row[0].clone()).collect();
    for name in ["arn_part", "date_part", "split_part"] {
        assert!(parts.contains(&Some(name.to_owned())), "{parts:?}");
    }
    assert!(rows(&session, "show functions").await.len() > 200);
}

#[tokio::test]
async fn what_is_advised_instead_of_a_clause_runs() {
    let session = fixture::session().await;
    for sql in [
        "select count(*) filter (where event_name = 'Decrypt') as decrypt from events",
        "select count(*) from events where md5(event_id) < '1'",
        "select count(*), count(distinct key_arn), min(event_time), max(event_time) from kms_events",
        "select unnest(map_keys(encryption_context)) from events",
        "select row_number() over (partition by key_arn order by event_time) from kms_events",
        "select try_cast(event_name as bigint) from events",
        "select timestamp '2024-01-31 06:00:00', date '2024-01-31', interval '90 days', interval '1 month'",
        "show functions like '%part%'",
        "select to_timestamp('2024-12-31 10' || ':00', '%Y-%m-%d %H:%M')",
        "select regexp_like(event_name, '^(Get.*|List.*)$') from events",
        "select 1 from events where read_only or not read_only or read_only = true",
        "select 1 from events where event_time >= '2026-02-01' and event_time < '2026-03-01' or event_time::text like '2026-02%'",
        "select request_parameters -> 'resources' -> 0 ->> 'arn' from events",
        "select event_id, unnest(map_keys(encryption_context)) as context_key from kms_events",
        "select value, row_number() over () from (select unnest([1, 2]) as value)",
        "select e.event_id from events e left join (select key_arn, count(*) as n from kms_events group by key_arn) x using (key_arn)",
        "select max_by(event_name, event_time), 1 / nullif(0, 0), record_index::decimal(38, 0) from events group by record_index",
        "select event_id from (select *, exists (select 1 from runs) as is_found from events) where is_found",
        "select 1 from events where event_name like '10\\%' or event_name like replace(event_id, '_', '\\_')",
        "select array_to_string(map_values(encryption_context), ' ') from events",
        "select to_timestamp(avg(date_part('epoch', event_time))) from events",
        "select first_value(error_code) ignore nulls over (order by event_time) from events",
        "select x + 1 from unnest([1, 2]) x",
        "select power(2, 10), 7 / 2, 'a' || chr(10) || 'b', sum(null::bigint) from events",
        "select event_id from events qualify rank() over (order by event_time) <= 2",
        "select date_part('epoch', max(event_time) - min(event_time)) from events",
    ] {
        let result = session.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
        result.collect().await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
    }
    for word in ["pivot", "unpivot", "summarize"] {
        let diagnosis = diagnosed(&session, &format!("{word} events on event_name")).await;
        assert!(!diagnosis.advice.is_empty(), "{word}: {diagnosis:?}");
    }
}

#[tokio::test]
async fn a_condition_over_data_files_fails_as_a_column_does() {
    let session = fixture::session().await;
    for (expression, problem) in [
        ("cast(event_name as int) = 1", "not a value of type int: `"),
        ("1 / (record_index - record_index) > 0", "a number is divided by zero"),
        ("event_name ~ (event_source || '(')", "regular expression did not compile"),
        ("substr(event_name, 1, -1) = 'x'", "negative count not allowed: -1"),
    ] {
        for sql in
            [format!("select {expression} from events"), format!("select event_id from events where {expression}")]
        {
            let result = session.execute(&sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
            let error = result.collect().await.unwrap_err();
            let diagnosis = session.diagnose(&sql, &error);
            let told = format!("{}: {}", diagnosis.problem.unwrap_or_default(), chain(&error)).to_lowercase();
            assert!(told.contains(&problem.to_lowercase()), "{sql}: {told}");
            assert!(!told.contains("parquet") && !told.contains("predicate"), "{sql}: {told}");
        }
    }
}

#[tokio::test]
async fn a_time_that_has_no_nanoseconds_is_named_with_the_range() {
    let session = fixture::session().await;
    for sql in [
        "select timestamp '2300-01-01'",
        "select count(*) from events where event_time < timestamp '2300-01-01' - interval '1 day'",
        "select count(*) from events where event_time < to_timestamp('2300-01-01')",
        "select to_timestamp(event_name || '') from (values ('2300-01-01')) t(event_name)",
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        let place = diagnosis.place.clone().unwrap_or_else(|| panic!("{sql}: no place: {diagnosis:?}"));
        assert_eq!(&sql[place], "'2300-01-01'", "{sql}: {diagnosis:?}");
        assert!(diagnosis.problem.is_some_and(|problem| problem.ends_with("`2300-01-01`")), "{sql}");
        assert!(diagnosis.advice[0].contains("from 1677-09-22 to 2262-04-11"), "{sql}");
    }
}

#[tokio::test]
async fn what_would_be_computed_wrong_is_marked_and_has_another_spelling() {
    let session = fixture::session().await;
    for (sql, marked) in [
        ("select 1 union all select 1 from events where event_time >= all (select event_time from events)", "all"),
        ("select event_id from events where event_time > ANY((select event_time from events))", "ANY"),
        ("select event_id from events where event_id = some (select event_id from events)", "some"),
        ("select event_id from events except all select event_id from kms_events", "except"),
        ("select event_id from events intersect all select event_id from kms_events", "intersect"),
    ] {
        let diagnosis = diagnosed(&session, sql).await;
        let places: Vec<_> = sql.match_indices(marked).map(|(start, _)| start).collect();
        let place = diagnosis.place.clone().unwrap_or_else(|| panic!("{sql}: no place: {diagnosis:?}"));
        assert_eq!((places.last(), &sql[place.clone()]), (Some(&place.start), marked), "{sql}");
        assert!(!diagnosis.advice.is_empty(), "{sql}");
    }
    for sql in [
        "select event_id from events where event_time >= (select max(event_time) from events)",
        "select event_id from events where event_id in (select event_id from kms_events)",
        "select event_id from events where event_id not in (select event_id from kms_events)",
        "select event_id from events where event_name = any (['Decrypt', 'Encrypt'])",
        "select event_name, row_number() over (partition by event_name) from events except select event_name, 1 from events",
    ] {
        let result = session.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
        result.collect().await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
    }
}

#[tokio::test]
async fn a_condition_on_rows_cannot_ask_for_others() {
    let session = fixture::session().await;
    for condition in ["event_id in (select event_id from kms_events)", "exists (select 1 from events)"] {
        let Err(error) = session.rows_where("events", Some(condition), &["event_id"]).await else {
            panic!("{condition} is taken");
        };
        assert_eq!(error.to_string(), "not supported: a subquery in a condition on the rows of one table");
        assert!(!session.diagnose(condition, &error).advice.is_empty(), "{condition}");
    }
}
