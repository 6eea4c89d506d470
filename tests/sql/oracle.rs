//! Every view against the testkit's oracle on a generated trail: converted to a lake, and straight over its log files.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use keytrail_convert::inventory::{ImportOptions, import};
use keytrail_convert::source::DeliveryRange;
use keytrail_convert::{ConvertOptions, NoProgress, Source, StopSignal, convert, lake_spec};
use keytrail_lake::{Lake, Location, StorageOptions};
use keytrail_query::{RawSource, Session, SessionOptions};
use keytrail_testkit::oracle::{Inventory, KmsEvent, Oracle, ViewTable};
use keytrail_testkit::trail::{TrailConfig, TrailFacts, generate};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::cells::{Cells, rows, value};
use crate::fixture;

/// A generated trail, its lake and its oracle; made once for all tests.
struct Trail {
    _folder: TempDir,
    location: Location,
    lake: Lake,
    oracle: Oracle,
    facts: TrailFacts,
    end: DateTime<Utc>,
}

/// Views of what users hold beside the logs: compared on a lake with planted outputs.
pub(crate) const FROM_INVENTORY: [&str; 14] = [
    "inventory_alias_history",
    "inventory_aliases",
    "inventory_family_members",
    "inventory_grant_lists",
    "inventory_grants",
    "inventory_iam_statements",
    "inventory_key_policies",
    "inventory_keys",
    "inventory_last_usage",
    "inventory_trails",
    "kms_last_usage_check",
    "kms_potential_access",
    "kms_potential_vs_actual",
    "kms_unused_keys",
];

/// Views of what was read: compared on a lake with planted rows.
const FROM_LEDGER: [&str; 3] = ["trail_digest_log_files", "trail_digests", "unfinished_conversions"];

/// Views of what no trail delivered: the generated one is delivered whole.
const FROM_EXPORTS: [&str; 1] = ["filtered_exports"];

/// Whether a view answers from the events alone.
pub(crate) fn is_from_logs(view: &str) -> bool {
    ![&FROM_INVENTORY[..], &FROM_LEDGER, &FROM_EXPORTS].concat().contains(&view)
}

static TRAIL: OnceCell<Trail> = OnceCell::const_new();

async fn trail() -> &'static Trail {
    TRAIL.get_or_init(make_trail).await
}

