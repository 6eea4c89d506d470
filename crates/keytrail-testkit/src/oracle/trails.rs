//! Trails are what their configuration says, counted by the oracle.

use std::collections::{BTreeMap, BTreeSet};

use keytrail_trail::{GeneratedFile, GeneratedKind, TrailConfig, TrailSummary, generate, generate_files, summarize};

use super::{FileKind, Oracle};

fn config() -> TrailConfig {
    TrailConfig {
        duplicate_rate: 0.02,
        redelivered_file_rate: 0.05,
        late_rate: 0.03,
        ..TrailConfig::with_events(12_000, 7)
    }
}

fn oracle_of(config: &TrailConfig) -> (Oracle, TrailSummary) {
    (Oracle::read_files(generate_files(config).map(|file| (file.key, file.bytes))), summarize(config))
}

#[test]
fn equal_configurations_give_equal_bytes() {
    let once: Vec<GeneratedFile> = generate_files(&config()).collect();
    let again: Vec<GeneratedFile> = generate_files(&config()).collect();
    assert_eq!(once, again);
    let other: Vec<GeneratedFile> = generate_files(&TrailConfig { seed: 8, ..config() }).collect();
    assert_ne!(once, other);
}

#[test]
fn the_written_tree_equals_the_iterator() {
    let folder = tempfile::tempdir().unwrap();
    let summary = generate(&config(), folder.path()).unwrap();
    assert_eq!(summary, summarize(&config()));
    let mut count = 0;
    for file in generate_files(&config()) {
        assert_eq!(fs_err::read(folder.path().join(&file.key)).unwrap(), file.bytes, "{}", file.key);
        count += 1;
    }
    let oracle = Oracle::read_folder(folder.path()).unwrap();
    assert_eq!(oracle.summary.files.values().sum::<u64>(), count);
}

#[test]
fn the_summary_equals_what_the_oracle_counts() {
    let (oracle, summary) = oracle_of(&config());
    assert_eq!(summary.distinct_events, 12_000);
    assert_eq!(oracle.events.len() as u64, summary.distinct_events);
    assert_eq!(oracle.summary.records, summary.api_event_records);
    assert_eq!(oracle.summary.duplicates, summary.duplicates);
    assert_eq!(oracle.summary.unreadable_files, 0);
    assert_eq!(oracle.kms().len() as u64, summary.kms_events);
    let files = |kind| oracle.summary.files.get(&kind).copied().unwrap_or_default();
    assert_eq!(files(FileKind::Events), summary.log_files);
    assert_eq!(files(FileKind::Digest), summary.digest_files);
    assert_eq!(files(FileKind::Insight), summary.insight_files);
    assert_eq!(files(FileKind::NetworkActivity), summary.network_activity_files);
    assert_eq!(files(FileKind::Aggregated), summary.aggregated_files);
    for (name, count) in [
        ("duplicates", summary.duplicates),
        ("late", summary.late_events),
        ("pairs", summary.cross_account_pairs),
        ("digests", summary.digest_files),
        ("redelivered", summary.redelivered_log_files),
        ("empty", summary.empty_log_files),
    ] {
        assert!(count > 0, "no {name}");
    }
}

#[test]
fn any_size_and_shape_gives_exactly_the_events_asked_for() {
    for (event_count, account_count, regions) in [(0, 1, 1), (1, 1, 1), (10, 1, 1), (500, 3, 2), (3_001, 5, 1)] {
        let regions = ["us-east-1", "eu-west-1"][..regions].iter().map(|name| (*name).to_owned()).collect();
        let config =
            TrailConfig { event_count, account_count, regions, organization_id: None, ..TrailConfig::default() };
        let (oracle, summary) = oracle_of(&config);
        assert_eq!(oracle.events.len() as u64, event_count);
        assert_eq!(summary.distinct_events, event_count);
        assert_eq!(summary.facts.account_ids.len(), account_count);
    }
}

