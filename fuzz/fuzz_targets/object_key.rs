//! Any text as the key of an object: what its parts tell stands in it, and folders before it change nothing.
#![no_main]

use keytrail_events::LogFilePath;

libfuzzer_sys::fuzz_target!(|key: &str| {
    let path = LogFilePath::parse(key);
    for part in [path.organization_id, path.account_id, path.kind, path.aws_region].into_iter().flatten() {
        assert!(key.split('/').any(|folder| folder == part), "{part:?} is a folder of the key");
    }
    assert!(path.account_id.is_none_or(|account| account.len() == 12), "an account has 12 digits");
    assert!(path.delivery_time.is_none() || path.delivery_date.is_some(), "a moment has a day");
    let below = format!("bucket/{key}");
    assert_eq!(LogFilePath::parse(&below), path);
});