async fn make_trail() -> Trail {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let config = TrailConfig {
        days: 75,
        duplicate_rate: 0.05,
        oddity_rate: 0.05,
        key_lives: true,
        rare_rate: 0.08,
        ..TrailConfig::with_events(4_000, 7)
    };
    let summary = generate(&config, &logs).unwrap();
    // What is planted by hand, so that every kind of blind spot occurs.
    fs_err::copy(fixture::folder().join("coverage/records.ndjson"), logs.join("coverage.json")).unwrap();
    let location = Location::parse(logs.to_str().unwrap()).unwrap();
    let lake_location = Location::parse(folder.path().join("lake").to_str().unwrap()).unwrap();
    let lake = Lake::create_or_open(&lake_location, &StorageOptions::default(), lake_spec()).await.unwrap();
    let options = ConvertOptions::new(vec![Source::Place(location.clone())], "test".to_owned(), config.end());
    convert(&lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await.unwrap();
    Trail {
        location,
        lake,
        oracle: Oracle::read_folder(&logs).unwrap(),
        facts: summary.facts,
        end: config.end(),
        _folder: folder,
    }
}

/// A session over the generated lake.
pub(crate) struct Generated {
    pub(crate) session: Session,
}

pub(crate) async fn generated() -> Generated {
    let session = Session::over_lake(&trail().await.lake, &SessionOptions::default()).await.unwrap();
    Generated { session }
}

pub(crate) async fn raw() -> Session {
    let source = RawSource {
        sources: vec![Source::Place(trail().await.location.clone())],
        range: DeliveryRange::default(),
        storage: StorageOptions::default(),
    };
    Session::over_raw(source, &SessionOptions::default()).await.unwrap()
}

/// Compares a view with the oracle.
async fn assert_equal(session: &Session, expected: &ViewTable) {
    let mut actual = rows(session, &format!("select {} from {}", expected.columns.join(", "), expected.view)).await;
    actual.sort();
    assert!(!expected.rows.is_empty(), "{} has no case", expected.view);
    if actual != expected.rows {
        panic!("{} {:?}\n{}", expected.view, expected.columns, difference(&actual, &expected.rows));
    }
}

/// The first rows that only one side has; where there are none, how often rows occur differs.
fn difference(actual: &[Cells], expected: &[Cells]) -> String {
    let (actual_set, expected_set): (BTreeSet<_>, BTreeSet<_>) = (actual.iter().collect(), expected.iter().collect());
    let missing: Vec<_> = expected_set.difference(&actual_set).take(3).collect();
    let unexpected: Vec<_> = actual_set.difference(&expected_set).take(3).collect();
    format!("{} rows, not {}\nmissing {missing:#?}\nunexpected {unexpected:#?}", actual.len(), expected.len())
}

/// A comparison proves nothing about what does not occur.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_holds_the_hard_cases() {
    let oracle = &trail().await.oracle;
    let events = oracle.kms();
    let count = |is_case: &dyn Fn(&KmsEvent) -> bool| events.iter().filter(|event| is_case(event)).count();
    let keys =
        |event: &KmsEvent| event.touches.iter().filter_map(|touch| touch.key_arn.clone()).collect::<BTreeSet<_>>();
    let is_re_encrypt = |event: &KmsEvent| event.event_name == "ReEncrypt";
    assert!(events.len() > 1_000, "{}", events.len());
    assert!(count(&|event| is_re_encrypt(event) && event.is_use() && keys(event).len() == 2) > 0);
    assert!(count(&|event| is_re_encrypt(event) && event.touches.iter().all(|touch| touch.context.is_some())) > 0);
    assert!(count(&|event| event.is_failure() && keys(event).is_empty()) > 0);
    assert!(count(&|event| event.invoked_by.is_some() && event.is_use()) > 0);
    let outcomes: BTreeSet<_> = events.iter().map(|event| event.outcome).collect();
    for outcome in ["used", "succeeded", "blocked", "denied", "probe", "verify_failed", "failed", "transient"] {
        assert!(outcomes.contains(outcome), "no {outcome} in {outcomes:?}");
    }
    let usage = oracle.kms_key_usage();
    assert!(usage.iter().any(|row| row.use_count < row.use_event_count), "no cross-account call");
    assert!(usage.iter().any(|row| row.use_count == 0 && row.failed_count == 0), "no silent key");
    assert!(usage.iter().any(|row| row.failed_count > 0) && usage.iter().any(|row| row.sign_mac_count > 0));
    assert!(oracle.kms_encryption_contexts().iter().any(|row| row.event_count > 1));
    assert!(oracle.summary.duplicates > 0, "no repeated record");
}

/// The same for what views tell of contexts, marks and sides: every word occurs.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_holds_every_word_of_the_context_views() {
    let views = trail().await.oracle.views();
    let words = |view: &str, column: &str| -> BTreeSet<String> {
        let tables = views.iter().filter(|table| table.view == view);
        tables
            .filter_map(|table| Some((table, table.columns.iter().position(|name| *name == column)?)))
            .flat_map(|(table, index)| {
                table.rows.iter().map(move |row| row[index].clone().unwrap_or("null".to_owned()))
            })
            .collect()
    };
    let marks = "console_browsing dry_run key_access_probe null trail_config_check trail_log_encryption";
    let kinds = "branch_key bucket certificate client_encrypted_message database directory_bucket file_system function log_group object \
                 parameter queue repository secret shelf snapshot table trail volume";
    for (view, column, expected) in [
        ("kms_events", "use_mark", marks),
        ("kms_events", "is_demand", "false true"),
        ("kms_events", "is_attested", "false true"),
        ("kms_events", "is_cross_account", "false null true"),
        ("kms_events", "account_side", "both caller null owner"),
        ("kms_ciphertexts", "is_call_per_object", "false null true"),
        ("kms_protected_resources", "resource_kind", kinds),
        ("kms_protected_resources", "is_written_never_read", "false true"),
        ("kms_key_materials", "is_needed_after_rotation", "false true"),
        ("kms_cross_account", "is_seen_by_caller", "false true"),
        ("kms_blocked_attempts", "reason", "deleted disabled pending_deletion"),
        ("kms_denied_attempts", "reason", "explicit_deny not_allowed unstated"),
        (
            "kms_configuration_dependencies",
            "event_source",
            "ec2.amazonaws.com iam.amazonaws.com lambda.amazonaws.com s3.amazonaws.com secretsmanager.amazonaws.com",
        ),
    ] {
        let found = words(view, column);
        let missing: Vec<_> = expected.split_whitespace().filter(|word| !found.contains(*word)).collect();
        assert!(missing.is_empty(), "{view}.{column} lacks {missing:?}, has {found:?}");
    }
    assert!(words("kms_ciphertexts", "context_signature").contains(""), "no call without a context");
    assert!(words("kms_context_signatures", "context_signature").contains("null"), "no withheld context");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_of_a_lake_equals_the_oracle() {
    let session = generated().await.session;
    let views = trail().await.oracle.views();
    let compared: BTreeSet<&str> = views.iter().map(|view| view.view).collect();
    let catalogue = keytrail_query::view_catalogue().iter().map(|view| view.name.as_str());
    assert_eq!(compared, catalogue.filter(|name| is_from_logs(name)).collect());
    for view in views {
        assert_equal(&session, &view).await;
    }
}