#[test]
fn keys_follow_the_layout_of_trails() {
    let mut kinds = BTreeSet::new();
    for file in generate_files(&config()) {
        kinds.insert(file.kind);
        let parts: Vec<&str> = file.key.split('/').collect();
        let [root, organization, account, kind, region, year, month, day, name] = parts.as_slice() else {
            panic!("{}", file.key)
        };
        assert_eq!((*root, *organization), ("AWSLogs", "o-a1b2c3d4e5"));
        assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()), "{account}");
        assert!(kind.starts_with("CloudTrail") && name.starts_with(&format!("{account}_{kind}_{region}_")), "{name}");
        assert!(name.contains(&format!("_{year}{month}{day}T")) && name.ends_with(".json.gz"), "{name}");
    }
    assert_eq!(kinds.len(), 5);
    let plain = TrailConfig { organization_id: None, ..config() };
    assert!(generate_files(&plain).all(|file| file.key.split('/').count() == 8));
    assert!(
        generate_files(&TrailConfig { side_files: false, ..config() }).all(|file| file.kind == GeneratedKind::LogFile)
    );
}

#[test]
fn the_mix_is_realistic() {
    let (oracle, summary) = oracle_of(&TrailConfig { side_files: false, ..TrailConfig::with_events(20_000, 3) });
    let kms = oracle.kms();
    let share = kms.len() as f64 / oracle.events.len() as f64;
    assert!((0.43..0.50).contains(&share), "KMS share {share}");
    let mean = summary.json_bytes as f64 / summary.api_event_records as f64;
    assert!((1_400.0..1_700.0).contains(&mean), "mean record of {mean} bytes");
    let ratio = summary.json_bytes as f64 / summary.gzip_bytes as f64;
    assert!((4.5..9.0).contains(&ratio), "gzip ratio {ratio}");

    let mut operations: BTreeMap<&str, u64> = BTreeMap::new();
    kms.iter().for_each(|event| *operations.entry(event.event_name.as_str()).or_default() += 1);
    assert!(operations.len() >= 56, "{} operations: {operations:?}", operations.len());
    assert!(operations["Decrypt"] > operations["GenerateDataKey"]);
    let codes: BTreeSet<_> = kms.iter().filter_map(|event| event.error_code.as_deref()).collect();
    for code in [
        "AccessDenied",
        "DisabledException",
        "KMSInvalidStateException",
        "NotFoundException",
        "DryRunOperationException",
        "ThrottlingException",
        "KMSInvalidSignatureException",
    ] {
        assert!(codes.contains(code), "no {code}");
    }
    let types: BTreeSet<_> =
        oracle.events.iter().filter_map(|event| event.value["userIdentity"]["type"].as_str()).collect();
    for kind in [
        "Root",
        "IAMUser",
        "AssumedRole",
        "FederatedUser",
        "WebIdentityUser",
        "SAMLUser",
        "AWSAccount",
        "AWSService",
        "IdentityCenterUser",
    ] {
        assert!(types.contains(kind), "no {kind}");
    }
    assert!(oracle.events.iter().any(|event| event.value["userIdentity"].is_null()));
    assert!(oracle.events.iter().any(|event| event.event_id.starts_with("sha256:")));
}

#[test]
fn decrypt_names_no_key_in_the_request() {
    let (oracle, _) = oracle_of(&config());
    let decrypts: Vec<_> = oracle.events.iter().filter(|event| event.value["eventName"] == "Decrypt").collect();
    let named = decrypts.iter().filter(|event| event.value["requestParameters"]["keyId"].is_string()).count();
    assert!(named > 0 && named * 50 < decrypts.len(), "{named} of {}", decrypts.len());
}

