//! What reaches the files: filters on a key through every view, only the needed columns, files left out by the log.

use keytrail_query::{Session, ViewDefinition};

use crate::cells::rows;
use crate::fixture;

/// The lines of the physical plan.
async fn plan(session: &Session, sql: &str) -> String {
    let lines = rows(session, &format!("explain format indent {sql}")).await;
    let physical = lines.into_iter().find(|line| line[0].as_deref() == Some("physical_plan")).unwrap();
    physical[1].clone().unwrap()
}

fn scans(plan: &str) -> Vec<&str> {
    plan.lines().filter(|line| line.contains("DataSourceExec")).collect()
}

/// Views whose rows follow from events of other keys too, as those of a family.
const BEYOND_ONE_KEY: [&str; 3] = ["kms_key_verdicts", "kms_last_usage_check", "kms_mrk_families"];

#[tokio::test]
async fn a_key_filter_reaches_every_scan_of_every_kms_view() {
    let session = fixture::session().await;
    let key = "arn:aws:kms:us-east-1:111122223333:key/22222222-2222-2222-2222-222222222222";
    // Kept views are computed once, for all keys.
    let reads_keys = |view: &&ViewDefinition| {
        !view.is_kept && (view.name == "kms_events" || view.reads.iter().any(|name| name == "kms_events"))
    };
    for view in keytrail_query::view_catalogue().iter().filter(reads_keys) {
        let name = view.name.as_str();
        if BEYOND_ONE_KEY.contains(&name) {
            continue;
        }
        let plan = plan(&session, &format!("select * from {name} where key_arn = '{key}'")).await;
        // Rows of kept views are in memory.
        let scans: Vec<_> = scans(&plan).into_iter().filter(|scan| scan.contains("file_groups=")).collect();
        assert_eq!(scans.len(), 2, "{name}: {plan}");
        for (scan, column) in scans.iter().zip(["key_arn@", "source_key_arn@"]) {
            assert!(
                scan.contains(&format!("predicate={column}")) || scan.contains(&format!("AND {column}")),
                "{name}: {plan}"
            );
            assert!(scan.contains("required_guarantees=[") && scan.contains(key), "{name}: {plan}");
        }
    }
}

#[tokio::test]
async fn what_one_side_of_the_view_knows_of_nulls_its_scan_is_not_asked() {
    let session = fixture::session().await;
    let key = "arn:aws:kms:us-east-1:111122223333:key/22222222-2222-2222-2222-222222222222";
    let condition = format!("key_arn = '{key}' or (key_arn is null and error_code is not null)");
    let plan = plan(&session, &format!("select event_id from kms_events where {condition}")).await;
    let scans = scans(&plan);
    assert!(scans[0].contains("error_code@"), "{plan}");
    // Source rows always have a key: what is left can leave out files and pages.
    assert!(!scans[1].contains("error_code@"), "{plan}");
    assert!(scans[1].contains(&format!("required_guarantees=[source_key_arn in ({key})]")), "{plan}");
}

