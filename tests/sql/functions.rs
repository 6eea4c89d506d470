//! Functions and operators that the engine has not, or not by default.

use crate::cells::{rows, value};
use crate::fixture;

#[tokio::test]
async fn functions_give_what_analysts_expect() {
    let session = fixture::session().await;
    let cases = [
        ("select max_by(v, k) from (values ('a', 1), ('b', 3), ('c', 2), ('d', null)) t(v, k)", Some("b")),
        ("select min_by(v, k) from (values ('a', 1), ('b', 3), ('c', 2), ('d', null)) t(v, k)", Some("a")),
        ("select arg_max(v, k) from (values ('a', 1), ('b', 3)) t(v, k)", Some("b")),
        ("select arg_min(v, k) from (values ('a', 1), ('b', 3)) t(v, k)", Some("a")),
        ("select max_by(v, k) filter (where k < 3) from (values ('a', 1), ('b', 3), ('c', 2)) t(v, k)", Some("c")),
        ("select max_by(v, k) from (values ('a', cast(null as int))) t(v, k)", None),
        ("select max_by(v, k) from (values (cast(null as text), 2), ('a', 1)) t(v, k)", None),
        ("select max_by(event_id, event_time) from events", Some("e24")),
        ("select time_bucket(interval '1 day', timestamp '2024-01-05T13:00:00')", Some("2024-01-05T00:00:00")),
        ("select time_bucket(interval '7 days', timestamp '2024-01-05T13:00:00')", Some("2024-01-01T00:00:00")),
        ("select time_bucket(interval '1 month', timestamp '2024-02-29T13:00:00')", Some("2024-02-01T00:00:00")),
        ("select time_bucket(interval '15 minutes', timestamp '2024-02-29T13:44:59')", Some("2024-02-29T13:30:00")),
        ("select request_parameters ->> 'bucketName' from events where event_id = 'o01'", Some("bucket")),
        ("select request_parameters ->> 'n' from events where event_id = 'o01'", Some("12345678901234567890")),
        ("select request_parameters -> 'tags' ->> 1 from events where event_id = 'o01'", Some("b")),
        ("select json_get_str(request_parameters, 'bucketName') from events where event_id = 'o01'", Some("bucket")),
        ("select json_contains(request_parameters, 'tags') from events where event_id = 'o01'", Some("true")),
        ("select encryption_context['app'] from events where event_id = 'e01'", Some("billing")),
    ];
    for (sql, expected) in cases {
        assert_eq!(value(&session, sql).await.as_deref(), expected, "{sql}");
    }
}

#[tokio::test]
async fn buckets_keep_the_time_zone_and_extremes_go_by_group() {
    let session = fixture::session().await;
    let sql = "select time_bucket(interval '1 week', event_time) as week, max_by(event_id, event_time) as latest \
               from events where event_time < timestamp '2024-01-09' group by week order by week";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows(&session, sql).await, [vec![text("2024-01-01T00:00:00Z"), text("e20")]]);
}