#[test]
fn the_facts_hold() {
    let (oracle, summary) = oracle_of(&TrailConfig::with_events(30_000, 11));
    let facts = summary.facts;
    let usage: BTreeMap<_, _> = oracle.kms_key_usage().into_iter().map(|row| (row.key_arn.clone(), row)).collect();
    let busiest = usage.values().max_by_key(|row| row.use_event_count).unwrap();
    assert_eq!(busiest.key_arn, facts.busiest_key);

    let silent = &usage[&facts.silent_key];
    assert!(silent.use_event_count > 0 && silent.last_used_time.unwrap() < facts.silent_since);
    for key in &facts.never_used_keys {
        let row = &usage[key];
        assert_eq!((row.use_event_count, row.failed_count), (0, 0), "{key}");
    }
    let disabled = &usage[&facts.disabled_key];
    assert!(disabled.use_event_count > 0 && disabled.failed_count > 0);
    assert!(disabled.last_used_time.unwrap() < facts.disabled_time);
    assert!(facts.disabled_time < facts.deletion_scheduled_time);
    let deleted = &usage[&facts.deleted_key];
    assert!(deleted.last_used_time.unwrap() < facts.deleted_time && deleted.failed_count > 0);
    let shared = &usage[&facts.cross_account_key];
    assert!(shared.use_count < shared.use_event_count, "{} {}", shared.use_count, shared.use_event_count);
    let rare = &usage[&facts.rarely_used_key];
    assert!((4..=8).contains(&rare.use_event_count), "{}", rare.use_event_count);
}

#[test]
fn pairs_share_an_id_and_differ_in_account_and_event_id() {
    let (oracle, summary) = oracle_of(&config());
    let mut calls: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for event in &oracle.events {
        if let Some(shared) = event.value["sharedEventID"].as_str() {
            calls.entry(shared).or_default().push(event);
        }
    }
    let pairs: Vec<_> = calls.values().filter(|copies| copies.len() > 1).collect();
    assert_eq!(pairs.len() as u64, summary.cross_account_pairs);
    for pair in pairs {
        let [one, two] = pair.as_slice() else { panic!("{} copies", pair.len()) };
        assert_ne!(one.event_id, two.event_id);
        assert_ne!(one.recipient_account_id, two.recipient_account_id);
        assert_eq!((one.event_time, &one.value["eventName"]), (two.event_time, &two.value["eventName"]));
    }
}

/// The lives are planted: whatever the seed, this must come out of them.
#[test]
fn the_lives_are_told_in_full() {
    for seed in [7, 8, 9] {
        let (oracle, summary) = oracle_of(&TrailConfig { key_lives: true, ..TrailConfig::with_events(6_000, seed) });
        assert_eq!(summary.distinct_events, 6_000);
        let keys = summary.facts.life_keys;
        assert_eq!(keys.len(), 9);
        let lives = oracle.key_lives();
        let states =
            |key: &str| lives[key].iter().filter_map(|event| event.key_state_after.as_deref()).collect::<Vec<_>>();
        assert_eq!(states(&keys[3]), ["PendingImport", "Enabled", "PendingImport", "Enabled", "PendingImport"]);
        assert_eq!(states(&keys[4]), ["Enabled", "PendingDeletion", "Deleted"]);
        assert_eq!(states(&keys[7]), ["PendingDeletion", "Disabled", "Enabled"]);

        // Made, moved two to four times, deleted and made again.
        let aliases = oracle.alias_intervals();
        let moved: Vec<_> = aliases.iter().filter(|alias| alias.alias_arn.ends_with(":alias/life-0")).collect();
        assert!((4..=6).contains(&moved.len()), "{moved:#?}");
        assert!(moved.iter().all(|alias| keys[..2].contains(&alias.key_arn) && alias.source == "event"));
        assert!(moved.windows(2).all(|pair| pair[0].valid_to <= Some(pair[1].valid_from)));
        assert_eq!(moved.last().and_then(|alias| alias.valid_to), None);

        let grants = oracle.grant_lives();
        let mut states: Vec<_> = grants
            .iter()
            .filter(|grant| grant.key_arn.as_ref() == Some(&keys[4]))
            .map(|grant| (grant.grant_state, grant.created.is_some()))
            .collect();
        states.sort_unstable();
        let expected =
            [("key_deleted", true), ("retired", false), ("retired", true), ("revoked", false), ("revoked", true)];
        assert_eq!(states, expected);
    }
}

#[test]
fn a_trail_without_lives_is_what_it_was() {
    let files = |key_lives| generate_files(&TrailConfig { key_lives, ..TrailConfig::with_events(0, 7) }).count();
    assert_eq!(files(false), files(true));
    assert!(summarize(&config()).facts.life_keys.is_empty());
}
