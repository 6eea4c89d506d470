//! The last use of a key counts what AWS's `GetKeyLastUsage` counts: the operations of the one table, and successes only.

use std::collections::BTreeSet;

use keytrail_events::kms::OPERATIONS;

use crate::cells::rows;
use crate::fixture;

/// A record of an operation, on a key of its own.
fn record(index: usize, operation: &str, error: &str) -> String {
    let key = format!("arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-{index:012}");
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","accountId":"111122223333"}},"eventTime":"2024-01-01T00:00:00Z","eventSource":"kms.amazonaws.com","eventName":"{operation}","awsRegion":"us-east-1"{error},"requestParameters":{{"keyId":"{key}","destinationKeyId":"{key}"}},"eventID":"id-{index}","resources":[{{"ARN":"{key}"}},{{"ARN":"{key}"}}],"eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

async fn operations_of(records: &[String]) -> BTreeSet<String> {
    let (_folder, session) = fixture::raw_session(records).await;
    let found = rows(&session, "select operation from kms_key_last_use").await;
    found.into_iter().flatten().flatten().collect()
}

#[tokio::test]
async fn item_57_tracked_are_the_operations_of_the_table() {
    let names = || OPERATIONS.iter().enumerate();
    let succeeded: Vec<_> = names().map(|(index, operation)| record(index, operation.name, "")).collect();
    let tracked: BTreeSet<_> = OPERATIONS
        .iter()
        .filter(|operation| operation.is_usage_tracked)
        .map(|operation| operation.name.to_owned())
        .collect();
    assert_eq!(tracked.len(), 14);
    assert_eq!(operations_of(&succeeded).await, tracked);
    let error = r#","errorCode":"KMSInvalidSignatureException""#;
    let failed: Vec<_> = names().map(|(index, operation)| record(index, operation.name, error)).collect();
    assert_eq!(operations_of(&failed).await, BTreeSet::new());
}