#[tokio::test]
async fn logs_are_read_once_for_both_roles_of_a_key_and_only_for_what_is_asked() {
    let (_folder, session) =
        fixture::raw_session(&[r#"{"eventSource":"kms.amazonaws.com","eventName":"Encrypt"}"#]).await;
    let of_key = "select event_id, key_role from kms_events where key_arn = 'arn:aws:kms:r:1:key/k'";
    for sql in ["select count(*) from kms_events", of_key, "select * from kms_key_usage"] {
        let plan = plan(&session, sql).await;
        assert_eq!(plan.matches("StreamingTableExec").count(), 1, "{plan}");
        assert!(plan.contains("SelectionsExec: 2"), "{plan}");
        assert!(!plan.contains("user_agent"), "{plan}");
    }
    let source_only = plan(&session, "select event_id from kms_events where key_role = 'source'").await;
    assert!(!source_only.contains("SelectionsExec"), "{source_only}");
}

#[tokio::test]
async fn files_are_read_once_for_both_roles_where_no_key_is_named() {
    let session = fixture::session().await;
    for sql in [
        "select * from kms_key_usage",
        "select key_role, count(*) from kms_events where error_code is null group by key_role",
    ] {
        let plan = plan(&session, sql).await;
        assert_eq!((scans(&plan).len(), plan.matches("SelectionsExec: 2").count()), (1, 1), "{plan}");
    }
    let failed = plan(&session, "select key_arn, event_count from kms_failed_attempts").await;
    // That no row is a summary of another is known from the log: it is not asked of any row.
    assert!(scans(&failed)[0].contains("predicate=error_code@"), "{failed}");
    for sql in [
        "select event_id from kms_events where event_id = 'e'",
        "select event_id from kms_events where key_arn like 'arn:%'",
    ] {
        let plan = plan(&session, sql).await;
        assert!(scans(&plan)[0].contains("predicate="), "{plan}");
    }
}

#[tokio::test]
async fn key_usage_reads_only_the_columns_it_needs() {
    let session = fixture::session().await;
    let plan = plan(&session, "select key_arn, use_event_count from kms_key_usage where key_arn = 'x:key/y'").await;
    for column in
        [" event_id@", "user_agent", "request_parameters", "encryption_context", "record_layout", "principal_arn"]
    {
        assert!(!plan.contains(column), "{column} in {plan}");
    }
}

#[tokio::test]
async fn marks_cost_nothing_where_nobody_asks_for_them() {
    let session = fixture::session().await;
    let plan = plan(&session, "select key_arn, key_role, event_time from kms_events where error_code is null").await;
    for column in ["encryption_context", "additional_event_data", "user_agent", "principal_account_id", "outcome"] {
        assert!(!plan.contains(column), "{column} in {plan}");
    }
}

#[tokio::test]
async fn files_are_left_out_by_partition_and_statistics() {
    let session = fixture::session().await;
    let files = async |condition: &str| {
        let plan = plan(&session, &format!("select event_id from events where {condition}")).await;
        plan.matches(".parquet").count()
    };
    let all = files("event_id is not null").await;
    // KMS in two months of two files each, others in one file of January and one without a time.
    assert_eq!(all, 6);
    assert_eq!(files("event_group = 'other'").await, 2);
    assert_eq!(files("event_month = '2024-02'").await, 2);
    assert_eq!(files("event_month in ('2024-02', 'unknown') and event_group <> 'kms'").await, 1);
    assert_eq!(files("event_time >= timestamp '2024-02-02'").await, 1);
    assert_eq!(files("event_time < timestamp '2024-01-01T10:30:00Z'").await, 1);
    assert_eq!(files("event_month = '2030-01'").await, 0);
    assert_eq!(files("key_arn = 'arn:aws:kms:aa-none-1:1:key/x'").await, 0);
    assert_eq!(files("key_arn is null and event_group = 'kms' and event_month = '2024-02'").await, 0);
    assert_eq!(files("event_source = 's3.amazonaws.com'").await, 1);
    assert_eq!(files("event_month = '2024-02' or event_time < timestamp '2024-01-01T10:30:00Z'").await, 3);
}

#[tokio::test]
async fn counts_and_times_come_from_the_log() {
    let session = fixture::session().await;
    for sql in
        ["select count(*) from events", "select min(event_time), max(event_time) from events where event_group = 'kms'"]
    {
        let plan = plan(&session, sql).await;
        assert!(plan.contains("PlaceholderRowExec") && scans(&plan).is_empty(), "{plan}");
    }
    let sql = "select min(event_time), max(event_time), count(*) from events where event_group = 'kms'";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows(&session, sql).await,
        [vec![text("2024-01-01T10:00:00Z"), text("2024-02-02T05:00:00Z"), text("24")]]
    );
}

#[tokio::test]
async fn an_order_is_declared_only_where_it_holds() {
    let session = fixture::session().await;
    // Two files of January overlap in their keys: whoever believed in an order across them would be wrong.
    let sql = "select key_arn, event_time, event_id from events where event_group = 'kms' \
               order by key_arn nulls first, event_time nulls first, event_id";
    let sorted = rows(&session, sql).await;
    let mut expected = sorted.clone();
    expected.sort();
    assert_eq!(sorted, expected);
    assert_eq!(sorted.len(), 24);
}

/// The engine need not walk the eighty columns of a view that only selects.
#[tokio::test]
async fn kms_events_is_one_leaf_of_a_plan() {
    let session = fixture::session().await;
    let lines = rows(&session, "explain format indent select event_id from kms_events where key_role = 'source'").await;
    let logical = lines.into_iter().find(|line| line[0].as_deref() == Some("logical_plan")).unwrap();
    let logical = logical[1].clone().unwrap();
    assert!(logical.contains("TableScan: kms_events") && !logical.contains("Union"), "{logical}");
}

#[tokio::test]
async fn columns_of_few_texts_are_grouped_by_numbers() {
    let session = fixture::session().await;
    let group = async |columns: &str| {
        plan(&session, &format!("select {columns}, count(*) from kms_events group by {columns}")).await
    };
    for columns in ["key_arn", "event_source, event_name", "aws_region, cast(event_time as date), key_role"] {
        let plan = group(columns).await;
        assert!(plan.contains("FewTextGroupsExec: "), "{plan}");
        assert_eq!(plan.contains("utc_floor("), columns.contains("date"), "{plan}");
    }
    for columns in ["event_id", "key_arn, event_id", "cast(event_time as date)", "grouping sets ((key_arn), ())"] {
        let plan = match columns {
            "grouping sets ((key_arn), ())" => {
                plan(&session, &format!("select key_arn, count(*) from kms_events group by {columns}")).await
            }
            _ => group(columns).await,
        };
        assert!(!plan.contains("FewTextGroupsExec"), "{plan}");
    }
}

#[tokio::test]
async fn groups_by_numbers_are_those_by_texts() {
    let session = fixture::session().await;
    let query = |columns: &[String]| {
        let places = (1..=columns.len()).map(|place| place.to_string()).collect::<Vec<_>>().join(", ");
        let columns = columns.join(", ");
        format!("select {columns}, count(*), min(event_time) from kms_events group by {places} order by {places}")
    };
    // Each column alone, in a pair, and beside one that is no text.
    let few =
        ["aws_region", "detail_level", "error_code", "event_category", "event_group", "event_month", "event_name"];
    let few =
        few.into_iter().chain(["event_source", "event_type", "event_version", "key_arn", "key_resolution", "key_role"]);
    let few = few.chain(["operation_class", "other_key_arn", "outcome", "principal_account_id", "principal_type"]);
    for column in few.chain(["recipient_account_id", "source_key_arn"]) {
        for beside in [&[][..], &["outcome"], &["cast(event_time as date)", "key_arn"]] {
            if beside.contains(&column) {
                continue;
            }
            let columns: Vec<&str> = beside.iter().copied().chain([column]).collect();
            let numbered = query(&columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>());
            let as_text = |column: &&str| match *column {
                date if date.contains("date") => date.to_owned(),
                text => format!("{text} || ''"),
            };
            let by_texts = query(&columns.iter().map(as_text).collect::<Vec<_>>());
            assert!(plan(&session, &numbered).await.contains("FewTextGroupsExec"), "{numbered}");
            assert!(!plan(&session, &by_texts).await.contains("FewTextGroupsExec"), "{by_texts}");
            assert_eq!(rows(&session, &numbered).await, rows(&session, &by_texts).await, "{numbered}");
        }
    }
}

#[tokio::test]
async fn conditions_that_leave_out_no_file_are_not_asked_of_the_files() {
    let session = fixture::session().await;
    let key = "arn:aws:kms:us-east-1:111122223333:key/22222222-2222-2222-2222-222222222222";
    let condition = format!("key_arn = '{key}' and key_role <> 'target'");
    let plan = plan(&session, &format!("select event_id from kms_events where {condition}")).await;
    let scan = scans(&plan)[0];
    assert!(scan.contains("once_per_text("), "{plan}");
    let pruning = scan.split("pruning_predicate=").nth(1).unwrap();
    assert!(pruning.contains("key_arn_min@") && !pruning.contains("operation_class"), "{plan}");
}

#[tokio::test]
async fn the_keys_that_events_name_are_not_looked_for_again() {
    // The view's other half is for rows of older lakes, and there are none.
    let sql = "select key_arn, resource, event_id from key_mentions";
    let over_lake = plan(&fixture::session_over("contexts").await, sql).await;
    let of_files: Vec<_> = scans(&over_lake).into_iter().filter(|scan| scan.contains("file_groups=")).collect();
    let [scan] = of_files[..] else { panic!("{over_lake}") };
    let columns = ["request_parameters", "response_elements", "resources"];
    assert!(columns.iter().all(|column| !scan.contains(column)), "{over_lake}");
    let record = r#"{"eventSource":"ec2.amazonaws.com","eventName":"CreateVolume","requestParameters":{"kmsKeyId":"arn:aws:kms:us-east-1:111122223333:key/11111111-1111-1111-1111-111111111111"}}"#;
    let (_folder, session) = fixture::raw_session(&[record]).await;
    // The aliases are kept then.
    rows(&session, "select * from kms_aliases").await;
    let run = session.start(sql, &[]).await.unwrap();
    assert_eq!(run.metrics.counts().files_to_read, 1, "logs are read for one half only");
    assert_eq!(rows(&session, sql).await.len(), 1);
}