/// Every view of imported outputs, on the generated lake with outputs that fit it.
#[tokio::test(flavor = "multi_thread")]
async fn every_view_of_the_inventory_equals_the_oracle() {
    let (folder, trail) = (tempfile::tempdir().unwrap(), make_trail().await);
    let inventory = Inventory::planted(&trail.oracle, trail.end);
    inventory.write(folder.path()).unwrap();
    let options = ImportOptions {
        paths: vec![folder.path().to_owned()],
        snapshot_time: Some(inventory.snapshot_time),
        started: inventory.snapshot_time,
    };
    let summary = import(&trail.lake, &options).await.unwrap();
    assert!(summary.rejected.is_empty(), "{summary:?}");
    let session = Session::over_lake(&trail.lake, &SessionOptions::default()).await.unwrap();
    let views = inventory.views(&trail.oracle);
    let compared: BTreeSet<&str> = views.iter().map(|view| view.view).collect();
    // No planted key has a replica: the records of `inventory/` have one.
    let expected = FROM_INVENTORY.into_iter().filter(|view| *view != "inventory_family_members");
    assert_eq!(compared, expected.collect());
    for view in views {
        assert_equal(&session, &view).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_of_raw_logs_equals_the_oracle() {
    let session = raw().await;
    for view in trail().await.oracle.views() {
        assert_equal(&session, &view).await;
    }
    assert!(session.raw_rejects().is_empty(), "{:?}", session.raw_rejects());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_the_row_of_all_keys() {
    let facts = &trail().await.facts;
    for session in [generated().await.session, raw().await] {
        for key in
            [&facts.busiest_key, &facts.silent_key, &facts.disabled_key].into_iter().chain(&facts.never_used_keys)
        {
            let one = rows(&session, &format!("select * from kms_key_usage where key_arn = '{key}'")).await;
            let all = rows(&session, "select * from kms_key_usage").await;
            let expected: Vec<_> = all.into_iter().filter(|row| row[0].as_deref() == Some(key)).collect();
            assert_eq!(one, expected, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_logs_are_pruned_without_losing_rows() {
    let (raw, lake) = (raw().await, generated().await.session);
    for condition in [
        "event_time >= timestamp '2026-02-20'",
        "event_time > timestamp '2026-01-31T23:59:59' and event_time < timestamp '2026-02-02'",
        "event_time between timestamp '2026-01-10' and timestamp '2026-01-12'",
        "event_month = '2026-02'",
        "event_month in ('2026-02', '2026-03')",
        "event_month >= '2026-02'",
        "event_month in ('2026-03', 'unknown')",
        "event_time is null",
        "cast(event_time as date) = date '2026-02-03'",
        "event_time >= timestamp '2040-01-01'",
        "event_group = 'kms'",
        "event_group <> 'kms' and event_month = '2026-02'",
        "event_group in ('other', 'no such group')",
        "event_group = 'no such group'",
        "event_group = 'other' or event_name = 'Decrypt'",
        "event_group = 'kms' or event_time is null",
    ] {
        let sql = format!("select count(*) from events where {condition}");
        assert_eq!(value(&raw, &sql).await, value(&lake, &sql).await, "{condition}");
    }
    let files = async |condition: &str| {
        let plan = rows(&raw, &format!("explain analyze select event_id from events where {condition}")).await;
        plan.len()
    };
    assert!(files("event_time >= timestamp '2040-01-01'").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_scan_can_be_run_again() {
    let session = raw().await;
    let first = value(&session, "select min(event_id) from events").await.unwrap();
    // Each step of the recursion runs the scan once more.
    let sql = format!(
        "with recursive steps as (
            select cast(0 as bigint) as step
            union all
            select step + 1 from steps join events on step < 3 and event_id = '{first}'
        ) select max(step) from steps"
    );
    assert_eq!(value(&session, &sql).await.as_deref(), Some("3"));
}
