//! Small trails for the tests: records by number, log files of them.

/// A KMS event that follows from its number.
pub(crate) fn event(number: u32) -> String {
    format!(
        concat!(
            r#"{{"eventVersion":"1.11","eventTime":"2026-{:02}-{:02}T10:00:00Z","eventSource":"kms.amazonaws.com","#,
            r#""eventName":"Decrypt","awsRegion":"eu-west-1","requestParameters":{{"encryptionContext":{{"n":"{}"}}}},"#,
            r#""eventID":"e-{}","readOnly":true,"resources":[{{"ARN":"arn:aws:kms:eu-west-1:111122223333:key/{:08}-0000-4000-8000-000000000000"}}],"#,
            r#""eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
        ),
        number / 28 % 12 + 1,
        number % 28 + 1,
        number,
        number,
        number % 5
    )
}

/// A log file of records, unpacked.
pub(crate) fn log_file<T: AsRef<str>>(records: impl IntoIterator<Item = T>) -> String {
    let records: Vec<String> = records.into_iter().map(|record| record.as_ref().to_owned()).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

/// The lines of a text, sorted.
pub(crate) fn sorted_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}
