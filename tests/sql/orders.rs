//! The same records in another order of conversions: every view answers the same.

use std::sync::Arc;

use chrono::DateTime;
use keytrail_convert::{ConvertOptions, NoProgress, Source, StopSignal, convert, lake_spec};
use keytrail_lake::{Lake, Storage};
use keytrail_query::{Session, SessionOptions, view_catalogue};

use crate::cells::rows;
use crate::oracle;
use crate::verdicts::{KEY, on_key, record};

/// Where a row came from, which differs with what was read first.
const LINEAGE: [&str; 3] = ["log_file_path", "record_index", "delivery_time"];

/// A lake of these files, each converted by a run of its own.
async fn session_over(files: &[(&str, &str)]) -> Session {
    let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
    for (name, text) in files {
        let content = text.as_bytes().to_vec().into();
        let sources = vec![Source::Bytes { name: (*name).to_owned(), content }];
        let options = ConvertOptions::new(sources, (*name).to_owned(), DateTime::UNIX_EPOCH);
        let summary = convert(&lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await.unwrap();
        assert_eq!(summary.rejected, 0, "{name}");
    }
    Session::over_lake(&lake, &SessionOptions::default()).await.unwrap()
}

async fn answers(session: &Session) -> Vec<(String, Vec<Vec<Option<String>>>)> {
    let mut answers = Vec::new();
    for view in view_catalogue().iter().filter(|view| oracle::is_from_logs(&view.name)) {
        let columns = session.describe(&view.name).await.unwrap().columns.into_iter().map(|column| column.name);
        let columns: Vec<_> = columns.filter(|name| !LINEAGE.contains(&name.as_str())).collect();
        let sql = format!("select {} from {}", columns.join(", "), view.name);
        let mut found = rows(session, &sql).await;
        found.sort();
        answers.push((view.name.clone(), found));
    }
    answers
}

#[tokio::test]
async fn a_summary_of_an_event_that_is_held_in_full_adds_nothing() {
    let calls = [
        record(
            "kms",
            "Decrypt",
            "2025-03-15T09:00:00Z",
            &on_key(r#""requestParameters":{"encryptionContext":{"a":"b"}}"#),
        ),
        record("kms", "Decrypt", "2025-03-15T10:00:00Z", &on_key(r#""errorCode":"AccessDenied","errorMessage":"KEY""#)),
        record(
            "kms",
            "Encrypt",
            "2025-03-15T11:00:00Z",
            &on_key(r#""errorCode":"DisabledException","errorMessage":"KEY is disabled.""#),
        ),
        record("kms", "DisableKey", "2025-03-15T11:30:00Z", &on_key(r#""requestParameters":{"keyId":"KEY"}"#)),
        record(
            "ec2",
            "CreateVolume",
            "2025-03-15T12:00:00Z",
            &format!(r#""requestParameters":{{"kmsKeyId":"{KEY}"}}"#),
        ),
    ];
    let mut history = "Event ID,Event time,Event name,Event source,AWS region,User name,Error code\n".to_owned();
    let mut rows_of_query = "eventID,eventTime,eventName,eventSource,awsRegion,recipientAccountId\n".to_owned();
    for call in &calls {
        let value: serde_json::Value = serde_json::from_str(call).unwrap();
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let common = ["eventID", "eventTime", "eventName", "eventSource", "awsRegion"].map(text).join(",");
        history += &format!("{common},u,{}\n", text("errorCode"));
        rows_of_query += &format!("{common},111122223333\n");
    }
    let full = calls.join("\n");
    let [full, history, query] = [("full", full.as_str()), ("history", &history), ("query", &rows_of_query)];
    let expected = answers(&session_over(&[full]).await).await;
    for order in [vec![history, full], vec![full, history], vec![history, query, full], vec![query, full, history]] {
        let names: Vec<_> = order.iter().map(|(name, _)| *name).collect();
        for (of_order, of_full) in answers(&session_over(&order).await).await.iter().zip(&expected) {
            assert_eq!(of_order, of_full, "{names:?}");
        }
    }
}
